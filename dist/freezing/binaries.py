"""The compiled files: made small, made neutral, and asked what they need of the system."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Final

from freezing.neutral import neutral

Entry = tuple[str, str, str]
"""As PyInstaller has them: a name in the executable, a file, and its kind."""

_GLIBC: Final = re.compile(rb"\bGLIBC_(\d+)\.(\d+)")


def prepare(entries: Iterable[Entry], folder: Path, paths: list[str]) -> list[Entry]:
    """Return entries for copies of the files that are stripped and do not name this machine.

    Libraries in ``*.libs`` folders are left as they are: auditwheel has rewritten
    them, and stripping breaks them.
    """
    prepared = []
    for name, source, kind in sorted(entries):
        if kind not in {"BINARY", "EXTENSION"}:
            prepared.append((name, source, kind))
            continue
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        if not any(part.endswith(".libs") for part in PurePath(name).parts) and not _is_patched(source):
            subprocess.run(["strip", "--strip-unneeded", str(copy)], check=True)
        copy.write_bytes(neutral(copy.read_bytes(), paths))
        copy.chmod(0o755)
        prepared.append((name, str(copy), kind))
    return prepared


def glibc_floor(files: Iterable[Path]) -> tuple[int, int]:
    """Return the oldest glibc with which all files load, as major and minor; ``(0, 0)`` where none needs one."""
    versions = [(0, 0)]
    for path in files:
        needs = subprocess.run(["objdump", "-p", str(path)], check=True, capture_output=True).stdout
        versions += [
            (int(major), int(minor)) for major, minor in _GLIBC.findall(needs.partition(b"Version References:")[2])
        ]
    return max(versions)


def is_compiled(path: Path) -> bool:
    """Return whether a file is an ELF file."""
    if not path.is_file() or path.is_symlink():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _is_patched(source: str) -> bool:
    """Return whether a module's run-time path was rewritten to point into a ``*.libs`` folder."""
    shown = subprocess.run(["objdump", "-p", source], check=False, capture_output=True, text=True).stdout
    return ".libs" in shown
