"""What a collector gets, over a real socket, decoded by the official classes."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest
import trio

from aexl.api import Booked, CallDenied, CallSettled, Ending, Receipt, Usage
from aexl.errors import Refused
from aexl.testing.factories import make_call, make_outcome, make_principal, make_target
from aexl.testing.host import FakeHost
from aexl.testing.provider import EVENTS, FakeProvider, FakeReply, read_all
from aexl.testing.upstream import Action, response
from aexl_telemetry.config import TelemetryConfig
from aexl_telemetry.settings import read_settings
from aexl_telemetry.station import Station

TRACEPARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
QUICK = {"interval": 0.01, "metrics_interval": 0.01, "retry_seconds": 5.0, "flush_seconds": 2.0}


def settled(call=None, **changes):
    call = call or make_call({"model": "gpt", "temperature": 0.5, "stop": ["END"]}, output_limit=100)
    usage = Usage(input_tokens=10, cached_input_tokens=5, cache_write_tokens=2, output_tokens=20, reasoning_tokens=4)
    outcome = make_outcome(usage, seconds=0.3, first_byte=0.1, target=make_target(provider="mistral"), **changes)
    receipt = Receipt(seq=7, hash="abc")
    booked = Booked(execution=call.id, receipt=receipt, amount=123_456_789, estimated=False, remaining=None)
    return CallSettled(call=call, outcome=outcome, booked=booked)


class Running:
    def __init__(self, station):
        self.station = station
        self.hear = station.subscriber().handle

    async def call(self, call, reply, **changes):
        """Let a call pass and be booked."""
        async with self.station.wrap(FakeProvider(reply)).open(call, make_target()) as answer:
            await read_all(answer)
        await self.hear(settled(call, status=reply.status, **changes))


@pytest.fixture
def start(collector, home):
    @asynccontextmanager
    async def running(environ=None, **table):
        config = TelemetryConfig(**{"endpoint": collector.url, **QUICK, **table})
        host = FakeHost(home)
        async with httpx.AsyncHTTPTransport() as transport:
            host.upstream = transport
            station = Station(host, read_settings(config, environ or {}))
            async with station.open():
                yield Running(station)

    return running


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
async def test_a_call_is_a_span_of_the_conventions(start, collector, attributes_of, protocol, compression):
    call = make_call(
        {"model": "gpt", "temperature": 0.5, "stop": ["END"]},
        output_limit=100,
        principal=make_principal("alice", labels={"run": "r1"}),
        received=trio.current_time() - 1,
    )
    async with start(protocol=protocol, compression=compression) as running:
        await running.hear(settled(call))
        await collector.wait(1)
    [span] = collector.spans()
    found = attributes_of(span)

    assert span.name == "chat test-model"
    assert span.kind == span.SPAN_KIND_CLIENT
    assert (len(span.trace_id), len(span.span_id), span.parent_span_id) == (16, 8, b"")
    assert span.end_time_unix_nano - span.start_time_unix_nano == 300_000_000
    assert span.status.code == span.status.STATUS_CODE_UNSET
    assert 0.699 < found.pop("aexl.queued") < 60  # 0.7, and what passed until it was heard
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "mistral_ai",
        "gen_ai.request.model": "test-model",
        "gen_ai.request.max_tokens": 100,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.stop_sequences": ["END"],
        "gen_ai.usage.input_tokens": 17,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 5,
        "gen_ai.usage.cache_creation.input_tokens": 2,
        "gen_ai.usage.reasoning.output_tokens": 4,
        "aexl.execution": call.id,
        "aexl.agent": "alice",
        "aexl.surface": "chat",
        "aexl.model": "test-model",
        "aexl.label.run": "r1",
        "aexl.ending": "completed",
        "aexl.reason": "usage",
        "aexl.cost.nano_usd": 123_456_789,
        "aexl.cost.usd": "0.123456789",
        "aexl.estimated": False,
        "aexl.price_version": "test:1",
        "aexl.receipt": "7:abc",
        "http.response.status_code": 200,
    }


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
async def test_the_metrics_are_those_of_the_conventions(start, collector, attributes_of, protocol):
    async with start(protocol=protocol) as running:
        await running.hear(settled())
        await running.hear(settled(msgspec.structs.replace(make_call(), stream=True)))
        await running.hear(settled(ending=Ending.REJECTED, status=429))
    found = collector.metrics()
    tokens = {
        attributes_of(p)["gen_ai.token.type"]: p for p in found["gen_ai.client.token.usage"].histogram.data_points
    }
    durations = found["gen_ai.client.operation.duration"].histogram
    errors = {attributes_of(point).get("error.type"): point.count for point in durations.data_points}
    [cost] = found["aexl.cost"].sum.data_points
    [first] = found["gen_ai.client.operation.time_to_first_chunk"].histogram.data_points

    assert (tokens["input"].sum, tokens["output"].sum, tokens["input"].count) == (51.0, 60.0, 3)
    assert (tokens["input"].min, tokens["input"].max) == (17.0, 17.0)
    assert list(tokens["input"].explicit_bounds) == [4.0**n for n in range(14)]
    assert tokens["input"].bucket_counts[3] == 3
    assert errors == {None: 2, "429": 1}
    assert durations.aggregation_temporality == 2
    assert durations.data_points[0].bucket_counts[5] == 2
    assert (cost.as_int, found["aexl.cost"].sum.is_monotonic) == (370370367, True)
    assert (first.count, first.sum) == (1, 0.1)
    assert found["gen_ai.client.operation.duration"].unit == "s"


async def test_a_refused_call_is_an_error_with_the_code_of_the_rule(start, collector, attributes_of):
    refused = Refused("no money is left", code="insufficient_budget", status=402)
    async with start() as running:
        await running.hear(CallDenied(call=make_call(received=trio.current_time()), refused=refused))
    [span] = collector.spans()
    [denied] = collector.metrics()["aexl.calls.denied"].sum.data_points

    assert (span.status.code, span.status.message) == (span.status.STATUS_CODE_ERROR, "no money is left")
    assert attributes_of(span)["error.type"] == "insufficient_budget"
    assert attributes_of(span)["gen_ai.provider.name"] == "aexl"
    assert (denied.as_int, attributes_of(denied)["aexl.code"]) == (1, "insufficient_budget")


@pytest.mark.parametrize(
    ("ending", "status", "error"),
    [(Ending.REJECTED, 429, "429"), (Ending.CUT, 200, "cut"), (Ending.LOST, None, "lost"), (Ending.LEFT, 200, "left")],
)
async def test_how_a_call_ended_badly_is_its_error_type(start, collector, attributes_of, ending, status, error):
    async with start() as running:
        await running.hear(settled(ending=ending, status=status))
    [span] = collector.spans()

    assert span.status.code == span.status.STATUS_CODE_ERROR
    assert attributes_of(span)["error.type"] == error


async def test_the_trace_of_the_caller_goes_on(start, collector):
    call = make_call(headers=((b"traceparent", TRACEPARENT), (b"tracestate", b"vendor=1")))
    async with start(sample=0.0) as running:
        await running.hear(settled(call))
    [span] = collector.spans()

    assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert span.parent_span_id.hex() == "b7ad6b7169203331"
    assert (span.trace_state, span.flags) == ("vendor=1", 0x301)


async def test_a_caller_that_does_not_sample_is_followed_and_counted(start, collector):
    unsampled = make_call(headers=((b"traceparent", TRACEPARENT[:-1] + b"0"),))
    async with start(sample=1.0) as running:
        await running.hear(settled(unsampled))

    assert collector.spans() == []
    assert collector.metrics()["gen_ai.client.operation.duration"].histogram.data_points[0].count == 1


async def test_the_answer_is_read_and_its_content_is_not_attached_by_default(start, collector, attributes_of):
    secret = b"a secret word"
    events = (
        b'data: {"id":"c1","model":"gpt-x","choices":[{"index":0,"delta":{"content":"' + secret + b'"}}]}\n\n',
        b'data: {"id":"c1","model":"gpt-x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n',
        b"data: [DONE]\n\n",
    )
    call = make_call({"model": "gpt", "stream": True, "messages": [{"content": "a secret word"}]}, stream=True)
    async with start() as running:
        await running.call(call, FakeReply(headers=EVENTS, chunks=events))
    found = attributes_of(collector.spans()[0])

    assert found["gen_ai.response.id"] == "c1"
    assert found["gen_ai.response.model"] == "gpt-x"
    assert found["gen_ai.response.finish_reasons"] == ["stop"]
    assert found["gen_ai.response.time_to_first_chunk"] == 0.1
    assert found["gen_ai.request.stream"] is True
    sent = b"".join(message.SerializeToString() for _, message in collector.messages)
    assert secret not in sent


async def test_content_is_attached_where_that_is_asked_for_and_never_longer_than_allowed(
    start, collector, attributes_of
):
    messages = [{"role": "user", "content": "x" * 500}, {"role": "user", "content": "What is new?"}]
    call = make_call({"model": "gpt", "messages": messages})
    async with start(capture_content=True, content_bytes=200) as running:
        await running.call(call, FakeReply())
    found = attributes_of(collector.spans()[0])
    asked = json.loads(found["gen_ai.input.messages"])

    assert asked[-1] == {"role": "user", "parts": [{"type": "text", "content": "What is new?"}]}
    assert len(found["gen_ai.input.messages"].encode()) <= 200
    assert asked[0]["parts"][0]["content"].startswith("xxx")
    assert found["aexl.content_truncated"] is True
    assert json.loads(found["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Hello"}], "finish_reason": "stop"}
    ]


async def test_the_resource_says_who_exports(start, collector):
    environ = {
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test,service.name=other",
        "OTEL_SERVICE_NAME": "gate",
    }
    async with start(environ) as running:
        await running.hear(settled())

    resource = collector.resource()
    assert (resource["service.name"], resource["deployment.environment"]) == ("gate", "test")
    assert resource["service.version"] == "0.0.0"
    assert resource["telemetry.sdk.language"] == "python"


async def test_headers_are_sent(start, collector):
    async with start(headers={"Authorization": "Bearer x"}) as running:
        await running.hear(settled())

    assert all(headers[b"authorization"] == b"Bearer x" for headers in collector.headers)


async def test_spans_go_in_batches(start, collector):
    async with start(batch=3, interval=60.0) as running:
        for _ in range(7):
            await running.hear(settled())
        await collector.wait(1)
    sizes = [len(m.resource_spans[0].scope_spans[0].spans) for path, m in collector.messages if path == b"/v1/traces"]

    assert sum(sizes) == 7
    assert max(sizes) == 3


@pytest.mark.parametrize(("queue", "lost"), [(5, 0), (4, 1)])
async def test_what_does_not_fit_into_the_queue_is_dropped_and_counted(start, collector, queue, lost):
    async with start(queue=queue, batch=100, interval=60.0) as running:
        for _ in range(5):
            await running.hear(settled())

    numbers = {(s.name, s.labels["signal"]): s.value for s in running.station.samples()}
    assert len(collector.spans()) == 5 - lost
    assert numbers["aexl_telemetry_exported_total", "traces"] == 5 - lost
    assert numbers["aexl_telemetry_dropped_total", "traces"] == lost


async def test_a_collector_that_is_busy_is_asked_again_when_it_says(start, collector):
    answers = [[response(status=503, headers=((b"retry-after", b"0"),))], [response(status=429)], None]
    collector.answers = lambda request: answers.pop(0) if answers and request.target == b"/v1/traces" else None
    async with start(metrics_interval=60.0) as running:
        running.station._exporters["traces"]._jitter = lambda: 0.01
        await running.hear(settled())
        await collector.wait(1)

    assert (len(collector.spans()), answers) == (1, [])
    assert await running.station.probe() is None


async def test_a_collector_that_refuses_is_not_asked_again(start, collector, caplog):
    collector.answers = lambda _: [response(b"bad data", status=400)]
    async with start(metrics_interval=60.0, flush_seconds=0.0) as running:
        await running.hear(settled())
        while not collector.tried:
            await collector.changed.wait()
        while not (await running.station.probe() or "").startswith("traces"):
            await trio.lowlevel.checkpoint()

    assert collector.tried == 1
    assert "answered 400 bad data" in str(await running.station.probe())
    assert caplog.text.count("what it does not take in time is dropped") == 1
    assert next(s.value for s in running.station.samples() if s.name.endswith("dropped_total")) == 1


async def test_a_connection_that_breaks_is_tried_again(start, collector):
    answers = [[Action.RESET]]
    collector.answers = lambda request: answers.pop() if answers and request.target == b"/v1/traces" else None
    async with start(metrics_interval=60.0) as running:
        running.station._exporters["traces"]._jitter = lambda: 0.01
        await running.hear(settled())
        await collector.wait(1)

    assert len(collector.spans()) == 1


async def test_a_collector_that_is_away_holds_nothing_up(home, monkeypatch, caplog):
    config = TelemetryConfig(endpoint="http://127.0.0.1:1", **QUICK)
    host = FakeHost(home)
    async with httpx.AsyncHTTPTransport() as transport:
        host.upstream = transport
        station = Station(host, read_settings(config, {}))
        with trio.fail_after(20):
            async with station.open():
                await station.subscriber().handle(settled())
                while await station.probe() is None:
                    await trio.sleep(0.01)

    assert "could not be reached" in str(await station.probe())
    assert next(s.value for s in station.samples() if s.name.endswith("dropped_total")) == 1


async def test_what_waits_is_sent_when_the_server_stops(start, collector):
    async with start(interval=60.0, metrics_interval=60.0) as running:
        for _ in range(3):
            await running.hear(settled())

    assert len(collector.spans()) == 3
    assert "gen_ai.client.token.usage" in collector.metrics()


async def test_the_last_export_is_limited_in_time(start, collector):
    collector.answers = lambda _: [Action.HANG]
    with trio.fail_after(20):
        async with start(interval=60.0, metrics_interval=60.0, flush_seconds=0.2) as running:
            await running.hear(settled())

    assert next(s.value for s in running.station.samples() if s.name.endswith("dropped_total")) == 1
