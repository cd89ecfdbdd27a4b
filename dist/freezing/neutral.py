"""Taking out what names the machine on which was built."""

from __future__ import annotations

import pprint
import sys
import sysconfig
import zipfile
import zlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

_COMMON: Final = ("/usr", "/usr/local")
"""Where Python is installed on so many machines that it names none."""


def machine_paths(*folders: Path) -> list[str]:
    """Return what must not stand in an executable: ``folders``, and where this Python was built and installed."""
    variables = sysconfig.get_config_vars()
    python = [sys.base_prefix, sys.prefix, variables.get("abs_srcdir"), variables.get("abs_builddir")]
    paths = {str(path) for path in (*folders, *python) if path}
    return sorted(
        (path for path in paths if path not in _COMMON and len(path) > 2), key=lambda path: (-len(path), path)
    )


def neutral(data: bytes, paths: list[str]) -> bytes:
    """Return ``data`` with every path's folder replaced by one of the same length that names nothing.

    A path may have as many slashes as it likes, so nothing in a compiled file moves.
    The last name stays: linkers let one string be the end of another, and the end
    of ``…/versions/3.11.7`` may be Python's version.
    """
    for path in paths:
        folder, slash, name = path.encode().rpartition(b"/")
        plain = (b"/usr/local" if len(folder) >= 10 else b"").ljust(len(folder), b"/")
        data = data.replace(folder + slash + name, plain + slash + name)
    return data


def write_build_variables(folder: Path, paths: list[str]) -> None:
    """Write a copy of the module behind ``sysconfig`` that does not say where this Python was built."""
    name = sysconfig._get_sysconfigdata_name()  # type: ignore[attr-defined]  # there is no public way  # noqa: SLF001
    variables = {
        key: _plain(value, paths) if isinstance(value, str) else value
        for key, value in import_module(name).build_time_vars.items()
    }
    (folder / f"{name}.py").write_text(f"build_time_vars = {pprint.pformat(variables)}\n")


def _plain(value: str, paths: list[str]) -> str:
    for path in paths:
        value = value.replace(path, "/usr/local")
    return value


def leaks(folder: Path, paths: list[str]) -> Iterator[str]:
    """Yield a sentence for each file of an unpacked executable that has one of ``paths`` in it."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        for name, data in _parts(path):
            for found in paths:
                if found.encode() in data:
                    yield f"{path.relative_to(folder)}{name} names {found}"


def _parts(path: Path) -> Iterator[tuple[str, bytes]]:
    from PyInstaller.archive.readers import ArchiveReadError, CArchiveReader

    yield "", path.read_bytes()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield f":{name}", archive.read(name)
        return
    try:
        archive = CArchiveReader(str(path))
    except ArchiveReadError:
        return
    for name, entry in archive.toc.items():
        if entry[4] in "zZ":
            modules = archive.open_embedded_archive(name)
            with path.open("rb") as file:
                for module, (_, place, length) in modules.toc.items():
                    file.seek(modules._start_offset + place)  # noqa: SLF001 - its own way gives code, not bytes
                    yield f":{module}", zlib.decompress(file.read(length)) if length else b""
        elif entry[4] != "o":
            yield f":{name}", archive.extract(name)
