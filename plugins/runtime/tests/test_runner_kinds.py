"""A project with every kind of handler: all that is described can be invoked, and what is declared is enforced."""

import json
import os
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow

PROJECT = """
    import asyncio
    import dataclasses

    @dataclasses.dataclass
    class Order:
        sku: str
        count: int = 1

    @tool("order", description="Order something", tags=("shop",), output_schema={"type": "object", "required": ["total"]})
    def order(ctx, order: Order):
        return {"total": order.count * 2} if order.sku != "odd" else {"other": 1}

    @tool("add")
    async def add(ctx, a: int, b: int = 1) -> int:
        await asyncio.sleep(0)
        return a + b

    @agent("collect", allowed_actions=["add"])
    def collect(ctx, state):
        return {**state, "sum": ctx.call("add", {"a": 1})}

    @agent("sneaky", allowed_actions=["add"])
    def sneaky(ctx, state):
        return {"x": ctx.call("order", {"sku": "a"})}

    @agent("listed")
    def listed(ctx, state):
        return ["no", "dict"]

    @router("where", allowed_routes=["done", "again"])
    def where(ctx, state):
        return state["to"]

    @flow("onboard")
    async def onboard(ctx, inp):
        return {"status": "ok", **inp}

    class Graph:
        async def ainvoke(self, state):
            return {**state, "graph": True}

    flow_graph("graph", lambda: Graph())

    @http.get("/orders/{id}")
    def show(ctx, request):
        return {"request": request}

    @http.put("/orders/{id}")
    def change(ctx, body, id: str):
        return {"body": body, "id": id, "method": ctx.request["method"], "status_code": 202}

    @http.delete("/orders/{id}")
    def remove(ctx, body):
        return None

    server = mcp_server("shop", tools=["order", "ghost"])

    @server.tool("stock", description="What is there")
    def stock(ctx, payload):
        return 7
"""


@pytest.fixture
def shop(tools):
    return tools(PROJECT)


def invoke(shop, kind, handler=None, event=None, **more):
    return shop.run({"action": "invoke", "kind": kind, "handler": handler, "event": event or {}, **more})


def test_everything_that_is_described_is_there(shop):
    result = shop.run({"action": "describe"}).result
    assert list(result) == [
        "sdk_version",
        "runtime_version",
        "snapshot_id",
        "invokable_kinds",
        "tools",
        "agents",
        "flows",
        "routers",
        "http_handlers",
        "mcp_servers",
        "handlers",
    ]
    assert (result["tools"], result["flows"]) == (["add", "order"], ["graph", "onboard"])
    assert result["mcp_servers"] == [{"name": "shop", "tools": ["order", "ghost", "stock"]}]
    described = {(each["kind"], each["name"]): each for each in result["handlers"]}
    assert described["tool", "order"]["input_schema"] == {
        "type": "object",
        "properties": {"sku": {"type": "string"}, "count": {"type": "integer"}},
        "required": ["sku"],
        "additionalProperties": False,
    }
    assert described["tool", "add"]["input_schema"]["required"] == ["a"]
    assert described["agent", "collect"]["allowed_actions"] == ["add"]
    assert described["router", "where"]["allowed_routes"] == ["done", "again"]
    assert described["mcp", "stock"]["server"] == "shop"


@pytest.mark.parametrize(
    ("kind", "handler", "event", "result"),
    [
        ("tool", "order", {"sku": "a", "count": 3}, {"total": 6}),
        ("tool", "add", {"a": 2}, 3),
        ("agent", "collect", {"x": 1}, {"x": 1, "sum": 2}),
        ("router", "where", {"to": "done"}, {"next": "done"}),
        ("flow", "onboard", {"a": 1}, {"status": "ok", "a": 1}),
        ("flow", "graph", {"a": 1}, {"a": 1, "graph": True}),
    ],
)
def test_every_kind_with_a_name_is_invoked(shop, kind, handler, event, result):
    assert invoke(shop, kind, handler, event).result == result


def test_a_path_with_a_parameter_is_found(shop):
    shown = invoke(shop, "http", http={"method": "GET", "path": "/orders/7", "query": {"q": "1"}})
    assert shown.result["request"]["params"] == {"id": "7"}
    changed = invoke(shop, "http", http={"method": "PUT", "path": "/orders/7", "body": {"a": 1}})
    assert changed.answer["http_status"] == 202
    assert changed.result == {"body": {"a": 1}, "id": "7", "method": "PUT", "status_code": 202}
    assert invoke(shop, "http", http={"method": "DELETE", "path": "/orders/7"}).result is None
    assert invoke(shop, "http", http={"method": "POST", "path": "/orders/7"}).status == 5


def test_a_servers_own_tool_and_a_shared_one_are_invoked_and_no_other(shop):
    assert invoke(shop, "mcp", mcp={"server": "shop", "tool": "stock"}).result == 7
    assert invoke(shop, "mcp", mcp={"server": "shop", "tool": "order", "args": {"sku": "a"}}).result == {"total": 2}
    ghost = invoke(shop, "mcp", mcp={"server": "shop", "tool": "ghost"})
    assert (ghost.status, ghost.error["message"]) == (5, "Tool not found: ghost")
    other = invoke(shop, "mcp", mcp={"server": "shop", "tool": "add", "args": {"a": 1}})
    assert (other.status, other.error["message"]) == (7, "Tool 'add' not allowed by MCP server 'shop'")
    nowhere = invoke(shop, "mcp", mcp={"server": "nowhere", "tool": "add"})
    assert (nowhere.status, nowhere.error["message"]) == (5, "MCP server not found: nowhere")


@pytest.mark.parametrize(
    ("kind", "handler", "event", "status", "code", "message"),
    [
        ("tool", "order", {}, 6, "VALIDATION_ERROR", "input.sku: is missing"),
        (
            "tool",
            "order",
            {"sku": "odd"},
            6,
            "VALIDATION_ERROR",
            "does not match its output_schema at $: 'total' is a required",
        ),
        (
            "tool",
            "add",
            {"a": "x", "c": 1},
            6,
            "VALIDATION_ERROR",
            "a: must be a whole number, not 'x'; c: is not an argument",
        ),
        ("agent", "sneaky", {}, 7, "SECURITY_VIOLATION", "Action 'order' not allowed for agent 'sneaky'"),
        ("agent", "listed", {}, 6, "VALIDATION_ERROR", "Agent must return a dict state."),
        ("router", "where", {"to": "away"}, 7, "SECURITY_VIOLATION", "Route 'away' not allowed for router 'where'"),
        ("router", "nope", {}, 5, "NOT_FOUND", "Router not found: nope"),
        ("flow", "nope", {}, 5, "NOT_FOUND", "Flow not found: nope"),
    ],
)
@pytest.mark.sampled(3)
def test_what_is_declared_is_enforced(shop, kind, handler, event, status, code, message):
    ran = invoke(shop, kind, handler, event)
    assert (ran.status, ran.error["code"]) == (status, code)
    assert message in ran.error["message"]


def test_a_declaration_holds_for_a_handler_that_goes_round_its_context(tools):
    project = tools("""
        @tool("t", allowed_actions=[])
        def t(ctx, payload):
            return ctx._door.model({"model": "m", "messages": []})
    """)
    assert "Action 'model:m' was not declared" in project.invoke("t").error["message"]


def test_typed_arguments_and_parameters_of_the_path_go_together(tools):
    project = tools("""
        @http.post("/orders/{id}")
        def change(ctx, qty: int, id: int):
            return [id, qty]
    """)
    asked = {"method": "POST", "path": "/orders/7", "body": {"qty": 2}}
    assert invoke(project, "http", http=asked).result == [7, 2]
    wrong = invoke(project, "http", http={**asked, "body": [1]})
    assert (wrong.status, wrong.error["code"]) == (6, "VALIDATION_ERROR")
    assert wrong.error["message"] == "input: must be an object, not [1]"


def flags(project, *words, env=None):
    done = subprocess.run(
        [sys.executable, "-m", "aexl_runtime.runner", *words],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": str(project.root.parent), **(env or {})},
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_flags_are_a_request_too(shop):
    status, out, _ = flags(
        shop,
        "--action=invoke",
        "--kind",
        "tool",
        "--name=add",
        "--payload",
        '{"a": 4}',
        "--request-id=r",
        "--trace-id",
        "t",
        "--ctx",
        '{"tenant_id": "x"}',
        "--timeout-ms=9000",
        env={"EP_FILES_ROOT": str(shop.root)},
    )
    answer = json.loads(out)
    assert (status, answer["result"]) == (0, 5)
    assert (answer["meta"]["request_id"], answer["meta"]["trace_id"]) == ("r", "t")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--action", "invoke", "--kind", "tool", "--handler", "add", "--payload", "[1]"],
            "payload/event must be a JSON object",
        ),
        (
            ["--action", "invoke", "--kind", "tool", "--handler", "add", "--payload", "{"],
            "Invalid JSON in payload/event:",
        ),
        (["--action", "invoke", "--kind", "tool", "--handler", "add", "--ctx", "3"], "ctx must be a JSON object"),
        (["--action", "invoke", "--kind", "tool", "--handler", "add", "--timeout-ms", "soon"], "milliseconds"),
        (["--action", "invoke", "--kind", "tool"], "tool invoke requires handler"),
    ],
)
@pytest.mark.sampled(3)
def test_flags_that_are_no_request_are_answered(shop, words, message):
    status, out, _ = flags(shop, "--files-root", str(shop.root), *words)
    assert status == 2
    assert message in json.loads(out)["error"]["message"]


@pytest.mark.parametrize("words", [["--nope"], ["--action", "dance"], ["--action"], ["--pretty=1"], ["stray"]])
@pytest.mark.sampled(3)
def test_words_that_are_no_flags_are_a_usage_error(shop, words):
    status, out, err = flags(shop, *words)
    assert (status, out) == (2, "")
    assert err.startswith("usage: ")


def test_flags_do_not_wait_for_an_open_standard_input(shop):
    command = [sys.executable, "-m", "aexl_runtime.runner", "--files-root", str(shop.root)]
    for words, status in (["--action", "describe"], 0), (["--kind", "tool", "--handler", "add"], 2):
        begun = time.monotonic()
        with subprocess.Popen([*command, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["ok"] is (status == 0)
            assert process.wait(20) == status
            assert time.monotonic() - begun < 20


def test_the_variables_of_before_count_and_win_over_flags(shop):
    env = {"EP_FILES_ROOT": str(shop.root), "AIEL_PRETTY_JSON": "yes"}
    assert flags(shop, "--action", "describe", env=env)[1].count("\n") > 5
    assert flags(shop, "--action", "describe", "--pretty", env={**env, "AIEL_PRETTY_JSON": "0"})[1].count("\n") == 1


def test_ids_come_from_the_old_clients_credentials_if_asked_for(tools):
    project = tools('@tool("who")\ndef who(ctx, payload):\n    return [ctx.tenant_id, ctx.user_id, ctx.workspace_id]\n')
    words = [
        "--files-root",
        str(project.root),
        "--action",
        "invoke",
        "--kind",
        "tool",
        "--handler",
        "who",
        "--auto-ctx",
    ]
    status, out, _ = flags(project, *words)
    assert (status, json.loads(out)["error"]["code"]) == (2, "VALIDATION_ERROR")
    place = project.root.parent / ".config" / "aiel"
    place.mkdir(parents=True)
    profile = {"tenant_id": "t", "user_id": "u", "workspace": {"id": "w"}}
    (place / "credentials.json").write_text(json.dumps({"current_profile": "p", "profiles": {"p": profile}}))
    assert json.loads(flags(project, *words)[1])["result"] == ["t", "u", "w"]
    assert json.loads(flags(project, *words, "--ctx", '{"user_id": "mine"}')[1])["result"] == ["t", "mine", "w"]


def test_a_traceback_is_shown_to_who_asks_for_it(tools):
    project = tools('@tool("t")\ndef t(ctx, payload):\n    raise ValueError("x")\n')
    request = {"action": "invoke", "kind": "tool", "handler": "t"}
    plain, debug, not_at_all = (
        project.run(request, *words) for words in ([], ["--debug"], ["--debug", "--no-traceback"])
    )
    assert "traceback" not in plain.error["details"]
    assert plain.error["details"]["location"] == {
        "file": "entry_point.py",
        "line": 4,
        "function": "t",
        "code": 'raise ValueError("x")',
        "relpath": "entry_point.py",
    }
    assert 'raise ValueError("x")' in debug.error["details"]["traceback"]
    assert debug.error["details"]["location"]["file"] == str(project.root / "entry_point.py")
    assert "traceback" not in not_at_all.error["details"]


def test_types_that_json_has_no_word_for_become_those_it_has(tools):
    project = tools("""
        import dataclasses, datetime, decimal, enum, pathlib, typing, uuid

        class Color(enum.Enum):
            RED = "red"

        class Point(typing.NamedTuple):
            x: int

        @dataclasses.dataclass
        class Line:
            points: list

        @tool("t")
        def t(ctx, payload):
            return {"color": Color.RED, "line": Line([Point(1)]), "path": pathlib.PurePath("a/b"),
                    "nan": [float("nan"), float("inf"), 1.5], "set": {1}, "bytes": b"hi", "when": datetime.date(2024, 1, 2),
                    "dec": decimal.Decimal("1.50"), "keys": {1: "one", True: "yes", None: "none"}, "lone": "\\ud800"}
    """)
    assert project.invoke("t").result == {
        "color": "red",
        "line": {"points": [[1]]},
        "path": "a/b",
        "nan": [None, None, 1.5],
        "set": [1],
        "bytes": "hi",
        "when": "2024-01-02",
        "dec": "1.50",
        "keys": {"1": "yes", "None": "none"},
        "lone": "?",
    }


def test_the_shim_answers_the_imports_and_says_what_it_has_not(tools):
    project = tools("", jobs="def run(event, context):\n    return None\n").write(
        entry_point="""
        from aiel_sdk import Context, ContractViolation, agent, http, mcp_server, tool, validate_contracts
        from aiel_sdk.errors import AielError
        from aiel_sdk.registry import get_registry
        import aiel_sdk

        @tool("t")
        def t(ctx: Context, payload):
            try:
                aiel_sdk.AielClient
            except AttributeError as error:
                return [str(error), issubclass(ContractViolation, AielError), sorted(get_registry().tools)]
        """
    )
    request = {"action": "invoke", "kind": "tool", "handler": "t"}
    assert project.run(request).error["details"]["exception_type"] == "ModuleNotFoundError"
    for words, env in (["--aiel-compat"], {}), ([], {"AEXL_RUNTIME_AIEL_COMPAT": "1"}):
        message, related, tools_ = project.run(request, *words, env=env).result
        assert "aiel_sdk.AielClient is not answered by aexl's shim" in message
        assert (related, tools_) == (True, ["t"])


def test_a_sandbox_that_cannot_be_had_refuses_and_can_be_done_without(tools):
    project = tools('@tool("t")\ndef t(ctx, payload): return 1\n')
    assert project.invoke("t").answer["meta"]["sandbox"]["enforced"]
    assert project.run({"action": "invoke", "kind": "tool", "handler": "t"}, "--allow-unsandboxed").result == 1
