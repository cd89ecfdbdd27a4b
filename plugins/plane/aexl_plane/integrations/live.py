"""The server's integrations as the configuration has them: built, kept while they are the same, closed when not."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from aexl.api import Config, Connector, ConnectorSettings, ConnectorType, Credential
from aexl.api.keys import find_key
from aexl.errors import ConfigError, Invalid, Problem
from aexl_plane.integrations.table import ANY_TENANT, IntegrationSection
from aexl_plane.records import Caller


class Live:
    """One integration of the server.

    Attributes:
        lacking: Its variable is set nowhere, so that it cannot be used.
        running: Calls of it.
        retired: The configuration has it no more; it is closed after the last call.
    """

    def __init__(
        self,
        name: str,
        section: IntegrationSection,
        kind: ConnectorType,
        connector: Connector,
        credential: Credential | None,
    ) -> None:
        self.name = name
        self.section = section
        self.kind = kind
        self.connector = connector
        self.credential = credential
        self.running = 0
        self.retired = False

    @property
    def lacking(self) -> bool:
        """Whether its variable is set nowhere, so that it cannot be used."""
        return bool(self.section.credential) and self.credential is None

    @property
    def actions(self) -> Sequence[str]:
        """What may be granted."""
        return tuple(sorted(self.section.actions or self.kind.actions))

    def serves(self, caller: Caller) -> bool:
        """Say whether the caller's tenant may use it."""
        return bool({ANY_TENANT, caller.tenant, caller.tenant_name} & set(self.section.tenants))

    def hide(self, text: str) -> str:
        """Return a text without the credential in it."""
        return text if self.credential is None else self.credential.hide(text)

    def is_same(self, section: IntegrationSection, kind: ConnectorType, credential: Credential | None) -> bool:
        """Say whether it would be built of the same again."""
        mine, theirs = (None if each is None else each.reveal() for each in (self.credential, credential))
        return self.section == section and self.kind is kind and mine == theirs


def build(config: Config, kinds: Mapping[str, ConnectorType], old: Mapping[str, Live], home: Path) -> dict[str, Live]:
    """Return the integrations of a configuration; what has not changed is kept. Reads ``.env``, which blocks.

    Raises:
        ConfigError: With the problems of all of them.
    """
    built: dict[str, Live] = {}
    problems: list[Problem] = []
    for name, section in config.mapping(IntegrationSection).items():
        try:
            built[name] = _build_one(name, section, kinds, old.get(name), home)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return built


def _build_one(
    name: str, section: IntegrationSection, kinds: Mapping[str, ConnectorType], old: Live | None, home: Path
) -> Live:
    kind = kinds.get(section.provider)
    if kind is None:
        known = ", ".join(sorted(kinds)) or "none"
        raise _problem(name, "provider", f"no plugin offers {section.provider!r}; there are {known}")
    strange = sorted(set(section.actions) - set(kind.actions))
    if strange:
        raise _problem(name, "actions", f"{kind.name} cannot do {', '.join(strange)}; it can {', '.join(kind.actions)}")
    credential = _find(name, section.credential, home)
    if old is not None and old.is_same(section, kind, credential):
        return old
    settings = ConnectorSettings(name=name, options=section.options, credential=credential, timeout=section.timeout)
    return Live(name, section, kind, kind.build(settings), credential)


def _find(name: str, variable: str, home: Path) -> Credential | None:
    if not variable:
        return None
    try:
        value = find_key(variable, os.environ, home / ".env")
    except Invalid as error:
        raise _problem(name, "credential", str(error)) from error
    return None if value is None else Credential(variable, value)


def _problem(name: str, key: str, message: str) -> ConfigError:
    return ConfigError([Problem(key=f"integrations.{name}.{key}", message=message)])
