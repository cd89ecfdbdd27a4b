"""The normal form, and what never gets into a file."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.api.form import Form
from aexl.testing.factories import make_call, make_target
from aexl_cassettes.difference import first_difference, likeness
from aexl_cassettes.normal import Rules
from aexl_cassettes.redaction import REDACTED, redact_json
from aexl_cassettes.requests import describe

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=5)
RULES = Rules(headers=["Anthropic-Beta"])
SECRETS = ["sk-ant-api03-abcdefghijklmnop", "aexl_0123456789abcdef_0123456789abcdef0123", "AIza" + "x" * 35]


def fingerprint(body=None, rules=RULES, **changes):
    target = changes.pop("target", make_target())
    return rules.fingerprint(describe(make_call(body, **changes), target))


def shuffled(value, rng):
    """Return an equal JSON value, the keys of its objects in another order."""
    if isinstance(value, dict):
        items = [(name, shuffled(item, rng)) for name, item in value.items()]
        rng.shuffle(items)
        return dict(items)
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


@given(OBJECTS, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_count(body, rng):
    assert fingerprint(body) == fingerprint(shuffled(body, rng))


@given(OBJECTS)
def test_white_space_between_values_does_not_count(body):
    data = msgspec.json.encode(body)
    assert fingerprint(data) == fingerprint(msgspec.json.format(data, indent=3))


@given(OBJECTS)
def test_a_normal_form_is_its_own_normal_form(body):
    request = describe(make_call(body), make_target())
    once = RULES.normal(request)["body"]
    again = RULES.normal(msgspec.structs.replace(request, body=once))["body"]
    assert once == again


@given(OBJECTS, OBJECTS)
def test_there_is_a_first_difference_exactly_where_fingerprints_differ(one, other):
    forms = [RULES.normal(describe(make_call(body), make_target())) for body in (one, other)]
    assert (first_difference(*forms) is None) == (fingerprint(one) == fingerprint(other))
    assert likeness(forms[0], forms[0]) >= likeness(*forms)


@given(OBJECTS, st.sampled_from(SECRETS), st.randoms(use_true_random=False))
def test_a_planted_key_is_never_written_down(body, secret, rng):
    encoded = msgspec.json.encode(redact_json(plant(body, f"see {secret} there", rng)))
    assert secret.encode() not in encoded


@given(OBJECTS)
def test_a_value_without_keys_is_written_down_as_it_is(body):
    assert redact_json({"content": body}) == {"content": body}


def plant(value, secret, rng):
    """Return a value with a text somewhere in it."""
    if isinstance(value, dict) and value and rng.random() < 0.7:
        name = rng.choice(sorted(value))
        return {**value, name: plant(value[name], secret, rng)}
    if isinstance(value, list) and value:
        place = rng.randrange(len(value))
        return [*value[:place], plant(value[place], secret, rng), *value[place + 1 :]]
    return rng.choice([secret, [secret], {"deep": secret}])


@pytest.mark.parametrize("name", ["api_key", "Authorization", "authorization_token", "password", "X-API-Key"])
def test_a_field_that_holds_a_key_is_redacted_whatever_its_shape(name):
    assert redact_json({"tools": [{name: "hunter2"}]}) == {"tools": [{name: REDACTED}]}


def test_a_property_of_a_schema_that_is_called_password_stays():
    schema = {"properties": {"password": {"type": "string"}}}
    assert redact_json(schema) == schema


def test_a_key_that_the_caller_brought_is_redacted_everywhere():
    call = make_call(
        {"model": "m", "messages": [{"content": "my key is swordfish"}]},
        provider_key="swordfish",
        query="key=swordfish&x=a-swordfish",
        headers=((b"x-custom", b"swordfish"), (b"authorization", b"Bearer short"), (b"cookie", b"a=b")),
    )
    written = msgspec.json.encode(describe(call, make_target()))
    assert b"swordfish" not in written
    assert b"Bearer short" not in written
    assert b"a=b" not in written


@pytest.mark.parametrize(
    "header",
    [
        b"user-agent",
        b"x-stainless-retry-count",
        b"x-request-id",
        b"traceparent",
        b"idempotency-key",
        b"x-aexl-execution-id",
    ],
)
def test_volatile_headers_are_left_out(header):
    request = describe(make_call(headers=((header, b"1"), (b"openai-organization", b"org"))), make_target())
    assert request.headers == [("openai-organization", "org")]


def test_only_the_headers_that_are_named_count():
    one, other = (make_call(headers=((b"anthropic-beta", value), (b"x-other", value))) for value in (b"a", b"b"))
    numbers = {
        Rules(headers=names).fingerprint(describe(call, make_target())) for call in (one, other) for names in [[]]
    }
    assert len(numbers) == 1
    assert fingerprint(headers=one.headers) != fingerprint(headers=other.headers)


@pytest.mark.parametrize("key", ["metadata", "user", "prompt_cache_key", "safety_identifier", "client_metadata"])
def test_who_is_asking_does_not_count(key):
    assert (
        fingerprint({"model": "m", key: "one"})
        == fingerprint({"model": "m", key: "two"})
        == fingerprint({"model": "m"})
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("on 2026-11-21", "on 2027-01-02"),
        ("at 2026-11-21T06:08:44.123Z", "at 2026-11-22 07:00:00"),
        ("Sat Nov 21 06:08:44 UTC 2026", "Sun Nov 22 16:18:04 UTC 2026"),
        ("id msg_489a478d-1cf1-55c7-b5db-bc26e137e599", "id msg_e30e5a6c-f44e-58b8-ace3-775b0f053011"),
        ("Wall time: 0.12 seconds", "Wall time: 3.4 seconds"),
    ],
)
def test_moments_and_ids_in_texts_do_not_count(one, other):
    assert fingerprint({"x": [one]}) == fingerprint({"x": [other]})


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("12", "13"), (1, 2), (True, 1), (None, 0), ("10:20", "10:21")])
def test_everything_else_does(one, other):
    assert fingerprint({"x": one}) != fingerprint({"x": other})


@pytest.mark.parametrize(
    "changes", [{"path": "/responses"}, {"query": "beta=true"}, {"method": "GET"}, {"target": make_target(model="m2")}]
)
def test_where_a_request_goes_counts(changes):
    assert fingerprint() != fingerprint(**changes)


def test_the_order_of_the_query_does_not_count():
    assert fingerprint(query="a=1&b=2") == fingerprint(query="b=2&a=1")


def test_further_paths_and_patterns_can_be_left_out():
    rules = Rules(ignore=["messages.*.id"], blur=[r"/tmp/\w+"])
    bodies = [{"messages": [{"id": n, "content": f"in /tmp/x{n}"}]} for n in (1, 2)]
    assert fingerprint(bodies[0], rules) == fingerprint(bodies[1], rules)
    assert fingerprint(bodies[0]) != fingerprint(bodies[1])


@pytest.mark.parametrize("body", [b'{"n":1e999}', b'{"n":' + b"[" * 300 + b"]" * 300 + b"}"])
def test_a_body_that_cannot_be_taken_apart_is_compared_as_a_text(body):
    request = describe(make_call(body), make_target())
    assert request.body == body.decode()
    assert fingerprint(body) == fingerprint(body) != fingerprint(body.replace(b'"n"', b'"m"'))
    assert first_difference(RULES.normal(request), RULES.normal(request)) is None


def test_a_form_is_compared_by_its_fields_and_what_its_files_are():
    def form(content, boundary):
        parts = (
            b'Content-Disposition: form-data; name="model"\r\n\r\nwhisper',
            (b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + content),
        )
        data = b"".join(b"--%b\r\n%b\r\n" % (boundary, part) for part in parts) + b"--%b--\r\n" % boundary
        body = Form(data, b"multipart/form-data; boundary=" + boundary)
        return msgspec.structs.replace(make_call(), body=body)

    def number(content, boundary):
        return RULES.fingerprint(describe(form(content, boundary), make_target()))

    assert number(b"sound", b"x1") == number(b"sound", b"y2")
    assert number(b"sound", b"x1") != number(b"noise", b"x1")


def test_the_shuffling_of_this_test_really_shuffles():
    assert list(shuffled({"a": 1, "b": 2, "c": 3}, random.Random(1))) != ["a", "b", "c"]
