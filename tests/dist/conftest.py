"""What ``make dist`` has made."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

OUT = Path(__file__).parents[2] / "dist" / "out"


@pytest.fixture(scope="session")
def out() -> Path:
    if not (OUT / "SHA256SUMS").exists():
        pytest.skip("there is no executable: make dist")
    return OUT


@pytest.fixture(scope="session")
def onefile(out: Path) -> Path:
    return out / "aexl"


@pytest.fixture(scope="session")
def onedir(out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onedir")
    with tarfile.open(out / "aexl-onedir.tar.gz") as archive:
        archive.extractall(folder, filter="tar")
    return folder / "aexl-onedir" / "aexl"
