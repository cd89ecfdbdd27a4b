"""Usage in the words of each dialect, against the normal form by hand."""

from __future__ import annotations

import msgspec
import pytest

from aexl.api import Usage
from aexl_providers.usage import (
    ChatUsage,
    Implausible,
    MessagesUsage,
    OutputItem,
    ResponsesUsage,
    count_tools,
    from_chat,
    from_messages,
    from_responses,
    tier_of,
)

CHAT = [
    ({"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}, Usage(input_tokens=10, output_tokens=20)),
    ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, Usage()),
    ({"prompt_tokens": 8, "total_tokens": 8}, Usage(input_tokens=8)),
    (
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 40, "rejected_prediction_tokens": 2},
        },
        Usage(input_tokens=10, cached_input_tokens=60, cache_write_tokens=30, output_tokens=50, reasoning_tokens=40),
    ),
    (
        {
            "prompt_tokens": 10,
            "completion_tokens": 20,
            "prompt_tokens_details": None,
            "completion_tokens_details": {"reasoning_tokens": None},
        },
        Usage(input_tokens=10, output_tokens=20),
    ),
    # DeepSeek's words for the cache.
    (
        {"prompt_tokens": 10, "completion_tokens": 1, "prompt_cache_hit_tokens": 6, "prompt_cache_miss_tokens": 4},
        Usage(input_tokens=4, cached_input_tokens=6, output_tokens=1),
    ),
    # xAI's reasoning is in the total only, and named.
    (
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 115,
            "completion_tokens_details": {"reasoning_tokens": 100},
        },
        Usage(input_tokens=10, output_tokens=105, reasoning_tokens=100),
    ),
    # Gemini's compatible endpoint: in the total only, and not named.
    (
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40},
        Usage(input_tokens=10, output_tokens=30, reasoning_tokens=25),
    ),
]


@pytest.mark.parametrize(("reported", "expected"), CHAT)
def test_chat_usage_has_this_normal_form(reported: dict[str, object], expected: Usage) -> None:
    assert from_chat(msgspec.convert(reported, ChatUsage)) == expected


@pytest.mark.parametrize(
    "reported",
    [
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 14},
        {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 11}},
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 5},
        },
        {"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 6}},
    ],
)
def test_counts_that_contradict_each_other_are_implausible(reported: dict[str, object]) -> None:
    with pytest.raises(Implausible):
        from_chat(msgspec.convert(reported, ChatUsage))


@pytest.mark.parametrize("count", [-1, 1.5, 2.0, "3", True, 2**53 + 1, None, [1]])
def test_a_count_that_is_no_count_is_refused(count: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"prompt_tokens": count, "completion_tokens": 1}, ChatUsage)


def test_the_largest_count_is_accepted() -> None:
    assert from_chat(msgspec.convert({"prompt_tokens": 2**53}, ChatUsage)).input_tokens == 2**53


def test_responses_usage_has_cached_written_reasoning_tools_and_tier() -> None:
    reported = {
        "input_tokens": 36,
        "input_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 10},
        "output_tokens": 87,
        "output_tokens_details": {"reasoning_tokens": 64},
        "total_tokens": 123,
    }
    assert from_responses(msgspec.convert(reported, ResponsesUsage), "flex", {"web_search": 2}) == Usage(
        input_tokens=20,
        cached_input_tokens=6,
        cache_write_tokens=10,
        output_tokens=87,
        reasoning_tokens=64,
        tool_uses={"web_search": 2},
        tier="flex",
    )


def test_messages_usage_does_not_overlap_and_splits_cache_writes() -> None:
    reported = {
        "input_tokens": 3,
        "cache_creation_input_tokens": 300,
        "cache_read_input_tokens": 1000,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        "output_tokens": 7,
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
        "service_tier": "standard",
    }
    assert from_messages(msgspec.convert(reported, MessagesUsage)) == Usage(
        input_tokens=3,
        cached_input_tokens=1000,
        cache_write_tokens=100,
        cache_write_1h_tokens=200,
        output_tokens=7,
        tool_uses={"web_search": 2},
    )


def test_messages_cache_writes_without_a_split_are_for_five_minutes() -> None:
    usage = MessagesUsage(input_tokens=1, output_tokens=1, cache_creation_input_tokens=9)
    assert from_messages(usage).cache_write_tokens == 9


def test_messages_cache_writes_that_do_not_add_up_are_implausible() -> None:
    reported = {
        "input_tokens": 1,
        "output_tokens": 1,
        "cache_creation_input_tokens": 9,
        "cache_creation": {"ephemeral_5m_input_tokens": 1},
    }
    with pytest.raises(Implausible):
        from_messages(msgspec.convert(reported, MessagesUsage))


def test_a_message_without_output_tokens_is_implausible() -> None:
    with pytest.raises(Implausible):
        from_messages(MessagesUsage(input_tokens=1))


def test_a_later_report_wins_where_it_says_something() -> None:
    first = MessagesUsage(input_tokens=5, cache_read_input_tokens=7, output_tokens=1)
    assert from_messages(first.followed_by(MessagesUsage(output_tokens=9))) == Usage(
        input_tokens=5, cached_input_tokens=7, output_tokens=9
    )
    assert from_messages(first.followed_by(MessagesUsage(input_tokens=0, output_tokens=9))).input_tokens == 0


def test_anthropics_fast_mode_is_a_tier() -> None:
    assert from_messages(MessagesUsage(input_tokens=1, output_tokens=1, speed="fast")).tier == "fast"


@pytest.mark.parametrize(
    ("name", "tier"),
    [("default", ""), ("standard", ""), ("auto", ""), (None, ""), ("priority", "priority"), ("flex", "flex"), (3, "")],
)
def test_an_ordinary_service_tier_is_empty(name: object, tier: str) -> None:
    assert tier_of(name) == tier


def test_searches_count_and_reading_what_they_found_does_not() -> None:
    items = [
        OutputItem(type="web_search_call", action={"type": "search"}),
        OutputItem(type="web_search_call", action={"type": "open_page"}),
        OutputItem(type="web_search_call"),
        OutputItem(type="file_search_call"),
        OutputItem(type="code_interpreter_call"),
        OutputItem(type="function_call"),
        OutputItem(type="message"),
        OutputItem(),
    ]
    assert count_tools(items) == {"web_search": 2, "file_search": 1, "code_interpreter": 1}
