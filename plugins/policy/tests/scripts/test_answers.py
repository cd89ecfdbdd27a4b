import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl_policy import api
from aexl_policy.scripts.answers import ALLOW, Verdict, check_patch, clean, places, read_answer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["deny", "patch", "model", "x"]), inner)
    ),
    max_leaves=4,
)


@pytest.mark.parametrize("answer", [None, True, "allow", api.allow()])
def test_nothing_to_say_allows(answer: object) -> None:
    assert read_answer(answer) == ALLOW


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (False, "no reason was given"),
        ("", "no reason was given"),
        ("too late", "too late"),
        ({"deny": "too late"}, "too late"),
        (api.deny("line\none"), "line one"),
        ("x" * 900, "x" * 500),
    ],
)
def test_a_reason_denies(answer: object, reason: str) -> None:
    assert read_answer(answer) == Verdict(deny=reason)


def test_a_patch_is_kept_as_it_is() -> None:
    assert read_answer(api.patch(model="small", temperature=0)).patch == {"model": "small", "temperature": 0}


@pytest.mark.parametrize(
    "answer",
    [1, 0.5, [], {}, {"allow": True}, {"deny": 1}, {"deny": "x", "patch": {}}, {"patch": None}, object(), b"no"],
)
def test_anything_else_is_no_answer(answer: object) -> None:
    with pytest.raises(ValueError, match="no answer"):
        read_answer(answer)


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("model", ["a", "a/b:c"], ["", 1, None, "x" * 257, "a\nb"]),
        ("max_output_tokens", [1, 2**53 - 1], [0, -1, 1.0, True, 2**53, "5"]),
        ("temperature", [0, 0.5, 2], [-0.1, 2.1, math.nan, math.inf, True, "1"]),
        ("top_p", [0, 1], [1.01, None]),
    ],
)
def test_patched_values_are_checked_at_their_edges(key: str, good: list[object], bad: list[object]) -> None:
    for value in good:
        assert check_patch({key: value}) == {key: value}
    for value in bad:
        with pytest.raises(ValueError, match=key):
            check_patch({key: value})


def test_no_other_key_may_be_patched() -> None:
    with pytest.raises(ValueError, match="messages"):
        check_patch({"messages": []})


@given(JSON)
def test_every_answer_is_either_read_or_refused(answer: object) -> None:
    try:
        verdict = read_answer(answer)
    except ValueError:
        return
    assert verdict.deny is None or 0 < len(verdict.deny) <= 500


@given(st.text())
def test_clean_text_is_one_short_line(text: str) -> None:
    assert clean(text).isprintable()
    assert len(clean(text)) <= 500


@pytest.mark.parametrize(
    ("surface", "key", "expected"),
    [
        ("chat", "max_tokens", [(("model",), "m"), (("max_tokens",), 5), (("top_p",), 1)]),
        ("count", "max_tokens", [(("model",), "m")]),
        (
            "gemini",
            "generationConfig.maxOutputTokens",
            [(("generationConfig", "maxOutputTokens"), 5), (("generationConfig", "topP"), 1)],
        ),
        (
            "gemini",
            "generation_config.max_output_tokens",
            [(("generation_config", "max_output_tokens"), 5), (("generation_config", "topP"), 1)],
        ),
    ],
)
def test_a_patch_stands_where_the_dialect_has_it(surface: str, key: str, expected: list[object]) -> None:
    assert places({"model": "m", "max_output_tokens": 5, "top_p": 1}, surface, key) == expected
