"""How one command asks another."""

from __future__ import annotations

import json
import sys

import pytest
import typer
from typer.testing import CliRunner

from aexl.api.neighbours import Said, ask_command


@pytest.fixture
def ask():
    """Ask, from a command of a program with commands ``tell`` and ``fail``."""
    app = typer.Typer()
    said: list[Said | None] = []

    @app.command()
    def tell(word: str, as_json: bool = typer.Option(False, "--json")) -> None:
        sys.stdout.write(json.dumps({"word": word, "json": as_json}))

    @app.command()
    def fail(as_json: bool = typer.Option(False, "--json")) -> None:
        sys.stderr.write(f"it cannot be done {as_json}\n")
        raise typer.Exit(4)

    @app.command(context_settings={"ignore_unknown_options": True})
    def asking(ctx: typer.Context, words: list[str]) -> None:
        said.append(ask_command(ctx, *words))

    def run(*words: str) -> tuple[Said | None, str]:
        done = CliRunner().invoke(app, ["asking", *words])
        return said.pop(), done.output

    return run


def test_a_command_answers_with_its_json_and_nothing_is_shown(ask):
    assert ask("tell", "hello") == (Said(0, {"word": "hello", "json": True}, ""), "")


def test_a_failure_is_its_status_and_its_sentence(ask):
    assert ask("fail") == (Said(4, None, "it cannot be done True\n"), "")


def test_a_command_that_is_not_there_is_none(ask):
    assert ask("nobody") == (None, "")
