"""How a command reaches the host: the running server, or for one operation a host of its own."""

from __future__ import annotations

import json as standard_json
import os
import sys
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import msgspec

from aexl.api import ConfigSection, Control, Host
from aexl.core.home import FILE_NAME, SOCKET_NAME, make_home
from aexl.errors import AexlError, ConfigError, Unavailable

if TYPE_CHECKING:
    from aexl.core.config.loading import LoadedConfig
    from aexl.core.control import ControlClient
    from aexl.core.host import LocalHost
    from aexl.core.surroundings import Surroundings

T = TypeVar("T")
R = TypeVar("R")

PROBE_SECONDS: Final = 5.0
"""How long a server may take to say that it is there."""

PIPED_WIDTH: Final = 10_000
"""Columns of a table that goes into a pipe: a program reads it, so no line is broken."""


class CommandSession:
    """See ``aexl.api.Session``. What only some commands need is imported when they do."""

    def __init__(self, home: Path, *, project: Path | None = None) -> None:
        self.home = home
        self._project = project

    @cached_property
    def surroundings(self) -> Surroundings:
        """The plugins and what they declare; where the file does not say which are on, those of a running server."""
        from aexl.core.config.own import PluginsSection
        from aexl.core.surroundings import Surroundings

        try:
            return Surroundings(self.home, project=self._project)
        except ConfigError as error:
            chosen = self._served([ConfigSection(table="plugins", model=PluginsSection)], error)
            return Surroundings(self.home, project=self._project, chosen=chosen.section(PluginsSection))

    @cached_property
    def config(self) -> LoadedConfig:
        """The configuration as the files have it."""
        return self.surroundings.load()

    @property
    def usable_config(self) -> LoadedConfig:
        """The configuration as the files have it, or, where they cannot be used, as the running server has it."""
        try:
            return self.config
        except ConfigError as error:
            return self._served(self.surroundings.sections, error)

    def section(self, table: str, model: type[T]) -> T:
        """Return one table, without asking the plugins for theirs."""
        from aexl.core.config.loading import read_table

        try:
            return read_table(table, model, home=self.home, flags={}, environ=os.environ)
        except ConfigError as error:
            return self._served([ConfigSection(table=table, model=model)], error).section(model)

    def _served(self, sections: Sequence[ConfigSection], error: ConfigError) -> LoadedConfig:
        """Return the configuration as the running server has it; raise ``error`` where none runs."""
        from aexl.core.config.loading import load_values

        if self._served_values is None:
            raise error
        return load_values(sections, self._served_values)

    @cached_property
    def _served_values(self) -> Mapping[str, object] | None:
        try:
            values: Mapping[str, object] = _client(self.home).call(Control, "configuration", timeout=PROBE_SECONDS)
        except AexlError:  # none runs, or one of a version that cannot say
            return None
        sys.stderr.write(
            f"aexl: {FILE_NAME} cannot be used ('aexl doctor' says why); the running server's counts here\n"
        )
        return values

    def run(self, work: Callable[[Host], Awaitable[T]], *, without: Collection[str] = ()) -> T:
        """Run ``work`` with a host."""
        import trio

        from aexl.core.host import LocalHost
        from aexl.core.remote import RemoteHost

        status = self.running()

        async def main() -> T:
            if status is not None:
                return await work(RemoteHost(self, status))
            make_home(self.home)
            host = LocalHost(self._surroundings_without(without) if without else self.surroundings)
            host.play(Control, Standstill(host))
            async with host.running():
                return await work(host)

        try:
            return trio.run(main)
        except BaseExceptionGroup as group:
            raise only_error(group) from None
        finally:
            if status is None:
                vars(self).pop("surroundings", None)  # plugins answer one host, once; the next gets its own

    def _surroundings_without(self, plugins: Collection[str]) -> Surroundings:
        from aexl.core.config.own import PluginsSection
        from aexl.core.surroundings import Surroundings

        off = [*self.section("plugins", PluginsSection).off, *plugins]
        return Surroundings(self.home, project=self._project, flags={"plugins": {"off": off}})

    def ask(self, role: type[T], work: Callable[[T], Awaitable[R]]) -> R:
        """Run ``work`` with who plays a role: beside a running server without a loop, which takes a while to import."""
        status = self.running()
        roles = None if status is None else status.get("roles")
        if isinstance(roles, list) and role.__name__ in roles:
            return _run_without_loop(work(_client(self.home).service(role)))

        async def with_host(host: Host) -> R:
            player = host.service(role)
            if player is None:
                raise Unavailable(f"no plugin plays {role.__name__} here; see 'aexl doctor'")
            return await work(player)

        return self.run(with_host)

    def running(self) -> Mapping[str, object] | None:
        """Return what the running server says of itself, or ``None``."""
        if not (self.home / SOCKET_NAME).exists():
            return None  # a client takes a while to import
        try:
            status: Mapping[str, object] = _client(self.home).call(Control, "status", timeout=PROBE_SECONDS)
        except Unavailable:
            return None
        return status

    def ensure_server(self) -> str:
        """Return the base URL of a running server, starting a daemon where none runs."""
        from aexl.core.daemon import start_daemon

        status = self.running() or start_daemon(self.home, self.running)
        return str(status["url"])

    def edit_config(self, change: Callable[[MutableMapping[str, Any]], None]) -> bool:
        """Change the home's ``aexl.toml``, and have a running server read it."""
        from aexl.core.config.editing import edit_file

        make_home(self.home)
        follow = None if self.running() is None else partial(_client(self.home).call, Control, "reload")
        followed = edit_file(self.home / FILE_NAME, change, check=self.surroundings.load_text, follow=follow)
        vars(self).pop("config", None)  # the files have another one now
        return followed

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table for people."""
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, header_style="bold", pad_edge=False)
        for column in columns:
            justify: Literal["left", "right"] = "right" if column.startswith(">") else "left"
            table.add_column(column.removeprefix(">"), justify=justify, overflow="fold")
        for row in rows:
            table.add_row(*map(Text, row))  # as it is: brackets in a name are no markup
        Console(width=None if sys.stdout.isatty() else PIPED_WIDTH).print(table)

    def json(self, value: object) -> None:
        """Print one value as indented JSON."""
        plain = msgspec.to_builtins(value, enc_hook=str)
        sys.stdout.write(standard_json.dumps(plain, indent=2, ensure_ascii=False) + "\n")


class Standstill:
    """The role ``Control`` where no server runs."""

    def __init__(self, host: LocalHost) -> None:
        self._host = host

    async def reload(self) -> str:
        """Nothing runs that could reload.

        Raises:
            Unavailable: Always.
        """
        raise Unavailable("no server runs; the next one reads the configuration as it is then")

    async def configuration(self) -> Mapping[str, object]:
        """Return what this command has read."""
        return self._host.current.values

    async def status(self) -> Mapping[str, object]:
        """Say so."""
        return {"running": False}

    async def metrics(self) -> str:
        """Nothing runs that could be measured.

        Raises:
            Unavailable: Always.
        """
        raise Unavailable("no server runs; start one with 'aexl daemon start'")

    async def health(self) -> Mapping[str, str]:
        """Ask the checks of the host that this command has started."""
        from aexl.core.health import ask, describe

        return describe(await ask(self._host.health_checks()))

    async def stop(self) -> None:
        """Nothing runs."""


def _client(home: Path) -> ControlClient:
    from aexl.core.control import ControlClient

    return ControlClient(home)


def _run_without_loop(work: Awaitable[R]) -> R:
    steps = work.__await__()
    try:
        next(steps)
    except StopIteration as end:
        result: R = end.value
        return result
    raise RuntimeError("work for Session.ask may await the role's methods only")


def only_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one error in nested groups, or the group if there are several."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
