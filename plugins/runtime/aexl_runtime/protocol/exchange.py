"""One run from outside: what is said to a worker, what it says, and the answer that comes of it. Without I/O."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aexl.sdk.actions import MODEL, allows
from aexl_runtime.protocol.asked import Asked, told_error
from aexl_runtime.protocol.envelopes import Answer
from aexl_runtime.protocol.failures import Failure
from aexl_runtime.protocol.logbook import Heard, Logbook
from aexl_runtime.protocol.requests import Request

MAX_RESULT: Final = 4 * 1024 * 1024
"""Bytes of a result, as JSON."""

MAX_LINE: Final = MAX_RESULT + 64 * 1024
"""Bytes of one message of a worker."""

MOST_ASKED: Final = 1000
"""Calls to models in one run."""

_BELIEVED: Final = {
    "started": ("load", "import"),
    "importing": ("load",),
    "loaded": ("user", "value", "not_found", "not_allowed"),
    "found": ("user", "value", "not_allowed"),
}
"""The sorts of failure that a worker can tell of, by how far its run has come; any other one is taken for the first.

From ``importing`` on the project's own code runs in there, and says what it likes; ``found``: its handler may be called.
"""

_STAGES: Final = tuple(_BELIEVED)
_BEFORE_CALL: Final = frozenset({"load", "import", "entry_point", "sandbox", "worker", "request"})
_TIMES: Final = ("hash_ms", "import_ms", "validate_ms", "registry_ms", "cleanup_ms", "total_ms")
_LONGEST: Final = 10_000
_OTHERS: Final = 50
"""Violations of contracts that are told beside the first one."""


class Task(NamedTuple):
    """A run for a worker to do.

    Attributes:
        root: Where the project is, as the worker sees it.
        compat: ``import aiel_sdk`` is answered.
        secrets: By name.
        debug: Tracebacks are told, and where files are.
        hash_ms: How long it took to find out what the project is called.
        cold: No worker was ready for it.
        heard: Is told of each record of the log.
    """

    request: Request
    root: str
    snapshot_id: str | None
    compat: bool = False
    secrets: Mapping[str, str] | None = None
    debug: bool = False
    hash_ms: int = 0
    cold: bool = True
    heard: Heard | None = None


class Exchange:
    """What is said and heard of one run.

    Args:
        clock: Seconds of Unix time.
    """

    def __init__(self, task: Task, clock: Callable[[], float] = time.time) -> None:
        self._task = task
        self._clock = clock
        self._begun = clock()
        self._log = Logbook(task.request.request_id, task.request.trace_id, clock, task.heard)
        self._log.snapshot_id = task.snapshot_id
        self._asked = 0
        self._stage = "started"
        self._imported = False
        self._actions: Sequence[str] | None = ()
        self._ended: float | None = None
        self._failure: Failure | None = None
        self._result: Any = None
        self._http = 200
        fields = {"action": task.request.action, "snapshot_id": task.snapshot_id, "cold_start": task.cold}
        self._log.runner("start", (None, None), fields)

    @property
    def deadline(self) -> float:
        """When the run must have ended, in seconds of Unix time."""
        return self._begun + self._task.request.timeout_ms / 1000

    @property
    def seconds_left(self) -> float:
        """How long it may still take; 0 when its time is over."""
        return max(0.0, self.deadline - self._clock())

    @property
    def done(self) -> bool:
        """It is known how the run ended."""
        return self._ended is not None

    def order(self) -> bytes:
        """Return the line that makes a worker begin."""
        task = self._task
        return encode(
            {
                "t": "run",
                "root": task.root,
                "compat": task.compat,
                "snapshot_id": task.snapshot_id,
                "secrets": task.secrets or {},
                "debug": task.debug,
                "deadline_ms": int(self.deadline * 1000),
                "request": task.request.wire(),
            }
        )

    def reply(self, asked: Asked, told: Mapping[str, Any]) -> bytes:
        """Return the line that answers a question."""
        return encode({"t": "told", "n": asked.number, **told})

    def hear(self, line: bytes) -> Asked | None:
        """Take a line of the worker. What it says after its result counts for nothing."""
        if self.done:
            return None
        try:
            said = json.loads(line)
            match said["t"]:
                case "log":
                    self._log.said(said["r"])
                case "out":
                    self._log.printed("stderr" if said["s"] == "stderr" else "stdout", str(said["x"]))
                case "importing" | "loaded" | "found" as stage:
                    self._come_to(stage)
                    if stage == "loaded":
                        self._load(said["ms"])
                        self._actions = None if said["actions"] is None else tuple(map(str, said["actions"]))
                        if said["found"]:
                            self._come_to("found")
                case "ask" if isinstance(said["body"], dict) and self._asked < MOST_ASKED:
                    self._asked += 1
                    return Asked(int(said["n"]), said["body"], self._refusal(said["body"]))
                case "done":
                    self._succeed(said["result"], said["http"])
                case "failed":
                    self._fail(_heard(said, _BELIEVED[self._stage]))
                case _:
                    raise ValueError(said["t"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.fail("user", "the handler wrote to the runtime's own channel", exception="ProtocolError")
        return None

    def printed(self, text: str) -> None:
        """Take a line that was written to file descriptor 1 or 2 past Python's own streams."""
        self._log.printed("output", text)

    def start_imported(self) -> None:
        """It begins in a worker that has imported the project already."""
        self._imported = True

    def note(self, event: str, fields: Mapping[str, object], level: str = "INFO") -> None:
        """Add a record of the runner's own."""
        self._log.runner(event, (None, None), fields, level)

    def time_out(self) -> None:
        """The time is over, and everything that the run started has been ended."""
        message = f"Invocation timed out after {self._task.request.timeout_ms}ms"
        self.fail("timeout", message, exception="InvokeTimeout")

    def die(self, how: str, exception: str = "WorkerDied") -> None:
        """The worker has ended without an answer; ``how`` says in which way."""
        if self._is_loaded or self._imported or self._task.request.action == "execute":
            self.fail("user", f"the handler's process {how} before it answered", exception=exception)
        else:
            self.fail("load", f"the process {how} while entry_point.py was imported", exception=exception)

    def fail(self, sort: str, message: str, **more: Any) -> None:
        """The run has failed; the first word on it counts."""
        if not self.done:
            self._fail(Failure(sort=sort, message=message, **more))

    def answer(self, sandbox: Mapping[str, object] | None) -> Answer:
        """Return how the run ended."""
        assert self._ended is not None, "the run has not ended"
        request, failure = self._task.request, self._failure
        self._log.close()
        logs, snapshot = self._log.records, self._task.snapshot_id
        if failure is not None and failure.sort in _BEFORE_CALL:
            logs, snapshot = [each for each in logs if not str(each["event"]).startswith("runner.")], None
        return Answer(
            request_id=request.request_id,
            trace_id=request.trace_id,
            failure=failure,
            result=self._result,
            http=self._http,
            duration_ms=int((self._ended - self._begun) * 1000),
            cold_start=self._task.cold,
            snapshot_id=snapshot,
            logs=logs,
            sandbox=sandbox,
        )

    @property
    def _is_loaded(self) -> bool:
        return self._stage in ("loaded", "found")

    def _come_to(self, stage: str) -> None:
        if _STAGES.index(stage) <= _STAGES.index(self._stage):
            raise ValueError(f"{stage} after {self._stage}")
        self._stage = stage

    def _refusal(self, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Hold to what was declared, whatever the handler has made of the context that asks."""
        model = str(body.get("model"))
        if allows(self._actions, MODEL, model):
            return None
        return told_error(f"Action '{MODEL}:{model}' was not declared, so it is not allowed", 403, "not_allowed")

    def _load(self, times: Mapping[str, Any]) -> None:
        self._log.runner(
            "init", (None, None), {**{name: int(times.get(name, 0)) for name in _TIMES}, "hash_ms": self._task.hash_ms}
        )
        request = self._task.request
        if request.action == "invoke":
            self._log.runner("invoke", request.resource, {"kind": request.kind, "handler": request.handler})
        elif request.action == "execute":
            self._log.runner("execute", request.resource, {"handler": request.handler})

    def _succeed(self, result: Any, http: Any) -> None:
        request = self._task.request
        self._result = result
        if request.action == "invoke" and type(http) is int and 100 <= http <= 599:
            self._http = http
        self._end()
        if request.action == "describe":
            self._log.runner("describe.ok", (None, None), {})
        else:
            assert self._ended is not None
            fields = {"duration_ms": int((self._ended - self._begun) * 1000)}
            self._log.runner(f"{request.action}.ok", request.resource, fields)

    def _fail(self, failure: Failure) -> None:
        self._failure = failure
        self._end()
        told = failure.kind.event
        if told is not None and self._task.request.action != "describe":
            kind, name = self._task.request.resource
            resource = (kind if self._task.request.action == "invoke" else None, name)
            self._log.runner(f"invoke.{told[0]}", resource, {"message": failure.message}, told[1])

    def _end(self) -> None:
        self._ended = self._clock()


def encode(message: Mapping[str, Any]) -> bytes:
    """Return a message as a line."""
    return json.dumps(message, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"


def _heard(said: Mapping[str, Any], believed: Sequence[str]) -> Failure:
    sort, exception = said["sort"], said.get("exception")
    if sort not in believed:
        sort, exception = believed[0], exception or "Failed"
    http, location = said.get("http"), said.get("location")
    return Failure(
        sort=sort,
        message=str(said["message"])[:_LONGEST],
        http=http if type(http) is int and 400 <= http <= 599 else None,
        exception=str(exception)[:200] if exception is not None else None,
        location=location if isinstance(location, dict) else None,
        traceback=str(said["traceback"])[: 4 * _LONGEST] if said.get("traceback") is not None else None,
        extra=_others(said.get("others")),
    )


def _others(told: object) -> Mapping[str, object]:
    """Return what else is wrong of the same sort, for the error's details."""
    if not isinstance(told, list) or not told:
        return {}
    return {"others": [str(each)[:_LONGEST] for each in told[:_OTHERS]]}
