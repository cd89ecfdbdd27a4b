"""What handlers are given: parameters of the path, positions, and annotations that are for type checkers alone."""

from __future__ import annotations

import dataclasses
import enum
import functools
import uuid
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import pytest

from aexl.sdk import Context, InvalidInput, get_registry, http, reset_registry
from aexl.sdk.calling import call_handler
from aexl.sdk.registry import UNTYPED, Handler
from aexl.sdk.routes import find_route
from aexl.sdk.schemas import input_schema

if TYPE_CHECKING:
    from nowhere import Hidden


class Size(enum.Enum):
    SMALL = 1


@dataclasses.dataclass
class Order:
    sku: str


@dataclasses.dataclass
class HalfHidden:
    hidden: Hidden
    count: int


class State(TypedDict):
    step: int


@pytest.fixture(autouse=True)
def _registry():
    reset_registry()
    yield
    reset_registry()


def call(fn, payload, params=None):
    handler = Handler("tool", "h", fn)
    return call_handler(handler, Context(handler=handler), payload, params)


def ask(method, path, body=None):
    """Call the handler of a path, as the runtime does."""
    found = find_route(get_registry().http_handlers, method, path)
    assert found is not None
    route, params = found
    request = {"method": method, "path": path, "query": {"q": "1"}, "headers": {}, "body": {}, "params": params}
    return call_handler(route.handler, Context(), request if method == "GET" else body, params)


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (int, "7", 7),
        (float, "7", 7.0),
        (bool, "true", True),
        (int | None, "7", 7),
        (str, "7", "7"),
        (Any, "7", "7"),
        (Literal["a", 1], "1", 1),
        (Size, "1", Size.SMALL),
        (uuid.UUID, f"{uuid.UUID(int=7)}", uuid.UUID(int=7)),
    ],
)
def test_a_parameter_of_the_path_has_the_type_of_its_argument(annotation, text, value):
    def show(ctx, request, id):
        return id

    show.__annotations__ = {"id": annotation}
    http.get("/orders/{id}")(show)
    assert ask("GET", f"/orders/{text}") == value


@pytest.mark.parametrize(("annotation", "text"), [(int, "seven"), (int, "007"), (float, "NaN"), (float, "1e999")])
def test_a_parameter_that_does_not_fit_is_an_invalid_input(annotation, text):
    def show(ctx, id):
        pytest.fail("it was called")

    show.__annotations__ = {"id": annotation}
    http.get("/orders/{id}")(show)
    with pytest.raises(InvalidInput, match=f"id: must be a .*number, not '{text}'"):
        ask("GET", f"/orders/{text}")


def test_parameters_of_the_path_and_keys_of_the_body_are_arguments_of_one_function():
    @http.post("/orders/{id}")
    def change(ctx, qty: int, id: int, note: str = ""):
        return [id, qty, note]

    assert ask("POST", "/orders/7", {"qty": 2}) == [7, 2, ""]
    with pytest.raises(InvalidInput, match=r"^qty: is missing; id: is not an argument$"):
        ask("POST", "/orders/7", {"id": 8})
    assert input_schema(get_registry().http_handlers[0].handler)["required"] == ["qty"]
    assert "id" not in input_schema(get_registry().http_handlers[0].handler)["properties"]


@pytest.mark.parametrize(
    "fn",
    [
        lambda ctx, order, key: (order, key),
        lambda ctx, key, order: (order, key),
        lambda ctx, key, /, order: (order, key),
        lambda ctx, key, *order: (order[0], key),
    ],
)
def test_a_parameter_of_the_path_may_stand_before_the_whole_body_or_after_it(fn):
    http.put("/orders/{key}")(fn)
    assert ask("PUT", "/orders/7", {"sku": "a"}) == ({"sku": "a"}, "7")


def test_a_body_of_a_declared_type_goes_with_a_parameter_of_the_path():
    @http.put("/orders/{id}")
    def change(ctx, id: int, order: Order):
        return [id, order]

    assert ask("PUT", "/orders/7", {"sku": "a"}) == [7, Order("a")]


def test_a_parameter_may_be_all_that_a_function_takes_of_a_request():
    http.get("/orders/{key}")(lambda ctx, key: key)
    assert ask("GET", "/orders/7") == "7"


def test_typed_arguments_are_what_a_function_wants_of_a_request():
    @http.get("/orders/{id}")
    def show(ctx, id: int, method: str, query: dict[str, str]):
        return [id, method, query]

    @http.get("/{method}/{ctx}")
    def odd(first, method: str, path: str):
        return [method, path]

    assert ask("GET", "/orders/7") == [7, "GET", {"q": "1"}]
    assert ask("GET", "/a/b") == ["a", "/a/b"]


@pytest.mark.parametrize("body", [5, "a", ["a"], None])
def test_a_body_that_is_no_object_has_no_arguments(body):
    @http.post("/orders")
    def add(ctx, a: int):
        pytest.fail("it was called")

    with pytest.raises(InvalidInput, match=r"input: must be an object, not"):
        ask("POST", "/orders", body)


def test_an_argument_without_a_name_is_given_by_position():
    def pos(ctx, a: int = 1, b: int = 2, /, *, c: int = 3):
        return [a, b, c]

    assert call(pos, {}) == [1, 2, 3]
    assert call(pos, {"b": 5, "c": 6}) == [1, 5, 6]


def test_a_wrapped_function_is_bound_by_its_own_arguments():
    def add(ctx, a: int, b: int = 2):
        return a + b

    @functools.wraps(add)
    def logged(*args, **kwargs):
        return add(*args, **kwargs)

    @functools.wraps(take := lambda ctx, order: order)
    def renamed(ctx, payload):
        return take(ctx, payload)

    renamed.__annotations__ = {"order": dict}
    assert call(logged, {"a": 1}) == 3
    assert call(renamed, {"a": 1}) == {"a": 1}


def test_names_that_only_type_checkers_know_stop_nothing():
    def tool(ctx: Hidden, payload: dict) -> Hidden:
        return payload

    def other(ctx, payload: Hidden):
        return payload

    def half(ctx, payload: HalfHidden):
        return payload

    assert call(tool, {"a": 1}) == {"a": 1}
    assert call(other, {"a": 1}) == {"a": 1}
    assert call(half, {"hidden": {}, "count": 1}) == HalfHidden({}, 1)
    assert input_schema(Handler("tool", "h", other)) == {"type": "object"}
    with pytest.raises(InvalidInput, match=r"input\.count: must be a whole number"):
        call(half, {"hidden": {}, "count": "1"})
    with pytest.raises(InvalidInput, match="must be an object"):
        call(tool, [])


def test_a_function_whose_annotations_are_but_words_gets_its_input_as_it_is():
    def step(ctx, state: State):
        return state

    with pytest.raises(InvalidInput):
        call(step, {"step": "one", "more": 1})
    step.__dict__[UNTYPED] = True
    assert call(step, {"step": "one", "more": 1}) == {"step": "one", "more": 1}
    assert input_schema(Handler("tool", "h", step)) == {"type": "object"}
