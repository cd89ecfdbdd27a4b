"""How one command asks another, whoever's it is: by name, as a person would, with ``--json``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import typer


class Said(NamedTuple):
    """What a command has said.

    Attributes:
        status: Its exit status.
        value: What it printed, decoded; ``None`` where it failed.
        errors: What it wrote for a person.
    """

    status: int
    value: Any
    errors: str


def ask_command(ctx: typer.Context, *words: str) -> Said | None:
    """Run another command in this process, in the working folder; ``None`` where there is none of that name.

    Not while a loop runs in this thread. It must know ``--json``.

    Args:
        ctx: Of the command that asks.
        words: As on the command line.
    """
    group: Any = ctx.find_root().command  # the library's type has no such methods
    if group.get_command(ctx.find_root(), words[0]) is None:
        return None
    with _captured() as (output, errors):
        status = int(group.main([*words, "--json"], prog_name="aexl", standalone_mode=False) or 0)
    return Said(status, None if status else json.loads(output.getvalue()), errors.getvalue())


@contextmanager
def _captured() -> Iterator[tuple[StringIO, StringIO]]:
    output, errors = StringIO(), StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        yield output, errors
