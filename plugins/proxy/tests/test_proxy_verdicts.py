"""A verdict that ends a stream half way, and the client that asks again."""

from __future__ import annotations

import msgspec
import pytest
import trio

from aexl.errors import Refused
from aexl.testing.answers import FakeAnswer
from aexl.testing.factories import make_call, make_principal
from aexl_proxy.interruptions import ends_an_event, verdict_event
from aexl_proxy.verdicts import MOST_VERDICTS, SECONDS, Verdicts

SSE = ((b"content-type", b"text/event-stream"),)
PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/messages")


def verdict(status: int = 403, code: str = "policy_denied") -> Refused:
    return Refused("A rule says no.", code=code, status=status)


async def interrupt(proxy, path: str, body: object, status: int = 403):
    proxy.script(FakeAnswer(b"data: {}\n\n", verdict(status), stream=True, headers=SSE))
    return await proxy.post(path, body)


@pytest.fixture
def streaming(bodies):
    return lambda path: {**bodies[path.removeprefix("/v1")], "stream": True}


async def test_chat_ends_with_an_error_chunk_and_no_terminator(proxy, streaming) -> None:
    got = await interrupt(proxy, "/v1/chat/completions", streaming("/v1/chat/completions"))
    assert got.ended
    assert got.pieces[-1].startswith(b"data: {")
    assert got.pieces[-1].endswith(b"\n\n")
    error = msgspec.json.decode(got.pieces[-1][6:])["error"]
    assert error == {"message": "A rule says no.", "type": "permission_error", "param": None, "code": "policy_denied"}


async def test_messages_end_with_an_error_event(proxy, streaming) -> None:
    got = await interrupt(proxy, "/v1/messages", streaming("/v1/messages"))
    assert got.ended
    head, _, data = got.pieces[-1].partition(b"\ndata: ")
    assert head == b"event: error"
    event = msgspec.json.decode(data)
    assert (event["type"], event["error"]["type"]) == ("error", "permission_error")
    assert event["request_id"] == got.header("x-aexl-execution-id")


async def test_responses_end_with_a_failed_response_in_sequence(proxy, streaming) -> None:
    created = {
        "type": "response.created",
        "sequence_number": 0,
        "response": {"id": "resp_1", "model": "m", "status": "in_progress", "output": []},
    }
    first = b"event: response.created\ndata: " + msgspec.json.encode(created) + b"\n\n"
    second = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number": 41,"delta":"x"}\n\n'
    proxy.script(FakeAnswer(first, second, verdict(), stream=True, headers=SSE))
    got = await proxy.post("/v1/responses", streaming("/v1/responses"))
    head, _, data = got.pieces[-1].partition(b"\ndata: ")
    assert head == b"event: response.failed"
    assert msgspec.json.decode(data) == {
        "type": "response.failed",
        "sequence_number": 42,
        "response": {
            "id": "resp_1",
            "model": "m",
            "status": "failed",
            "output": [],
            "error": {"code": "policy_denied", "message": "A rule says no."},
        },
    }


@pytest.mark.parametrize(
    "first", [b"", b"data: [DONE]\n\n", b"data: {half", b'data: {"response": 7}\n\n', b"data: []\n\n", b": ping\n\n"]
)
def test_a_failed_response_is_complete_whatever_came_before(first: bytes) -> None:
    event = verdict_event(verdict(), "responses", "e1", first, first)
    data = msgspec.json.decode(event.partition(b"data: ")[2])
    assert data["sequence_number"] == 0
    assert data["response"]["status"] == "failed"
    assert data["response"]["object"] == "response"


@pytest.mark.parametrize(
    ("before", "last", "between"),
    [
        (b"", b"data: 1\n\n", True),
        (b"", b"data: 1\r\n\r\n", True),
        (b"data: 1\n", b"\n", True),
        (b"data: 1\r\n\r", b"\n", True),
        (b"", b"data: 1\n", False),
        (b"data: 1\n\n", b"data", False),
        (b"", b"", False),
    ],
)
def test_where_an_event_ends(before: bytes, last: bytes, between: bool) -> None:
    assert ends_an_event(before, last) is between


async def test_within_an_event_the_stream_is_cut_instead(proxy, streaming) -> None:
    proxy.script(FakeAnswer(b"data: {half", verdict(), stream=True, headers=SSE))
    got = await proxy.post("/v1/messages", streaming("/v1/messages"))
    assert got.cut is not None
    assert got.cut.code == "policy_denied"
    assert not got.ended


@pytest.mark.parametrize(
    ("path", "status", "shown"),
    [
        ("/v1/chat/completions", 403, 403),
        ("/v1/chat/completions", 402, 402),
        ("/v1/responses", 402, 400),
        ("/v1/messages", 402, 402),
        ("/v1/messages", 423, 403),
    ],
)
async def test_the_question_again_without_a_stream_gets_the_same_verdict(
    proxy, streaming, bodies, path: str, status: int, shown: int
) -> None:
    await interrupt(proxy, path, streaming(path), status)
    again = {**bodies[path.removeprefix("/v1")], "stream": False, "max_tokens": 64}
    got = await proxy.post(path, again)
    assert got.status == shown
    assert got.error["message"] == "A rule says no."
    assert got.header("x-should-retry") == "false"
    assert len(proxy.host.calls) == 1


async def test_another_question_agent_or_surface_is_asked(proxy, streaming, bodies) -> None:
    await interrupt(proxy, "/v1/messages", streaming("/v1/messages"))
    asked = bodies["/messages"]
    proxy.script(*(FakeAnswer(b"{}") for _ in range(4)))
    assert (await proxy.post("/v1/messages", {**asked, "messages": []})).status == 200
    assert (await proxy.post("/v1/messages", {**asked, "model": "other"})).status == 200
    assert (await proxy.post("/v1/messages", asked, principal=make_principal("bob"))).status == 200
    assert (await proxy.post("/v1/chat/completions", asked)).status == 200


async def test_a_stream_again_is_the_gates_business(proxy, streaming) -> None:
    await interrupt(proxy, "/v1/messages", streaming("/v1/messages"))
    proxy.script(FakeAnswer(b"data: {}\n\n", stream=True, headers=SSE))
    assert (await proxy.post("/v1/messages", streaming("/v1/messages"))).status == 200


async def test_a_verdict_that_waiting_mends_is_not_remembered(proxy, streaming, bodies) -> None:
    await interrupt(proxy, "/v1/messages", streaming("/v1/messages"), status=503)
    proxy.script(FakeAnswer(b"{}"))
    assert (await proxy.post("/v1/messages", bodies["/messages"])).status == 200


async def test_a_verdict_is_forgotten_after_a_minute(proxy, streaming, bodies, autojump_clock) -> None:
    await interrupt(proxy, "/v1/messages", streaming("/v1/messages"))
    await trio.sleep(SECONDS - 1)
    assert (await proxy.post("/v1/messages", bodies["/messages"])).status == 403
    await trio.sleep(1)
    proxy.script(FakeAnswer(b"{}"))
    assert (await proxy.post("/v1/messages", bodies["/messages"])).status == 200


def test_the_memory_is_bounded_and_forgets_the_oldest() -> None:
    verdicts = Verdicts()
    calls = [make_call({"model": "m", "messages": [n]}) for n in range(MOST_VERDICTS + 1)]
    for call in calls[:-1]:
        verdicts.remember(call, verdict(), 0.0)
    assert len(verdicts) == MOST_VERDICTS
    assert verdicts.recall(calls[0], 1.0) is not None
    verdicts.remember(calls[-1], verdict(), 1.0)
    assert len(verdicts) == MOST_VERDICTS
    assert verdicts.recall(calls[0], 1.0) is None
    assert verdicts.recall(calls[-1], 1.0) is not None
    assert verdicts.recall(calls[-1], 1.0 + SECONDS) is None
    assert len(verdicts) == 0
