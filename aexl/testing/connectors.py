"""A connector in memory, and what every kind of integration must do."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
import trio

from aexl.api import ActionCall, ActionResult, Connector, ConnectorSettings, ConnectorType, Credential
from aexl.errors import AexlError, ConfigError, Refused, Unavailable

SECRET = "kept-secret-8f2e71"


def make_action(action: str, **params: Any) -> ActionCall:
    """Return a call of an action that may take five seconds of the running loop, or of a loop that has not begun."""
    try:
        now = trio.current_time()
    except RuntimeError:
        now = 0.0
    return ActionCall(
        id="call-1",
        action=action,
        params=params,
        by="ann@example.org",
        tenant="tn_1",
        workspace="ws_1",
        project="pr_1",
        connection="ic_1",
        deadline=now + 5,
    )


def make_settings(*, secret: str | None = SECRET, **options: object) -> ConnectorSettings:
    """Return what a connector is built of."""
    credential = None if secret is None else Credential("THE_SECRET", secret)
    return ConnectorSettings(name="one", options=options, credential=credential, timeout=5.0)


class FakeConnector:
    """Rings, and remembers who rang.

    Attributes:
        rung: The calls that came.
        broken: Why ``check`` and ``invoke`` fail, if they shall.
        closed: It was told that it is not needed any more.
    """

    def __init__(self, settings: ConnectorSettings) -> None:
        self.settings = settings
        self.rung: list[ActionCall] = []
        self.broken = ""
        self.closed = False

    async def check(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        await trio.lowlevel.checkpoint()
        if self.broken or "break" in body:
            raise Unavailable(self.broken or "the bell is cracked")
        return {"rings": True}

    async def invoke(self, call: ActionCall) -> ActionResult:
        self.rung.append(call)
        await trio.lowlevel.checkpoint()
        if self.broken:
            raise Unavailable(self.broken)
        if call.action == "bell.wait":
            await trio.sleep_forever()
        if "loud" in call.params:
            raise Refused("neighbours sleep", code="too_loud", status=429)
        if call.action == "bell.tell":
            assert self.settings.credential is not None
            return ActionResult(value={"told": f"my secret is {self.settings.credential.reveal()}"})
        if call.action == "bell.fall":
            raise RuntimeError("the bell fell from the tower")
        return ActionResult(value={"sound": "ding", **call.params})

    async def close(self) -> None:
        self.closed = True


class FakeConnectorType:
    """Makes fakes: ``provider = "bell"``.

    Attributes:
        made: The connectors that it was asked for, by the name of their table.
    """

    name = "bell"
    version = "1.2"
    actions: Mapping[str, str] = {
        "bell.ring": "Ring.",
        "bell.wait": "Ring for ever.",
        "bell.tell": "Give the secret away, as none must.",
        "bell.fall": "Fail in a way that nobody thought of.",
    }

    def __init__(self) -> None:
        self.made: dict[str, FakeConnector] = {}

    def build(self, settings: ConnectorSettings) -> FakeConnector:
        settings.read(_Table)
        made = self.made[settings.name] = FakeConnector(settings)
        return made


class _Table(msgspec.Struct, frozen=True):
    sound: str = "ding"


class ConnectorConformance(ABC):
    """Promises of every ``aexl.api.ConnectorType``; derive a test class, and say how to make one.

    Attributes:
        options: What its table must say; ``secret`` is what ``credential`` finds, ``None`` for nothing.
    """

    options: Mapping[str, object] = {}
    secret: str | None = SECRET

    @abstractmethod
    def make_type(self) -> ConnectorType:
        """Return the type, ready for use."""

    def make(self) -> Connector:
        """Return a connector of it."""
        return self.make_type().build(make_settings(secret=self.secret, **self.options))

    def test_its_actions_are_named_after_it_and_described(self) -> None:
        kind = self.make_type()
        assert isinstance(kind, ConnectorType)
        assert re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", kind.name)
        assert kind.version
        assert kind.actions
        for name, sentence in kind.actions.items():
            assert re.fullmatch(rf"{re.escape(kind.name)}(\.[a-z][a-z0-9_]*)+", name)
            assert sentence.endswith(".")

    def test_a_key_that_it_does_not_know_is_an_error_that_names_it(self) -> None:
        wrong = make_settings(secret=self.secret, **{**self.options, "no_such_key": 1})
        with pytest.raises(ConfigError, match="no_such_key"):
            self.make_type().build(wrong)

    def test_building_shows_no_secret(self) -> None:
        made = self.make()
        assert self.secret is None or self.secret not in repr(made)

    async def test_parameters_that_make_no_sense_are_told_and_not_crashed_on(self) -> None:
        made = self.make()
        for action in self.make_type().actions:
            for params in ({"no": "such parameter"}, {"": None}, {"params": [[[]]], "sql": 1, "path": {}, "input": 0}):
                with trio.move_on_after(2):
                    try:
                        await made.invoke(make_action(action, **params))
                    except AexlError as error:
                        assert self.secret is None or self.secret not in str(error)
        await made.close()

    async def test_a_check_tells_something_or_why_not(self) -> None:
        made = self.make()
        with trio.move_on_after(5):
            try:
                found = await made.check({})
            except AexlError as error:
                assert str(error)
            else:
                assert found
                assert self.secret is None or self.secret not in msgspec.json.encode(found).decode()
        await made.close()
