"""The group that all commands of ``aexl pipeline`` belong to, and the options that they share."""

from __future__ import annotations

import sys
from typing import Any, Final

import typer

app = typer.Typer(no_args_is_help=True, help="Declared chains of steps that run around an agent's answers.")

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
