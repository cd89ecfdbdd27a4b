"""A session for the tests of commands, and a way to run them as the command line does."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import trio

from aexl.api import Control, Host, Reloadable, Session
from aexl.core.config.editing import edit_file
from aexl.core.home import FILE_NAME
from aexl.errors import AexlError, Unavailable
from aexl.testing.host import FakeConfig, FakeHost

if TYPE_CHECKING:
    import typer

T = TypeVar("T")
R = TypeVar("R")


class FakeSession:
    """Runs a command's work with a ``FakeHost``, in a trio loop of its own each time.

    Args:
        read: Makes a configuration of the text of ``aexl.toml`` in the home, and raises ``ConfigError`` where it
            cannot; without it, the host's own counts, whatever the file says.

    Attributes:
        host: What ``run`` gives to the work. What plays a role there and is ``Reloadable`` is given
            the configuration first, as at a start.
        status: What ``running`` answers; with one, ``edit_config`` asks who plays ``Control`` to reload.
        url: What ``ensure_server`` answers.
    """

    def __init__(
        self,
        host: FakeHost,
        *,
        url: str = "http://127.0.0.1:9000",
        read: Callable[[str], FakeConfig] | None = None,
    ) -> None:
        self.host = host
        self.url = url
        self.status: Mapping[str, object] | None = None
        self._read = read

    @property
    def home(self) -> Path:
        return self.host.data_dir

    @property
    def config(self) -> FakeConfig:
        path = self.home / FILE_NAME
        return self._checked(path.read_text(encoding="utf-8") if path.exists() else "")

    def _checked(self, text: str) -> FakeConfig:
        return self._read(text) if self._read else self.host.current

    def section(self, table: str, model: type[T]) -> T:  # noqa: ARG002 - the interface's
        return self.config.section(model)

    def run(self, work: Callable[[Host], Awaitable[T]], *, without: Collection[str] = ()) -> T:  # noqa: ARG002 - it has no plugins
        async def main() -> T:
            self.host.current = self.config
            for instance in self.host.services.values():
                if isinstance(instance, Reloadable):
                    (await instance.prepare(self.host.current))()
            return await work(self.host)

        return trio.run(main)

    def ask(self, role: type[T], work: Callable[[T], Awaitable[R]]) -> R:
        async def with_host(host: Host) -> R:
            player = host.service(role)
            if player is None:
                raise Unavailable(f"no plugin plays {role.__name__} here; see 'aexl doctor'")
            return await work(player)

        return self.run(with_host)

    def running(self) -> Mapping[str, object] | None:
        return self.status

    def ensure_server(self) -> str:
        self.status = self.status or {"running": True, "url": self.url}
        return self.url

    def edit_config(self, change: Callable[[MutableMapping[str, Any]], None]) -> bool:
        control = None if self.status is None else self.host.service(Control)
        follow = None if control is None else partial(trio.run, control.reload)
        return edit_file(self.home / FILE_NAME, change, check=self._checked, follow=follow)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        for row in ([column.removeprefix(">") for column in columns], *rows):
            sys.stdout.write("  ".join(row) + "\n")

    def json(self, value: object) -> None:
        sys.stdout.write(msgspec.json.encode(value).decode() + "\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a command left: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return standard output, decoded."""
        return msgspec.json.decode(self.out)


def run_command(app: typer.Typer, session: Session, *arguments: str) -> Finished:
    """Run a command in this process; an error of ours becomes a sentence and its exit code."""
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, list(arguments), obj=session)
    if isinstance(result.exception, AexlError):
        return Finished(code=result.exception.exit_code, out=result.stdout, err=f"{result.stderr}{result.exception}\n")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Finished(code=result.exit_code, out=result.stdout, err=result.stderr)


def _conforms(session: FakeSession) -> Session:
    return session
