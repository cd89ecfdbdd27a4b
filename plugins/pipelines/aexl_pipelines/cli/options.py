"""The options that the commands which drive runs share, and what they mean."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, get_args

import msgspec
import typer

from aexl.api import parse_usd
from aexl.errors import AexlError, Conflict, Invalid, NotFound, Unavailable
from aexl_pipelines.journal.records import OnGate, RunOptions
from aexl_pipelines.language.kinds import read_duration

_SHARED: Final[Mapping[str, tuple[object, object]]] = {
    "given": (
        list[str],
        typer.Option([], "--input", "-i", metavar="NAME=VALUE", help="A value for an input; repeatable."),
    ),
    "headless": (
        bool,
        typer.Option(
            False,
            "--headless",
            help="Nobody is here: gates are not asked on this terminal, and stay closed without --on-gate.",
        ),
    ),
    "on_gate": (str, typer.Option(None, "--on-gate", metavar="approve|reject|fail", help="Answer every gate so.")),
    "budget": (
        str,
        typer.Option(None, "--budget", metavar="USD", help="The most that the run may cost, as in 0.50."),
    ),
    "timeout": (
        str,
        typer.Option(None, "--timeout", metavar="TIME", help="The longest that it may take: 90, 90s, 5m."),
    ),
    "model": (str, typer.Option(None, "--model", metavar="NAME", help="The model, whatever the steps say.")),
    "runner": (str, typer.Option(None, "--runner", metavar="NAME", help="The runner, whatever the steps say.")),
    "govern": (
        bool,
        typer.Option(
            None,
            "--govern/--no-govern",
            help="Have a server hold the budget, starting one; or do without. By default, if one runs.",
        ),
    ),
    "agent": (
        str,
        typer.Option(None, "--agent", metavar="NAME", help="The agent that pays, where a server governs."),
    ),
    "lines": (bool, typer.Option(False, "--json", help="Print a line of JSON for each thing that happens.")),
    "quiet": (bool, typer.Option(False, "--quiet", "-q", help="Say nothing but the answer.")),
    "plain": (bool, typer.Option(False, "--plain", help="Lines instead of a view that moves, also on a terminal.")),
}
"""What each field of ``Wanted`` is on the command line: its type, and its option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a command was told by the options that it shares with others."""

    given: Sequence[str] = ()
    headless: bool = False
    on_gate: str | None = None
    budget: str | None = None
    timeout: str | None = None
    model: str | None = None
    runner: str | None = None
    govern: bool | None = None
    agent: str | None = None
    lines: bool = False
    quiet: bool = False
    plain: bool = False

    @property
    def inputs(self) -> dict[str, object]:
        """What ``--input`` says, by name.

        Raises:
            Invalid: If one has no ``=`` in it.
        """
        found: dict[str, object] = {}
        for each in self.given:
            name, mark, value = each.partition("=")
            if not mark or not name:
                raise Invalid(f"--input must be NAME=VALUE, not {each!r}")
            found[name.strip()] = value
        return found

    def options(self, **own: object) -> RunOptions:
        """Return the options of a run, with those that only one command has.

        Raises:
            Invalid: If one of them is not what it must be.
        """
        if self.on_gate is not None and self.on_gate not in get_args(OnGate):
            raise Invalid(f"--on-gate must be approve, reject or fail, not {self.on_gate!r}")
        shared = {
            "on_gate": self.on_gate,
            "budget": None if self.budget is None else parse_usd(self.budget, "--budget"),
            "timeout": None if self.timeout is None else _seconds(self.timeout),
            "headless": self.headless,
            "model": self.model,
            "runner": self.runner,
            "govern": bool(self.govern),
        }
        return msgspec.convert(shared | own, RunOptions)


def _seconds(timeout: str) -> float:
    seconds = float(timeout) if timeout.strip().isdecimal() else read_duration(timeout)
    if seconds is None or seconds <= 0:
        raise Invalid(f"--timeout must be a time, as in 90, 90s, 5m or 1h30m, not {timeout!r}")
    return seconds


def with_run_options(*, without: Collection[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the shared options behind its own; it gets what they say as ``wanted``.

    The command's exit codes are those of a run: what keeps one from beginning is wrong usage.

    Args:
        without: Fields of ``Wanted`` that mean nothing to it.
    """
    shared = {name: each for name, each in _SHARED.items() if name not in without}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def call(**values: Any) -> None:
            wanted = Wanted(**{name: values.pop(name) for name in shared})
            try:
                command(**values, wanted=wanted)
            except (NotFound, Conflict) as error:
                raise Invalid(str(error)) from error
            except Unavailable as error:
                raise AexlError(str(error)) from error

        kind = inspect.Parameter.KEYWORD_ONLY
        own = [each for each in inspect.signature(command, eval_str=True).parameters.values() if each.name != "wanted"]
        more = [
            inspect.Parameter(name, kind, default=option, annotation=type_) for name, (type_, option) in shared.items()
        ]
        call.__signature__ = inspect.Signature([*own, *more])  # type: ignore[attr-defined]  # what Typer looks at
        call.__annotations__ = {each.name: each.annotation for each in (*own, *more)}
        return call

    return decorate
