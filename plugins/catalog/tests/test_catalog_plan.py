"""The most a call can cost, and what is refused because nobody can say."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.api import Body, Call, Usage
from aexl.errors import Refused
from aexl.testing.factories import make_call
from aexl_catalog.entries import Entry
from aexl_catalog.planner import TOOLS_ALLOWANCE, plan_call, plan_free
from aexl_catalog.prices import shipped
from aexl_catalog.pricing import PriceTable, read_price
from aexl_catalog.references import find_references
from aexl_catalog.tools import DEFAULT_USES

DAY = dt.date(2026, 11, 21)
TIERED = {
    "input": "1",
    "output": "2",
    "cache_write": "1.25",
    "tiers": [{"above": 1000, "input": "10", "output": "20"}],
    "tools": {"web_search": "0.01"},
    "service": {"flex": {"input": "0.5", "output": "1"}, "priority": {"input": "3", "output": "6"}},
}


def entry(price: dict[str, Any] | None = None, **changes: Any) -> Entry:
    table = msgspec.convert(price or {"input": "1", "output": "2"}, PriceTable)
    values: dict[str, Any] = {
        "name": "m",
        "provider": "fake",
        "provider_model": "real",
        "price": read_price(table, "test"),
        "context": 100_000,
        "output": 4000,
        **changes,
    }
    return Entry(**values)


def chat(body: dict[str, Any] | bytes | None = None, **changes: Any) -> Call:
    if isinstance(body, bytes):
        return make_call(body, **changes)
    limit = {"max_completion_tokens": changes["output_limit"]} if changes.get("output_limit") else {}
    talk = [{"role": "user", "content": "Hi"}]
    return make_call({"model": "m", "messages": talk, **limit, **(body or {})}, **changes)


def test_a_limit_that_a_gate_has_set_is_sent() -> None:
    call = make_call({"model": "m", "messages": []}, output_limit=50)
    plan = plan_call(call, [entry()])
    assert (plan.output_bound, plan.targets[0].output_limit) == (50, 50)


def refused(call: Call, *entries: Entry) -> Refused:
    with pytest.raises(Refused) as caught:
        plan_call(call, entries or (entry(),))
    return caught.value


def test_input_is_bounded_by_one_token_a_byte_at_the_dearest_class() -> None:
    call = chat(output_limit=10)
    plan = plan_call(call, [entry({"input": "1", "output": "2", "cache_write": "1.25"})])
    assert plan.input_bound == len(call.body.data)
    assert plan.fixed == -(-plan.input_bound * 1_250_000 // 1000)
    assert plan.hold == plan.fixed + 10 * 2000


def test_without_a_limit_the_models_own_is_held_for_and_not_sent() -> None:
    plan = plan_call(chat(), [entry()])
    assert plan.output_bound == 4000
    assert plan.targets[0].output_limit is None


def test_a_limit_that_is_enforced_is_sent() -> None:
    configured = entry(enforced=True)
    assert plan_call(chat(), [configured]).targets[0].output_limit == 4000
    assert plan_call(chat(output_limit=4001), [configured]).targets[0].output_limit == 4000
    assert plan_call(chat(output_limit=4000), [configured]).targets[0].output_limit is None


def test_a_limit_above_the_models_is_held_for_as_the_models_and_passes() -> None:
    plan = plan_call(chat(output_limit=9000), [entry()])
    assert plan.output_bound == 4000
    assert plan.targets[0].output_limit is None


def test_where_only_the_context_is_known_output_is_bounded_by_it() -> None:
    assert plan_call(chat(), [entry(output=None)]).output_bound == 100_000


def test_where_nothing_is_known_a_call_without_a_limit_is_refused() -> None:
    error = refused(chat(), entry(output=None, context=None))
    assert (error.code, error.status, error.param) == ("unbounded_output", 400, "max_completion_tokens")
    assert plan_call(chat(output_limit=5), [entry(output=None, context=None)]).output_bound == 5


def test_every_choice_and_a_prediction_are_held_for() -> None:
    prediction = {"type": "content", "content": "x" * 100}
    plan = plan_call(chat({"n": 3, "prediction": prediction}, choices=3, output_limit=10), [entry()])
    assert plan.output_bound == 30 + len(msgspec.json.encode(prediction))


def test_the_floor_is_for_all_choices_and_within_the_bound() -> None:
    assert plan_call(chat(choices=2, output_floor=1024), [entry()]).output_floor == 2048
    assert plan_call(chat(output_limit=10, output_floor=1024), [entry()]).output_floor == 10


def test_input_is_bounded_by_the_context_too() -> None:
    assert plan_call(chat(), [entry(context=20)]).input_bound == 20


def test_a_plan_holds_for_the_dearest_of_its_targets() -> None:
    cheap, dear = entry(), entry({"input": "5", "output": "1"}, output=5000)
    plan = plan_call(chat(), [cheap, dear])
    assert [target.price for target in plan.targets] == [cheap.price, dear.price]
    assert plan.fixed == plan.input_bound * 5000
    assert plan.output_price == 2_000_000
    assert plan.output_bound == 5000


@pytest.mark.parametrize(
    ("size", "service", "rate"),
    [
        (1000, '"default"', 2),
        (1001, '"default"', 20),
        (1000, '"flex"', 2),
        (1000, '"priority"', 6),
        (1000, '"auto"', 6),
        (1000, "null", 6),
        (1000, None, 6),
        (1001, None, 20),
    ],
)
def test_the_dearest_tier_that_can_be_reached_counts(size: int, service: str | None, rate: int) -> None:
    head = b'{"model":"m"' + (f',"service_tier":{service}'.encode() if service else b"") + b',"messages":"'
    body = head + b"x" * (size - len(head) - 2) + b'"}'
    assert len(body) == size
    assert plan_call(chat(body), [entry(TIERED)]).output_price == rate * 10**6


def test_a_service_tier_without_a_price_is_refused() -> None:
    error = refused(chat({"service_tier": "warp"}), entry(TIERED))
    assert (error.code, error.param) == ("unpriced_service_tier", "service_tier")


def test_anthropics_fast_mode_counts_only_where_it_is_asked_for() -> None:
    fast = entry({"input": "1", "output": "2", "service": {"fast": {"input": "6", "output": "12"}}})
    slow = chat(surface="messages", path="/messages")
    quick = chat({"speed": "fast"}, surface="messages", path="/messages")
    assert plan_call(slow, [fast]).output_price == 2_000_000
    assert plan_call(quick, [fast]).output_price == 12_000_000


def test_a_model_without_a_price_is_refused() -> None:
    error = refused(chat(), Entry(name="m", provider="f", provider_model="r", price=None))
    assert (error.code, error.status) == ("model_without_price", 403)


def test_a_background_response_is_refused() -> None:
    error = refused(make_call({"model": "m", "input": "x", "background": True}, surface="responses"))
    assert error.code == "background_unsupported"
    plan_call(make_call({"model": "m", "input": "x", "background": False}, surface="responses"), [entry()])


def test_counting_holds_nothing() -> None:
    plan = plan_free([entry()])
    assert (plan.hold, plan.input_bound, plan.output_bound) == (0, 0, 0)
    assert len(plan.targets) == 1


TEXT = [{"type": "text", "text": 'an "image_url" and \\"type\\":\\"image\\"'}]
IMAGE = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
CHAT = [
    ({"messages": [{"role": "user", "content": "Hi"}]}, set()),
    ({"messages": [{"role": "user", "content": 'ends with "image_url'}]}, set()),
    ({"messages": [{"role": "user", "content": TEXT}]}, set()),
    ({"messages": [{"role": "user", "content": IMAGE}]}, {"image"}),
    ({"messages": [{"role": "user", "content": [{"image_url": {}}]}]}, {"image"}),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, {"audio"}),
    ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}, {"file"}),
    ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, {"unknown"}),
    ({"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}, {"audio"}),
    (
        {
            "messages": [
                {
                    "role": "assistant",
                    "tool_calls": [
                        {"type": "function", "id": "c", "function": {"name": "f", "arguments": '{"file":"image_url"}'}}
                    ],
                },
                {"role": "tool", "tool_call_id": "c", "content": "x"},
            ]
        },
        set(),
    ),
]
RESPONSES = [
    ({"input": "Hi"}, set()),
    ({"input": [{"role": "user", "content": "Hi"}]}, set()),
    ({"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}]}, set()),
    ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://x"}]}]}, {"image"}),
    ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, {"file"}),
    ({"input": [{"type": "item_reference", "id": "x"}]}, {"reference"}),
    ({"input": [{"id": "msg_1"}]}, {"reference"}),
    ({"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}, {"reference"}),
    ({"input": [{"type": "reasoning", "id": "rs_1", "encrypted_content": "abc", "summary": []}]}, set()),
    ({"input": [{"type": "function_call", "id": "a", "call_id": "b", "name": "f", "arguments": "{}"}]}, set()),
    ({"input": [{"type": "function_call_output", "call_id": "b", "output": "x"}]}, set()),
    (
        {"input": [{"type": "function_call_output", "call_id": "b", "output": [{"type": "input_image"}]}]},
        {"image"},
    ),
    ({"input": [{"type": "web_search_call", "id": "ws_1"}]}, {"unknown"}),
    ({"input": [{"type": "additional_tools", "tools": [{"type": "custom"}]}]}, set()),
    ({"input": "x", "previous_response_id": "resp_1"}, {"reference"}),
    ({"input": "x", "previous_response_id": None}, set()),
    ({"input": "x", "conversation": "conv_1"}, {"reference"}),
    ({"prompt": {"id": "pmpt_1"}}, {"reference"}),
]
MESSAGES = [
    ({"messages": [{"role": "user", "content": "Hi"}]}, set()),
    (
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}
            ]
        },
        set(),
    ),
    ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64"}}]}]}, {"image"}),
    ({"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "url"}}]}]}, {"file"}),
    ({"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "text"}}]}]}, set()),
    ({"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [{"type": "image"}]}]}]}, {"image"}),
    ({"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]}, {"file"}),
    (
        {
            "messages": [
                {"role": "assistant", "content": [{"type": "tool_use", "input": {"type": "image", "source": 1}}]}
            ]
        },
        set(),
    ),
    ({"messages": [], "system": [{"type": "image"}]}, {"image"}),
    ({"messages": [], "mcp_servers": [{"url": "https://x"}]}, {"reference"}),
    ({"messages": [], "mcp_servers": []}, set()),
]
CASES = [
    *(("chat", body, kinds) for body, kinds in CHAT),
    *(("responses", body, kinds) for body, kinds in RESPONSES),
    *(("messages", body, kinds) for body, kinds in MESSAGES),
]


@pytest.mark.parametrize(("surface", "body", "kinds"), CASES)
def test_what_stands_elsewhere_is_found(surface: Any, body: dict[str, Any], kinds: set[str]) -> None:
    assert find_references(surface, Body(msgspec.json.encode(body))) == kinds


@pytest.mark.parametrize(("surface", "body", "kinds"), CASES)
def test_escapes_and_blanks_hide_nothing(surface: Any, body: dict[str, Any], kinds: set[str]) -> None:
    text = msgspec.json.format(msgspec.json.encode(body), indent=1)
    for word in (b"image", b"file", b"audio", b"input", b"item", b"type", b"reason"):
        # Only values of the top level: its keys are read decoded.
        for key in (b'"messages"', b'"input"', b'"system"'):
            head, found, rest = text.partition(key)
            if found:
                text = head + found + rest.replace(b'"' + word, b'"\\u00%02x' % word[0] + word[1:])
                break
    assert find_references(surface, Body(text)) == kinds


@given(st.text())
def test_no_text_is_taken_for_a_reference(text: str) -> None:
    for surface, key, role in (
        ("chat", "messages", "user"),
        ("messages", "messages", "user"),
        ("responses", "input", "user"),
    ):
        body = msgspec.json.encode({key: [{"role": role, "content": text}]})
        assert find_references(surface, Body(body)) == set()


def test_what_stands_elsewhere_is_bounded_by_the_context() -> None:
    assert plan_call(chat({"messages": [{"role": "user", "content": IMAGE}]}), [entry()]).input_bound == 100_000


def test_what_stands_elsewhere_is_refused_where_the_context_is_not_known() -> None:
    error = refused(chat({"messages": [{"role": "user", "content": IMAGE}]}), entry(context=None))
    assert (error.code, error.status) == ("unbounded_input", 400)


def test_what_was_looked_at_is_what_is_sent() -> None:
    call = chat(b'{"model":"m","messages":[{"role":"user","content":[{"type":"text","type":"image_url","text":"x"}]}]}')
    assert plan_call(call, [entry()]).input_bound == 100_000
    assert b'"type":"text"' not in call.body.encode()


def test_a_kind_of_input_without_a_price_is_refused() -> None:
    call = chat({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]})
    assert refused(call, entry(unpriced=frozenset({"audio"}))).code == "unpriced_modality"
    plan_call(call, [entry()])


def test_spoken_output_is_refused_unless_the_configuration_prices_it() -> None:
    call = chat({"modalities": ["text", "audio"]})
    assert refused(call).code == "unpriced_modality"
    plan_call(call, [entry(capabilities=frozenset({"audio"}))])


@pytest.mark.parametrize(
    ("body", "changes", "missing"),
    [
        ({}, {"stream": True}, "streaming"),
        ({"tools": [{"type": "function"}]}, {}, "tools"),
        ({"messages": [{"role": "user", "content": IMAGE}]}, {}, "vision"),
        ({"response_format": {"type": "json_object"}}, {}, "json"),
    ],
)
def test_a_capability_that_the_model_lacks_is_refused(
    body: dict[str, Any], changes: dict[str, Any], missing: str
) -> None:
    every = {"streaming", "tools", "vision", "json", "audio", "reasoning"}
    call = chat(body, **changes)
    assert missing in refused(call, entry(capabilities=frozenset(every - {missing}))).reason
    plan_call(call, [entry(capabilities=frozenset({missing}))])


def test_what_a_model_cannot_do_is_said_before_what_has_no_price() -> None:
    call = chat({"messages": [{"role": "user", "content": IMAGE}]})
    lacking = entry(capabilities=frozenset({"tools"}), unpriced=frozenset({"image"}))
    assert "vision" in refused(call, lacking).reason
    able = entry(capabilities=frozenset({"vision"}), unpriced=frozenset({"image"}))
    assert refused(call, able).code == "unpriced_modality"


def tools_plan(surface: str, tools: list[Any], entry_: Entry | None = None, **body: Any) -> Any:
    call = make_call({"model": "m", "input": "x", "tools": tools, **body}, surface=surface, output_limit=1)
    return plan_call(call, [entry_ or entry(TIERED)])


def test_tools_of_the_caller_cost_nothing_but_their_tokens() -> None:
    schema = {"type": "object", "properties": {"type": {"type": "string"}}}
    for surface, tools in (
        ("responses", [{"type": "function", "name": "f", "parameters": schema}, {"type": "local_shell"}]),
        ("messages", [{"name": "f", "input_schema": schema}, {"type": "bash_20250124", "name": "bash"}]),
        ("chat", [{"type": "function", "function": {"name": "f", "parameters": schema}}]),
        ("responses", [{"type": "namespace", "tools": [{"type": "function", "name": "f"}]}]),
    ):
        plan = tools_plan(surface, tools, entry())
        assert plan.input_bound < 100_000
        assert plan.input_bound > TOOLS_ALLOWANCE
        assert plan.fixed == plan.input_bound * 1000


@pytest.mark.parametrize(
    ("surface", "tool", "body", "uses"),
    [
        ("messages", {"type": "web_search_20250305", "max_uses": 3}, {}, 3),
        ("messages", {"type": "web_search_20250305"}, {}, DEFAULT_USES),
        ("responses", {"type": "web_search_preview"}, {"max_tool_calls": 2}, 2),
        ("responses", {"type": "web_search_preview_2025_03_11"}, {}, DEFAULT_USES),
        ("responses", {"type": "web_search"}, {"max_tool_calls": "x"}, DEFAULT_USES),
        ("responses", {"type": "namespace", "tools": [{"type": "web_search"}]}, {"max_tool_calls": 1}, 1),
        ("messages", {"type": "web_fetch_20250910"}, {}, 0),
        ("responses", {"type": "mcp", "server_url": "https://x"}, {}, 0),
    ],
)
def test_server_tools_are_held_for_by_the_use_and_bring_input(
    surface: str, tool: dict[str, Any], body: dict[str, Any], uses: int
) -> None:
    price = {"input": "1", "output": "2", "tools": {"web_search": "0.01"}}
    plan = tools_plan(surface, [tool], entry(price), **body)
    assert plan.input_bound == 100_000
    assert plan.fixed == 100_000 * 1000 + uses * 10_000_000


@pytest.mark.parametrize("kind", ["code_interpreter", "image_generation", "code_execution_20250825", "teleport"])
def test_a_server_tool_without_a_price_is_refused(kind: str) -> None:
    with pytest.raises(Refused) as caught:
        tools_plan("responses", [{"type": kind}])
    assert (caught.value.code, caught.value.param) == ("unpriced_tool", "tools")


def test_an_escaped_tool_is_seen() -> None:
    call = make_call(b'{"model":"m","input":"x","tools":[{"\\u0074ype":"teleport"}]}', surface="responses")
    assert refused(call).code == "unpriced_tool"


@pytest.mark.parametrize("key", ["tools", "\\u0074ools"])
def test_a_tool_that_comes_as_an_item_of_the_input_is_seen(key: str) -> None:
    item = '{"type":"additional_tools","KEY":[{"type":"namespace","tools":[{"type":"teleport"}]}]}'.replace("KEY", key)
    call = make_call(f'{{"model":"m","input":[{item}]}}'.encode(), surface="responses")
    assert refused(call).code == "unpriced_tool"


def test_a_price_of_ones_own_admits_a_tool() -> None:
    price = {"input": "1", "output": "2", "tools": {"teleport": "1"}}
    assert tools_plan("responses", [{"type": "teleport"}], entry(price), max_tool_calls=1).fixed > 10**9


@pytest.mark.parametrize("body", [{"web_search_options": {}}, {"plugins": [{"id": "web"}]}, {"search_parameters": {}}])
def test_options_that_search_are_tools_too(body: dict[str, Any]) -> None:
    assert refused(chat(body)).code == "unpriced_tool"


def test_one_search_is_held_for_where_chat_asks_for_the_web() -> None:
    price = {"input": "1", "output": "2", "tools": {"web_search": "0.01"}}
    plan = plan_call(chat({"web_search_options": {}}), [entry(price)])
    assert plan.fixed == 100_000 * 1000 + 10_000_000


@given(
    st.sampled_from([found for kind in ("openai", "anthropic", "google") for found in shipped().models(kind, DAY)]),
    st.integers(1, 5),
    st.integers(1, 200_000),
)
def test_the_hold_covers_every_way_of_being_billed(found: Any, choices: int, limit: int) -> None:
    shipped_entry = Entry(
        name=found.id,
        provider="p",
        provider_model=found.id,
        price=found.price,
        context=found.context or 1_000_000,
        output=found.output,
    )
    if "-search-" in found.id:
        return
    plan = plan_call(chat(choices=choices, output_limit=limit), [shipped_entry])
    assert plan.output_bound <= choices * limit
    bound, output = plan.input_bound, plan.output_bound
    for tier in ("", *found.price.service):
        for usage in (
            Usage(input_tokens=bound, output_tokens=output, tier=tier),
            Usage(cache_write_1h_tokens=bound, output_tokens=output, reasoning_tokens=output, tier=tier),
        ):
            assert found.price.cost(usage) <= plan.hold
