"""The runner's standard streams, closed or broken by whoever starts it."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def run(project, redirections, *flags):
    """Run the runner under a shell, which can close what ``subprocess`` cannot."""
    words = [sys.executable, "-m", "aexl_runtime.runner", "--files-root", str(project.root), *flags]
    environ = {"PATH": os.environ["PATH"], "HOME": str(project.root)}
    shell = ["sh", "-c", f'exec "$@" {redirections}', "sh", *words]
    return subprocess.run(shell, env=environ, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def described(project):
    return project.write(entry_point="")


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_a_stream_that_is_closed_does_not_keep_flags_from_being_answered(described, closed):
    done = run(described, closed, "--action", "describe")
    assert (done.returncode, json.loads(done.stdout)["ok"], done.stderr) == (0, True, "")


def test_a_closed_input_is_an_empty_one(described):
    done = run(described, "<&-")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["message"].startswith("Empty input.")


def test_what_is_printed_does_not_end_up_where_a_stream_was_closed(project):
    project.write(entry_point='import os\nprint("said")\nos.write(1, b"written")\n')
    done = run(project, "<&- 2>&-", "--action", "describe")
    assert len(done.stdout.splitlines()) == 1
    assert {"said", "written"} <= {record["fields"].get("text") for record in json.loads(done.stdout)["meta"]["logs"]}


def test_an_answer_that_cannot_be_written_ends_with_1_and_a_sentence(described):
    done = run(described, ">/dev/full", "--action", "describe")
    assert done.returncode == 1
    assert done.stderr == "runner: error: the answer could not be written: No space left on device\n"
