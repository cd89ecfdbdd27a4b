"""Asking for models is held to what a handler declared, outside of its process."""

import json

import pytest

from aexl_runtime.protocol.exchange import Exchange, Task
from aexl_runtime.protocol.requests import Request


def hear(exchange, **message):
    return exchange.hear(json.dumps(message).encode())


def ask(exchange, model="gpt-4"):
    return hear(exchange, t="ask", n=1, body={"model": model})


@pytest.fixture
def exchange():
    return Exchange(Task(Request(action="invoke", kind="tool", handler="t", request_id="r"), "/x", "id"))


@pytest.mark.parametrize(
    ("actions", "refused"), [(None, False), (["model"], False), (["model:gpt-*"], False), (["other"], True), ([], True)]
)
def test_a_model_that_was_not_declared_is_refused_and_not_asked(exchange, actions, refused):
    hear(exchange, t="loaded", ms={}, found=True, actions=actions)
    asked = ask(exchange)
    assert asked is not None
    assert (asked.refusal is not None) is refused
    if asked.refusal:
        assert asked.refusal["error"]["status"] == 403
        assert "'model:gpt-4' was not declared" in asked.refusal["error"]["message"]


def test_nothing_is_asked_before_it_is_known_what_was_declared(exchange):
    asked = ask(exchange)
    assert asked is not None
    assert asked.refusal is not None


def test_what_was_declared_cannot_be_said_again(exchange):
    hear(exchange, t="loaded", ms={}, found=True, actions=[])
    hear(exchange, t="loaded", ms={}, found=True, actions=None)
    assert exchange.done
