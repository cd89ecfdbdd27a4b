"""Standard output that cannot be written, in any command: a sentence and an exit code, or silence."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WORDS = [["--version"], ["version"], ["--help"], ["config", "list"], ["config", "--help"]]


def aexl(home, words, stdout):
    program = [sys.executable, "-m", "aexl", *words]
    environment = {**os.environ, "AEXL_HOME": str(home)}
    return subprocess.run(program, stdout=stdout, stderr=subprocess.PIPE, text=True, env=environment, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_an_output_that_is_full_is_a_sentence(tmp_path, words):
    with Path("/dev/full").open("w") as full:
        done = aexl(tmp_path / "home", words, full)
    assert (done.returncode, done.stderr) == (
        1,
        "aexl: standard output could not be written: No space left on device\n",
    )


@pytest.mark.slow
@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_a_reader_that_has_gone_is_met_with_silence(tmp_path, words):
    reading, writing = os.pipe()
    os.close(reading)
    done = aexl(tmp_path / "home", words, writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.slow
def test_an_output_that_was_closed_is_no_reason_to_fail(tmp_path):
    command = f'exec "{sys.executable}" -m aexl version >&-'
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, env={"AEXL_HOME": str(tmp_path)}, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
