"""The distribution says what is in the folders."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import aexl

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_every_plugin_folder_is_packaged_and_has_an_entry_point():
    folders = {path.parent.name: path.name for path in ROOT.glob("plugins/*/aexl_*")}
    points = PROJECT["project"]["entry-points"]["aexl.plugins"]
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

    assert set(points) == set(folders)
    assert {f"plugins/{name}/{package}" for name, package in folders.items()} == set(packages) - {"aexl"}
    assert all(point.startswith(f"{folders[name]}.plugin:") for name, point in points.items())


def test_every_plugin_has_a_page_that_explains_it():
    for folder in ROOT.glob("plugins/*/aexl_*"):
        assert len((folder.parent / "README.md").read_text().splitlines()) > 10, folder


def test_the_changelog_and_the_pinned_requirements_belong_to_this_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+", aexl.__version__)
    run = (ROOT / "requirements/run.txt").read_text()
    for requirement in PROJECT["project"]["dependencies"]:
        name = re.split(r"[\[<>=]", requirement)[0]
        assert re.search(rf"^{name}==.* \\$", run, re.MULTILINE), f"{name} is not pinned"
    assert "--hash=sha256:" in run
    assert "://" not in run
