"""Declaring handlers: what the registry has of them, and which ones are refused."""

import dataclasses
import functools
import subprocess
import sys

import pytest

from aexl.sdk import (
    Context,
    ContractViolation,
    agent,
    flow,
    flow_graph,
    get_registry,
    http,
    mcp_server,
    reset_registry,
    router,
    tool,
    validate_contracts,
)
from aexl.sdk.routes import find_route


@pytest.fixture(autouse=True)
def _registry():
    reset_registry()
    yield
    reset_registry()


def test_a_declared_function_is_returned_unchanged():
    def slugify(ctx, payload):
        return payload

    assert tool("slugify", description="make a slug", tags=("text",))(slugify) is slugify
    [handler] = get_registry().tools.values()
    assert (handler.fn, handler.name, handler.description, handler.tags) == (
        slugify,
        "slugify",
        "make a slug",
        ("text",),
    )


def test_a_description_is_by_default_the_first_line_of_the_docstring():
    @tool("slugify")
    def slugify(ctx, payload):
        """Make a slug.

        And more.
        """

    assert get_registry().tools["slugify"].description == "Make a slug."


def test_a_name_that_is_declared_again_is_the_later_ones():
    tool("same")(lambda ctx, payload: 1)
    later = tool("same")(lambda ctx, payload: 2)
    assert get_registry().tools["same"].fn is later


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (tool("x"), "tool:x must accept at least 2 args (ctx, input). Got: (ctx)"),
        (agent("x"), "agent:x must accept at least 2 args (ctx, state/payload). Got: (ctx)"),
        (flow("x"), "flow:x must accept at least 2 args (ctx, state/payload). Got: (ctx)"),
        (http.get("/x"), "http:GET /x must accept at least 2 args (ctx, request). Got: (ctx)"),
    ],
)
def test_a_handler_that_takes_one_argument_is_a_violation(declare, message):
    declare(lambda ctx: None)
    with pytest.raises(ContractViolation) as caught:
        validate_contracts()
    assert str(caught.value) == message


def test_all_violations_are_told_with_the_first():
    tool("x")(lambda ctx: None)
    tool("fine")(lambda ctx, payload: None)
    agent("y")(lambda: None)
    with pytest.raises(ContractViolation) as caught:
        validate_contracts()
    assert str(caught.value) == "tool:x must accept at least 2 args (ctx, input). Got: (ctx)"
    assert caught.value.others == ("agent:y must accept at least 2 args (ctx, state/payload). Got: ()",)


def test_a_router_that_takes_one_argument_is_refused_when_it_is_declared():
    with pytest.raises(ContractViolation) as caught:
        router("x")(lambda ctx: None)
    assert str(caught.value) == "router:x must accept at least 2 args (ctx, state). Got: (ctx)"


def test_a_servers_own_tool_must_take_two_arguments_as_well():
    mcp_server("support").tool("x")(lambda ctx: None)
    with pytest.raises(ContractViolation, match=r"mcp:support/x must accept at least 2 args"):
        validate_contracts()


@pytest.mark.parametrize(
    "fn",
    [
        lambda *args: None,
        lambda ctx, payload, third="d": None,
        lambda ctx, payload, third: None,
        functools.partial(lambda a, ctx, payload: None, 1),
        functools.wraps(lambda ctx, payload: None)(lambda *args: None),
    ],
)
def test_what_can_take_two_arguments_is_a_handler(fn):
    tool("x")(fn) if hasattr(fn, "__dict__") else None
    validate_contracts()


def test_keyword_only_arguments_do_not_count():
    tool("x")(lambda ctx, *, payload: None)
    with pytest.raises(ContractViolation):
        validate_contracts()


def test_what_builds_a_graph_is_free_in_what_it_takes():
    flow_graph("g", lambda: None)
    validate_contracts()
    assert get_registry().flows["g"].graph


def test_a_server_has_the_tools_it_names_and_its_own():
    server = mcp_server("support", tools=["slugify", "ghost"])

    @server.tool()
    def own(ctx, payload):
        """Say it."""

    assert server.tools == ["slugify", "ghost", "own"]
    assert get_registry().mcp_servers == {"support": server}
    assert server.own["own"].description == "Say it."


def _routes(*paths):
    for path in paths:
        http.get(path)(lambda ctx, request: None)
    return get_registry().http_handlers


@pytest.mark.parametrize(
    ("path", "found", "params"),
    [
        ("/orders", "/orders", {}),
        ("/orders/", "/orders", {}),
        ("/orders/7", "/orders/{id}", {"id": "7"}),
        ("/orders/latest", "/orders/latest", {}),
        ("/orders/a%2Fb", "/orders/{id}", {"id": "a/b"}),
        ("/orders/7/lines/2", "/orders/{id}/lines/{line}", {"id": "7", "line": "2"}),
    ],
)
def test_a_path_finds_its_handler(path, found, params):
    routes = _routes("/orders", "/orders/{id}", "/orders/latest", "/orders/{id}/lines/{line}")
    match = find_route(routes, "GET", path)
    assert match is not None
    assert (match[0].path, match[1]) == (found, params)


@pytest.mark.parametrize(("method", "path"), [("POST", "/orders"), ("GET", "/orders/7/x")])
def test_another_path_or_method_finds_none(method, path):
    assert find_route(_routes("/orders", "/orders/{id}"), method, path) is None


@pytest.mark.parametrize("path", ["/a/{id}x", "/a/{}", "/a/{id}/{id}", "/a/{"])
def test_a_path_whose_parameters_are_none_is_refused(path):
    with pytest.raises(ContractViolation):
        http.put(path)


def test_a_context_is_a_dataclass_to_whoever_asks_and_shows_no_secret():
    ctx = Context(request_id="r", tenant_id="t", secrets={"KEY": "hush"})
    shown = dataclasses.asdict(ctx)
    assert sorted(shown) == [
        "deadline_ms",
        "logs",
        "project_id",
        "request_id",
        "runtime_version",
        "sdk_version",
        "snapshot_id",
        "tenant_id",
        "trace_id",
        "user_id",
        "workspace_id",
    ]
    assert "hush" not in repr(shown) + repr(ctx.secrets) + str(ctx.secrets)
    assert ctx.secrets["KEY"] == "hush"


def test_the_ids_of_a_context_cannot_be_set():
    ctx = Context(request_id="r")
    for name in ("request_id", "trace_id", "tenant_id", "snapshot_id", "user_id"):
        with pytest.raises(AttributeError):
            setattr(ctx, name, "forged")


def test_what_is_done_to_the_list_of_logs_changes_no_log():
    ctx = Context()
    ctx.log("one", n=1)
    ctx.logs.clear()
    assert [record["event"] for record in ctx.logs] == ["one"]


def test_a_context_without_a_deadline_has_no_remaining_time():
    assert Context().time_remaining_ms() is None
    assert Context(deadline_ms=1).get_remaining_time_ms() == 0
    assert Context(deadline_ms=1500).deadline == 1.5


@pytest.mark.slow
def test_importing_the_sdk_imports_little():
    code = "import sys; before = set(sys.modules); import aexl.sdk; print('\\n'.join(set(sys.modules) - before))"
    found = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {"typing", "inspect", "dataclasses", "asyncio", "json", "trio", "msgspec", "re"}
    outside = {name for name in found.split() if not name.startswith("aexl")}
    assert not outside & heavy, outside & heavy
    assert not {name.partition(".")[0] for name in outside} - set(sys.stdlib_module_names)
