"""What the onefile leaves packed until a program imports it: most of its files.

To make a file and remove it again takes longer than to unpack its bytes, and a
short command needs a dozen of four hundred. ``bootloader.py`` has the bootloader
pass over these files, ``aexl/core/frozen/deferred.py`` unpacks them.
"""

from __future__ import annotations

import lzma
import marshal
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Final

from freezing.binaries import Entry
from freezing.contents import CARRIED_FOLDER

PREFIX: Final = "later/"
TABLE: Final = "later.modules"
"""As in ``aexl.core.frozen.deferred``."""

AT_ONCE: Final = frozenset({"_struct", "zlib"})
"""Modules of the standard library that are imported before anything can be unpacked."""

TOGETHER: Final[Mapping[str, tuple[Sequence[str], Sequence[str]]]] = {
    "bz2": (["_bz2"], ["libbz2.so"]),
    "codecs": (["_codecs_cn", "_codecs_hk", "_codecs_iso2022", "_codecs_jp", "_codecs_kr", "_codecs_tw"], []),
    "ctypes": (["_ctypes"], ["libffi.so"]),
    "expat": (["pyexpat", "_elementtree"], []),
    "lzma": (["_lzma"], ["liblzma.so"]),
    "nis": (
        ["nis"],
        [
            "libcom_err.so",
            "libgssapi_krb5.so",
            "libk5crypto.so",
            "libkeyutils.so",
            "libkrb5",
            "libnsl.so",
            "libtirpc.so",
        ],
    ),
    "openssl": (["_hashlib", "_ssl"], ["libcrypto.so", "libssl.so"]),
    "sqlite": (["_sqlite3"], ["libsqlite3.so"]),
    "terminal": (
        ["_curses", "_curses_panel", "readline"],
        ["libncurses", "libpanel", "libreadline.so", "libtinfo.so"],
    ),
    "uuid": (["_uuid"], ["libuuid.so"]),
}
"""Modules of the standard library with the libraries that only they need. Any other module is alone."""

METADATA: Final = "metadata"
"""What ``importlib.metadata`` reads."""

DENSE: Final = frozenset({"obstore", "psycopg_binary"})
"""Large groups that few programs need: LZMA packs them a third smaller, and unpacks them several times slower."""

DENSE_SUFFIX: Final = ".aexl-xz"
"""As in ``aexl.core.frozen.archive``."""

CARRIED: Final = "aexl_runtime.runtimes.carried"
"""The module that reads what lies in ``CARRIED_FOLDER``, which is unpacked when it is imported."""

LICENCES: Final = "licences"
"""A group that no import needs: it is unpacked with everything, for a server."""


def split(entries: Sequence[Entry], modules: Collection[str]) -> list[Entry]:
    """Return the entries of the onefile: what is unpacked at once as it is, the rest under other names.

    Args:
        modules: The names of all modules: a package's files wait for its import.
    """
    return [
        (name if group is None else f"{PREFIX}{group}/{name}", source, kind)
        for name, source, kind in entries
        for group in [None if kind == "SYMLINK" else _group(PurePath(name), modules)]
    ]


def pack_densely(entries: Sequence[Entry], folder: Path) -> list[Entry]:
    """Return the entries with the files of dense groups packed, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    packed: list[Entry] = []
    for name, source, kind in entries:
        if kind == "SYMLINK" or not name.startswith(tuple(f"{PREFIX}{group}/" for group in DENSE)):
            packed.append((name, source, kind))
            continue
        file = folder / name.replace("/", "-")
        file.write_bytes(lzma.compress(Path(source).read_bytes(), preset=9))
        packed.append((name + DENSE_SUFFIX, str(file), "DATA"))
    return packed


def write_table(entries: Sequence[Entry], folder: Path) -> Entry:
    """Write which import needs which group; return the file's entry."""
    groups = {name.removeprefix(PREFIX).partition("/")[0] for name, _, _ in entries if name.startswith(PREFIX)}
    table = {group: group for group in groups - {METADATA, LICENCES, *TOGETHER}}
    table |= {module: group for group, (modules, _) in TOGETHER.items() for module in modules}
    table["importlib.metadata"] = METADATA
    file = folder / TABLE
    file.write_bytes(marshal.dumps(dict(sorted(table.items()))))
    return TABLE, str(file), "DATA"


def _group(path: PurePath, modules: Collection[str]) -> str | None:
    first = path.parts[0].removesuffix(".libs")
    module = path.name.partition(".")[0]
    if first.endswith(".dist-info"):
        return LICENCES if {"licenses", "license_files", "sboms"} & set(path.parts) else METADATA
    if path.parent.name == "lib-dynload" or (len(path.parts) == 1 and module in modules and ".so" in path.name):
        return None if module in AT_ONCE else _together(module) or module
    if len(path.parts) == 1:
        return next((group for group, (_, names) in TOGETHER.items() if path.name.startswith(tuple(names))), None)
    if first == CARRIED_FOLDER:
        return CARRIED
    if first == "aexl":
        return "aexl.templates" if path.parts[1] == "templates" else None
    return first if first in modules else None


def _together(module: str) -> str | None:
    return next((group for group, (modules, _) in TOGETHER.items() if module in modules), None)
