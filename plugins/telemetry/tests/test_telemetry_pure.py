"""Settings, traces, the binary encoding, and counting: what needs no loop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from aexl.errors import Invalid
from aexl_telemetry.config import TelemetryConfig
from aexl_telemetry.measures import MOST_SERIES, TOKENS, Histogram, Sum
from aexl_telemetry.otlp import attributes, metrics
from aexl_telemetry.protobuf import MESSAGES, encode
from aexl_telemetry.settings import read_settings
from aexl_telemetry.tracing import is_sampled, read_parent

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"}
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def settings(environ=None, **table):
    return read_settings(TelemetryConfig(**table), {**ENDPOINT, **(environ or {})})


def test_nothing_is_exported_without_an_endpoint():
    assert read_settings(TelemetryConfig(), {}).destinations == {}


@pytest.mark.parametrize("environ", [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_SDK_DISABLED": " TRUE "}])
def test_the_standard_switch_turns_it_off(environ):
    assert settings(environ).destinations == {}
    assert settings(enabled=False).destinations == {}


def test_the_standard_variables_are_followed():
    found = settings(
        {
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b,X-Other=2",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "2500",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "https://metrics.example/put",
            "OTEL_EXPORTER_OTLP_METRICS_HEADERS": "k=v",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.25",
        }
    )
    traces, metrics = found.destinations["traces"], found.destinations["metrics"]

    assert (traces.url, metrics.url) == ("http://collector:4318/v1/traces", "https://metrics.example/put")
    assert traces.headers == {"api-key": "a b", "x-other": "2"}
    assert metrics.headers == {"k": "v"}
    assert (traces.protocol, traces.timeout, traces.gzip, found.sample) == ("http/json", 2.5, True, 0.25)


def test_the_table_counts_before_the_variables():
    found = settings(
        {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://other/",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
            "OTEL_SERVICE_NAME": "theirs",
            "OTEL_TRACES_SAMPLER": "always_off",
        },
        endpoint="http://mine",
        protocol="http/protobuf",
        service_name="mine",
        sample=1.0,
        timeout=3.0,
        compression="none",
    )
    traces = found.destinations["traces"]

    assert (traces.url, traces.protocol, traces.timeout) == ("http://mine/v1/traces", "http/protobuf", 3.0)
    assert (found.sample, found.resource["service.name"]) == (1.0, "mine")


def test_the_defaults_are_those_of_the_standard():
    found = settings()
    traces = found.destinations["traces"]

    assert (traces.protocol, traces.timeout, traces.gzip, found.sample) == ("http/protobuf", 10.0, False, 1.0)
    assert found.resource == {"service.name": "aexl"}


def test_one_signal_can_be_switched_off():
    assert list(settings({"OTEL_METRICS_EXPORTER": "none"}).destinations) == ["traces"]


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "'grpc'; aexl exports http/protobuf and http/json"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "must begin with http"),
        ({"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "number of milliseconds"),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "secret"}, "must be a list of NAME=VALUE"),
        ({"OTEL_TRACES_SAMPLER": "jaeger_remote"}, r"set \[telemetry\] sample"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"}, "is not known"),
    ],
)
def test_a_variable_that_cannot_be_followed_is_named(environ, message):
    with pytest.raises(Invalid, match=message) as caught:
        settings(environ)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("values", [{"sample": 1.5}, {"queue": 0}, {"timeout": -1.0}, {"content_bytes": -1}])
def test_a_wrong_value_in_the_table_is_refused(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        TelemetryConfig(**values)


def test_a_traceparent_names_the_callers_span():
    parent = read_parent(
        [(b"traceparent", f"00-{TRACE}-{SPAN}-01".encode()), (b"tracestate", b"a=1"), (b"tracestate", b"b=2")]
    )
    assert parent == (TRACE, SPAN, True, "a=1,b=2")
    later = read_parent([(b"traceparent", f"cc-{TRACE}-{SPAN}-02-more".encode())])
    assert later == (TRACE, SPAN, False, "")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        f"00-{TRACE}-{SPAN}".encode(),
        f"00-{TRACE.upper()}-{SPAN}-01".encode(),
        f"00-{'0' * 32}-{SPAN}-01".encode(),
        f"00-{TRACE}-{'0' * 16}-01".encode(),
        f"ff-{TRACE}-{SPAN}-01".encode(),
        f"00-{TRACE}-{SPAN}-01-more".encode(),
        f"00-{TRACE}-{SPAN}-0".encode(),
    ],
)
def test_what_is_no_traceparent_begins_a_new_trace(value):
    assert read_parent([(b"traceparent", value)]) is None
    assert read_parent([]) is None
    good = f"00-{TRACE}-{SPAN}-01".encode()
    assert read_parent([(b"traceparent", good), (b"traceparent", good)]) is None


@given(st.binary(max_size=80))
def test_any_bytes_in_the_header_are_survived(value):
    read_parent([(b"traceparent", value), (b"tracestate", value)])


def test_the_share_of_sampled_traces_is_the_one_that_was_asked_for():
    ids = [f"{n * 0x9E3779B97F4A7C15 % 2**64:032x}" for n in range(4000)]
    assert sum(is_sampled(trace, 0.25) for trace in ids) == pytest.approx(1000, rel=0.02)
    assert all(is_sampled(trace, 1.0) for trace in (*ids, "f" * 32))
    assert not any(is_sampled(trace, 0.0) for trace in (*ids, "0" * 32))


SCALARS = st.text() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)


@given(st.text(min_size=1), SCALARS | st.lists(st.text(), max_size=4))
def test_attributes_are_encoded_as_the_official_classes_read_them(key, value):
    [pair] = attributes({key: value})
    read = KeyValue.FromString(encode("KeyValue", pair))
    kind = read.value.WhichOneof("value")
    got = getattr(read.value, kind)

    assert read.key == key
    assert ([item.string_value for item in got.values] if kind == "array_value" else got) == value


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1), st.text(), st.integers(0, 2**32 - 1))
def test_spans_are_encoded_as_the_official_classes_read_them(trace, moment, name, flags):
    span = {"traceId": trace.hex(), "startTimeUnixNano": str(moment), "name": name, "flags": flags}
    read = Span.FromString(encode("Span", span))

    assert (read.trace_id, read.start_time_unix_nano, read.name, read.flags) == (trace, moment, name, flags)


def test_every_number_of_a_field_is_the_official_one():
    from opentelemetry.proto.common.v1 import common_pb2
    from opentelemetry.proto.metrics.v1 import metrics_pb2
    from opentelemetry.proto.resource.v1 import resource_pb2
    from opentelemetry.proto.trace.v1 import trace_pb2

    modules = (common_pb2, metrics_pb2, resource_pb2, trace_pb2)
    for message, fields in MESSAGES.items():
        name = "InstrumentationScope" if message == "Scope" else message
        official = next((getattr(module, name) for module in modules if hasattr(module, name)), None)
        if official is not None:
            numbers = {field.json_name: field.number for field in official.DESCRIPTOR.fields}
            assert {name: numbers[name] for name in fields} == {name: field.number for name, field in fields.items()}


@given(st.lists(st.integers(0, 10**8), min_size=1))
def test_a_histogram_counts_everything_once(observations):
    histogram = Histogram("h", "1", "d", TOKENS)
    for value in observations:
        histogram.record(value, {"a": "b"})
    data = encode("ExportMetricsServiceRequest", metrics({}, "1", [histogram.export(1, 2)]))
    read = ExportMetricsServiceRequest.FromString(data).resource_metrics[0].scope_metrics[0].metrics[0]
    [point] = read.histogram.data_points

    assert point.count == sum(point.bucket_counts) == len(observations)
    assert (point.sum, point.min, point.max) == (sum(observations), min(observations), max(observations))
    reached = 0
    for bound, count in zip(point.explicit_bounds, point.bucket_counts, strict=False):
        reached += count
        assert reached == len([value for value in observations if value <= bound])


def test_a_measure_has_a_limited_number_of_series_and_loses_no_count():
    total = Sum("s", "1", "d")
    for number in range(MOST_SERIES + 50):
        total.add(1, {"agent": str(number)})
    points = total.export(1, 2)["sum"]["dataPoints"]

    assert len(points) == MOST_SERIES
    assert sum(int(point["asInt"]) for point in points) == MOST_SERIES + 50
    assert points[-1]["attributes"] == [{"key": "otel.metric.overflow", "value": {"boolValue": True}}]
