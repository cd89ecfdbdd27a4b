"""What needs neither a server nor a loop: differences, turns, payers, requests of the web."""

from __future__ import annotations

import base64
import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from aexl.errors import Invalid, Refused
from aexl_plane.executions.difference import MOST, compare
from aexl_plane.executions.payers import find_payer
from aexl_plane.executions.turns import Turns
from aexl_plane.executions.web import Site, answer_of, ask_for, clean_path, read_body
from aexl_plane.storage.executions import Queued

PLAIN = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    PLAIN | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab/~é", max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_a_value_differs_in_nothing_from_itself(value):
    assert compare(value, copy.deepcopy(value)) == ([], False)


@given(VALUES, VALUES)
def test_what_differs_makes_the_new_of_the_old(old, new):
    changes, truncated = compare(old, new)
    assert not truncated
    assert as_text(apply(old, changes)) == as_text(new)


@given(VALUES, VALUES)
def test_the_way_back_has_the_same_places(old, new):
    there = {(each.path, repr(each.old), repr(each.new)) for each in compare(old, new)[0]}
    back = {(each.path, repr(each.new), repr(each.old)) for each in compare(new, old)[0]}
    assert there == back


def as_text(value):
    return json.dumps(value, sort_keys=True)


def apply(value, changes):
    """Make all changes, those of the end of an array first."""
    whole = {"": copy.deepcopy(value)}
    for change in reversed(changes):
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in change.path.split("/")]
        holder = whole
        for part in way:
            holder = holder[int(part)] if isinstance(holder, list) else holder[part]
        if isinstance(holder, list):
            at = int(last)
            if change.new is UNSET:
                del holder[at]
            elif change.old is UNSET:
                holder.insert(min(at, len(holder)), change.new)
            else:
                holder[at] = change.new
        elif change.new is UNSET:
            del holder[last]
        else:
            holder[last] = change.new
    fix_appended(whole, changes)
    return whole[""]


def fix_appended(whole, changes):
    """What was put behind an array from its end on stands the wrong way round: write each to its place."""
    for change in changes:
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in change.path.split("/")]
        holder = whole
        for part in way:
            holder = holder[int(part)] if isinstance(holder, list) else holder[part]
        if isinstance(holder, list) and change.old is UNSET:
            holder[int(last)] = change.new


def test_numbers_and_truths_are_different_values():
    assert [each.path for each in compare([1, 1, 1.0], [True, 1.0, 1])[0]] == ["/0", "/1", "/2"]
    assert [each.path for each in compare({"a/b~c": 1}, {"a/b~c": 2})[0]] == ["/a~1b~0c"]


def test_no_more_than_so_many_differences_are_told():
    assert compare([0] * MOST, [1] * MOST)[1] is False
    changes, truncated = compare([0] * (MOST + 1), [1] * (MOST + 1))
    assert (len(changes), truncated) == (MOST, True)


def test_what_is_nested_without_end_is_compared_as_a_whole():
    old = new = 1
    for _ in range(150):
        old, new = [old], [new]
    old[0][0] = 2
    assert [each.path for each in compare(old, new)[0]] == ["/0/0"]
    deep = json.loads("[" * 150 + "2" + "]" * 150)
    [change] = compare(new, deep)[0]
    assert change.path == "/0" * 64


def test_the_most_exact_payer_counts():
    agents = {"acme": "a", "acme/main": "b", "acme/main/demo": "c"}
    assert find_payer(agents, "acme", "main", "demo") == "c"
    assert find_payer(agents, "acme", "main", "other") == "b"
    assert find_payer(agents, "acme", "aside", "demo") == "a"
    assert find_payer(agents, "rival", "main", "demo") is None


def test_projects_take_turns():
    turns = Turns()
    for name in ("a1", "a2", "a3", "b1"):
        turns.enter(Queued(name, name[0]))
    assert [turns.take(2, 3).id for _ in range(3)] == ["a1", "b1", "a2"]
    assert turns.take(2, 3) is None  # as many as may run together
    assert turns.take(2, 9) is None  # as many as may run of the one that waits
    turns.done("a")
    assert turns.take(2, 9).id == "a3"


def test_a_queue_has_an_end_and_held_places_count():
    turns = Turns()
    turns.hold("p", 2)
    turns.enter(Queued("1", "p"))
    with pytest.raises(Refused) as caught:
        turns.hold("p", 2)
    assert (caught.value.status, caught.value.retry_after) == (429, 5.0)
    turns.hold("q", 1)
    turns.release("p")
    turns.hold("p", 2)
    turns.leave(Queued("1", "p"))
    turns.leave(Queued("ghost", "p"))
    assert turns.take(1, 1) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60), st.integers(1, 3), st.integers(1, 4))
def test_everybody_gets_a_turn_and_the_bounds_hold(steps, each, together):
    turns, put, ran, running = Turns(), [], [], []
    for number, (project, ends) in enumerate(steps):
        queued = Queued(f"{project}{number}", project)
        turns.enter(queued)
        put.append(queued)
        while (taken := turns.take(each, together)) is not None:
            running.append(taken)
            ran.append(taken)
        assert len(running) == turns.running <= together
        assert all(sum(other.project == name for other in running) <= each for name in "abc")
        if ends and running:
            turns.done(running.pop(0).project)
    while running or len(ran) < len(put):
        while (taken := turns.take(each, together)) is not None:
            running.append(taken)
            ran.append(taken)
        turns.done(running.pop().project)
    assert sorted(ran) == sorted(put)
    for name in "abc":
        mine = [queued for queued in ran if queued.project == name]
        assert mine == [queued for queued in put if queued.project == name]


SITE = Site(
    {
        "http_handlers": [
            {"method": "GET", "path": "/"},
            {"method": "GET", "path": "/orders/{id}"},
            {"method": "POST", "path": "/orders"},
            {"method": "DELETE", "path": "/orders/{id}"},
            {"method": "GET", "path": "/café/100%"},
        ]
    }
)


@pytest.mark.parametrize(
    ("method", "sent", "name"),
    [
        ("GET", "", "GET /"),
        ("GET", "/", "GET /"),
        ("HEAD", "/orders/7", "GET /orders/{id}"),
        ("GET", "/orders/a%2Fb", "GET /orders/{id}"),
        ("POST", "/orders/", "POST /orders"),
        ("DELETE", "/orders/%F0%9F%98%80", "DELETE /orders/{id}"),
    ],
)
def test_a_handler_is_found_by_method_and_path(method, sent, name):
    assert SITE.find(method, clean_path(sent)) == name


@pytest.mark.parametrize(
    ("method", "sent", "status", "allow"),
    [
        ("GET", "/orders/a/b", 404, None),
        ("GET", "/nothing", 404, None),
        ("PUT", "/orders/7", 405, b"GET, DELETE, HEAD, OPTIONS"),
        ("GET", "/orders", 405, b"POST, OPTIONS"),
        ("BREW", "/", 405, b"GET, HEAD, OPTIONS"),
    ],
)
def test_what_nobody_answers_says_what_is_allowed(method, sent, status, allow):
    with pytest.raises(Refused) as caught:
        SITE.find(method, clean_path(sent))
    assert caught.value.status == status
    assert dict(caught.value.headers).get(b"allow") == allow


def test_an_escaped_slash_stays_inside_of_its_segment():
    assert clean_path("/a%2Fb/caf%C3%A9/100%25") == "/a%2Fb/café/100%25"
    with pytest.raises(Invalid):
        clean_path("/%ff")


def test_what_proves_who_asks_does_not_reach_the_handler():
    headers = {
        "authorization": "Bearer t", "x-api-token": "t", "x-api-key": "t", "cookie": "c", "connection": "x",
        "accept": "*/*", "x-mine": "1",
    }  # fmt: skip
    asked = ask_for("HEAD", "/", "a=1&b=2&a=3&c=", headers, b"")
    assert asked.headers == {"accept": "*/*", "x-mine": "1"}
    assert asked.query == {"a": ["1", "3"], "b": "2", "c": ""}
    assert (asked.method, asked.body) == ("GET", {})


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        ("application/json", b'{"a": [1]}', {"a": [1]}),
        ("application/problem+json; charset=utf-8", b"3", 3),
        ("", b"[1]", [1]),
        ("", b"\xff", {"content_type": "application/octet-stream", "base64": "/w=="}),
        ("application/x-www-form-urlencoded", b"a=1&a=2&b=%C3%A9", {"a": ["1", "2"], "b": "é"}),
        ("text/csv", "é;1".encode(), "é;1"),
        ("image/png", b"\x89P", {"content_type": "image/png", "base64": "iVA="}),
        ("application/json", b"", {}),
    ],
)
def test_a_body_is_what_its_type_says(kind, data, value):
    assert read_body(kind, data) == value


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("application/json", b"{"),
        ("application/json", b"[" * 100_000),
        ("application/json", b'"\xff"'),
        ("application/x-www-form-urlencoded", b"a=%ff"),
        ("application/x-www-form-urlencoded", b"a=1&" * 1001),
        ("text/plain", b"\xff"),
    ],
)
def test_a_body_that_is_not_what_its_type_says_is_refused(kind, data):
    with pytest.raises(Invalid):
        read_body(kind, data)


@pytest.mark.parametrize(
    ("result", "kind", "body"),
    [
        ({"id": 7}, b"application/json", b'{"id":7}'),
        ([1], b"application/json", b"[1]"),
        (None, b"application/json", b"null"),
        ({"http_status": 200, "id": 7}, b"application/json", b'{"http_status":200,"id":7}'),
        ({"body": 1}, b"application/json", b'{"body":1}'),
        ({"http_status": 200, "body": {"id": 7}}, b"application/json", b'{"id":7}'),
        ({"status_code": 200, "body": "<p>"}, b"text/plain; charset=utf-8", b"<p>"),
        ({"statusCode": 200, "body": "é", "headers": {"Content-Type": "text/html"}}, b"text/html", "é".encode()),
        (
            {"http_status": 200, "body": base64.b64encode(b"\x00").decode(), "base64": True},
            b"application/octet-stream",
            b"\x00",
        ),
    ],
)
def test_a_result_is_an_answer(result, kind, body):
    answer = answer_of(200, result)
    assert dict(answer.headers)[b"content-type"] == kind
    assert answer.body == body


def test_an_answer_has_only_headers_that_cannot_harm_this_server():
    given = {
        "Set-Cookie": "a=1", "Content-Length": "3", "Transfer-Encoding": "chunked", "Connection": "close",
        "Access-Control-Allow-Origin": "*", "Content-Security-Policy": "none", "X-Content-Type-Options": "x",
        "X-Aexl-Execution-Id": "forged", "Strict-Transport-Security": "x", "Clear-Site-Data": "*", "Server": "x",
        "ETag": '"1"', "X-Mine": 3, "Cache-Control": "max-age=60", "Location": "/elsewhere",
    }  # fmt: skip
    headers = dict(answer_of(201, {"http_status": 201, "body": None, "headers": given}).headers)
    assert headers == {
        b"etag": b'"1"', b"x-mine": b"3", b"cache-control": b"max-age=60", b"location": b"/elsewhere",
        b"x-content-type-options": b"nosniff", b"content-security-policy": b"sandbox",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (100, {"http_status": 100}),
        (200, {"http_status": 200, "body": "x", "headers": []}),
        (200, {"http_status": 200, "body": "x", "headers": {"X-A": "a\r\nB: c"}}),
        (200, {"http_status": 200, "body": "x", "headers": {"X-A": "é"}}),
        (200, {"http_status": 200, "body": "x", "headers": {"X-A": "x" * 8193}}),
        (200, {"http_status": 200, "body": "x", "headers": {"X-A": [1]}}),
        (200, {"http_status": 200, "body": "x", "headers": {"X-A: b": "c"}}),
        (200, {"http_status": 200, "body": "x", "headers": {f"X-{n}": "c" for n in range(65)}}),
        (200, {"http_status": 200, "body": "x", "base64": True}),
    ],
)
def test_what_cannot_be_sent_is_an_error(status, result):
    with pytest.raises(Invalid):
        answer_of(status, result)


def test_an_answer_without_content_has_none():
    assert answer_of(204, {"http_status": 204, "body": {"a": 1}}).body == b""
