"""The planted bugs fit the present sources; ``make mutants`` shows that the tests notice them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATCHES = sorted((ROOT / "tests" / "mutants").glob("*.patch"))


def test_there_are_ten_and_more():
    assert len(PATCHES) >= 10


@pytest.mark.parametrize("patch", PATCHES, ids=lambda path: path.stem)
def test_a_planted_bug_says_what_it_is_and_who_must_notice(patch):
    lines = patch.read_text().splitlines()
    assert lines[0].startswith("# bug: ")
    assert lines[1].startswith("# tests: ")
    for item in lines[1].removeprefix("# tests: ").split():
        path, *names = item.split("::")
        assert (ROOT / path).exists(), item
        assert not names or f"def {names[-1]}(" in source_of(path), item


@pytest.mark.parametrize("patch", PATCHES, ids=lambda path: path.stem)
def test_a_planted_bug_applies_to_the_present_sources(patch):
    command = ["git", "apply", "--check", str(patch)]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, f"{checked.stderr}\nmake the patch anew: its source has changed"


def source_of(path: str) -> str:
    """Return a test file's text, with the conformance suites that its classes inherit."""
    suites = (ROOT / "aexl" / "testing").glob("*.py")
    return (ROOT / path).read_text() + "".join(suite.read_text() for suite in suites)
