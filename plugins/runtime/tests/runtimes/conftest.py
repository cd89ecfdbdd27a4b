"""Environments with a package that the host has not."""

import base64
import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


def make_wheel(folder: Path, name: str, version: str) -> Path:
    """Write a wheel of one module, which says its version and its interpreter."""
    module = f"import sys\nVERSION = {version!r}\n\n\ndef prefix():\n    return sys.prefix\n"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": module,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text)}")
    files[f"{info}/RECORD"] = "\n".join([*rows, f"{info}/RECORD,,"]) + "\n"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def lay_out(folder: Path, wheel: Path) -> Path:
    """Make a virtual environment without pip, and lay a wheel into it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    [site] = folder.glob("lib/python3*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return folder


@pytest.fixture(scope="session")
def venvs(tmp_path_factory):
    """Two environments with different versions of the same package."""
    folder = tmp_path_factory.mktemp("venvs")
    versions = {"old": "1.0", "new": "2.0"}
    return {name: lay_out(folder / name, make_wheel(folder, "nowhere_else", each)) for name, each in versions.items()}


@pytest.fixture
def make_venv(tmp_path):
    """Return a function that makes an environment with one package."""
    return lambda name, version: lay_out(tmp_path / name, make_wheel(tmp_path, name, version))


@pytest.fixture
def uv(monkeypatch, tmp_path):
    """The real one, kept off any index."""
    if shutil.which("uv") is None:
        pytest.skip("the machine has no uv")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
