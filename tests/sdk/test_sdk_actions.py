"""What handlers have declared to do, and what they may come to do through others."""

import pytest

from aexl.sdk.actions import allows, reach
from aexl.sdk.registry import Handler


def handler(name, allowed):
    return Handler("tool", name, lambda ctx, payload: None, allowed_actions=allowed)


TOOLS = {
    "free": handler("free", None),
    "asking": handler("asking", ["model:gpt-*"]),
    "still": handler("still", []),
    "round": handler("round", ["round", "asking"]),
}


@pytest.mark.parametrize(
    ("allowed", "actions"),
    [
        (None, None),
        ([], []),
        (["model:a", "still"], ["model:a", "still"]),
        (["asking"], ["asking", "model:gpt-*"]),
        (["free"], None),
        (["round"], ["asking", "model:gpt-*", "round"]),
        (["nowhere"], ["nowhere"]),
    ],
)
def test_a_handler_may_do_what_it_declares_and_what_those_do_whom_it_may_call(allowed, actions):
    assert reach(handler("h", allowed), TOOLS) == actions


@pytest.mark.parametrize(
    ("allowed", "model", "fits"),
    [
        (None, "m", True),
        (("model",), "m", True),
        (("model:m*",), "m1", True),
        (("model:x",), "m", False),
        ((), "m", False),
    ],
)
def test_a_model_is_allowed_by_a_pattern_or_by_the_word_alone(allowed, model, fits):
    assert allows(allowed, "model", model) is fits


def test_a_tool_is_allowed_by_its_name_alone():
    assert allows(("one",), "one")
    assert not allows(("o*",), "one")
