"""What the client gets of an answer."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from aexl.api import Receipt
from aexl.errors import ProviderFailed, Refused
from aexl.testing.answers import RECEIPT, FakeAnswer, make_booked

SSE = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"x-request-id", b"req_1"))
VERDICT = Refused("The budget is spent.", code="insufficient_budget", status=402)


def cut() -> ProviderFailed:
    return ProviderFailed("the upstream cut the stream", code="upstream_cut", status=502, charged="unknown")


async def test_an_answer_passes_byte_for_byte_with_its_headers(proxy) -> None:
    upstream = (
        (b"content-type", b"application/json; charset=utf-8"),
        (b"x-request-id", b"req_1"),
        (b"openai-processing-ms", b"12"),
        (b"x-ratelimit-remaining-tokens", b"7"),
        (b"content-encoding", b"gzip"),
    )
    dropped = (
        (b"connection", b"keep-alive"),
        (b"transfer-encoding", b"chunked"),
        (b"content-length", b"999"),
        (b"set-cookie", b"a=b"),
        (b"x-aexl-cost-usd", b"9"),
        (b"keep-alive", b"timeout=5"),
    )
    answer = FakeAnswer(
        b'{"id" : 1,',
        b' "x": "\xc3\xa4"}\n',
        headers=upstream + dropped,
        booked=make_booked(1_500_000, remaining=2_000_000_000),
    )
    proxy.script(answer)
    got = await proxy.post("/v1/chat/completions")
    assert got.status == 200
    assert got.body == b'{"id" : 1, "x": "\xc3\xa4"}\n'
    assert tuple(got.headers) == (
        *upstream,
        (b"x-aexl-execution-id", answer.execution.encode()),
        (b"x-aexl-receipt", f"{RECEIPT.seq}:{RECEIPT.hash}".encode()),
        (b"content-length", b"%d" % len(got.body)),
        (b"x-aexl-cost-usd", b"0.0015"),
        (b"x-aexl-budget-remaining-usd", b"2.00"),
    )
    assert answer.complete


async def test_without_a_budget_nothing_is_said_of_what_remains(proxy) -> None:
    proxy.script(FakeAnswer(b"{}", booked=make_booked(0, remaining=None)))
    got = await proxy.post("/v1/chat/completions")
    assert got.header("x-aexl-cost-usd") == "0.00"
    assert got.header("x-aexl-budget-remaining-usd") is None


async def test_without_a_ledger_there_is_no_receipt_and_no_cost(proxy) -> None:
    proxy.script(FakeAnswer(b"{}", receipt=Receipt(seq=0, hash="")))
    got = await proxy.post("/v1/chat/completions")
    assert got.header("x-aexl-receipt") is None
    assert got.header("x-aexl-cost-usd") is None
    assert got.header("x-aexl-execution-id")


async def test_a_replay_says_so(proxy) -> None:
    proxy.script(FakeAnswer(b"{}", replayed=True), FakeAnswer(b"{}"))
    assert (await proxy.post("/v1/messages")).header("x-aexl-replayed") == "true"
    assert (await proxy.post("/v1/messages")).header("x-aexl-replayed") is None


@pytest.mark.parametrize("status", [400, 404, 429, 500, 529])
async def test_an_error_of_the_upstream_passes_as_it_is(proxy, status: int) -> None:
    headers = ((b"content-type", b"application/json"), (b"retry-after", b"17"), (b"request-id", b"r"))
    proxy.script(FakeAnswer(b'{"type":"error"}', status=status, headers=headers))
    got = await proxy.post("/v1/messages")
    assert (got.status, got.body) == (status, b'{"type":"error"}')
    assert got.header("retry-after") == "17"
    assert got.header("x-should-retry") is None


async def test_an_empty_answer_stays_empty(proxy) -> None:
    proxy.script(FakeAnswer(status=204, headers=()), FakeAnswer(headers=()))
    got = await proxy.post("/v1/responses")
    assert (got.status, got.body, got.header("content-length")) == (204, b"", None)
    got = await proxy.post("/v1/responses")
    assert (got.status, got.body, got.header("content-length")) == (200, b"", "0")


async def test_each_chunk_of_a_stream_is_one_message_as_soon_as_it_comes(proxy) -> None:
    upstream, chunks = trio.open_memory_channel[bytes](0)
    answer = FakeAnswer(chunks=chunks, stream=True, headers=(*SSE, (b"content-length", b"3")))
    proxy.script(answer)
    sent: list[str] = []
    ended = trio.Event()

    async def send(message) -> None:
        sent.append(message["type"].removeprefix("http.response.") + str(message.get("body", b"").decode()))
        if message["type"] == "http.response.start":
            names = [name for name, _ in message["headers"]]
            assert b"content-length" not in names
            assert b"x-aexl-cost-usd" not in names
            assert b"x-request-id" in names
        elif not message["more_body"]:
            ended.set()

    async def receive():
        return {"type": "http.request", "body": b'{"model":"m","stream":true}', "more_body": False}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/chat/completions",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "state": {"principal": proxy.principal},
    }
    async with trio.open_nursery() as nursery:
        nursery.start_soon(proxy.mount("/v1").app, scope, receive, send)
        await trio.testing.wait_all_tasks_blocked()
        assert sent == [], "the head waits for the first chunk"
        await upstream.send(b"one")
        await trio.testing.wait_all_tasks_blocked()
        assert sent == ["start", "bodyone"]
        await upstream.send(b"two")
        await trio.testing.wait_all_tasks_blocked()
        assert sent == ["start", "bodyone", "bodytwo"]
        assert not answer.complete
        await upstream.aclose()
        await ended.wait()
    assert sent == ["start", "bodyone", "bodytwo", "body"]
    assert answer.complete


async def test_a_stream_without_a_byte_has_a_head_all_the_same(proxy) -> None:
    answer = FakeAnswer(stream=True, headers=SSE)
    proxy.script(answer)
    got = await proxy.post("/v1/responses")
    assert (got.status, got.body, got.ended) == (200, b"", True)
    assert answer.complete


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
async def test_a_stream_that_the_upstream_cut_is_cut_for_the_client_too(proxy, path: str) -> None:
    answer = FakeAnswer(b"data: 1\n\n", cut(), stream=True, headers=SSE)
    proxy.script(answer)
    got = await proxy.post(path)
    assert got.body == b"data: 1\n\n"
    assert not got.ended
    assert got.cut is not None
    assert got.cut.code == "upstream_cut"
    assert not answer.complete
    assert answer.failed_with is got.cut


async def test_a_stream_that_failed_before_its_first_byte_is_an_error_answer(proxy) -> None:
    proxy.script(FakeAnswer(cut(), stream=True, headers=SSE), FakeAnswer(VERDICT, stream=True, headers=SSE))
    got = await proxy.post("/v1/chat/completions")
    assert (got.status, got.error["code"], got.cut) == (502, "upstream_cut", None)
    got = await proxy.post("/v1/chat/completions")
    assert (got.status, got.error["code"]) == (402, "insufficient_budget")


@pytest.mark.parametrize("taken", [0, 1, 2])
async def test_a_client_that_leaves_does_not_get_delivered(proxy, taken: int) -> None:
    answer = FakeAnswer(b"a", b"b", stream=True, headers=SSE)
    proxy.script(answer)
    await proxy.post("/v1/chat/completions", leaves_after=taken)
    assert answer.left
    assert answer.failed_with is None
    assert not answer.complete


async def test_a_client_that_leaves_before_a_json_answer_does_not_get_delivered(proxy) -> None:
    answer = FakeAnswer(b"{}")
    proxy.script(answer)
    await proxy.post("/v1/chat/completions", leaves_after=0)
    assert answer.left
    assert not answer.complete


async def test_a_cancelled_request_leaves_its_call(proxy) -> None:
    _, chunks = trio.open_memory_channel[bytes](0)
    answer = FakeAnswer(chunks=chunks, stream=True, headers=SSE)
    proxy.script(answer)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(proxy.post, "/v1/chat/completions")
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert answer.left
    assert isinstance(answer.failed_with, trio.Cancelled)
