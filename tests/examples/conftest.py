"""Strangers' plugins, built once for all tests of this folder, offline."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "plugins"


@pytest.fixture(scope="session")
def build_example(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Build an example's wheel from a copy of its project, without isolation and without an index."""
    made: dict[str, Path] = {}

    def build(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            shutil.copytree(EXAMPLES / name, folder / name, ignore=shutil.ignore_patterns("build", "*.egg-info"))
            command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
            command += ["--no-build-isolation", "--no-index", "-w", str(folder), str(folder / name)]
            subprocess.run(command, check=True)
            [made[name]] = folder.glob("*.whl")
        return made[name]

    return build


@pytest.fixture
def unpack(tmp_path: Path) -> Callable[[Path], Path]:
    """Unpack a wheel into an empty folder, as an installer does."""

    def unpacked(wheel: Path) -> Path:
        folder = tmp_path / "installed"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        return folder

    return unpacked
