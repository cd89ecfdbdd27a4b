"""Calling handlers: inputs by annotation, results by declaration, whichever loop they need."""

import asyncio
import dataclasses
import datetime as dt
import enum
import functools
import sys
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aexl.sdk import Context, InvalidInput, ModelAnswer, ModelRefused, NotAllowed, get_registry, reset_registry, tool
from aexl.sdk.calling import call_handler, uses_trio
from aexl.sdk.registry import Handler
from aexl.sdk.schemas import input_schema, schema_of
from aexl.sdk.values import convert


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Line:
    sku: str
    count: int = 1


@dataclasses.dataclass
class Order:
    id: int
    lines: list[Line]
    color: Color | None = None
    parent: "Order | None" = None


@dataclasses.dataclass
class Positive:
    count: int

    def __post_init__(self):
        if self.count < 0:
            raise ValueError("count is negative")


class Patch(TypedDict):
    name: str
    note: NotRequired[str]


@pytest.fixture(autouse=True)
def _registry():
    reset_registry()
    yield
    reset_registry()


def call(fn, payload, kind="tool", **declared):
    handler = Handler(kind, "h", fn, **declared)
    return call_handler(handler, Context(handler=handler), payload)


def test_a_handler_without_annotations_gets_the_object_as_it_is():
    assert call(lambda ctx, payload: payload, {"a": [1]}) == {"a": [1]}


def test_a_dataclass_is_made_of_the_input():
    def save(ctx, order: Order):
        return order

    made = call(save, {"id": 1, "lines": [{"sku": "a"}, {"sku": "b", "count": 3}], "color": "red"})
    assert made == Order(1, [Line("a"), Line("b", 3)], Color.RED)


def test_every_place_that_does_not_fit_is_named():
    def save(ctx, order: Order):
        pytest.fail("it was called")

    with pytest.raises(InvalidInput) as caught:
        call(save, {"id": "1", "lines": [{"count": True}], "colour": "red"})
    assert caught.value.problems == (
        "input.colour: is not a field",
        "input.id: must be a whole number, not '1'",
        "input.lines[0].sku: is missing",
        "input.lines[0].count: must be a whole number, not True",
    )


def test_arguments_of_plain_types_are_keys_of_the_input():
    def add(ctx, a: int, b: float = 2, *, note: str = ""):
        return [a, b, note]

    assert call(add, {"a": 1}) == [1, 2, ""]
    assert call(add, {"a": 1, "b": 3, "note": "n"}) == [1, 3.0, "n"]
    with pytest.raises(InvalidInput, match=r"a: is missing; c: is not an argument"):
        call(add, {"c": 1})


def test_a_model_of_pydantic_is_made_of_the_input_if_the_project_has_it():
    class Model:  # as much of pydantic as is used
        @classmethod
        def model_validate(cls, value):
            if "name" not in value:
                error = ValueError("1 validation error")
                error.errors = lambda: [{"loc": ("name",), "msg": "Field required"}]
                raise error
            return ("model", value["name"])

        @classmethod
        def model_json_schema(cls, ref_template):
            return {"type": "object", "properties": {"name": {"$ref": "#/$defs/N"}}, "$defs": {"N": {"type": "string"}}}

    def save(ctx, model: Model):
        return model

    assert call(save, {"name": "n"}) == ("model", "n")
    with pytest.raises(InvalidInput, match=r"input.name: Field required"):
        call(save, {})
    schema = input_schema(Handler("tool", "save", save))
    assert schema["$defs"] == {"N": {"type": "string"}}


def test_a_schema_tells_what_a_handler_takes():
    def add(ctx, title: Annotated[str, "What it is called"], size: Literal[1, 2] = 1, tags: list[str] | None = None):
        pass

    assert input_schema(Handler("tool", "add", add)) == {
        "type": "object",
        "properties": {
            "title": {"type": "string", "description": "What it is called"},
            "size": {"enum": [1, 2], "default": 1},
            "tags": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}], "default": None},
        },
        "required": ["title"],
        "additionalProperties": False,
    }


def test_a_record_that_contains_itself_has_a_schema():
    def save(ctx, order: Order):
        pass

    schema = input_schema(Handler("tool", "save", save))
    assert schema["$ref"] == "#/$defs/Order"
    assert schema["$defs"]["Order"]["required"] == ["id", "lines"]
    assert schema["$defs"]["Line"]["properties"]["count"] == {"type": "integer"}


def test_a_record_that_does_not_stands_where_it_is_used():
    def save(ctx, patch: Patch):
        pass

    assert input_schema(Handler("tool", "save", save)) == {
        "type": "object",
        "properties": {"name": {"type": "string"}, "note": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": False,
    }


def test_without_annotations_the_schema_is_any_object():
    assert input_schema(Handler("tool", "x", lambda ctx, payload: None)) == {"type": "object"}


@pytest.mark.parametrize(
    ("kind", "value", "made"),
    [
        (dt.datetime, "2024-01-02T03:04:05+00:00", dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.UTC)),
        (bytes, "aGk=", b"hi"),
        (tuple[int, str], [1, "a"], (1, "a")),
        (set[int], [1, 2], {1, 2}),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (int | None, None, None),
        (Any, {"x": 1}, {"x": 1}),
        (Patch, {"name": "n"}, {"name": "n"}),
    ],
)
def test_json_becomes_what_a_type_says(kind, value, made):
    problems: list[str] = []
    assert convert(value, kind, "x", problems) == made
    assert not problems


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        (str, 1, "x: must be a text, not 1"),
        (int, True, "x: must be a whole number, not True"),
        (int, 1.0, "x: must be a whole number, not 1.0"),
        (list[int], "abc", "x: must be a list, not 'abc'"),
        (tuple[int, int], [1], "x: must have 2 entries, not 1"),
        (dict[str, int], {"a": "b"}, "x.a: must be a whole number, not 'b'"),
        (dt.date, "soon", "x: must be a date, not 'soon'"),
        (Literal["a"], "b", "x: must be 'a', not 'b'"),
        (Literal[1], True, "x: must be 1, not True"),
        (Color, "green", "x: must be 'red' or 'blue', not 'green'"),
        (int | None, "a", "x: must be a whole number, not 'a'"),
        (Positive, {"count": -1}, "x: count is negative"),
        (set, [[1]], "x: unhashable type: 'list'"),
        (float, 10**400, "x: int too large to convert to float"),
    ],
)
def test_what_does_not_fit_is_said(kind, value, problem):
    problems: list[str] = []
    convert(value, kind, "x", problems)
    assert problems == [problem]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from(
    [int, str, float, bool, list[int], dict[str, Line], Order, Patch, Color, bytes, dt.date, Literal["a", 1], int | str]
)


@given(value=JSON, kind=KINDS)
def test_any_value_either_fits_or_is_a_problem(value, kind):
    problems: list[str] = []
    convert(value, kind, "x", problems)
    assert all(problem.startswith("x") for problem in problems)
    schema_of(kind, {})


@pytest.mark.parametrize("kind", ["agent", "flow", "router"])
def test_what_has_a_state_must_return_one(kind):
    with pytest.raises(InvalidInput, match=f"^{kind.capitalize()} must return a dict state.$"):
        call(lambda ctx, state: [], {}, kind=kind)


def test_a_router_may_return_the_route_alone():
    assert call(lambda ctx, state: "done", {}, kind="router") == {"next": "done"}


@pytest.mark.parametrize(
    ("kind", "result", "fits"),
    [
        ("router", "done", True),
        ("router", "away", False),
        ("router", {"next": "away"}, False),
        ("agent", {"next": ["done", "away"]}, False),
        ("agent", {"state": 1}, True),
        ("tool", {"next": None}, True),
    ],
)
def test_a_result_leads_only_where_its_handler_declares(kind, result, fits):
    if fits:
        call(lambda ctx, state: result, {}, kind=kind, allowed_routes=["done"])
    else:
        with pytest.raises(NotAllowed, match="Route 'away' not allowed"):
            call(lambda ctx, state: result, {}, kind=kind, allowed_routes=["done"])


def test_a_handler_calls_only_the_tools_it_declares():
    tool("one")(lambda ctx, payload: payload["n"] + 1)
    tool("two")(lambda ctx, payload: 2)

    def both(ctx, payload):
        assert ctx.call("one", {"n": 1}) == 2
        return ctx.call("two", {})

    assert call(both, {}) == 2
    with pytest.raises(NotAllowed, match=r"Action 'two' not allowed for tool 'h'; it declares one"):
        call(both, {}, allowed_actions=["one"])


def test_a_tool_that_is_called_acts_under_its_own_declaration():
    tool("inner", allowed_actions=[])(lambda ctx, payload: ctx.call("inner", {}))
    with pytest.raises(NotAllowed, match="for tool 'inner'"):
        call(lambda ctx, payload: ctx.call("inner", {}), {}, allowed_actions=["inner"])


def test_a_tool_that_is_not_there_is_a_lookup_error():
    with pytest.raises(LookupError, match="Tool not found: ghost"):
        call(lambda ctx, payload: ctx.call("ghost", {}), {})


class Door:
    def __init__(self):
        self.asked = []

    def log(self, record):
        pass

    def model(self, body):
        self.asked.append(body)
        return ModelAnswer({"choices": [{"message": {"content": "hi"}}], "usage": {"total_tokens": 3}})


@pytest.mark.parametrize(
    ("allowed", "fits"), [(None, True), (["model"], True), (["model:gpt-*"], True), (["model:x"], False), ([], False)]
)
def test_a_handler_asks_only_the_models_it_declares(allowed, fits):
    handler = Handler("tool", "h", lambda ctx, payload: ctx.model("gpt-x", "hello").text, allowed_actions=allowed)
    door = Door()
    if fits:
        assert call_handler(handler, Context(handler=handler, door=door), {}) == "hi"
        assert door.asked == [{"model": "gpt-x", "messages": [{"role": "user", "content": "hello"}]}]
    else:
        with pytest.raises(NotAllowed, match="Action 'model:gpt-x' not allowed"):
            call_handler(handler, Context(handler=handler, door=door), {})
        assert not door.asked


def test_without_a_way_to_a_model_that_is_what_is_said():
    with pytest.raises(ModelRefused, match="no way to a model") as caught:
        Context().model("m", "hello")
    assert (caught.value.status, caught.value.code) == (503, "no_server")


async def test_a_model_is_asked_without_holding_up_trio():
    assert (await Context(door=Door()).model_async("m", "hello")).usage == {"total_tokens": 3}


def test_an_asyncio_handler_runs_in_asyncio():
    async def add(ctx, payload):
        await asyncio.sleep(0)
        answer = await Context(door=Door()).model_async("m", "hello")
        return [payload["n"], answer.text]

    assert call(add, {"n": 1}) == [1, "hi"]


def test_a_trio_handler_runs_in_trio():
    namespace: dict[str, Any] = {"__name__": "project"}
    source = "import trio\nasync def nap(ctx, payload):\n    await trio.sleep(0)\n    return trio.current_time() > 0\n"
    exec(source, namespace)
    assert uses_trio(namespace["nap"])
    assert call(namespace["nap"], {}) is True


def test_a_function_of_trio_alone_is_enough_to_know_it():
    namespace: dict[str, Any] = {"__name__": "project"}
    exec("from trio import sleep\nasync def nap(ctx, payload):\n    await sleep(0)\n    return 1\n", namespace)
    assert uses_trio(namespace["nap"])
    assert not uses_trio(test_a_trio_handler_runs_in_trio)


TRIO_PROJECT = """
import functools, trio

async def nap(ctx, payload):
    await trio.sleep(0)
    return {"n": payload["n"]}

class Napping:
    async def __call__(self, ctx, payload):
        return await nap(ctx, payload)

    async def ainvoke(self, state):
        return await nap(None, state)

def plainly(fn):
    return lambda ctx, payload: fn(ctx, payload)

napping = Napping()
bound = napping.__call__
partial = functools.partial(nap)
"""


@pytest.mark.parametrize("name", ["napping", "bound", "partial", "plain", "wrapped", "async_wrapped", "graph"])
def test_whatever_a_trio_handler_is_in_it_runs_in_trio(name):
    project: dict[str, Any] = {"__name__": "project"}
    exec(TRIO_PROJECT, project)
    nap = project["nap"]

    def calling(ctx, payload):
        return nap(ctx, payload)

    async def awaiting(ctx, payload):
        return await nap(ctx, payload)

    made = {
        "plain": project["plainly"](nap),
        "wrapped": functools.wraps(nap)(calling),
        "async_wrapped": functools.wraps(nap)(awaiting),
        "graph": lambda: project["napping"],
        **project,
    }
    kind = "flow" if name == "graph" else "tool"
    assert call(made[name], {"n": 1}, kind=kind, graph=name == "graph") == {"n": 1}


def test_an_async_tool_can_be_called_from_within_a_loop():
    async def inner(ctx, payload):
        await asyncio.sleep(0)
        return 1

    tool("inner")(inner)

    async def outer(ctx, payload):
        return ctx.call("inner", {}) + 1

    assert call(outer, {}) == 2


class Graph:
    def __init__(self, ctx=None):
        self.ctx = ctx

    async def ainvoke(self, state):
        return {**state, "graph": self.ctx is not None}


@pytest.mark.parametrize(
    ("builder", "result"),
    [
        (lambda: Graph(None), {"a": 1, "graph": False}),
        (lambda ctx: Graph(ctx or 1), {"a": 1, "graph": True}),
        (lambda: lambda ctx, state: {"plain": True}, {"plain": True}),
    ],
)
def test_a_graph_is_built_and_invoked(builder, result):
    assert call(builder, {"a": 1}, kind="flow", graph=True) == result


def test_what_was_built_must_be_invokable():
    with pytest.raises(TypeError, match="neither ainvoke nor invoke"):
        call(lambda: 3, {}, kind="flow", graph=True)


def test_no_test_left_a_handler_behind():
    assert not get_registry().tools
    assert "aiel_sdk" not in sys.modules
