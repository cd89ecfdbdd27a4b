"""What a handler knows of its invocation, and what it may do through it."""

from __future__ import annotations

from time import time

from aexl.sdk.actions import MODEL, allows
from aexl.sdk.answers import ModelAnswer
from aexl.sdk.errors import ModelRefused, NotAllowed
from aexl.sdk.registry import SDK_VERSION, get_registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from aexl.sdk.door import Door
    from aexl.sdk.registry import Handler

FIELDS = (
    "request_id",
    "tenant_id",
    "workspace_id",
    "project_id",
    "user_id",
    "trace_id",
    "deadline_ms",
    "snapshot_id",
    "runtime_version",
    "sdk_version",
    "logs",
)
"""What ``dataclasses.asdict`` shows of a context; secrets are not among it."""


class _Fields:
    """Makes a context a dataclass to whoever asks, without importing ``dataclasses`` for those who do not."""

    def __get__(self, instance: object, owner: type) -> Mapping[str, Any]:
        from dataclasses import make_dataclass

        return vars(make_dataclass("Context", FIELDS))["__dataclass_fields__"]  # type: ignore[no-any-return]  # the standard library's own


class Secrets(dict[str, str]):
    """The secrets that the invocation declared, by name; what prints it sees only the names."""

    def __repr__(self) -> str:
        return f"<secrets {', '.join(sorted(self)) or 'none'}>"

    __str__ = __repr__


class Context:
    """One invocation, as its handler sees it. The ids are the runtime's: what a handler does to them changes nothing.

    In a test of a handler: ``Context(request_id="r", secrets={"KEY": "value"})``.

    Attributes:
        secrets: The declared secrets, by name.
        request: The HTTP request of an ``http`` handler, as a dict; else empty.
    """

    __dataclass_fields__ = _Fields()

    def __init__(
        self,
        *,
        request_id: str | None = None,
        trace_id: str | None = None,
        tenant_id: str | None = None,
        workspace_id: str | None = None,
        project_id: str | None = None,
        user_id: str | None = None,
        deadline_ms: int | None = None,
        snapshot_id: str | None = None,
        runtime_version: str = SDK_VERSION,
        sdk_version: str = SDK_VERSION,
        secrets: Mapping[str, str] | None = None,
        request: Mapping[str, object] | None = None,
        door: Door | None = None,
        handler: Handler | None = None,
    ) -> None:
        self._ids: dict[str, Any] = {
            "request_id": request_id,
            "tenant_id": tenant_id,
            "workspace_id": workspace_id,
            "project_id": project_id,
            "user_id": user_id,
            "trace_id": trace_id,
            "deadline_ms": deadline_ms,
            "snapshot_id": snapshot_id,
            "runtime_version": runtime_version,
            "sdk_version": sdk_version,
        }
        self.secrets = Secrets(secrets or {})
        self.request = dict(request or {})
        self._door = door
        self._handler = handler
        self._logs: list[dict[str, Any]] = []

    @property
    def request_id(self) -> Any:
        """The invocation's id."""
        return self._ids["request_id"]

    @property
    def trace_id(self) -> Any:
        """The trace it belongs to, if the caller named one."""
        return self._ids["trace_id"]

    @property
    def tenant_id(self) -> Any:
        """Whose invocation it is."""
        return self._ids["tenant_id"]

    @property
    def workspace_id(self) -> Any:
        """The workspace, as the caller named it."""
        return self._ids["workspace_id"]

    @property
    def project_id(self) -> Any:
        """The project, as the caller named it."""
        return self._ids["project_id"]

    @property
    def user_id(self) -> Any:
        """The person, as the caller named it."""
        return self._ids["user_id"]

    @property
    def snapshot_id(self) -> Any:
        """What runs: a content address."""
        return self._ids["snapshot_id"]

    @property
    def runtime_version(self) -> Any:
        """The runtime's version."""
        return self._ids["runtime_version"]

    @property
    def sdk_version(self) -> Any:
        """The SDK's version."""
        return self._ids["sdk_version"]

    @property
    def deadline_ms(self) -> int | None:
        """When the invocation is ended, in milliseconds of Unix time."""
        deadline: int | None = self._ids["deadline_ms"]
        return deadline

    @property
    def deadline(self) -> float | None:
        """The same in seconds."""
        return None if self.deadline_ms is None else self.deadline_ms / 1000

    @property
    def logs(self) -> list[dict[str, Any]]:
        """A copy of what was logged so far; changing it changes no log."""
        return list(self._logs)

    def time_remaining_ms(self) -> int | None:
        """Return the milliseconds that are left, 0 at least."""
        return None if self.deadline_ms is None else max(0, self.deadline_ms - int(time() * 1000))

    get_remaining_time_ms = time_remaining_ms

    def log(
        self,
        event: str,
        *,
        level: str = "INFO",
        resource_kind: str | None = None,
        resource_name: str | None = None,
        **fields: object,
    ) -> None:
        """Add a record to the invocation's log; a value that JSON cannot carry is shown as text."""
        record = {
            "ts_ms": int(time() * 1000),
            "level": str(level),
            "event": str(event),
            "request_id": self.request_id,
            "trace_id": self.trace_id,
            "snapshot_id": self.snapshot_id,
            "resource_kind": resource_kind,
            "resource_name": resource_name,
            "fields": fields,
        }
        if len(self._logs) < MOST_LOGS:
            self._logs.append(record)
        if self._door is not None:
            self._door.log(record)

    def model(self, model: str, messages: str | Sequence[Mapping[str, Any]], **options: Any) -> ModelAnswer:
        """Ask a model, under the budget and the policy of the agent that pays for the invocation; waits.

        Args:
            model: The name, as the server has it.
            messages: What to say, or a conversation as Chat Completions has it.
            options: Further keys of Chat Completions, such as ``max_tokens``.

        Raises:
            ModelRefused: If it may not be asked, or gave no answer.
            NotAllowed: If the handler declared its actions, and this is none.
        """
        self._check_action(MODEL, model)
        if self._door is None:
            raise ModelRefused("this context has no way to a model", status=503, code="no_server")
        said = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
        return self._door.model({"model": model, "messages": said, **options})

    async def model_async(self, model: str, messages: str | Sequence[Mapping[str, Any]], **options: Any) -> ModelAnswer:
        """Ask a model as ``model`` does, without holding up the handler's other tasks; asyncio or trio."""
        answer: ModelAnswer = await in_thread(lambda: self.model(model, messages, **options))
        return answer

    def call(self, name: str, payload: Mapping[str, Any]) -> Any:
        """Call another tool of the project, as the runtime would: its input and its result are checked.

        Raises:
            NotAllowed: If the handler declared its actions, and the tool is not among them.
            LookupError: If there is no such tool.
        """
        self._check_action(name, None)
        tool = get_registry().tools.get(name)
        if tool is None:
            raise LookupError(f"Tool not found: {name}")
        from aexl.sdk.calling import call_handler

        return call_handler(tool, self.acting_as(tool), payload)

    def acting_as(self, handler: Handler, request: Mapping[str, object] | None = None) -> Context:
        """Return the same context for another handler, under what that one has declared."""
        other = Context(
            **self._ids, secrets=self.secrets, request=request or self.request, door=self._door, handler=handler
        )
        other._logs = self._logs  # one log for the whole invocation
        return other

    def _check_action(self, action: str, detail: str | None) -> None:
        handler = self._handler
        if handler is None or allows(handler.allowed_actions, action, detail):
            return
        name = action if detail is None else f"{action}:{detail}"
        raise NotAllowed(
            f"Action {name!r} not allowed for {handler.kind} {handler.name!r}; "
            f"it declares {', '.join(handler.allowed_actions or ()) or 'none'}"
        )


MOST_LOGS = 1000
"""Records that ``Context.logs`` has; the runtime's own bound is elsewhere."""


async def in_thread(work: Callable[[], Any]) -> Any:
    """Run something that waits in a thread of whichever loop runs."""
    import sys

    if "trio" in sys.modules and _in_trio():
        import trio

        return await trio.to_thread.run_sync(work)
    import asyncio

    return await asyncio.to_thread(work)


def _in_trio() -> bool:
    import trio

    try:
        trio.lowlevel.current_task()
    except RuntimeError:
        return False
    return True
