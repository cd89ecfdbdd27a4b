"""What every command of the host owes a stranger."""

from __future__ import annotations

import pytest
import typer

from aexl.core.cli.commands import OWN_COMMANDS
from aexl.core.cli.main import app


def leaves(command, name):
    """Yield a command, or the commands of a group, with their names."""
    below = getattr(command, "commands", None)
    if below is None:
        yield name, command
        return
    for word, found in below.items():
        yield from leaves(found, f"{name} {word}")


ALL = {
    name: leaf
    for word, command in OWN_COMMANDS.items()
    for name, leaf in leaves(typer.main.get_command(command.load()), word)
}


@pytest.mark.parametrize("name", ALL)
def test_a_command_says_what_it_does_and_shows_an_example_of_itself(name):
    assert ALL[name].help
    assert "Example" in ALL[name].epilog
    assert f"aexl {name}" in ALL[name].epilog


@pytest.mark.parametrize(
    "words", [["config", "set"], ["snapshot", "gc"], ["snapshot", "remote", "add"], ["models", "add"]]
)
def test_what_stands_in_brackets_is_shown_as_it_is(words):
    command = typer.main.get_command(app)
    for word in words:
        command = command.get_command(typer.Context(command), word)
    assert command.rich_markup_mode is None
