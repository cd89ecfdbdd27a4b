"""``aexl run``."""

from __future__ import annotations

import functools
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import typer

from aexl.api import Host, ProcessSpec, Session, parse_usd
from aexl.api.governed import Access, govern
from aexl.core.cli.run_grant import Grant, close_grant, open_grant
from aexl.errors import AexlError, Invalid, NotFound, Unavailable

app = typer.Typer()

NOT_EXECUTABLE: Final = 126
NOT_FOUND: Final = 127
"""Exit codes as shells have them."""

_HELD: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@app.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog="Examples: aexl run --agent alice -- python script.py  ·  "
    "aexl run --agent alice --budget 5 --label task=42 -- claude -p 'fix the test'",
)
def run(
    ctx: typer.Context,
    command: list[str] = typer.Argument(help="The program and its arguments.", metavar="-- CMD..."),
    agent: str = typer.Option(..., "--agent", "-a", help="Who pays."),
    budget: str | None = typer.Option(
        None, help="USD that this run may spend at most; its calls are clamped to what is left.", metavar="USD"
    ),
    label: list[str] | None = typer.Option(None, help="A label for this run's executions.", metavar="KEY=VALUE"),
    keep_env: list[str] | None = typer.Option(
        None, help="Leave this variable as it is, though it is a provider's.", metavar="NAME"
    ),
    adapt: bool = typer.Option(True, help="Add the arguments that codex, and the variables that some others need."),
    grace: float = typer.Option(10.0, min=0, help="Seconds between passing on SIGTERM and killing everything."),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="Do not print what the run cost."),
) -> None:
    """Run a program under an agent's budget, without the machine's own provider keys in its environment.

    The program's model calls go through the server, which is started if none runs, with a token of this
    run's own that ends with it. Everything the program started ends with it too. The exit code is the
    program's; 128 plus the signal if one ended it, 127 if it was not found, 126 if it cannot be executed.
    """
    session: Session = ctx.obj
    amount = None if budget is None else parse_usd(budget, "--budget")
    labels = _labels(label or [])
    problem = _cannot_run(command[0])
    if problem is not None:
        sys.stderr.write(f"aexl: {command[0]}: {problem[1]}\n")
        raise typer.Exit(problem[0])
    url = session.ensure_server().rstrip("/")
    with _holding() as held:
        secrets, grant = session.run(functools.partial(_begin, agent=agent, budget=amount, labels=labels))
        try:
            access = Access(url=url, token=grant.token, run=grant.run)
            argv, env = govern(command, os.environ, access, private=secrets, keep=keep_env or (), adapt=adapt)
            status = _run(argv, env, grace, held)
        finally:
            _close(session, grant, agent, quiet=quiet)
    raise typer.Exit(status if status >= 0 else 128 - status)


@contextmanager
def _holding() -> Iterator[Sequence[int]]:
    """Only note signals that ask for the end while no program is there to get them: what was begun is given back."""
    held: list[int] = []
    taken = [number for number in _HELD if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda number, _frame: held.append(number)) for number in taken}
    try:
        yield held
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _begin(host: Host, agent: str, budget: int | None, labels: Mapping[str, str]) -> tuple[frozenset[str], Grant]:
    """Return the variables that the program must not have, and what it gets instead."""
    secrets = host.current.secrets  # first: a grant is not to be left behind where they cannot be read
    return secrets, await open_grant(host, agent, budget, labels)


def _run(argv: Sequence[str], env: Mapping[str, str], grace: float, held: Sequence[int]) -> int:
    """Run the program; one that is refused by the system at the last moment counts as a shell counts it."""
    import trio

    from aexl.core.processes.signals import run_in_terminal

    # No further signals on the way out: whoever asked for the end has waited for the grace already.
    spec = ProcessSpec(argv=argv, env=env, cwd=Path.cwd(), inherit=True, cancel=())
    try:
        return trio.run(functools.partial(run_in_terminal, spec, grace=grace, held=held))
    except (NotFound, Unavailable) as error:
        sys.stderr.write(f"aexl: {error}\n")
        return NOT_FOUND if isinstance(error, NotFound) else NOT_EXECUTABLE


def _close(session: Session, grant: Grant, agent: str, *, quiet: bool) -> None:
    """Give the grant back; signals wait until that is done, some seconds at most."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _HELD}
    try:
        bill = session.run(functools.partial(close_grant, grant=grant))
    except AexlError as error:
        sys.stderr.write(f"aexl: run {grant.run} of {agent} was not closed: {error}; its token is {grant.token_id}\n")
    else:
        if not quiet:
            sys.stderr.write(f"aexl: {bill.sentence(grant, agent)}\n")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _labels(given: Sequence[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not key or not equals or key == "run":
            raise Invalid(f"--label must be KEY=VALUE with a key other than 'run', not {text!r}")
        labels[key] = value
    return labels


def _cannot_run(program: str) -> tuple[int, str] | None:
    """Return the exit code and the reason if a program cannot be started."""
    if shutil.which(program) is not None:
        return None
    place = shutil.which(program, mode=os.F_OK)
    return (NOT_FOUND, "there is no such program") if place is None else (NOT_EXECUTABLE, f"{place} is not executable")
