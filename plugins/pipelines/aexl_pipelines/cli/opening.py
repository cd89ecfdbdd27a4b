"""From the command line to a loaded pipeline."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from functools import cached_property
from pathlib import Path
from typing import TypeVar, cast

from aexl.api import Host, Session
from aexl.errors import NotFound
from aexl_pipelines.cli.fetching import Fetcher
from aexl_pipelines.disk import DiskFiles
from aexl_pipelines.language.discovery import choose, find_project
from aexl_pipelines.language.loading import Loaded, StepTypes, load_file
from aexl_pipelines.language.reader import Recorder, Runners
from aexl_pipelines.language.skills import SkillFinder, skill_folders

V = TypeVar("V")


def find(session: Session, given: str | None) -> Path:
    """Return the file that ``--pipeline`` means.

    Raises:
        NotFound: If there is none.
    """
    path = choose(given, Path.cwd(), session.home)
    if path is None:
        raise NotFound("there is no pipeline here: begin one with 'aexl pipeline init', or name one with --pipeline")
    return path


def load(session: Session, path: Path) -> Loaded:
    """Return what a file says, or all that is wrong with it. Not to be called within ``Session.run``."""
    return Loader(session, step_types_of(session), runners_of(session))(path)


class Later(Mapping[str, V]):
    """A mapping that is fetched when something is looked for in it: most files need no plugin but ours."""

    def __init__(self, fetch: Callable[[], Mapping[str, V]]) -> None:
        self._fetch = fetch

    @cached_property
    def _found(self) -> Mapping[str, V]:
        return self._fetch()

    def __getitem__(self, name: str) -> V:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def step_types_of(session: Session) -> StepTypes:
    """Return what checks the arguments of ``use:``; the plugins are asked when a file uses one."""

    async def ask(host: Host) -> StepTypes:
        return {name: kind.parse for name, kind in host.step_types().items()}

    return Later(lambda: session.run(ask))


def runners_of(session: Session) -> Runners:
    """Return the runners that there are; other plugins, and the configuration, are asked when ours do not do."""
    from aexl_pipelines.execution.tables import RunnerTable
    from aexl_pipelines.runners.table import runners

    async def ask(host: Host) -> Mapping[str, object]:
        return {**host.runners(), **host.current.mapping(RunnerTable)}

    own: dict[str, object] = {runner.name: runner for runner in runners()}
    others = cast("MutableMapping[str, object]", Later(lambda: session.run(ask)))  # nobody writes
    return ChainMap(own, others)


class Loader:
    """Loads pipelines for a command; ``execution.ports.Load``.

    Args:
        step_types: What checks the arguments of ``use:``; without it they are checked when a run begins.
        runners: What ``runner:`` may name; likewise.
    """

    def __init__(self, session: Session, step_types: StepTypes | None = None, runners: Runners | None = None) -> None:
        fetcher = Fetcher(session)
        self.files = DiskFiles(Path.cwd(), Path.home(), fetcher.fetch, fetcher.snapshot)
        self.step_types = step_types
        self.runners = runners
        self._session = session

    def finder(self, folder: Path) -> SkillFinder:
        """Return what finds the skills that a file in a folder may name."""
        return SkillFinder((self._session.home / "skills", *skill_folders(find_project(folder), Path.home())))

    def __call__(self, path: Path, known: Mapping[str, str] | None = None) -> Loaded:
        """Return what a file says; texts that are known are not read anew."""
        files = self.files if known is None else Recorder(self.files, known)
        return load_file(path, files, self.finder(path.parent), self.step_types, self.runners)
