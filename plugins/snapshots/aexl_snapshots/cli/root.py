"""The group that all commands of ``aexl snapshot`` belong to; each command is imported when it is used."""

from __future__ import annotations

import gc
from collections.abc import Mapping, MutableMapping
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

MODULES: Final[Mapping[str, str]] = {
    "init": "start",
    "status": "files",
    "add": "files",
    "unstage": "files",
    "commit": "files",
    "log": "history",
    "show": "history",
    "diff": "history",
    "ls": "history",
    "cat": "history",
    "restore": "restoring",
    "tag": "history",
    "push": "pushing",
    "pull": "pulling",
    "clone": "cloning",
    "remote": "remotes",
    "gc": "upkeep",
    "check": "upkeep",
    "repair": "upkeep",
    "export": "exchange",
    "import": "exchange",
}
"""The module of each command, in the order in which they are listed."""


class OnDemand(TyperGroup):
    """Imports a command's module when the command is asked for."""

    @property
    def commands(self) -> MutableMapping[str, Any]:
        """All commands, imported."""
        return {name: self.get_command(None, name) for name in MODULES}

    @commands.setter
    def commands(self, given: MutableMapping[str, Any]) -> None:
        """There are none yet when the group is made."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the library's interface
        """Return the names."""
        return list(MODULES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the library's interface
        """Import a command and return it."""
        if cmd_name not in MODULES:
            return None
        import_module(f"aexl_snapshots.cli.{MODULES[cmd_name]}")
        if cmd_name == "remote":
            return _named(cmd_name, typer.main.get_command(remote_app))
        alone = typer.Typer(add_completion=False, rich_markup_mode=app.rich_markup_mode)
        alone.registered_commands = [each for each in app.registered_commands if _name(each) == cmd_name]
        return _named(cmd_name, typer.main.get_command(alone))


def _name(command: typer.models.CommandInfo) -> str:
    return command.name or (command.callback.__name__ if command.callback is not None else "")


def _named(name: str, command: Any) -> Any:
    command.name = name
    return command


app = typer.Typer(
    cls=OnDemand,
    no_args_is_help=True,
    help="Snapshots of a project: immutable, content-addressed, and safe to kill at any moment.",
)
remote_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Where snapshots are pushed to and pulled from."
)


_SELDOM: Final = 200_000


@app.callback()
def _group() -> None:
    """Make a group of it, though no command is known yet."""
    gc.set_threshold(_SELDOM)  # entries of trees are many and in no cycles: looking for some takes a tenth of a clone
