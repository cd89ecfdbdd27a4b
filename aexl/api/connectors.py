"""Integrations: what a server lets projects do elsewhere, without showing them its credentials.

A ``ConnectorType`` is a value of ``provider`` in ``[integrations.<name>]``, which the
server's owner writes. It builds a ``Connector`` for each such table. A project's
connection refers to the table by its name; what it may do is granted by the project's
administrator, from what the owner allows. Who asks is checked, and what is asked
counted and written down, before a connector hears of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeVar, runtime_checkable

import msgspec

from aexl.errors import ConfigError, Invalid, Problem

T = TypeVar("T", bound=msgspec.Struct)

HIDDEN: Final = "[hidden]"

_LEAST: Final = 6
"""Characters: shorter texts stand in answers by chance."""


class Credential:
    """A secret of the server's, which shows itself to nobody by chance.

    Args:
        name: The variable that it was found in; shown to the server's owner only.
        value: The secret itself.
    """

    __slots__ = ("_value", "_words", "name")

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self._value = value
        self._words: list[str] = []
        self.also(value)

    def __repr__(self) -> str:
        return f"Credential({self.name!r})"

    def reveal(self) -> str:
        """Return the secret, for the request that needs it."""
        return self._value

    def also(self, part: str) -> None:
        """Count a part or another form of the secret as secret too: the password in a URL, say."""
        if len(part) >= _LEAST:
            quoted = msgspec.json.encode(part).decode()[1:-1]
            self._words = sorted({*self._words, part, quoted}, key=len, reverse=True)

    def hide(self, text: str) -> str:
        """Return a text without the secret in it."""
        for word in self._words:
            text = text.replace(word, HIDDEN)
        return text


class ConnectorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a connector is built of.

    Attributes:
        name: What the configuration calls it.
        options: What stands in its table beside the keys that all have: the type's own keys.
        credential: What ``credential`` of the table names; ``None`` where it names nothing.
        timeout: Seconds that one call may take; the host ends it then.
    """

    name: str
    options: Mapping[str, object]
    credential: Credential | None
    timeout: float

    def read(self, model: type[T]) -> T:
        """Return the type's own keys as a record.

        Raises:
            ConfigError: Names every key that is wrong, below ``integrations.<name>``.
        """
        table = f"integrations.{self.name}"
        strange = [key for key in self.options if key not in model.__struct_fields__]
        if strange:
            raise ConfigError([Problem(key=f"{table}.{key}", message=_unknown(key, model)) for key in strange])
        try:
            return msgspec.convert(dict(self.options), model)
        except msgspec.ValidationError as error:
            message, _, path = str(error).partition(" - at `$.")
            raise ConfigError([Problem(key=f"{table}.{path.rstrip('`')}".rstrip("."), message=message)]) from error


def _unknown(key: str, model: type[msgspec.Struct]) -> str:
    import difflib

    near = difflib.get_close_matches(key, model.__struct_fields__, n=1)
    return f"there is no such key; did you mean {near[0]!r}?" if near else "there is no such key"


class ActionCall(msgspec.Struct, frozen=True, kw_only=True):
    """One action, which the connection was granted.

    Attributes:
        id: Of this call, fresh; the ledger has it.
        params: As the caller sent them: nothing in them has been checked.
        by: Who asks, for people.
        tenant: An id, as are ``workspace``, ``project`` and ``connection``.
        deadline: When it must have ended, on trio's clock.
    """

    id: str
    action: str
    params: Mapping[str, Any]
    by: str
    tenant: str
    workspace: str
    project: str
    connection: str
    deadline: float


class ActionResult(msgspec.Struct, frozen=True, kw_only=True):
    """What an action gave.

    Attributes:
        value: Anything that JSON can carry.
        execution: The governed call that it cost, if it did.
        cost: Nano-dollars of that.
    """

    value: Any
    execution: str | None = None
    cost: int | None = None


class Connector(Protocol):
    """One integration of the server, built of one table of the configuration.

    Its methods are called from many tasks at a time. A cancelled call has ended when
    the method returns. What a method raises is told to the caller: it must not have a
    credential in it, nor what only the server's owner may know, such as addresses.
    """

    async def check(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Try whether it works, changing nothing; return what was found, which must not be empty.

        Args:
            body: What the client sent along; nothing in it has been checked.

        Raises:
            AexlError: If it does not work.
        """
        ...

    async def invoke(self, call: ActionCall) -> ActionResult:
        """Run one of the type's actions.

        Raises:
            Invalid: If the parameters are not acceptable.
            CallError: If it was refused or has failed; with the status to tell.
            Unavailable: If what it needs cannot be had now.
        """
        ...

    async def close(self) -> None:
        """Give back what it holds; no call runs, and none comes after it."""
        ...


@runtime_checkable
class ConnectorType(Protocol):
    """A value of ``provider`` in ``[integrations.<name>]``.

    Attributes:
        name: What the configuration calls it.
        version: The connector's own version.
        actions: What it can do, each with one sentence; names begin with the type's, as ``postgres.query``.
    """

    @property
    def name(self) -> str:
        """What the configuration calls it."""
        ...

    @property
    def version(self) -> str:
        """The connector's own version."""
        ...

    @property
    def actions(self) -> Mapping[str, str]:
        """What it can do, each with one sentence."""
        ...

    def build(self, settings: ConnectorSettings) -> Connector:
        """Make a connector. Must not wait.

        Raises:
            ConfigError: If the table cannot be used.
        """
        ...


@runtime_checkable
class OffersConnectors(Protocol):
    """What the host of a server can do besides."""

    def connectors(self) -> Mapping[str, ConnectorType]:
        """Return the connector types of all plugins, by name."""
        ...


def read_params(call: ActionCall, model: type[T]) -> T:
    """Return an action's parameters as a record.

    Raises:
        Invalid: If they are not what the record asks for; names the field.
    """
    try:
        return msgspec.convert(dict(call.params), model)
    except (msgspec.ValidationError, RecursionError) as error:
        raise Invalid(f"the parameters of {call.action} are not acceptable: {error}") from error
