"""What ``aexl plugin new`` makes is complete, passes its own tests and is clean to linters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aexl.core.cli.plugin_new import write_project
from aexl.errors import Invalid
from aexl.templates.filling import KINDS, LONGEST_NAME, fill

ROOT = Path(__file__).parents[2]
LONGEST = "q" * (LONGEST_NAME - 2) + "-q"


@pytest.mark.parametrize("name", ["hello", "my-own-2", "q", LONGEST])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_to_fill_in(name, kind):
    files = fill(name, kind, "aexl")
    assert {"Makefile", "README.md", "pyproject.toml", ".gitignore", "local.mk"} <= set(files)
    assert "@" not in "".join([*files, *files.values()]).replace("@hookimpl", "").replace("@property", "").replace(
        "@pytest.fixture", ""
    )


@pytest.mark.parametrize(
    "name", ["", "Hello", "2nd", "a_b", "a--b", "-a", "a-", "a/b", "../a", "a b", "é", "q" * (LONGEST_NAME + 1)]
)
def test_a_bad_name_is_refused_with_a_sentence(name):
    with pytest.raises(Invalid, match="cannot be a plugin's name: lower-case words joined by hyphens"):
        fill(name, "provider", "aexl")


def test_a_name_that_would_stutter_is_refused():
    with pytest.raises(Invalid, match="leave the first 'aexl' out"):
        fill("aexl-hello", "provider", "aexl")


@pytest.fixture(
    params=[
        pytest.param((kind, name), id=f"{kind}-{name}", marks=pytest.mark.long if name == LONGEST and number else ())
        for name in ("hello", LONGEST)
        for number, kind in enumerate(KINDS)
    ]
)
def project(request, tmp_path):
    kind, name = request.param
    folder = tmp_path / name
    write_project(folder, fill(name, kind, f"{sys.executable} -P -m aexl"))
    return folder


def run(*command: str | Path, cwd: Path) -> None:
    ran = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.slow
def test_a_project_is_clean_to_ruff_by_its_own_rules(project):
    run(sys.executable, "-m", "ruff", "format", "--check", "--no-cache", ".", cwd=project)
    run(sys.executable, "-m", "ruff", "check", "--no-cache", ".", cwd=project)


@pytest.mark.slow
def test_a_project_passes_its_own_tests(project):
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "aexl.testing.plugin", "-p", "no:cacheprovider"]
    run(*command, cwd=project)


@pytest.mark.long
def test_a_project_is_clean_to_mypy_strict(project):
    cache = ROOT / ".mypy_cache"
    [package] = project.glob("aexl_*")
    run(sys.executable, "-m", "mypy", "--cache-dir", cache, package.name, "tests", cwd=project)
