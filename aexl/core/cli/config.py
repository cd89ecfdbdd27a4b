"""``aexl config``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import msgspec
import typer

from aexl.api import ConfigSection
from aexl.core.cli.conventions import JSON
from aexl.core.config.loading import parse_value
from aexl.core.config.sections import suggestion
from aexl.core.session import CommandSession
from aexl.errors import Invalid, NotFound

app = typer.Typer(no_args_is_help=True, help="Show and change the configuration.")


@app.command("list", epilog="Example: aexl config list --json")
def list_values(ctx: typer.Context, as_json: bool = JSON) -> None:
    """Show every value that is in force, defaults included."""
    session: CommandSession = ctx.obj
    values = _in_force(session)
    if as_json:
        session.json(values)
    else:
        sys.stdout.writelines(f"{key} = {_show(value)}\n" for key, value in _flat(values))


@app.command(epilog="Example: aexl config get serve.port")
def get(ctx: typer.Context, key: str = typer.Argument(help="Dotted path of a value or a table.")) -> None:
    """Show one value."""
    session: CommandSession = ctx.obj
    value: object = _in_force(session)
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            known = value.keys() if isinstance(value, Mapping) else ()
            raise NotFound(f"{key!r} is not set{suggestion(part, known)}")
        value = value[part]
    sys.stdout.write(f"{value}\n" if isinstance(value, str) else f"{_show(value)}\n")


@app.command("set", epilog="Example: aexl config set serve.port 9001")
def set_value(
    ctx: typer.Context,
    key: str = typer.Argument(help="Dotted path of the value."),
    value: str = typer.Argument(help="The value as TOML; text needs no quotes."),
) -> None:
    """Set a value in the home's aexl.toml; comments survive, and a wrong value changes nothing.

    A running server has the value at once; of a table that counts from its next start, that is said.
    """
    session: CommandSession = ctx.obj
    path = key.split(".")
    if len(path) < 2 or not all(path):
        raise Invalid(f"{key!r} must be a table and a key, as in serve.port")

    def change(document: MutableMapping[str, Any]) -> None:
        table = document
        for depth, part in enumerate(path[:-1], 1):
            table = table.setdefault(part, {})
            if not isinstance(table, MutableMapping):
                raise Invalid(f"{'.'.join(path[:depth])} is a value, not a table, so there is no {key}")
        table[path[-1]] = parse_value(value)

    if not session.edit_config(change):
        return
    if path[0] in {section.table for section in session.surroundings.sections if section.restart}:
        sys.stderr.write(f"[{path[0]}] counts from the server's next start: 'aexl daemon stop', 'aexl daemon start'.\n")
    else:
        sys.stderr.write("The running server has it.\n")


def _in_force(session: CommandSession) -> dict[str, object]:
    """Return the sections as they are read, so that defaults show too."""
    config = session.config
    return {section.table: _values(section, config) for section in session.surroundings.sections}


def _values(section: ConfigSection, config: Any) -> object:
    read = config.mapping(section.model) if section.keyed else config.section(section.model)
    return msgspec.to_builtins(read, enc_hook=str)


def _flat(values: Mapping[str, object], prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{prefix}{key}.")
        else:
            rows.append((prefix + key, value))
    return rows


def _show(value: object) -> str:
    return msgspec.json.encode(value).decode()
