"""The runtimes of a configuration: which there are, what they have, and what is started for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from aexl.api import BUILTIN, RuntimeOffer
from aexl.errors import NotFound, Unavailable
from aexl.sdk import SDK_VERSION
from aexl_runtime.offering import SHIM
from aexl_runtime.runtimes.carried import START, carry
from aexl_runtime.runtimes.inquiry import Answered, inquire
from aexl_runtime.runtimes.tables import Source

State = Literal["ready", "not made", "gone", "broken"]


class Interpreter(NamedTuple):
    """What a worker of a named runtime is started with.

    Attributes:
        words: They start a worker.
        readable: What it must see beside its project.
        stamp: Changes when the interpreter, or what is installed in it, does.
    """

    name: str
    words: tuple[str, ...]
    readable: tuple[str, ...]
    stamp: tuple[int, ...]


class Standing(NamedTuple):
    """A runtime, as a person sees it. ``detail`` says what is wrong with it, and what to do."""

    name: str
    python: Path
    state: State
    version: str = ""
    packages: Mapping[str, str] = {}
    detail: str = ""


class Interpreters:
    """Finds interpreters by name; everything here blocks, and may be called from several threads."""

    def __init__(self, home: Path, sources: Mapping[str, Source]) -> None:
        self._home = home
        self._sources = dict(sources)
        self._found: dict[str, tuple[Interpreter, Answered]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """All that are configured."""
        return tuple(sorted(self._sources))

    def find(self, name: str) -> Interpreter:
        """Return what a worker of a runtime is started with; asks it again where it has changed.

        Raises:
            NotFound: If there is no such runtime.
            Unavailable: If it has gone, was not made yet, or does not work.
        """
        return self._look(name)[0]

    def offers(self, compat: bool) -> list[RuntimeOffer]:
        """Return what each offers, what cannot be used with why.

        Args:
            compat: ``aiel_compat`` is on for all projects.
        """
        return [_offer(self.standing(name), compat) for name in self.names]

    def standing(self, name: str) -> Standing:
        """Return what there is to say of a runtime, whatever its state."""
        source = self._sources[name]
        absent = _absence(source)
        if absent is not None:
            return Standing(name, source.python, absent[0], detail=absent[1])
        try:
            answered = self._look(name)[1]
        except Unavailable as error:
            return Standing(name, source.python, "broken", detail=str(error))
        return Standing(name, source.python, "ready", answered.version, answered.packages)

    def _look(self, name: str) -> tuple[Interpreter, Answered]:
        source = self._sources.get(name)
        if source is None:
            known = ", ".join((BUILTIN, *self.names))
            raise NotFound(f"there is no runtime {name[:100]!r} on this server; there are: {known}")
        absent = _absence(source)
        if absent is not None:
            raise Unavailable(absent[1])
        kept = self._found.get(name)
        if kept is not None and kept[0].stamp == _stamp(source.python, kept[1]):
            return kept
        found = self._ask(source)
        self._found[name] = found
        return found

    def _ask(self, source: Source) -> tuple[Interpreter, Answered]:
        try:
            code = carry(self._home)
        except OSError as error:
            raise Unavailable(f"the runtime {source.name!r} cannot be used: {error}") from error
        answered = inquire(source.name, source.python, code)
        shown = [path for path in answered.readable if self._home.resolve().is_relative_to(path)]
        if shown:
            raise Unavailable(
                f"the runtime {source.name!r} cannot be used: handlers would see {shown[0]}, and aexl's home lies in it"
            )
        words = (str(source.python), "-I", "-B", "-c", START, str(code))
        readable = (*answered.readable, str(code))
        return Interpreter(source.name, words, readable, _stamp(source.python, answered)), answered


def _offer(standing: Standing, compat: bool) -> RuntimeOffer:
    shim = {SHIM: SDK_VERSION} if compat else {}
    return RuntimeOffer(
        name=standing.name,
        python=standing.version,
        sdk=SDK_VERSION,
        runtime=SDK_VERSION,
        distributions={**shim, **standing.packages},
        problem=standing.detail,
    )


def _absence(source: Source) -> tuple[State, str] | None:
    """Say why there is no interpreter, if there is none."""
    if source.problem:
        return "broken", f"the runtime {source.name!r} cannot be used: {source.problem}"
    if source.python.exists():
        return None
    if source.made is not None and not source.made.folder.exists():
        return "not made", f"the runtime {source.name!r} was not made yet: 'aexl runtime make {source.name}' does"
    return "gone", f"the runtime {source.name!r} has gone: there is no {source.python}"


def _stamp(python: Path, answered: Answered) -> tuple[int, ...]:
    stamp: list[int] = []
    for path in (python, *map(Path, answered.sites)):
        try:
            found = path.stat()
            stamp += (found.st_ino, found.st_mtime_ns)
        except OSError:
            stamp += (0, 0)
    return tuple(stamp)
