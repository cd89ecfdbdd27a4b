"""The host's own commands, by name; what a command needs is imported when it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

from aexl.api import Command

if TYPE_CHECKING:
    import typer


def _load(module: str) -> Callable[[], typer.Typer]:
    def load() -> typer.Typer:
        app: typer.Typer = import_module(f"aexl.core.cli.{module}").app
        return app

    return load


OWN_COMMANDS: Final[Mapping[str, Command]] = {
    name: Command(name=name, summary=summary, load=_load(name))
    for name, summary in {
        "config": "Show and change the configuration.",
        "daemon": "Run the server in the background.",
        "doctor": "Look for what is wrong, and say what to do.",
        "init": "Make the home folder and a first configuration, or a project.",
        "metrics": "Show the running server's numbers.",
        "plugin": "Install, check and switch plugins; begin one.",
        "run": "Run a program under an agent's budget.",
        "serve": "Run the server.",
        "status": "Show what the server is doing.",
        "version": "Show the version.",
    }.items()
}
