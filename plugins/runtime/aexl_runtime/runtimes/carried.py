"""The worker's own code as files, for interpreters that have no aexl: the SDK, the inside, the protocol, and no more.

It is written below the home, named by what it is: another version of aexl has another folder.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Final

import aexl.sdk
import aexl_runtime.inside
import aexl_runtime.protocol
from aexl.api.programs import is_frozen
from aexl_runtime.runtimes.aside import made_aside
from aexl_runtime.runtimes.tables import FOLDER

PACKAGES: Final = ("aexl/sdk", "aexl_runtime/inside", "aexl_runtime/protocol")
"""With ``__init__`` of what they lie in. They import each other and the standard library: a test holds them to it."""

FROZEN: Final = "carried"
"""The folder of the executable in which these are; as in ``dist/freezing/contents.py``."""

START: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); del sys.argv[1:]; from aexl_runtime.inside.main import main; main()"
)
"""Runs the worker with the folder as its one argument."""


def carry(home: Path) -> Path:
    """Return the folder, written if it is not there. Blocks.

    Raises:
        OSError: If it cannot be written.
    """
    files = _files()
    digest = hashlib.sha256()
    for name, data in files.items():
        digest.update(b"%s\0%d\0%s" % (name.encode(), len(data), data))
    folder = home / FOLDER / f"code-{digest.hexdigest()[:24]}"
    if not folder.is_dir():
        _write(files, folder)
    return folder


def _write(files: dict[str, bytes], folder: Path) -> None:
    with made_aside(folder) as aside:
        for name, data in files.items():
            path = aside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(0o644)
        for path in aside.rglob("*/"):
            path.chmod(0o755)


def _files() -> dict[str, bytes]:
    """Return the modules' sources by path, in order."""
    roots = _roots()
    found: dict[str, bytes] = {}
    for package in PACKAGES:
        top = package.partition("/")[0]
        found[f"{top}/__init__.py"] = (roots[package].parent / "__init__.py").read_bytes()
        for path in roots[package].glob("*.py"):
            found[f"{package}/{path.name}"] = path.read_bytes()
    return dict(sorted(found.items()))


def _roots() -> dict[str, Path]:
    if is_frozen():
        unpacked = Path(sys._MEIPASS)  # type: ignore[attr-defined]  # PyInstaller's  # noqa: SLF001
        return {package: unpacked / FROZEN / package for package in PACKAGES}
    modules = (aexl.sdk, aexl_runtime.inside, aexl_runtime.protocol)
    return {package: Path(module.__path__[0]) for package, module in zip(PACKAGES, modules, strict=True)}
