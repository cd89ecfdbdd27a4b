"""Integrations of projects: who may use which, and each call from its limits to the ledger."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import trio

from aexl.api import ActionCall, ActionResult, Config, Host, OffersConnectors, uuid7
from aexl.errors import AexlError, CallError, Conflict, Invalid, NotFound, Refused, Unavailable
from aexl_plane.integrations.limits import Limits
from aexl_plane.integrations.live import Live, build
from aexl_plane.integrations.recording import Recorder
from aexl_plane.integrations.records import Asked, Configured, Done, Offered
from aexl_plane.records import Caller, Connection
from aexl_plane.storage.database import Database

logger = logging.getLogger("aexl.plane")

UNAVAILABLE: Final = "nothing here can run integrations of this provider"
LACKING: Final = "the server has no credential for this integration; its owner can set one"

ANSWER_BYTES: Final = 4 * 1024 * 1024
"""Of what an action gave, as JSON."""

CHECK: Final = "check"
"""What a check is called where actions are named."""

_CLOSING: Final = 5.0


class IntegrationService:
    """See the module. ``running`` gives life to it."""

    def __init__(self, host: Host, database: Database) -> None:
        self._host = host
        self._recorder = Recorder(database)
        self._live: Mapping[str, Live] = {}
        self._limits = Limits()
        self._nursery: trio.Nursery | None = None

    async def prepare(self, config: Config) -> Callable[[], None]:
        """Build what the configuration asks for; see ``aexl.api.Reloadable``."""
        kinds = self._host.connectors() if isinstance(self._host, OffersConnectors) else {}
        built = await trio.to_thread.run_sync(build, config, kinds, self._live, self._host.data_dir)

        def swap() -> None:
            old, self._live = self._live, built
            for live in old.values():
                if live is not built.get(live.name):
                    self._retire(live)

        return swap

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run calls while the context is open; what connectors hold is given back at its end."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                yield
            finally:
                self._nursery = None
                with trio.move_on_after(_CLOSING, shield=True):
                    for live in self._live.values():
                        await live.connector.close()
                nursery.cancel_scope.cancel()

    def _retire(self, live: Live) -> None:
        live.retired = True
        if not live.running and self._nursery is not None:
            self._nursery.start_soon(live.connector.close)

    async def configured(self) -> Sequence[Configured]:
        """See ``aexl_plane.roles.Integrations``."""
        return [
            Configured(
                name=live.name,
                provider=live.kind.name,
                version=live.kind.version,
                tenants=live.section.tenants,
                actions=live.actions,
                credential=live.section.credential,
                problem=f"{live.section.credential} is set neither in the server's environment nor in its .env"
                if live.lacking
                else "",
            )
            for live in sorted(self._live.values(), key=lambda live: live.name)
        ]

    def offered(self, caller: Caller) -> Sequence[Offered]:
        """Return the server's integrations that the caller's tenant may connect to, by name."""
        found = sorted((live for live in self._live.values() if live.serves(caller)), key=lambda live: live.name)
        return [
            Offered(name=live.name, provider=live.kind.name, version=live.kind.version, actions=live.actions)
            for live in found
        ]

    def find_offered(self, caller: Caller, name: str) -> Offered:
        """Return one of them.

        Raises:
            NotFound: If there is none of this name; the same for one that is another tenant's.
        """
        offered = self.offered(caller)
        found = next((each for each in offered if each.name == name), None)
        if found is None:
            names = ", ".join(each.name for each in offered) or "none"
            raise NotFound(f"this server has no integration {name[:80]!r} for your tenant; there are: {names}")
        return found

    def find(self, caller: Caller, connection: Connection) -> tuple[Live | None, str]:
        """Return what serves a connection, or ``None`` and why nothing does."""
        live = self._live.get(connection.integration) if connection.integration else None
        if live is None or not live.serves(caller) or live.kind.name != connection.provider:
            return None, UNAVAILABLE
        return (None, LACKING) if live.lacking else (live, "")

    async def check(self, caller: Caller, connection: Connection, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Try a connection.

        Raises:
            CallError: If it does not work; what is told has no credential in it.
        """
        asked = Asked(id=uuid7(), connection=connection, action=CHECK, by=caller.who)

        async def work(live: Live) -> ActionResult:
            return ActionResult(value=await live.connector.check(body))

        async with self._governed(caller, asked) as live:
            found: Mapping[str, Any] = (await self._run(live, asked, work)).result
        return found

    async def invoke(
        self,
        caller: Caller,
        workspace: str,
        connection: Connection,
        action: str,
        params: Mapping[str, Any],
        key: str | None,
    ) -> Done:
        """Run an action that the connection has been granted.

        Args:
            key: Of two calls of one connection with the same key, the second gets the first one's answer.

        Raises:
            CallError: If it was refused or has failed; what is told has no credential in it.
        """
        asked = Asked(id=uuid7(), connection=connection, action=action, by=caller.who, key=key, params=params)

        async def work(live: Live) -> ActionResult:
            call = ActionCall(
                id=asked.id,
                action=action,
                params=params,
                by=caller.who,
                tenant=caller.tenant,
                workspace=workspace,
                project=connection.project,
                connection=connection.id,
                deadline=trio.current_time() + live.section.timeout,
            )
            return await live.connector.invoke(call)

        async with self._governed(caller, asked) as live:
            return await self._run(live, asked, work)

    @asynccontextmanager
    async def _governed(self, caller: Caller, asked: Asked) -> AsyncIterator[Live]:
        """Refuse what may not run, and write that down; else count the call while the context is open."""
        connection = asked.connection
        try:
            live = self._admit(caller, asked)
            self._limits.enter(
                connection.id,
                trio.current_time(),
                per_minute=live.section.per_minute,
                concurrent=live.section.concurrent,
            )
        except Refused as refused:
            await self._recorder.refused(asked, refused.code)
            raise
        live.running += 1
        try:
            yield live
        finally:
            live.running -= 1
            self._limits.leave(connection.id)
            if live.retired:
                self._retire(live)

    def _admit(self, caller: Caller, asked: Asked) -> Live:
        connection, action = asked.connection, asked.action
        if action != CHECK and action not in connection.granted:
            why = "has not been granted" if action in connection.allowed else "does not have"
            raise Refused(f"this integration {why} the action {action[:80]}", code="action_not_granted", status=403)
        live, why = self.find(caller, connection)
        if live is None:
            raise Refused(why, code="integration_unavailable", status=501)
        if action != CHECK and action not in live.actions:
            raise Refused(
                f"the server's owner does not allow the action {action[:80]}", code="action_not_granted", status=403
            )
        return live

    async def _run(self, live: Live, asked: Asked, work: Callable[[Live], Any]) -> Done:
        earlier = await self._recorder.begin(asked, live.name)
        if earlier is not None:
            return earlier
        began = trio.current_time()
        outcome, execution, done = "cancelled", None, None
        try:
            with trio.fail_after(live.section.timeout):
                result = await work(live)
            done = Done(
                call=asked.id,
                result=_told(live, result.value),
                execution=result.execution,
                cost=result.cost,
                milliseconds=_since(began),
            )
            outcome, execution = "ok", result.execution
        except Exception as error:
            failed = _failure(live, error)
            outcome, execution = failed.code, failed.execution
            raise failed from None
        finally:
            # A client that leaves does not keep the ledger from hearing how its call has ended.
            with trio.CancelScope(shield=True):
                await self._recorder.end(asked, live.name, outcome, _since(began), execution, done)
        return done


def _since(began: float) -> int:
    return round((trio.current_time() - began) * 1000)


def _told(live: Live, value: Any) -> msgspec.Raw:
    """Return what an action gave, as JSON without the credential.

    Raises:
        Refused: If it is too large.
    """
    data = msgspec.json.encode(value)
    if len(data) > ANSWER_BYTES:
        raise Refused(
            f"the answer has {len(data)} bytes; it may have {ANSWER_BYTES}", code="answer_too_large", status=502
        )
    text = data.decode()
    hidden = live.hide(text)
    if hidden != text:
        msgspec.json.decode(hidden)  # a secret that is a number would leave no JSON; then nothing is told
    return msgspec.Raw(hidden.encode())


_STATUS: Final[Sequence[tuple[type[AexlError], int, str]]] = (
    (Invalid, 400, "invalid_value"),
    (NotFound, 404, "not_found"),
    (Conflict, 409, "conflict"),
    (Unavailable, 503, "integration_failed"),
)


def _failure(live: Live, error: Exception) -> CallError:
    """Return what is told of an error: nothing of the credential, and nothing at all of a connector's own bug."""
    if isinstance(error, CallError):
        told = Refused(
            live.hide(error.reason),
            code=error.code,
            status=error.status,
            retry_after=getattr(error, "retry_after", None),
        )
        told.execution = error.execution
        return told
    if isinstance(error, trio.TooSlowError):
        seconds = f"{live.section.timeout:g}"
        return Refused(f"the integration took more than {seconds} s", code="integration_timeout", status=504)
    found = next((each for each in _STATUS if isinstance(error, each[0])), None)
    if found is not None:
        return Refused(live.hide(str(error)), code=found[2], status=found[1])
    logger.error(
        "the connector of [integrations.%s] has failed: %s",
        live.name,
        live.hide("".join(traceback.format_exception(error))),
    )
    return Refused("the integration has failed; the server's log says why", code="integration_failed", status=502)
