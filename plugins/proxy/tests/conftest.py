"""The proxy's applications, driven in this process: a host with scripted answers, and a client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from aexl.api import Call, Execution, Executions, Headers, Model, Models, Mount, Principal, Receipt
from aexl.errors import CallError, NotFound, ProviderFailed, Refused, Unavailable
from aexl.testing.answers import FakeAnswer
from aexl.testing.factories import CHEAP, make_principal
from aexl.testing.host import FakeHost
from aexl_proxy.plugin import ProxyPlugin

BODIES: dict[str, dict[str, object]] = {
    "/chat/completions": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    "/responses": {"model": "m", "input": "Hi"},
    "/messages": {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]},
    "/messages/count_tokens": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    "/responses/input_tokens": {"model": "m", "input": "Hi"},
}
"""The least body that each path takes."""


@dataclass
class Got:
    """What came back.

    Attributes:
        pieces: The body's messages, as they were sent.
        cut: What left the application after the head had been sent.
    """

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)
    ended: bool = False
    cut: CallError | None = None

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def error(self) -> Any:
        return self.json()["error"]

    def header(self, name: str) -> str | None:
        values = [value.decode() for known, value in self.headers if known == name.encode()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None


class ProxyClient:
    """Finds the mount of a path as the host does, and speaks ASGI to it."""

    def __init__(self, host: FakeHost, mounts: Sequence[Mount]) -> None:
        self.host = host
        self.mounts = {mount.path: mount for mount in mounts}
        self.principal = make_principal()

    def script(self, *answers: FakeAnswer) -> None:
        self.host.answers.extend(answers)

    @property
    def call(self) -> Call:
        """The one call that was made."""
        assert len(self.host.calls) == 1, f"{len(self.host.calls)} calls were made"
        return self.host.calls[0]

    def mount(self, path: str) -> Mount:
        while path not in self.mounts:
            path = path.rpartition("/")[0] or "/"
        return self.mounts[path]

    async def request(
        self,
        method: str,
        path: str,
        data: bytes | Sequence[bytes] = b"",
        *,
        headers: Headers = ((b"content-type", b"application/json"),),
        query: str = "",
        principal: Principal | None = None,
        leaves_after: int | None = None,
    ) -> Got:
        """Make one request; with ``leaves_after`` the client takes that many body messages and is gone."""
        parts = [data] if isinstance(data, bytes) else list(data)
        got = Got()

        async def receive() -> dict[str, Any]:
            await trio.lowlevel.checkpoint()
            if not parts:
                return {"type": "http.disconnect"}
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: Any) -> None:
            await trio.lowlevel.checkpoint()
            if message["type"] == "http.response.start":
                assert not got.status, "two heads were sent"
                got.status, got.headers = message["status"], list(message["headers"])
                return
            assert not got.ended, "something was sent after the end"
            if leaves_after is not None and len(got.pieces) >= leaves_after:
                raise OSError("the client left")
            if message["body"]:
                got.pieces.append(message["body"])
            got.ended = not message.get("more_body", False)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": list(headers),
            "state": {"principal": principal or self.principal},
        }
        try:
            await self.mount(path).app(scope, receive, send)
        except ProviderFailed as error:
            assert got.status, "an error left the application before the head was sent"
            got.cut = error
        return got

    async def post(self, path: str, body: object = None, **options: Any) -> Got:
        """Post a JSON value, or bytes as they are."""
        if body is None:
            body = BODIES[path.removeprefix("/openai").removeprefix("/anthropic").removeprefix("/v1")]
        data = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return await self.request("POST", path, data, **options)

    async def get(self, path: str, **options: Any) -> Got:
        return await self.request("GET", path, **options)


class FakeExecutions:
    """Knows who owns which stored response; ``broken`` makes it say that it cannot say."""

    def __init__(self) -> None:
        self.owners: dict[str, Execution] = {}
        self.broken = False

    async def _look(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.broken:
            raise Unavailable("the ledger is busy; ask again")

    def add(self, response_id: str, agent: str, model: str = "gpt-test") -> None:
        self.owners[response_id] = Execution(
            id=f"01890000-0000-7000-8000-{len(self.owners):012x}",
            agent=agent,
            state="COMMITTED",
            states=(("RESERVED", 1.5), ("COMMITTED", 2.5)),
            surface="responses",
            model=model,
            provider="fake",
            provider_model=model,
            price_version="test:1",
            hold=2_000_000,
            cost=1_500_000,
            estimated=False,
            overrun=False,
            reason="usage",
            status=200,
            usage=None,
            labels={},
            receipts=(Receipt(seq=1, hash="aa"), Receipt(seq=2, hash="bb")),
        )

    async def owner(self, upstream_id: str) -> Execution | None:
        await self._look()
        return self.owners.get(upstream_id)

    async def get(self, execution: str, agent: str | None) -> Execution:
        await self._look()
        for known in self.owners.values():
            if known.id == execution and agent in (None, known.agent):
                return known
        raise NotFound(f"there is no execution {execution!r}")

    async def recent(self, agent: str | None, limit: int) -> Sequence[Execution]:
        await self._look()
        return [known for known in self.owners.values() if agent in (None, known.agent)][:limit]

    async def correct(self, execution: str, cost: int, reason: str) -> Receipt:
        raise AssertionError("the proxy does not correct executions")


class FakeModels:
    """A list of models."""

    def __init__(self, *names: str) -> None:
        self.models = [make_model(name) for name in names]

    async def list(self) -> Sequence[Model]:
        await trio.lowlevel.checkpoint()
        return self.models


def make_model(name: str) -> Model:
    return Model(
        name=name,
        owner="fake",
        provider_model=name,
        created=1_700_000_000,
        surfaces=("chat", "messages"),
        context=1000,
        output=100,
        price=CHEAP,
        price_version="test:1",
    )


@pytest.fixture
def executions() -> FakeExecutions:
    return FakeExecutions()


@pytest.fixture
def host(tmp_path: Path, executions: FakeExecutions) -> FakeHost:
    host = FakeHost(tmp_path)
    host.services[Executions] = executions
    host.services[Models] = FakeModels("claude-a", "claude-b", "gpt-a", "openai/gpt-oss", "gpt-b")
    return host


@pytest.fixture
def proxy(host: FakeHost) -> ProxyClient:
    return ProxyClient(host, ProxyPlugin().aexl_routes(host))


@pytest.fixture
def bodies() -> dict[str, dict[str, object]]:
    return BODIES


@pytest.fixture
def make_refused() -> Callable[..., Refused]:
    """Make a refusal as the host raises it: known to the ledger."""

    def make(status: int, code: str = "some_rule", **values: Any) -> Refused:
        refused = Refused("No. Do something else.", code=code, status=status, **values)
        refused.execution = "01890000-0000-7000-8000-0000000000ff"
        refused.receipt = "9:abc"
        return refused

    return make
