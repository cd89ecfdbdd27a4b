"""Values of the configuration that a command line sets for one run."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from aexl.api import ConfigSection
from aexl.api.tables import merge
from aexl.errors import Invalid


def read_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Return the tables that ``--set TABLE.KEY=VALUE`` asks for; the later one wins.

    A value is read as TOML; what is no TOML value is text.

    Raises:
        Invalid: If one has no such shape.
    """
    tables: dict[str, Any] = {}
    for setting in settings:
        tables = merge(_read(setting), tables)
    return tables


def _read(setting: str) -> dict[str, Any]:
    key, equals, value = setting.partition("=")
    for text in (setting, f"{key} = {msgspec.json.encode(value.strip()).decode()}"):
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            continue
        if equals and "\n" not in setting and len(table) == 1 and all(isinstance(v, dict) for v in table.values()):
            return table
    raise Invalid(f"--set takes TABLE.KEY=VALUE, as in serve.port=9001, not {setting!r}")


def cassette_settings(folder: Path | None, record: bool, replay: bool, timing: str | None) -> dict[str, Any]:
    """Return what ``--cassette``, ``--record``, ``--replay`` and ``--timing`` are short for.

    Raises:
        Invalid: If they contradict each other.
    """
    if record and replay:
        raise Invalid("--record and --replay exclude each other")
    if folder is not None and not (record or replay):
        raise Invalid("--cassette needs --record or --replay")
    if timing is not None and not replay:
        raise Invalid("--timing needs --replay")
    if not (record or replay):
        return {}
    if folder is not None and replay and not folder.is_dir():
        raise Invalid(f"there is no folder {str(folder)!r} to replay from")
    given = {
        "mode": "record" if record else "replay",
        "folder": None if folder is None else str(folder.absolute()),
        "timing": timing,
    }
    return {"cassettes": {key: value for key, value in given.items() if value is not None}}


def check_declared(flags: Mapping[str, object], sections: Sequence[ConfigSection]) -> None:
    """Make sure that somebody follows what was asked for: a plugin that is off must not be passed over in silence.

    Raises:
        Invalid: If no section of the name is declared.
    """
    known = {section.table for section in sections}
    for table in flags:
        if table not in known:
            raise Invalid(f"nothing here follows [{table}]: no plugin that is on declares it; see 'aexl plugin list'")
