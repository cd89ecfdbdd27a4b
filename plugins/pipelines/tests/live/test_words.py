"""Numbers, names and texts for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl_pipelines.live.words import clean, dollars, duration, first_line, place


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1:00"),
        (3725, "1:02:05"),
    ],
)
def test_times(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("nanos", "words"),
    [(None, ""), (0, "0.0000"), (1, "<0.0001"), (49_999, "<0.0001"), (50_000, "0.0001"), (50_125_000, "0.0501"),
     (1_999_999_999, "2.0000")],
)  # fmt: skip
def test_money_is_rounded_and_never_made_nothing(nanos, words):
    assert dollars(nanos) == words


def test_addresses_read_from_the_outside_in():
    assert place("loop#2::fix") == "loop 2 > fix"
    assert place("review") == "review"


@pytest.mark.parametrize(
    "text",
    ["\x1b[31mred\x1b[0m", "\x1b]0;title\x07red", "\x1b]8;;http://x\x1b\\red\x1b]8;;\x1b\\", "\x1bcred", "r\x00e\x08d\x7f",
     "\x9b31mred"[1:].replace("31m", ""), "r\u202eed"],
)  # fmt: skip
def test_nothing_that_steers_a_terminal_is_shown(text):
    assert clean(text) == "red"


@given(st.text())
def test_any_text_is_printable_afterwards(text):
    assert all(
        character == "\n" or not ("\x00" <= character < " " or "\x7f" <= character < "\xa0")
        for character in clean(text)
    )


def test_the_first_line_is_one_that_says_something_and_not_too_long():
    assert first_line("\n\n  hello \nyou") == "hello"
    assert len(first_line("x" * 999)) == 200
    assert first_line("") == ""
