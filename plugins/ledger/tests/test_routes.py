"""The ledger's HTTP routes, over roles that a test plays."""

from __future__ import annotations

import threading

import httpx
import msgspec
import pytest
import trio

from aexl.api import (
    Booked,
    CallAdmitted,
    CallDenied,
    CallSettled,
    Control,
    Execution,
    Executions,
    Receipt,
    Usage,
)
from aexl.errors import NotFound, Refused
from aexl.testing.factories import make_call, make_outcome, make_plan, make_principal
from aexl.testing.host import FakeHost
from aexl_ledger import activity
from aexl_ledger.activity import ActivityHub
from aexl_ledger.routes import mounts

ALICE = make_principal("alice", scope="read")
ADMIN = make_principal("root", scope="admin")


def make_execution(id: str, agent: str = "alice", **changes) -> Execution:
    values = {
        "id": id, "agent": agent, "state": "committed", "states": (("reserved", 1.0), ("committed", 2.5)),
        "surface": "chat", "model": "m", "provider": "p", "provider_model": "pm", "price_version": "v", "hold": 2_000,
        "cost": 1_500_000, "estimated": False, "overrun": False, "reason": "usage", "status": 200,
        "usage": Usage(input_tokens=3), "labels": {"run": "r"}, "receipts": (Receipt(seq=7, hash="ab"),),
    }  # fmt: skip
    return Execution(**{**values, **changes})


class FakeExecutions:
    """Newest first, as the ledger has them."""

    def __init__(self, *known: Execution):
        self.known = known
        self.asked: list[tuple[str | None, int]] = []

    async def get(self, execution, agent):
        for each in self.known:
            if each.id == execution and agent in (None, each.agent):
                return each
        raise NotFound(f"there is no execution {execution!r}")

    async def recent(self, agent, limit):
        self.asked.append((agent, limit))
        return [each for each in self.known if agent in (None, each.agent)][:limit]


class FakeControl:
    draining = False

    async def status(self):
        return {"draining": self.draining}


@pytest.fixture
def hub():
    return ActivityHub()


@pytest.fixture
def host(tmp_path):
    host = FakeHost(tmp_path)
    host.services = {
        Executions: FakeExecutions(make_execution("e2", "bob"), make_execution("e1")),
        Control: FakeControl(),
    }
    return host


def verified():
    return {"ok": False, "events": 10, "first_bad": 4, "detail": "hash"}


def app_at(path, host, hub, verify=verified):
    [mount] = [mount for mount in mounts(host, hub, verify) if path.startswith(mount.path)]
    return mount.app


async def get(path, host, hub, principal=ALICE, verify=verified, method="GET"):
    app = app_at(path, host, hub, verify)

    async def with_principal(scope, receive, send):
        scope.setdefault("state", {})["principal"] = principal
        await app(scope, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(with_principal), base_url="http://x") as client:
        return await client.request(method, path)


async def test_every_route_asks_for_the_scope_it_needs(host, hub):
    assert {mount.path: mount.auth for mount in mounts(host, hub, verified)} == {
        "/api/v1/executions": "read",
        "/admin/activity": "admin",
        "/admin/replay": "admin",
    }


async def test_an_agent_sees_only_its_own_executions(host, hub):
    answer = await get("/api/v1/executions", host, hub)
    assert [entry["id"] for entry in answer.json()["executions"]] == ["e1"]
    assert (await get("/api/v1/executions/e1", host, hub)).status_code == 200
    answer = await get("/api/v1/executions/e2", host, hub)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"


async def test_an_agent_cannot_ask_for_another_ones(host, hub):
    answer = await get("/api/v1/executions?agent=bob", host, hub)
    assert [entry["agent"] for entry in answer.json()["executions"]] == ["alice"]


async def test_an_admin_sees_all_and_may_choose(host, hub):
    answer = await get("/api/v1/executions", host, hub, ADMIN)
    assert [entry["id"] for entry in answer.json()["executions"]] == ["e2", "e1"]
    answer = await get("/api/v1/executions?agent=bob", host, hub, ADMIN)
    assert [entry["id"] for entry in answer.json()["executions"]] == ["e2"]
    assert (await get("/api/v1/executions/e2", host, hub, ADMIN)).json()["agent"] == "bob"


async def test_money_is_told_exactly_and_in_both_units(host, hub):
    entry = (await get("/api/v1/executions/e1", host, hub)).json()
    assert (entry["cost_usd"], entry["cost_nanos"]) == ("0.0015", 1_500_000)
    assert (entry["hold_usd"], entry["hold_nanos"]) == ("0.000002", 2_000)
    assert entry["states"] == [{"state": "reserved", "at": 1.0}, {"state": "committed", "at": 2.5}]
    assert entry["receipts"] == ["7:ab"]
    assert entry["usage"]["input_tokens"] == 3


async def test_an_execution_without_a_cost_has_none(host, hub):
    host.services[Executions] = FakeExecutions(make_execution("e1", cost=None, usage=None))
    entry = (await get("/api/v1/executions/e1", host, hub)).json()
    assert entry["cost_usd"] is entry["cost_nanos"] is entry["usage"] is None


@pytest.mark.parametrize(
    ("limit", "status"), [("1", 200), ("1000", 200), ("0", 400), ("1001", 400), ("x", 400), ("-1", 400), ("²", 400)]
)
async def test_the_limit_is_from_1_to_1000(host, hub, limit, status):
    answer = await get(f"/api/v1/executions?limit={limit}", host, hub)
    assert answer.status_code == status
    assert host.services[Executions].asked == ([("alice", int(limit))] if status == 200 else [])


async def test_without_a_ledger_the_answer_says_so(host, hub):
    del host.services[Executions]
    assert (await get("/api/v1/executions", host, hub)).status_code == 503


async def test_executions_can_only_be_read(host, hub):
    assert (await get("/api/v1/executions/e1", host, hub, method="DELETE")).status_code == 405


async def test_replay_tells_what_verification_found(host, hub):
    answer = await get("/admin/replay", host, hub, ADMIN)
    assert answer.status_code == 200
    assert answer.json() == verified()


async def test_one_verification_runs_at_a_time(host, hub):
    go = threading.Event()
    app = app_at("/admin/replay", host, hub, lambda: go.wait(10) and verified())

    async def ask():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
            return (await client.get("/admin/replay")).status_code

    codes = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: _append(codes, ask))
        await trio.testing.wait_all_tasks_blocked(0.02)
        assert await ask() == 409
        go.set()
    assert codes == [200]
    assert await ask() == 200


async def _append(codes, ask):
    codes.append(await ask())


class Client:
    """An ASGI client that reads when the test says so."""

    def __init__(self, app, nursery, method="GET"):
        self.sent, self._messages = trio.open_memory_channel[dict](0)
        self._gone = trio.Event()
        self.ended = trio.Event()
        nursery.start_soon(self._run, app, {"type": "http", "method": method, "path": "/admin/activity", "state": {}})

    async def _run(self, app, scope):
        await app(scope, self._receive, self._send)
        self.ended.set()

    async def _send(self, message):
        if not self._gone.is_set():
            await self.sent.send(message)

    async def _receive(self):
        await self._gone.wait()
        return {"type": "http.disconnect"}

    def leave(self):
        self._gone.set()

    async def read(self):
        return await self._messages.receive()

    async def events(self):
        """Return the events of the next message as pairs of name and data."""
        body = (await self.read())["body"].decode()
        found = []
        for text in body.split("\n\n")[:-1]:
            name, _, data = text.partition("\n")
            if name.startswith("event: "):
                found.append((name[7:], msgspec.json.decode(data.removeprefix("data: "))))
            else:
                found.append((name, None))
        return found


@pytest.fixture
def watch(host, hub, nursery):
    def start(method="GET"):
        return Client(app_at("/admin/activity", host, hub), nursery, method)

    return start


CALL = make_call()
SETTLED = CallSettled(
    call=CALL,
    outcome=make_outcome(),
    booked=Booked(execution="e9", receipt=Receipt(seq=8, hash="cd"), amount=50_000, estimated=False, remaining=None),
)


async def test_activity_begins_with_the_latest_executions_oldest_first(watch, autojump_clock):
    client = watch()
    head = await client.read()
    assert head["status"] == 200
    assert (b"content-type", b"text/event-stream; charset=utf-8") in head["headers"]
    assert [(name, data["id"]) for name, data in await client.events()] == [("execution", "e1"), ("execution", "e2")]
    client.leave()
    await client.ended.wait()


async def test_activity_tells_of_calls_as_they_happen_and_never_what_was_said(watch, hub, autojump_clock):
    client = watch()
    await client.read()
    await client.read()
    refused = Refused("no money left", code="insufficient_budget", status=402)
    await hub.handle(CallAdmitted(call=CALL, plan=make_plan()))
    await hub.handle(CallDenied(call=CALL, refused=refused))
    await hub.handle(SETTLED)
    [(name, data)] = await client.events()
    assert (name, data["agent"], data["hold_usd"]) == ("admitted", "alice", "0.0021")
    [(name, data)] = await client.events()
    assert (name, data["code"], data["status"]) == ("denied", "insufficient_budget", 402)
    [(name, data)] = await client.events()
    assert (name, data["execution"], data["cost_usd"], data["receipt"]) == ("settled", "e9", "0.00005", "8:cd")
    assert "Hi" not in str(data)
    client.leave()
    await client.ended.wait()


async def test_silence_is_broken_by_a_comment(watch, autojump_clock):
    client = watch()
    await client.read()
    await client.read()
    began = trio.current_time()
    assert await client.events() == [(": still here", None)]
    assert 15 <= trio.current_time() - began <= 17
    client.leave()
    await client.ended.wait()


async def test_a_slow_watcher_loses_events_is_told_and_holds_nobody_up(watch, hub, autojump_clock, monkeypatch):
    monkeypatch.setattr(activity, "BUFFER", 2)
    client = watch()
    await client.read()
    await client.read()
    await trio.testing.wait_all_tasks_blocked()
    for _ in range(5):
        await hub.handle(SETTLED)
    told = [pair for _ in range(3) for pair in await client.events()]
    assert [name for name, _ in told] == ["dropped", "settled", "settled", "settled"]
    assert told[0][1] == {"count": 2}
    client.leave()
    await client.ended.wait()


async def test_a_watcher_that_leaves_gives_its_place_back(watch, hub, autojump_clock, monkeypatch):
    monkeypatch.setattr(activity, "WATCHERS", 1)
    first, second = watch(), None
    await first.read()
    second = watch()
    refusal = await second.read()
    assert refusal["status"] == 503
    await second.read()
    await first.read()
    first.leave()
    await first.ended.wait()
    third = watch()
    assert (await third.read())["status"] == 200
    await third.read()
    third.leave()
    await third.ended.wait()


async def test_the_stream_ends_when_the_server_begins_to_stop(watch, host, autojump_clock):
    client = watch()
    await client.read()
    await client.read()
    host.services[Control].draining = True
    last = await client.read()
    assert not last.get("more_body")
    await client.ended.wait()


async def test_activity_can_only_be_read(watch, autojump_clock):
    client = watch("POST")
    assert (await client.read())["status"] == 405
    await client.read()


def test_events_are_wanted_only_while_somebody_watches(hub):
    wants = hub.subscriber().wants
    assert not wants()
    with hub.watch():
        assert wants()
    assert not wants()


def test_the_subscriber_asks_for_calls_and_nothing_else(hub):
    subscriber = hub.subscriber()
    assert subscriber.events == (CallAdmitted, CallDenied, CallSettled)
    assert subscriber.handle == hub.handle
