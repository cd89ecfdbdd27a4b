"""Statements, paths and limits of integrations, without a database, a server or a clock."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.errors import Invalid, Refused
from aexl_plane.integrations.limits import WINDOW, Limits
from aexl_plane.integrations.paths import LONGEST, clean_path, is_below
from aexl_plane.integrations.sql import MOST_PARAMETERS, number_parameters, quote_name, quote_table, write_value


@pytest.mark.parametrize(
    ("text", "numbered"),
    [
        ("select :a, :b, :a", "select $1, $2, $1"),
        ("select %(a)s || %(b)s", "select $1 || $2"),
        ("select :a::int, x::text, :b", "select $1::int, x::text, $2"),
        ("select ':a', \":a\", :a, :b", "select ':a', \":a\", $1, $2"),
        ("select 'it''s :a', E'\\' :a', :a, :b", "select 'it''s :a', E'\\' :a', $1, $2"),
        ("select $$:a$$, $t$ :a $$ $t$, :a, :b", "select $$:a$$, $t$ :a $$ $t$, $1, $2"),
        ("select :a -- :b\n, :b", "select $1 -- :b\n, $2"),
        ("select :a /* :b /* :b */ :b */ , :b", "select $1 /* :b /* :b */ :b */ , $2"),
        ("select x[1:2], :a, :b", "select x[1:2], $1, $2"),
        ("select 50 % 3, 'a%', :a, :b", "select 50 % 3, 'a%', $1, $2"),
        ("select :a, :b /* not closed :a", "select $1, $2 /* not closed :a"),
    ],
)
def test_parameters_are_numbered_where_they_are_parameters(text, numbered):
    found = number_parameters(text, {"a": 1, "b": "x"})
    assert (found.text, found.values) == (numbered, ["1", "x"])


def test_a_parameter_without_value_and_a_value_without_parameter_are_named():
    with pytest.raises(Invalid, match="'b'"):
        number_parameters("select :a, :b", {"a": 1})
    with pytest.raises(Invalid, match=r"params has c, "):
        number_parameters("select :a", {"a": 1, "c": 2})


def test_there_are_so_many_parameters_and_no_more():
    def ask(count):
        names = [f"p{n}" for n in range(count)]
        return number_parameters(" ".join(f":{name}" for name in names), dict.fromkeys(names))

    assert len(ask(MOST_PARAMETERS).values) == MOST_PARAMETERS
    with pytest.raises(Invalid, match="1000 parameters"):
        ask(MOST_PARAMETERS + 1)


@given(st.text(alphabet=":%()s'\"$-/*\\\nEe a1_t", max_size=60))
def test_whatever_the_text_is_nothing_of_it_is_lost_but_names(text):
    try:
        found = number_parameters(text, {})
    except Invalid:
        return
    assert found.text == text


@given(st.text(min_size=1, max_size=15))
def test_a_quoted_name_has_one_way_to_end(name):
    try:
        quoted = quote_name(name)
    except Invalid:
        assert "\x00" in name or len(name.encode("utf-8", "surrogatepass")) > 63
        return
    assert re.fullmatch(r'"(?:[^"]|"")*"', quoted)
    assert quoted[1:-1].replace('""', '"') == name


def test_names_and_values_have_limits():
    assert quote_table("shop.orders") == '"shop"."orders"'
    assert quote_name("x" * 63) == f'"{"x" * 63}"'
    for wrong in ("", "x" * 64, "ä" * 32, "a\x00"):
        with pytest.raises(Invalid):
            quote_name(wrong)
    assert [write_value(v) for v in (None, True, 1, 1.5, "a", [1], {"a": None})] == [
        None, "true", "1", "1.5", "a", "[1]", '{"a":null}'
    ]  # fmt: skip
    with pytest.raises(Invalid):
        write_value({"a": "\x00"} and "\x00")


@pytest.mark.parametrize(
    "path",
    [
        "", "a", "//a", "/a//b", "/..", "/a/../b", "/a/./b", "/%2e%2e/b", "/%2E./b", "/a%2fb", "/a%5Cb", "/a\\b", "/%252e%252e/b",
        "/%25252e%25252e/b", "/a%00", "/a?b", "/a#b", "/a%", "/a%zz", "/%ff", "/" + "a" * LONGEST,
    ],
)  # fmt: skip
def test_a_path_that_could_lead_elsewhere_is_refused(path):
    with pytest.raises(Invalid):
        clean_path(path)


@pytest.mark.parametrize(
    ("path", "cleaned"),
    [
        ("/", "/"), ("/a/", "/a/"), ("/a b/é", "/a%20b/%C3%A9"), ("/a%20b", "/a%20b"), ("/a:b@c,d", "/a:b@c,d"),
        ("/...", "/..."), ("/\r\nX: y", "/%0D%0AX:%20y"), ("/" + "a" * (LONGEST - 1), "/" + "a" * (LONGEST - 1)),
    ],
)  # fmt: skip
def test_a_path_is_sent_as_a_path(path, cleaned):
    assert clean_path(path) == cleaned


@given(st.text(max_size=40))
def test_a_cleaned_path_has_no_way_up_however_often_it_is_decoded(path):
    from urllib.parse import unquote

    try:
        found = clean_path("/" + path)
    except Invalid:
        return
    assert found.isascii()
    assert found.isprintable()
    for _ in range(3):
        assert ".." not in found.split("/")
        found = unquote(found)


def test_allowed_paths_count_by_whole_segments():
    assert is_below("/v1/orders/3", ["/v1/orders"])
    assert is_below("/v1/orders", ["/v1/orders/"])
    assert is_below("/anything", ["/"])
    assert not is_below("/v1/orders2", ["/v1/orders"])
    assert not is_below("/v1", ["/v1/orders"])
    assert not is_below("/v1/orders", [])
    assert is_below("/v1/%6Frders", ["/v1/orders"])


def test_calls_are_counted_in_a_window_that_slides():
    limits = Limits()

    def enter(now):
        limits.enter("ic_1", now, per_minute=2, concurrent=9)

    enter(0.0)
    enter(59.0)
    with pytest.raises(Refused) as refused:
        enter(59.5)
    assert (refused.value.status, refused.value.code, refused.value.retry_after) == (429, "rate_limited", 1.0)
    enter(WINDOW)
    with pytest.raises(Refused) as refused:
        enter(WINDOW + 1)
    assert refused.value.retry_after == pytest.approx(58.0)
    limits.enter("ic_2", WINDOW + 1, per_minute=1, concurrent=1)


def test_so_many_run_at_a_time_and_what_is_over_is_forgotten():
    limits = Limits()
    for _ in range(2):
        limits.enter("ic_1", 0.0, per_minute=100, concurrent=2)
    with pytest.raises(Refused, match="at a time"):
        limits.enter("ic_1", 0.0, per_minute=100, concurrent=2)
    limits.leave("ic_1")
    limits.enter("ic_1", 0.0, per_minute=100, concurrent=2)
    limits.leave("ic_1")
    limits.leave("ic_1")
    limits.enter("ic_2", WINDOW, per_minute=1, concurrent=1)
    assert len(limits) == 1
