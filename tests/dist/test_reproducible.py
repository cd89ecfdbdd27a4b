"""Two builds in two folders are the same to the byte."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("aexl", "dist", "plugins", "requirements", "LICENSE", "README.md", "pyproject.toml")


def copy(folder):
    folder.mkdir()
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "out", "tests"))
        else:
            shutil.copy(source, folder / name)


def build(folder, environ):
    subprocess.run([sys.executable, str(folder / "dist" / "build.py")], check=True, env=os.environ | environ)
    return (folder / "dist" / "out" / "SHA256SUMS").read_text()


@pytest.mark.dist
@pytest.mark.long
def test_two_builds_from_two_folders_are_byte_identical(tmp_path):
    one, other = tmp_path / "a", tmp_path / "another-place-with-a-longer-name"
    copy(one)
    shutil.copytree(one, other)

    first = build(one, {"PYTHONHASHSEED": "1", "TZ": "UTC"})
    second = build(other, {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "LANG": "C"})

    assert first == second
    assert len(first.splitlines()) == 3
