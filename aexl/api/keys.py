"""Secrets by the name of a variable: of the environment, else of ``$AEXL_HOME/.env``, a file for its owner alone."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aexl.errors import Invalid

MAX_BYTES: Final = 1 << 20
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$"}


def parse_env(text: str) -> dict[str, str]:
    r"""Return the variables of a ``.env`` file.

    A line is ``NAME=VALUE``, perhaps after ``export``; blank lines and lines that
    begin with ``#`` are skipped. An unquoted value ends at `` #``; in single quotes
    everything is itself; in double quotes ``\n``, ``\t``, ``\r``, ``\"``, ``\$`` and
    ``\\`` are escapes. Nothing is expanded and no value spans lines. The last of
    equal names wins.

    Raises:
        Invalid: If a line is none of these; names the line's number and never its value.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        name, equals, value = stripped.removeprefix("export ").partition("=")
        name = name.strip()
        if not equals or _NAME.fullmatch(name) is None:
            raise Invalid(f"line {number} is not NAME=VALUE")
        values[name] = _unquote(value.strip(), number)
    return values


def _unquote(value: str, number: int) -> str:
    if value[:1] not in ("'", '"'):
        return value.partition(" #")[0].rstrip()
    quote, parts, index = value[0], [], 1
    while index < len(value) and value[index] != quote:
        if quote == '"' and value[index] == "\\" and index + 1 < len(value):
            index += 1
            parts.append(_ESCAPES.get(value[index], "\\" + value[index]))
        else:
            parts.append(value[index])
        index += 1
    rest = value[index + 1 :].strip()
    if index >= len(value) or (rest and not rest.startswith("#")):
        raise Invalid(f"line {number}: the quotes do not match")
    return "".join(parts)


def read_env(path: Path) -> dict[str, str]:
    """Return the variables of the file; none if it does not exist.

    Raises:
        Invalid: If others than its owner may read or write it, or a line is malformed.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o077:
                raise Invalid(f"{path} holds keys, and others may read it (mode {mode:04o}); run: chmod 600 {path}")
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise Invalid(f"{path} is larger than {MAX_BYTES} bytes")
    try:
        return parse_env(data.decode())
    except UnicodeDecodeError as error:
        raise Invalid(f"{path} is not UTF-8") from error
    except Invalid as error:
        raise Invalid(f"{path}: {error}") from error


def find_key(variable: str, environment: Mapping[str, str], path: Path) -> str | None:
    """Return a key by its variable's name; ``None`` if it is set nowhere or empty.

    The file is not looked at when the environment has the key.

    Raises:
        Invalid: If the file cannot be used, or the key has bytes that no header can carry.
    """
    key = environment.get(variable) or read_env(path).get(variable)
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise Invalid(f"the key in {variable} has a blank or a character that no header can carry")
    return key or None
