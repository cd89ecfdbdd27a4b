"""The runner ``http``: what it sends, what it reads, through the host and over HTTP."""

from __future__ import annotations

import json
import socket
from functools import partial

import httpx
import msgspec
import pytest
import trio

from aexl.api import Accounts, Executions, Usage
from aexl.api.governed import Access
from aexl.api.runners import Concluded, RunnerLimits, RunnerSession, Sampling, Spent, Started, Text, Thinking
from aexl.core.http.transport import make_transport
from aexl.errors import Invalid, NotFound, ProviderFailed, Refused, Unavailable
from aexl.testing.answers import FakeAnswer, make_booked
from aexl.testing.factories import make_principal
from aexl_pipelines.runners.running import run

USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 4,
    "prompt_tokens_details": {"cached_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 1},
}


def stream(*deltas, reason="stop", usage=USAGE, done=True):
    """Return the body of a streamed chat completion."""
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    chunks = [{"model": "real-1", "choices": [choice]} for choice in choices]
    if reason:
        chunks.append({"model": "real-1", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    if usage:
        chunks.append({"model": "real-1", "choices": [], "usage": usage})
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return "".join([": hi\n\n", *lines, "data: [DONE]\n\n" if done else ""]).encode()


class Door:
    """Takes calls as the host does, or is not there."""

    async def authenticate(self, token):
        assert token == "aexl_t1_secret"
        return make_principal("alice")


@pytest.fixture
def ask(host, table, heard, make_request, access):
    """Run ``http`` once, on a host that answers with ``body`` in pieces."""

    async def start(body=b"", *, error=None, **changes):
        host.services[Accounts] = Door()
        half = len(body) // 2
        host.answers.append(FakeAnswer(body[:half], body[half:], stream=True, booked=make_booked(5_000), error=error))
        request = make_request(**{"access": access, "model": "m", **changes})
        return await run(host, table["http"], request, tell=heard.tell)

    return start


def sent(host, number=-1):
    return json.loads(host.calls[number].body.encode())


async def test_an_answer_is_told_word_by_word_and_its_booked_cost_is_known(ask, heard, host):
    outcome = await ask(stream({"reasoning_content": "Hm."}, {"content": "Hel"}, {"content": "lo"}))

    usage = Usage(input_tokens=7, cached_input_tokens=3, output_tokens=4, reasoning_tokens=1)
    assert list(heard) == [
        Started(session=outcome.session, model="real-1"),
        Thinking("Hm."),
        Text("Hel"),
        Text("lo"),
        Spent(usage=usage, cost=5_000),
        Concluded(text="Hello"),
    ]
    assert (outcome.status, outcome.text, outcome.model) == ("completed", "Hello", "real-1")
    assert (outcome.usage, outcome.cost) == (usage, 5_000)
    [call] = host.calls
    assert (call.principal.agent, call.surface, call.model, call.stream) == ("alice", "chat", "m", True)


async def test_the_request_has_what_was_asked_for(ask, host):
    await ask(
        stream({"content": '{"a": 1}'}),
        system="Be brief.",
        append_system=("And kind.",),
        schema={"type": "object"},
        sampling=Sampling(temperature=0.5, top_p=0.9, top_k=3, max_tokens=50, stop=("END",), thinking=0.2),
    )
    body = sent(host)

    assert body["messages"] == [
        {"role": "system", "content": "Be brief.\n\nAnd kind."},
        {"role": "user", "content": "Do it."},
    ]
    assert (body["temperature"], body["top_p"], body["top_k"], body["stop"]) == (0.5, 0.9, 3, ["END"])
    assert (body["max_completion_tokens"], host.calls[0].output_limit) == (50, 50)
    assert body["reasoning_effort"] == "low"
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})


async def test_what_nobody_asked_for_is_not_sent(ask, host):
    await ask(stream({"content": "x"}))

    assert set(sent(host)) == {"model", "messages", "stream", "stream_options"}


async def test_a_session_goes_on_and_is_forked(ask, host, make_request):
    first = await ask(stream({"content": "One."}), session=RunnerSession(id="talk"), system="Be brief.")
    again = await ask(stream({"content": "Two."}), prompt="More.", session=RunnerSession(kind="resume", id="talk"))
    forked = await ask(stream({"content": "Three."}), prompt="Else.", session=RunnerSession(kind="fork", id="talk"))
    await ask(stream({"content": "Four."}), prompt="Last.", session=RunnerSession(kind="resume", id="talk"))

    assert (first.session, again.session) == ("talk", "talk")
    assert forked.session != "talk"
    said = [message["content"] for message in sent(host)["messages"]]
    assert said == ["Be brief.", "Do it.", "One.", "More.", "Two.", "Last."]
    assert [message["content"] for message in sent(host, 2)["messages"]][-1] == "Else."
    kept = make_request().home / "chat" / "talk.json"
    assert kept.stat().st_mode & 0o777 == 0o600


async def test_only_the_last_messages_of_a_session_are_sent_where_that_is_said(ask, host):
    await ask(stream({"content": "One."}), session=RunnerSession(id="talk"), system="Be brief.")
    session, options = RunnerSession(kind="resume", id="talk"), {"max_history_messages": 1}
    await ask(stream({"content": "Two."}), prompt="More.", session=session, options=options)

    assert [message["content"] for message in sent(host)["messages"]] == ["Be brief.", "One.", "More."]


async def test_a_session_that_is_not_there_is_said_before_anything_is_asked(ask, host):
    with pytest.raises(NotFound, match="no session 'gone'"):
        await ask(session=RunnerSession(kind="resume", id="gone"))
    with pytest.raises(Invalid, match="a session id of letters"):
        await ask(session=RunnerSession(id="../x"))
    assert host.calls == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (stream({"content": "Hel"}, reason="length"), "other"),
        (stream({"content": "Hel"}, reason=None, usage=None, done=False), "provider"),
        (stream({"content": "Hel"}, reason=None) + b'data: {"error": {"message": "overloaded"}}\n\n', "provider"),
        (b"data: " + b"x" * 17 * 1024 * 1024, "protocol"),
        (b"<html>", "provider"),
    ],
)
async def test_an_answer_that_is_not_whole_is_no_success(ask, body, kind):
    outcome = await ask(body)

    assert outcome.status in {"failed", "protocol_error"}
    assert outcome.error.kind == kind


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (Refused("the budget of alice has 0 USD left", code="insufficient_budget", status=402), "denied", "budget"),
        (Refused("no", code="model_denied", status=403), "denied", "policy"),
        (ProviderFailed("gone", code="upstream_reset", status=502, charged="unknown"), "failed", "provider"),
    ],
)
async def test_a_refusal_is_an_outcome(ask, error, status, kind):
    outcome = await ask(error=error)
    assert (outcome.status, outcome.error.kind) == (status, kind)


async def test_an_answer_that_breaks_its_schema_has_failed(ask):
    outcome = await ask(stream({"content": "no json"}), schema={"type": "object"})

    assert (outcome.status, outcome.error.kind, outcome.structured) == ("failed", "schema", None)


@pytest.mark.parametrize(("changes", "said"), [({"access": None}, "somewhere to send"), ({"model": None}, "name the")])
async def test_it_needs_a_model_and_somewhere_to_send_its_request(ask, changes, said):
    with pytest.raises(Invalid, match=said):
        await ask(**changes)


class Elsewhere:
    """A host of a command beside a server: calls are not its own, and the ledger is far."""

    def __init__(self, host, answer):
        self._host = host
        self.requests = []

        async def handle(request):
            self.requests.append(request)
            return answer(request)

        self.handle = handle

    def __getattr__(self, name):
        return getattr(self._host, name)

    def call(self, call):
        raise Unavailable(f"call {call.id} must go through the running server's HTTP address")

    def transport(self, _):
        return httpx.MockTransport(self.handle)


class Ledger:
    async def get(self, execution, agent):
        assert (execution, agent) == ("e1", None)
        return msgspec.defstruct("Execution", [("cost", int)])(cost=4_000)


async def test_beside_a_server_the_request_goes_to_it_over_http(host, table, heard, make_request, access):
    host.services |= {Accounts: Door(), Executions: Ledger()}
    body = stream({"content": "Hi."})
    beside = Elsewhere(host, lambda _: httpx.Response(200, content=body, headers={"x-aexl-execution-id": "e1"}))
    outcome = await run(beside, table["http"], make_request(access=access, model="m"), tell=heard.tell)

    [request] = beside.requests
    assert str(request.url) == "http://127.0.0.1:9000/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer aexl_t1_secret"
    assert (outcome.status, outcome.text, outcome.cost) == ("completed", "Hi.", 4_000)


async def test_any_other_endpoint_is_asked_over_http_with_its_own_token(host, table, heard, make_request):
    error = {"error": {"message": "Incorrect API key provided"}}
    beside = Elsewhere(host, lambda _: httpx.Response(401, json=error))
    foreign = Access(url="http://127.0.0.1:11434", token="sk-own", run="")
    outcome = await run(beside, table["http"], make_request(access=foreign, model="m"), tell=heard.tell)

    assert beside.requests[0].headers["authorization"] == "Bearer sk-own"
    assert (outcome.status, outcome.error.kind, outcome.error.status) == ("failed", "auth", 401)


async def test_an_endpoint_that_is_not_there_is_an_outcome(host, table, heard, make_request):
    def refuse(request):
        raise httpx.ConnectError("refused", request=request)

    foreign = Access(url="http://127.0.0.1:1", token="sk-own", run="")
    request = make_request(access=foreign, model="m")
    outcome = await run(Elsewhere(host, refuse), table["http"], request, tell=heard.tell)

    assert (outcome.status, outcome.error.kind) == ("failed", "provider")
    assert "127.0.0.1:1 could not be reached" in outcome.error.message


@pytest.fixture
def silent():
    """A port whose backlog is full: further connects get no answer."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(0)
    fill = [socket.socket() for _ in range(3)]
    for one in fill:
        one.setblocking(False)
        one.connect_ex(listening.getsockname())
    yield listening.getsockname()[1]
    for one in [*fill, listening]:
        one.close()


class Real(Elsewhere):
    """The same host with real connections."""

    def __init__(self, host):
        super().__init__(host, None)

    def transport(self, upstream):
        return make_transport(upstream)


@pytest.mark.parametrize(("options", "seconds"), [({"connect_timeout_seconds": 2.5}, 2.5), ({}, 10.0)])
async def test_a_connection_is_waited_for_as_long_as_was_said_and_no_longer(
    host, table, heard, make_request, silent, autojump_clock, options, seconds
):
    autojump_clock.autojump_threshold = 0.05
    silence = Access(url=f"http://127.0.0.1:{silent}", token="sk-own", run="")
    request = make_request(access=silence, model="m", options=options)
    begun = trio.current_time()
    outcome = await run(Real(host), table["http"], request, tell=heard.tell)

    assert trio.current_time() - begun == pytest.approx(seconds)
    assert (outcome.status, outcome.error.kind) == ("failed", "provider")
    assert f"127.0.0.1:{silent} could not be reached" in outcome.error.message


async def test_an_answer_may_take_longer_than_its_connection(host, table, heard, make_request, autojump_clock):
    autojump_clock.autojump_threshold = 0.05

    async def answer(connection):
        await connection.receive_some()
        await trio.sleep(30)
        body = stream({"content": "Hi."})
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        await connection.send_all(head.encode() + body)

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        slow = Access(url=f"http://127.0.0.1:{port}", token="sk-own", run="")
        request = make_request(access=slow, model="m", options={"connect_timeout_seconds": 1.0})
        outcome = await run(Real(host), table["http"], request, tell=heard.tell)
        nursery.cancel_scope.cancel()

    assert (outcome.status, outcome.text) == ("completed", "Hi.")


async def test_time_and_silence_end_it(host, table, heard, make_request, autojump_clock):
    for limits, kind in ((RunnerLimits(wall=5), "wall"), (RunnerLimits(idle=5), "idle")):
        request = make_request(options={"seconds": 60}, limits=limits)
        outcome = await run(host, table["stub"], request, tell=heard.tell)
        assert (outcome.status, outcome.error.kind) == ("timeout", kind)
