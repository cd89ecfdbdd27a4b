"""The options that ``run``, ``resume`` and ``fork`` share, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, get_args

import msgspec
import typer

from aexl.api import parse_usd
from aexl.errors import Invalid
from aexl_pipelines.journal.records import OnGate, RunOptions
from aexl_pipelines.language.kinds import read_duration

# Any: Typer's options stand in for values of another type.
INPUT: Final[Any] = typer.Option([], "--input", "-i", metavar="NAME=VALUE", help="A value for an input; repeatable.")
HEADLESS: Final[Any] = typer.Option(
    False, "--headless", help="Nobody is here: gates are not asked on this terminal, and stay closed without --on-gate."
)
ON_GATE: Final[Any] = typer.Option(None, "--on-gate", metavar="approve|reject|fail", help="Answer every gate so.")
BUDGET: Final[Any] = typer.Option(None, "--budget", metavar="USD", help="The most that the run may cost, as in 0.50.")
TIMEOUT: Final[Any] = typer.Option(None, "--timeout", metavar="TIME", help="The longest that it may take: 90, 90s, 5m.")
MODEL: Final[Any] = typer.Option(None, "--model", metavar="NAME", help="The model, whatever the steps say.")
RUNNER: Final[Any] = typer.Option(None, "--runner", metavar="NAME", help="The runner, whatever the steps say.")
GOVERN: Final[Any] = typer.Option(
    None,
    "--govern/--no-govern",
    help="Have a server hold the budget, starting one; or do without. By default, if one runs.",
)
AGENT: Final[Any] = typer.Option(None, "--agent", metavar="NAME", help="The agent that pays, where a server governs.")
RECORD: Final[Any] = typer.Option(False, "--record", help="Keep recordings of the agents, for the runner 'cassette'.")
LINES: Final[Any] = typer.Option(False, "--json", help="Print a line of JSON for each thing that happens.")
QUIET: Final[Any] = typer.Option(False, "--quiet", "-q", help="Say nothing but the answer.")
PLAIN: Final[Any] = typer.Option(False, "--plain", help="Lines instead of a view that moves, also on a terminal.")


def make_options(
    *,
    on_gate: str | None,
    budget: str | None,
    timeout: str | None,
    **rest: object,
) -> RunOptions:
    """Return the options of a run.

    Raises:
        Invalid: If one of them is not what it must be.
    """
    if on_gate is not None and on_gate not in get_args(OnGate):
        raise Invalid(f"--on-gate must be approve, reject or fail, not {on_gate!r}")
    seconds = None
    if timeout is not None:
        seconds = float(timeout) if timeout.strip().isdecimal() else read_duration(timeout)
        if seconds is None or seconds <= 0:
            raise Invalid(f"--timeout must be a time, as in 90, 90s, 5m or 1h30m, not {timeout!r}")
    nanos = None if budget is None else parse_usd(budget, "--budget")
    return msgspec.convert({"on_gate": on_gate, "budget": nanos, "timeout": seconds, **rest}, RunOptions)


def read_inputs(given: Sequence[str]) -> dict[str, object]:
    """Return what ``--input`` says, by name.

    Raises:
        Invalid: If one has no ``=`` in it.
    """
    found: dict[str, object] = {}
    for each in given:
        name, mark, value = each.partition("=")
        if not mark or not name:
            raise Invalid(f"--input must be NAME=VALUE, not {each!r}")
        found[name.strip()] = value
    return found
