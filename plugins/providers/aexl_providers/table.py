"""``[providers.<name>]`` for the types of this plugin: what may stand there, and whether it is sound."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from aexl.api import Upstream
from aexl.api.urls import base_url_problem
from aexl.errors import ConfigError, Problem

Seconds = Annotated[float, msgspec.Meta(gt=0, le=86400)]

_PATH: Final = re.compile(r" - at `\$\.?(.*)`$")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_FRAMING: Final = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Seconds; see ``aexl.api.Upstream``."""

    connect: Seconds = 10.0
    first_byte: Seconds = 600.0
    idle: Seconds = 300.0
    total: Seconds = 3600.0


class ProviderTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider.

    Attributes:
        type: ``openai``, ``anthropic`` or ``gemini``.
        base_url: Where its API begins, version included; empty means the type's own service.
        api_key_env: The variable that has the key; empty means that no key is sent.
        private: The address may be loopback, private or link-local.
        timeouts: Of one call, in seconds.
        connections: At most this many at a time.
        http2: Speak HTTP/2.
        headers: Added to every request, in place of the caller's own of that name.
        stream_usage: Ask chat streams for their usage where the caller did not.
        output_limit_key: The body's key for an output limit that aexl adds to a chat call.
    """

    type: str
    base_url: str = ""
    api_key_env: str = ""
    private: bool = False
    timeouts: Timeouts = Timeouts()
    connections: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000
    http2: bool = False
    headers: dict[str, str] = {}
    stream_usage: bool = True
    output_limit_key: str = ""

    @property
    def upstream(self) -> Upstream:
        """How to talk to its server."""
        return Upstream(
            private=self.private,
            connect=self.timeouts.connect,
            first_byte=self.timeouts.first_byte,
            idle=self.timeouts.idle,
            total=self.timeouts.total,
            connections=self.connections,
            http2=self.http2,
        )


def read_table(name: str, table: Mapping[str, object]) -> ProviderTable:
    """Check a provider's table.

    Raises:
        ConfigError: Names every wrong key below ``providers.<name>``.
    """
    problems = [*_unknown(name, "", table, ProviderTable), *_unknown_timeouts(name, table)]
    if problems:
        raise ConfigError(problems)
    try:
        read = msgspec.convert(dict(table), ProviderTable)
    except msgspec.ValidationError as error:
        raise ConfigError([_problem(name, str(error))]) from error
    problems = [*_check_url(name, read.base_url), *_check_key(name, read.api_key_env), *_check_headers(name, read)]
    if problems:
        raise ConfigError(problems)
    return read


def _unknown(name: str, prefix: str, table: Mapping[str, object], model: type[msgspec.Struct]) -> list[Problem]:
    known = model.__struct_fields__
    problems = []
    for key in table:
        if key not in known:
            hint = (
                "keys are read from the environment: name the variable in api_key_env" if "key" in key.lower() else ""
            )
            close = difflib.get_close_matches(key, known, n=1)
            message = f"there is no such key; did you mean {close[0]!r}?" if close else "there is no such key"
            problems.append(
                Problem(key=f"providers.{name}.{prefix}{key}", message=f"{message}; {hint}" if hint else message)
            )
    return problems


def _unknown_timeouts(name: str, table: Mapping[str, object]) -> list[Problem]:
    timeouts = table.get("timeouts")
    return _unknown(name, "timeouts.", timeouts, Timeouts) if isinstance(timeouts, Mapping) else []


def _problem(name: str, message: str) -> Problem:
    path = _PATH.search(message)
    key = f"providers.{name}.{path[1]}" if path else f"providers.{name}"
    return Problem(key=key, message=_PATH.sub("", message))


def _check_url(name: str, url: str) -> list[Problem]:
    wrong = base_url_problem(url) if url else ""
    return [Problem(key=f"providers.{name}.base_url", message=wrong)] if wrong else []


def _check_key(name: str, variable: str) -> list[Problem]:
    if not variable or _VARIABLE.fullmatch(variable):
        return []
    message = "must be the name of an environment variable, such as OPENAI_API_KEY, and not the key itself"
    return [Problem(key=f"providers.{name}.api_key_env", message=message)]


def _check_headers(name: str, table: ProviderTable) -> list[Problem]:
    problems = []
    for header, value in table.headers.items():
        key = f"providers.{name}.headers.{header}"
        if _HEADER_NAME.fullmatch(header) is None:
            problems.append(Problem(key=key, message="is not a header name"))
        elif header.lower() in _FRAMING:
            problems.append(Problem(key=key, message="is set by aexl"))
        elif not (value.isascii() and (value.isprintable() or not value)):
            problems.append(Problem(key=key, message="has a character that no header can carry"))
    return problems
