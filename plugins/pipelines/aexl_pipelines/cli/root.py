"""The group that all commands of ``aexl pipeline`` belong to, and the options that they share."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

from aexl.errors import Invalid

MODULES: Final = {
    "init": "start",
    "validate": "checks",
    "show": "views",
    "graph": "views",
    "list": "views",
    "test": "test",
    "spec": "views",
    "run": "run",
    "resume": "resume",
    "fork": "resume",
    "runs": "runs",
    "log": "runs",
    "diff": "diff",
    "undo": "undo",
    "gates": "gates",
    "approve": "gates",
    "reject": "gates",
    "edit": "gates",
    "hook": "hook",
    "stdio": "stdio",
}
"""The module of each command, in the order in which people meet them."""


class Shelf(MutableMapping[str, Any]):  # Any: Typer keeps the type of commands to itself
    """The commands by name; the module of one is imported when it is taken."""

    def __init__(self, made: Mapping[str, Any]) -> None:
        self.made = dict(made)

    def __getitem__(self, name: str) -> Any:
        if name not in self.made:
            import_module(f"aexl_pipelines.cli.{MODULES[name]}")
            self.made |= _shelf_of(get_group(app)).made
        return self.made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self.made[name] = command

    def __delitem__(self, name: str) -> None:
        del self.made[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**MODULES, **self.made})

    def __len__(self) -> int:
        return len({**MODULES, **self.made})


class Commands(TyperGroup):
    """A group that imports only what is used: an agent's hooks run one of these for each of its tools."""

    commands: Shelf

    def __init__(self, *, commands: Mapping[str, Any], **rest: Any) -> None:
        super().__init__(**rest)
        self.commands = Shelf(commands)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the arguments; what a run is told is kept as text.

        Raises:
            Invalid: If one is not UTF-8.
        """
        for each in args:
            if (shown := each.encode(errors="replace").decode()) != each:
                raise Invalid(f"the argument {shown[:60]!r} is not UTF-8")
        return super().parse_args(ctx, args)


def _shelf_of(group: TyperGroup) -> Shelf:
    assert isinstance(group, Commands)
    return group.commands


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    help="Declared chains of steps that run around an agent's answers.",
)


@app.callback()
def _group() -> None:
    """Have a group, also before any command is imported."""


# Any: Typer's options stand in for values of another type.
JSON: Final[Any] = typer.Option(False, "--json", help="Print JSON.")
PIPELINE: Final[Any] = typer.Option(
    None, "--pipeline", "-p", metavar="PATH|NAME", help="The pipeline; by default the folder's own."
)


def say(text: str = "") -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")


def say_aside(text: str) -> None:
    """Print a line for a person, beside what a program reads."""
    sys.stderr.write(f"aexl: {text}\n")
