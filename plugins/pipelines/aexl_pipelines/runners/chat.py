"""The runner ``http``: a chat endpoint, without an agent between it and the step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from aexl.api import Host, uuid7
from aexl.api.governed import Access
from aexl.api.runners import Ability, Concluded, RunnerError, RunnerEvent, RunnerOutcome, RunnerRequest, Spent
from aexl.errors import CallError, Invalid, Refused
from aexl_pipelines.runners.abilities import check_request
from aexl_pipelines.runners.chat_answer import ChatAnswer
from aexl_pipelines.runners.chat_request import (
    body_for,
    conversation_path,
    messages_for,
    read_conversation,
    write_conversation,
)
from aexl_pipelines.runners.classifying import classify
from aexl_pipelines.runners.hosted import Hosted, conclude
from aexl_pipelines.runners.launching import full_prompt, read_options

if TYPE_CHECKING:
    from aexl_pipelines.runners.chat_door import Reply

    Door = Callable[[bytes, str, int | None], Awaitable[AbstractAsyncContextManager[Reply]]]

_MOST_ERROR: Final = 64 * 1024
"""Bytes of an error's body that are read."""


class HttpOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the runner can be told besides the request.

    Attributes:
        max_history_messages: How many messages of a resumed session are sent again; all of them by default.
        connect_timeout_seconds: The longest wait for a connection, names and TLS with it; 10 by default.
    """

    max_history_messages: int | None = None
    connect_timeout_seconds: float | None = None


class HttpRunner(Hosted):
    """Asks a model once. It has no tools, so it changes nothing."""

    name = "http"
    capabilities: frozenset[str] = frozenset(
        {
            Ability.MODEL,
            Ability.SESSION_ID,
            Ability.RESUME,
            Ability.FORK,
            Ability.SYSTEM_REPLACE,
            Ability.SYSTEM_APPEND,
            Ability.TOOLS_OFF,
            Ability.MODE_READ,
            Ability.TEMPERATURE,
            Ability.TOP_P,
            Ability.TOP_K,
            Ability.MAX_TOKENS,
            Ability.STOP,
            Ability.THINKING,
            Ability.SCHEMA,
            Ability.USAGE,
            Ability.COST,
            Ability.DELTAS,
        }
    )

    async def run(
        self, host: Host, request: RunnerRequest, tell: Callable[[RunnerEvent], Awaitable[None]]
    ) -> RunnerOutcome:
        """Ask, and keep the conversation in the run's home."""
        import trio

        from aexl_pipelines.runners.chat_door import send

        check_request(self, request)
        options = read_options(self.name, request.options, HttpOptions)
        access, model = self._ready(request)
        session = _session(request)
        earlier = []
        if request.session.kind != "new":
            path = conversation_path(request, request.session.id or "")
            earlier = await trio.to_thread.run_sync(read_conversation, path)
        messages = messages_for(request, earlier, options.max_history_messages)
        door = partial(send, host, access, connect=options.connect_timeout_seconds)
        answer, cost = await self._ask(door, request, body_for(request, messages), ChatAnswer(session), tell)
        if answer.error is None:
            said = [*messages, {"role": "assistant", "content": answer.text}]
            await trio.to_thread.run_sync(write_conversation, conversation_path(request, session), said)
        if answer.usage is not None:
            await tell(Spent(usage=answer.usage, cost=cost))
        await tell(Concluded(text=answer.text, error=answer.error))
        return conclude(
            request,
            answer.text,
            error=answer.error,
            session=session,
            model=answer.model or model,
            usage=answer.usage,
            cost=cost,
        )

    def _ready(self, request: RunnerRequest) -> tuple[Access, str]:
        full_prompt(request, self.capabilities)
        if request.access is None:
            raise Invalid(f"runner {self.name} needs somewhere to send its request: let a server govern the run")
        if request.model is None:
            raise Invalid(f"runner {self.name} has no model of its own: name the model")
        return request.access, request.model

    async def _ask(
        self,
        door: Door,
        request: RunnerRequest,
        body: dict[str, object],
        answer: ChatAnswer,
        tell: Callable[[RunnerEvent], Awaitable[None]],
    ) -> tuple[ChatAnswer, int | None]:
        cost: list[int] = []
        try:
            limit = request.sampling.max_tokens
            async with await door(msgspec.json.encode(body), str(body["model"]), limit) as reply:
                cost = reply.cost
                held = b""
                async with aclosing(reply.chunks) as chunks:
                    async for data in chunks:
                        if reply.status >= 400:
                            held = (held + data)[:_MOST_ERROR]
                            continue
                        for event in answer.feed(data):
                            await tell(event)
                if reply.status >= 400:
                    answer.fail(reply.status, held)
                answer.finish()
        except CallError as error:
            answer.error = _error(error)
        return answer, cost[0] if cost else None


def _session(request: RunnerRequest) -> str:
    session = request.session
    name = uuid7() if session.kind == "fork" or session.id is None else session.id
    conversation_path(request, name)  # refuses what is no name, before anything is asked
    return name


def _error(error: CallError) -> RunnerError:
    if isinstance(error, Refused):
        return classify(error.reason, error.status)
    return RunnerError(kind="provider", message=error.reason, status=error.status)
