"""What the tests of the language share: files on disk, and loading of texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aexl_pipelines.disk import DiskFiles
from aexl_pipelines.language.loading import load_file, load_source
from aexl_pipelines.language.skills import SkillFinder, skill_folders
from aexl_pipelines.language.source import Fields, Items, Scalar, Source

FILES = Path(__file__).parent / "files"


@pytest.fixture
def files_folder():
    """The fixture files: every example of the language, in early and in today's spellings."""
    return FILES


@pytest.fixture
def disk(tmp_path):
    return DiskFiles(tmp_path, tmp_path / "home")


@pytest.fixture
def finder():
    return SkillFinder(skill_folders(FILES, FILES / "nobody"))


@pytest.fixture
def load(tmp_path, disk, finder):
    """Load a text as if it stood in ``tmp_path``, under a name of its own."""

    def load_text(text, name="p.yaml", dialect="aexl", folder=tmp_path, **options):
        return load_source(Source(name, text, folder, folder / name, dialect), disk, finder, **options)

    return load_text


@pytest.fixture
def problems(load):
    """Return what is wrong with a text, as ``line:column message; suggestion``."""

    def of(text, **options):
        found = load(text, **options).problems
        return [str(problem).removeprefix("p.yaml:") for problem in found]

    return of


@pytest.fixture
def load_path(disk, finder):
    def load_it(path, **options):
        return load_file(Path(path), disk, finder, **options)

    return load_it


@pytest.fixture
def as_tree():
    """Make a tree of JSON values, as if they had been read."""
    return _as_tree


_MADE = Source("made", "")


def _as_tree(value):
    if isinstance(value, dict):
        keys = {key: Scalar(_MADE, 1, 1, key, key, '"') for key in value}
        return Fields(_MADE, 1, 1, keys, {key: _as_tree(each) for key, each in value.items()})
    if isinstance(value, list):
        return Items(_MADE, 1, 1, tuple(_as_tree(each) for each in value))
    if isinstance(value, str):
        return Scalar(_MADE, 1, 1, value, value, '"')
    return Scalar(_MADE, 1, 1, value, json.dumps(value), "")
