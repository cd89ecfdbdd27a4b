"""Providers that speak HTTP, and the types the configuration makes them of."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import httpx

from aexl.api import Call, Direct, Host, Surface, Target, Upstream
from aexl.api.keys import find_key
from aexl.errors import ConfigError, Invalid, Problem
from aexl_providers.exchange import Exchange, Through
from aexl_providers.requests import RequestBuilder
from aexl_providers.table import ProviderTable, read_table

Dialect = Literal["openai", "anthropic", "gemini"]

BASE_URLS: Final[Mapping[Dialect, str]] = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta",
}
SURFACES: Final[Mapping[Dialect, frozenset[Surface]]] = {
    "openai": frozenset(
        {
            "chat",
            "completions",
            "responses",
            "embeddings",
            "images",
            "speech",
            "transcriptions",
            "moderations",
            "count",
            "stored",
        }
    ),
    "anthropic": frozenset({"messages", "count"}),
    "gemini": frozenset({"gemini", "gemini_embeddings", "count"}),
}
_KEY_VARIABLES: Final[Mapping[Dialect, str]] = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
}


class HttpProvider:
    """A provider's server, reached over HTTP; see ``aexl.api.Provider``.

    Args:
        name: What the configuration calls it.
        dialect: What it speaks.
        table: Its checked table.
        transport: How it is reached.
        env_file: Where its key may stand if the environment does not have it.

    Raises:
        Invalid: If that file is needed and cannot be used.
    """

    def __init__(
        self, name: str, dialect: Dialect, table: ProviderTable, transport: httpx.AsyncBaseTransport, env_file: Path
    ) -> None:
        self.name = name
        self.surfaces = SURFACES[dialect]
        self._transport = transport if isinstance(transport, Direct) else Through(transport)
        base_url = table.base_url or BASE_URLS[dialect]
        variable = key_variable(dialect, table)
        key = find_key(variable, os.environ, env_file) if variable else None
        self._builder = RequestBuilder(name, dialect, base_url, table, variable, key)

    def open(self, call: Call, target: Target) -> Exchange:
        """Return the context of one call; nothing is sent before it is entered."""
        return Exchange(self._transport, self._builder, call, target)


def key_variable(dialect: Dialect, table: ProviderTable) -> str:
    """Return the variable that has the key: the table's, or the real service's usual one, else none."""
    return table.api_key_env or ("" if table.base_url else _KEY_VARIABLES[dialect])


class HttpProviderType:
    """A value of ``type``: ``openai``, ``anthropic`` or ``gemini``; see ``aexl.api.ProviderType``."""

    def __init__(self, dialect: Dialect, host: Host) -> None:
        self.name: Dialect = dialect
        self._host = host
        self._transports: dict[tuple[str, Upstream], httpx.AsyncBaseTransport] = {}

    def build(self, name: str, table: Mapping[str, object]) -> HttpProvider:
        """Check a provider's table and build the provider; a pool is kept while its settings are.

        Raises:
            ConfigError: If the table, or the file its key would be in, is wrong.
        """
        read = read_table(name, table)
        try:
            transport = self._transport(name, read.upstream)
            return HttpProvider(name, self.name, read, transport, self._host.data_dir / ".env")
        except (Invalid, httpx.InvalidURL) as error:
            key = "base_url" if isinstance(error, httpx.InvalidURL) else "api_key_env"
            raise ConfigError([Problem(key=f"providers.{name}.{key}", message=str(error))]) from error

    def _transport(self, name: str, upstream: Upstream) -> httpx.AsyncBaseTransport:
        found = self._transports.get((name, upstream))
        if found is None:
            found = self._transports[name, upstream] = self._host.transport(upstream)
        return found
