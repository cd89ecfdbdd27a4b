"""Whatever is sent, it is a call with sensible values or a refusal with a sentence."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aexl.api import Body
from aexl.errors import Refused
from aexl_proxy.fields import MOST_TOKENS
from aexl_proxy.heads import check_json, read_head
from aexl_proxy.interruptions import verdict_event
from aexl_proxy.routes import ROUTES
from aexl_proxy.stored import parse_stored

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(
    [
        "model",
        "stream",
        "stream_options",
        "n",
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "thinking",
        "background",
        "conversation",
        "previous_response_id",
        "x",
    ]
)
BODIES = st.dictionaries(KEYS, VALUES | st.integers(-2, 5) | st.just("m"))
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                b"content-type",
                b"content-encoding",
                b"idempotency-key",
                b"x-aexl-execution-id",
                b"x-aexl-provider-key",
                b"x-stainless-retry-count",
                b"authorization",
                b"accept",
            ]
        ),
        st.binary(max_size=300),
    )
)


def attempt(read):
    """Return what was read, or the refusal; any other error fails the test."""
    try:
        return read()
    except Refused as refused:
        return refused


@pytest.mark.parametrize("path", list(ROUTES))
@settings(max_examples=40)
@given(body=BODIES)
def test_a_body_is_read_or_refused(path: str, body: dict[str, object]) -> None:
    data = Body(msgspec.json.encode({key: value for key, value in body.items() if not _is_wide(value)}))
    wish = attempt(lambda: ROUTES[path].read(data))
    if isinstance(wish, Refused):
        assert wish.status == 400
        assert wish.param is not None
        assert wish.param.split(".")[0] in body or "missing" in wish.reason
        return
    assert wish.model
    assert isinstance(wish.stream, bool)
    assert wish.output_limit is None or (type(wish.output_limit) is int and 1 <= wish.output_limit <= MOST_TOKENS)
    assert 1 <= wish.choices <= 128
    assert wish.output_floor >= 1024


def _is_wide(value: object) -> bool:
    """Say whether a value has a number of more than 64 bits, which the test's encoder cannot write."""
    if isinstance(value, dict):
        return any(_is_wide(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_is_wide(inner) for inner in value)
    return isinstance(value, int) and not -(2**63) <= value < 2**64


@given(headers=HEADERS)
def test_headers_are_read_or_refused(headers: list[tuple[bytes, bytes]]) -> None:
    head = attempt(lambda: read_head(headers))
    refused = head if isinstance(head, Refused) else attempt(lambda: check_json(head))
    if refused is not None:
        assert refused.status in (400, 415)
        return
    assert head.key is None or 1 <= len(head.key) <= 255
    assert 0 <= head.retry_count <= 9999
    assert {name for name, _ in head.headers} <= {
        b"accept",
        b"content-type",
        b"content-encoding",
        b"x-stainless-retry-count",
    }


@given(rest=st.text(alphabet="abc/.?%_-é ", max_size=12))
def test_the_id_of_a_stored_response_cannot_leave_its_place_in_a_path(rest: str) -> None:
    stored = parse_stored(rest)
    assert stored is None or not set(stored.id) & set("/.?% é")


@given(first=st.binary(max_size=200), last=st.binary(max_size=200))
def test_the_event_of_a_verdict_is_well_formed_whatever_came_before(first: bytes, last: bytes) -> None:
    verdict = Refused("No.", code="rule", status=403)
    for surface in ("chat", "responses", "messages"):
        event = verdict_event(verdict, surface, "e1", first, last)
        assert event.endswith(b"\n\n")
        assert event.count(b"\n\n") == 1
        assert isinstance(msgspec.json.decode(event.partition(b"data: ")[2]), dict)
