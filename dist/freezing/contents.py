"""What is frozen: the standard library, aexl with its extras, everything they need, and all their metadata.

Nothing is imported to find out: modules are read off the files, so that the
answer is the same on every machine.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable, Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import Distribution, distribution
from pathlib import Path, PurePath
from typing import Final

from packaging.requirements import Requirement

WHOLE: Final = "aexl[objects,plugins,postgres]"
"""aexl with every extra that is in the executable."""

NOT_FROZEN: Final = frozenset(
    {
        # Screens: they need Tcl/Tk.
        "_tkinter", "idlelib", "tkinter", "turtle", "turtledemo",
        # Tests.
        "_ctypes_test", "_testbuffer", "_testcapi", "_testclinic", "_testimportmultiple", "_testinternalcapi",
        "_testmultiphase", "_xxsubinterpreters", "_xxtestfuzz", "test", "xxlimited", "xxlimited_35", "xxsubtype",
        # For installing with pip, which the executable has not; the hooks for distutils would add setuptools.
        "distutils", "ensurepip", "pip", "pkg_resources", "setuptools",
    }
)  # fmt: skip

UNUSED: Final = ("apsw/sqlite_extra_binaries/", "installer/_scripts/")
"""Files of packages that are left out: programs and loadable extensions of SQLite, and Windows programs; 3 MB."""

LEXERS: Final = frozenset(
    {"_mapping", "bash", "configs", "data", "diff", "html", "javascript", "python", "shell", "special"}
)
"""What is frozen of the 250 modules of ``pygments.lexers``: the rest is 1.4 MB for languages that aexl never shows."""

CARRIED: Final = ("aexl/sdk", "aexl_runtime/inside", "aexl_runtime/protocol")
"""Packages whose sources are in the executable too, for Pythons that are not in it; as in ``runtimes/carried.py``."""

CARRIED_FOLDER: Final = "carried"

_TESTS: Final = frozenset({"test", "tests", "_tests"})
_TRACES: Final = frozenset({"direct_url.json", "INSTALLER", "RECORD", "REQUESTED", "uv_cache.json", "uv_build.json"})
"""Metadata that tells how and where a distribution was installed, not what it is."""


def distributions() -> list[Distribution]:
    """Return aexl and every distribution it needs at run time, sorted by name."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(WHOLE)]
    seen: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        one = distribution(requirement.name)
        found[one.name.lower()] = one
        for text in one.requires or ():
            needed = Requirement(text)
            extras = {"", *requirement.extras}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    return [found[name] for name in sorted(found)]


def modules() -> list[str]:
    """Return the name of every module to freeze."""
    names = set(_standard())
    for one in distributions():
        names.update(_modules(_paths(one)))
    return sorted(names - set(left_out()))


def left_out() -> list[str]:
    """Return the modules that must not be frozen, whatever asks for them."""
    lexers = (path for one in distributions() if one.name.lower() == "pygments" for path in _paths(one))
    names = {".".join(name) for path in lexers if (name := _name(path)) and name[:2] == ("pygments", "lexers")}
    kept = {"pygments.lexers", *(f"pygments.lexers.{name}" for name in LEXERS)}
    return sorted(NOT_FROZEN | (names - kept))


def metadata() -> list[tuple[str, str]]:
    """Return the files of every distribution's metadata, as pairs of a file and the folder it goes to."""
    pairs: list[tuple[str, str]] = []
    for one in distributions():
        for path in one.files or ():
            if path.parts[0].endswith(".dist-info") and path.name not in _TRACES:
                pairs.append((str(one.locate_file(path)), str(path.parent)))
    return sorted(pairs)


def data() -> list[tuple[str, str]]:
    """Return the files that lie in packages and are not modules: type information, tables, licences of fonts."""
    pairs = []
    for one in distributions():
        for path in _paths(one):
            if path.parts[0].endswith((".dist-info", ".libs")) or len(path.parts) < 2:
                continue
            if path.suffix in {".py", ".pyc", ".pyi", ".pyx", ".pxd", ".h", ".c", ".so"} or _TESTS & set(path.parts):
                continue
            pairs.append((str(one.locate_file(path)), str(path.parent)))
    return sorted(pairs)


def carried() -> list[tuple[str, str]]:
    """Return the sources of what a worker of another Python imports, as pairs of a file and the folder it goes to."""
    inits = {f"{package.partition('/')[0]}/__init__.py" for package in CARRIED}
    pairs = []
    for path in _paths(distribution("aexl")):
        if str(path) in inits or (str(path.parent) in CARRIED and path.suffix == ".py"):
            pairs.append((str(distribution("aexl").locate_file(path)), f"{CARRIED_FOLDER}/{path.parent}"))
    return sorted(pairs)


def _paths(one: Distribution) -> list[PurePath]:
    return [PurePath(path) for path in one.files or () if ".." not in path.parts]


def _standard() -> Iterator[str]:
    folders = [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_config_var("DESTSHARED"))]
    for folder in folders:
        paths = (path.relative_to(folder) for path in folder.rglob("*") if "site-packages" not in path.parts)
        for name in _modules(paths):
            if name.partition(".")[0] in sys.stdlib_module_names:
                yield name
    yield from sys.builtin_module_names


def _modules(paths: Iterable[PurePath]) -> Iterator[str]:
    for path in paths:
        name = _name(path)
        if name is None or not all(part.isidentifier() for part in name):
            continue
        if name[0] not in NOT_FROZEN and not _TESTS & set(name) and name[-1] != "__main__":
            yield ".".join(name)


def _name(path: PurePath) -> tuple[str, ...] | None:
    for suffix in (*EXTENSION_SUFFIXES, ".py"):
        if path.name.endswith(suffix):
            parts = (*path.parts[:-1], path.name.removesuffix(suffix))
            return parts[:-1] if parts[-1] == "__init__" else parts
    return None
