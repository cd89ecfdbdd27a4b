"""The shim for ``aiel_sdk``: what its decorators declare runs as it did."""

import pytest

from aexl.sdk.registry import get_registry, reset_registry
from aexl_runtime.inside.compat import Shim
from aexl_runtime.inside.describing import describe

SOURCE = """
from __future__ import annotations
from typing import TYPE_CHECKING, TypedDict
if TYPE_CHECKING:
    from aiel_sdk import Context

class State(TypedDict):
    step: int

def handler(ctx: Context, payload: dict[str, str]) -> dict:
    return payload

def stateful(ctx: Context, state: State) -> State:
    return state
"""


@pytest.fixture
def shim():
    reset_registry()
    yield Shim().create_module(Shim.find_spec("aiel_sdk"))
    reset_registry()


def declared(shim):
    names = {"__name__": "project"}
    exec(SOURCE, names)
    handler, stateful = names["handler"], names["stateful"]
    shim.tool("t")(handler)
    for declare in (shim.agent, shim.flow, shim.router):
        declare("s")(stateful)
    shim.http.post("/p")(handler)
    shim.mcp_server("m", tools=["t"]).tool("own")(handler)
    registry = get_registry()
    return [
        registry.tools["t"],
        *(registry.of_kind(kind)["s"] for kind in ("agent", "flow", "router")),
        registry.http_handlers[0].handler,
        registry.mcp_servers["m"].own["own"],
    ]


def test_a_handler_of_the_shim_gets_its_input_as_it_is_whatever_its_annotations_say(shim):
    from aexl.sdk import Context
    from aexl.sdk.calling import call_handler

    for handler in declared(shim):
        assert call_handler(handler, Context(), {"step": "one", "n": 1}) == {"step": "one", "n": 1}


def test_the_annotations_of_one_handler_do_not_keep_the_others_from_being_described(shim):
    declared(shim)
    described = describe(get_registry(), None)
    assert [each["input_schema"] for each in described["handlers"]] == [{"type": "object"}] * 6
