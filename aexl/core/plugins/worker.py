"""The process in which a plugin is tried: compiles a folder, or loads plugins and asks their hooks.

Run as a program it reads an order from a file and writes its answer beside it. What the
plugin prints, breaks or ends stays in this process. ``trial`` is the other side.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import py_compile
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

ANSWER_NAME: Final = "answer.json"


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin to load: its name and ``module:attribute``."""

    name: str
    value: str


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to do.

    Attributes:
        folder: The plugin's folder; empty where it lies in the environment.
        final: Compile the folder, with this as its name in tracebacks, instead of loading anything.
        points: What to load beside the built-in plugins.
        home: An empty ``AEXL_HOME``.
        prefer: ``[plugins] prefer``.
    """

    folder: str = ""
    final: str = ""
    origin: str = ""
    version: str = ""
    points: tuple[Point, ...] = ()
    requires: tuple[str, ...] = ()
    home: str = ""
    prefer: Mapping[str, object] = {}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one plugin: the hooks it implements, and why it would be off."""

    hooks: tuple[str, ...] = ()
    reason: str | None = None


Verdicts = dict[str, Verdict]


def compile_folder(folder: Path, final: str) -> None:
    """Compile every module, so that no start has to write byte code.

    The byte code stands without its source's time: both are in the lock. A file that
    does not compile is left to the import that needs it.
    """
    for source in sorted(folder.rglob("*.py")):
        try:
            py_compile.compile(
                str(source),
                cfile=importlib.util.cache_from_source(str(source), optimization=""),
                dfile=f"{final}/{source.relative_to(folder)}",
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except (py_compile.PyCompileError, RecursionError, ValueError, MemoryError):
            continue


def load(order: Order) -> Verdicts:
    """Load the plugins with the built-in ones, in an empty home, and ask every hook."""
    from aexl.core.host import LocalHost
    from aexl.core.plugins import Source, installed_sources
    from aexl.core.plugins.sources import make_importable
    from aexl.core.surroundings import Surroundings
    from aexl.hookspecs import ENTRY_POINT_GROUP

    if order.folder:
        make_importable(Path(order.folder))
    names = {point.name for point in order.points}
    sources = [source for source in installed_sources() if source.origin == "aexl" and source.name not in names]
    for point in order.points:
        entry = importlib.metadata.EntryPoint(point.name, point.value, ENTRY_POINT_GROUP)
        sources.append(Source(point.name, order.origin, order.version, entry, order.requires))
    flags = {"plugins": {"prefer": dict(order.prefer)}}
    surroundings = Surroundings(Path(order.home), environ={}, sources=sources, flags=flags)
    hooks = {name: record.hooks for name, record in surroundings.plugins.records.items()}
    LocalHost(surroundings)
    records = surroundings.plugins.records
    return {name: Verdict(hooks=hooks[name], reason=records[name].reason) for name in sorted(names)}


def main(path: Path) -> None:
    """Follow the order in a file, and write the answer beside it."""
    sys.dont_write_bytecode = True  # the folder is about to be locked as it is
    order = msgspec.json.decode(path.read_bytes(), type=Order)
    verdicts: Verdicts = {}
    if order.final:
        compile_folder(Path(order.folder), order.final)
    else:
        verdicts = load(order)
    answer = path.with_name(ANSWER_NAME)
    temporary = answer.with_suffix(".part")
    temporary.write_bytes(msgspec.json.encode(verdicts))
    temporary.replace(answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
