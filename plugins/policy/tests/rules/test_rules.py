import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.api import Limits
from aexl.errors import Refused
from aexl.testing.factories import make_call, make_plan, make_principal
from aexl_policy.rules.book import RuleBook, RuleBooks
from aexl_policy.rules.globs import Globs
from aexl_policy.rules.lifecycle import check_scope, check_state
from aexl_policy.rules.tokens import check_bounds


@pytest.mark.parametrize(
    ("patterns", "name", "inside"),
    [
        (("gpt-*",), "gpt-5", True),
        (("gpt-*",), "my-gpt-5", False),
        (("gpt-*",), "gpt-5\nx", True),
        (("gpt-?",), "gpt-55", False),
        (("a", "b"), "b", True),
        (("a",), "A", False),
        (("a.b",), "axb", False),
        ((), "", False),
        (("*",), "", True),
    ],
)
def test_globs_contain_what_they_match_as_a_whole(patterns: tuple[str, ...], name: str, inside: bool) -> None:
    assert (name in Globs(patterns)) is inside


@given(st.text())
def test_an_empty_list_contains_nothing(name: str) -> None:
    assert name not in Globs(())


@pytest.mark.parametrize("state", ["paused", "quarantined", "frozen", "decommissioned"])
def test_an_agent_that_is_not_ready_is_told_its_state_and_what_to_do(state: str) -> None:
    with pytest.raises(Refused, match=state) as caught:
        check_state("alice", state)
    assert (caught.value.status, caught.value.code) == (423, "agent_not_ready")
    assert ("aexl agent" in caught.value.reason) or "create another" in caught.value.reason


def test_a_ready_agent_passes() -> None:
    check_state("alice", "ready")


@pytest.mark.parametrize(
    ("scope", "surface", "method", "passes"),
    [
        ("read", "chat", "POST", False),
        ("read", "count", "POST", False),
        ("read", "stored", "GET", True),
        ("read", "stored", "DELETE", False),
        ("execute", "chat", "POST", True),
        ("admin", "chat", "POST", True),
    ],
)
def test_a_token_that_may_only_read_runs_nothing(scope: str, surface: str, method: str, passes: bool) -> None:
    call = make_call(principal=make_principal(scope=scope), surface=surface, method=method)
    if passes:
        check_scope(call)
    else:
        with pytest.raises(Refused, match="may only read") as caught:
            check_scope(call)
        assert caught.value.code == "read_only_token"


@pytest.mark.parametrize(("model", "allowed"), [("small-1", True), ("dear", False), ("", False)])
def test_only_models_on_the_list_are_allowed(model: str, allowed: bool) -> None:
    book, call = RuleBook(Limits(models=("small-*",))), make_call(model=model)
    if allowed:
        book.apply(call)
    else:
        with pytest.raises(Refused, match=r"Allowed: small-\*") as caught:
            book.apply(call)
        assert caught.value.code == "model_not_allowed"


def test_an_empty_list_of_models_allows_none() -> None:
    with pytest.raises(Refused, match="Allowed: nothing"):
        RuleBook(Limits(models=())).apply(make_call())


@pytest.mark.parametrize("call", [make_call(stream=True), make_call({"stream": True})])
def test_an_agent_without_streaming_may_not_stream(call) -> None:
    with pytest.raises(Refused) as caught:
        RuleBook(Limits(streaming=False)).apply(call)
    assert caught.value.code == "streaming_not_allowed"


def test_a_key_of_ones_own_needs_the_right_to_pass_through() -> None:
    call = make_call(provider_key="sk-own")
    with pytest.raises(Refused) as caught:
        RuleBook(Limits()).apply(call)
    assert caught.value.code == "passthrough_not_allowed"
    assert "sk-own" not in caught.value.reason
    RuleBook(Limits(passthrough=True)).apply(call)


@pytest.mark.parametrize("surface", ["chat", "completions", "responses", "messages", "gemini"])
def test_a_call_without_an_output_limit_gets_the_agents(surface: str) -> None:
    call = make_call({"model": "m"}, surface=surface)
    assert RuleBook(Limits(max_output_tokens=100)).apply(call).output_limit == 100


@pytest.mark.parametrize("surface", ["count", "embeddings", "stored", "tools"])
def test_a_call_that_generates_nothing_gets_no_output_limit(surface: str) -> None:
    call = make_call({"model": "m"}, surface=surface)
    assert RuleBook(Limits(max_output_tokens=100)).apply(call) is call


@pytest.mark.parametrize(("asked", "passes"), [(1, True), (100, True), (101, False)])
def test_an_output_limit_holds_at_its_edge(asked: int, passes: bool) -> None:
    book, call = RuleBook(Limits(max_output_tokens=100)), make_call({}, output_limit=asked)
    if passes:
        assert book.apply(call).output_limit == asked
    else:
        with pytest.raises(Refused, match="at most 100 output tokens; the call asks for 101"):
            book.apply(call)


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(max_input_tokens=50, max_total_tokens=150), None),
        (Limits(max_input_tokens=49), "max_input_tokens"),
        (Limits(max_total_tokens=149), "max_total_tokens"),
    ],
)
def test_bounds_are_held_at_their_edge_and_explained(limits: Limits, code: str | None) -> None:
    plan = make_plan(input_bound=50, output_bound=100)
    if code is None:
        check_bounds(plan, limits)
        return
    with pytest.raises(Refused, match="one token a byte") as caught:
        check_bounds(plan, limits)
    assert caught.value.code == code


def test_an_unknown_parameter_is_named_with_a_suggestion() -> None:
    with pytest.raises(Refused, match=r"'temprature' is not one of this endpoint\. Did you mean 'temperature'"):
        RuleBook(Limits(strict=True)).apply(make_call({"temprature": 1}))


def test_a_long_name_is_shortened_in_messages() -> None:
    with pytest.raises(Refused) as caught:
        RuleBook(Limits(strict=True)).apply(make_call({"x" * 100_000: 1}))
    assert len(caught.value.reason) < 400
    assert caught.value.param is None


def test_a_rule_book_is_kept_until_the_limits_change() -> None:
    books = RuleBooks()
    first = books.of("alice", Limits(rpm=5))
    assert books.of("alice", Limits(rpm=5)) is first
    assert books.of("alice", Limits(rpm=6)) is not first


def test_rule_books_are_bounded() -> None:
    books = RuleBooks()
    for number in range(10_000):
        books.of(f"a{number}", Limits(strict=True))
    assert len(books._books) <= 4096


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "name", "tools", "content", "function", "source", "format", "mode", "model"]) | st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
KEYS = st.sampled_from(
    ["tools", "functions", "input", "messages", "tool_choice", "text", "prompt", "container", "generationConfig",
     "toolConfig", "contents", "fallbacks", "models", "max_tokens", "mcp_servers", "output_config", "plugins"]
)  # fmt: skip


@given(st.dictionaries(KEYS, JSON, max_size=4))
def test_no_body_breaks_a_rule_other_than_by_a_refusal(body: dict[str, object]) -> None:
    for limits in (
        Limits(tools=False, function_choice=False, vision=False, json_mode=False, max_output_tokens=5, strict=True),
        Limits(tool_names=("a",), models=("*",)),
        Limits(vision=False),
        Limits(function_choice=False),
        Limits(json_mode=False, max_output_tokens=5),
    ):
        with contextlib.suppress(Refused):
            RuleBook(limits).apply(make_call(body))
