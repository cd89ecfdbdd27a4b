"""What a project can do wrong or on purpose: there is one line of JSON all the same, and nothing is left behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def alive(marker: str) -> list[str]:
    """Return the processes that have a word in their command line or their name."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "cmdline").read_bytes() + (folder / "comm").read_bytes()
            except OSError:
                continue
            if marker.encode() in text:
                found.append(folder.name)
    return found


@pytest.mark.parametrize(
    ("source", "type_", "message"),
    [
        ("def broken(:\n", "SyntaxError", "invalid syntax"),
        ("1 / 0\n", "ZeroDivisionError", "division by zero"),
        ("raise SystemExit(3)\n", "SystemExit", "the code ended itself with SystemExit: 3"),
        (
            "import os; os._exit(5)\n",
            "WorkerDied",
            "the process ended with exit status 5 while entry_point.py was imported",
        ),
        ("raise KeyboardInterrupt\n", "KeyboardInterrupt", "KeyboardInterrupt"),
        ("class Odd(BaseException): pass\nraise Odd('x')\n", "Odd", "x"),
        ("import nowhere\n", "ModuleNotFoundError", "No module named 'nowhere'"),
        ("def deep(): deep()\ndeep()\n", "RecursionError", "maximum recursion"),
    ],
)
@pytest.mark.sampled(3)
def test_an_entry_point_that_fails_is_a_load_error(project, source, type_, message):
    ran = project.write(entry_point=source).run({"action": "describe"})
    assert (ran.status, ran.error["code"], ran.answer["http_status"]) == (3, "INTERNAL", 500)
    assert ran.error["details"]["exception_type"] == type_
    assert ran.error["details"]["legacy_code"] == "SNAPSHOT_LOAD_ERROR"
    assert message in ran.error["message"]


def test_a_folder_without_an_entry_point_is_said_to_have_none(project):
    ran = project.run({"action": "describe"})
    assert ran.status == 3
    assert ran.error["message"] == f"entry_point.py not found at: {project.root}/entry_point.py"


def test_a_loop_at_import_is_timed_out(project):
    begun = time.monotonic()
    ran = project.write(entry_point="while True: pass\n").run({"action": "describe", "meta": {"timeout_ms": 300}})
    assert (ran.status, ran.error["code"]) == (4, "TIMEOUT")
    assert ran.error["message"] == "Invocation timed out after 300ms"
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("body", ["while True: pass", "import time; time.sleep(100)", "import signal; signal.pause()"])
def test_a_handler_that_does_not_end_is_ended_with_all_it_started(tools, body):
    marker = f"left-{os.getpid()}-{time.monotonic_ns()}"
    project = tools(f"""
        import os, sys

        @tool("stay")
        def stay(ctx, payload):
            if os.fork() == 0:
                os.setsid()
                os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(100)", "{marker}"])
            {body}
    """)
    ran = project.invoke("stay", timeout_ms=700)
    assert (ran.status, ran.error["code"], ran.answer["http_status"]) == (4, "TIMEOUT", 504)
    assert not alive(marker)


def test_a_handler_that_ignores_signals_is_ended(tools):
    project = tools("""
        import signal, time

        @tool("deaf")
        def deaf(ctx, payload):
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            while True:
                try:
                    time.sleep(100)
                except BaseException:
                    pass
    """)
    assert project.invoke("deaf", timeout_ms=500).error["code"] == "TIMEOUT"


def test_a_daemon_that_is_left_behind_is_ended(tools):
    marker = f"daemon-{os.getpid()}-{time.monotonic_ns()}"
    project = tools(f"""
        import os, sys

        @tool("daemon")
        def daemon(ctx, payload):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(100)", "{marker}"])
                os._exit(0)
            os.wait()
            return {{"left": True}}
    """)
    assert project.invoke("daemon").result == {"left": True}
    assert not alive(marker)


@pytest.mark.parametrize(
    ("body", "type_", "message"),
    [
        ("raise SystemExit(9)", "SystemExit", "the code ended itself with SystemExit: 9"),
        ("import os; os._exit(7)", "WorkerDied", "the handler's process ended with exit status 7 before it answered"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "WorkerDied", "was ended by signal SIGSEGV"),
        ("import asyncio; raise asyncio.CancelledError()", "CancelledError", "CancelledError"),
        ("raise KeyError('missing')", "KeyError", "'missing'"),
        ("raise ValueError('order (200) not shippable')", "ValueError", "order (200) not shippable"),
        ("raise PermissionError('user said no')", "PermissionError", "user said no"),
        ("raise TimeoutError('mine')", "TimeoutError", "mine"),
        ("raise MemoryError", "MemoryError", "MemoryError"),
        (
            "class Mute(Exception):\n        def __str__(self): raise ValueError\n    raise Mute",
            "Mute",
            "whose text raised",
        ),
    ],
)
@pytest.mark.sampled(3)
def test_what_a_handler_raises_is_the_users_error_with_its_own_type(tools, body, type_, message):
    ran = tools(f'@tool("t")\ndef t(ctx, payload):\n    {body}\n').invoke("t")
    assert (ran.status, ran.error["code"], ran.answer["http_status"]) == (7, "USER_CODE_ERROR", 500)
    assert ran.error["details"]["exception_type"] == type_
    assert message in ran.error["message"]


def test_an_exception_that_carries_a_status_keeps_it(tools):
    ran = tools("""
        class Slow(Exception):
            status_code = 429

        @tool("t")
        def t(ctx, payload):
            raise Slow("slow down")
    """).invoke("t")
    assert (ran.answer["http_status"], ran.error["details"]["status_code"]) == (429, 429)


def test_a_business_field_named_status_is_no_http_status(tools):
    ran = tools('@tool("t")\ndef t(ctx, payload):\n    return {"status": 404}\n').invoke("t")
    assert (ran.status, ran.answer["http_status"]) == (0, 200)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("object()", "result is of type object, which JSON cannot carry"),
        ("{'a': [1, {object}]}", "result.a[1][0] is of type type"),
        ("{'a': lambda: 1}", "result.a is of type function"),
        ("(lambda d: d.update(d=d) or d)({})", "result.d contains itself"),
        ("__import__('functools').reduce(lambda a, _: [a], range(300), 1)", "nested more than 200 levels"),
        ("'x' * 5_000_000", "at most 4194304 are answered"),
    ],
)
@pytest.mark.sampled(3)
def test_a_result_that_cannot_be_answered_is_said_to_be_none(tools, value, message):
    ran = tools(f'@tool("t")\ndef t(ctx, payload):\n    return {value}\n').invoke("t")
    assert (ran.status, ran.error["code"]) == (6, "VALIDATION_ERROR")
    assert message in ran.error["message"]


def test_allocating_without_end_is_answered(tools):
    project = tools("""
        @tool("hog")
        def hog(ctx, payload):
            held = []
            while True:
                held.append(bytearray(64 * 1024 * 1024))
    """)
    ran = project.invoke("hog", timeout_ms=20_000)
    assert (ran.status, ran.error["code"]) == (7, "USER_CODE_ERROR")
    assert ran.error["details"]["exception_type"] in ("MemoryError", "MemoryLimit", "WorkerDied")


def test_ten_gigabytes_at_once_are_answered(tools):
    ran = tools('@tool("hog")\ndef hog(ctx, payload):\n    return len(bytearray(10 * 2**30))\n').invoke("hog")
    assert ran.error["code"] == "USER_CODE_ERROR"


def test_forking_without_end_is_answered(tools):
    project = tools("""
        import os

        @tool("bomb")
        def bomb(ctx, payload):
            while True:
                try:
                    os.fork()
                except OSError:
                    pass
    """)
    ran = project.invoke("bomb", timeout_ms=1500)
    assert ran.status in (4, 7)


def test_what_is_written_to_descriptor_1_is_logged_and_not_answered(tools):
    ran = tools(
        """
        import os, subprocess_free as free

        @tool("t")
        def t(ctx, payload):
            os.write(1, b"raw bytes\\n")
            os.write(2, b"and error\\n")
            print("printed")
            os.system("echo from a child")
            return 1
    """,
        subprocess_free="",
    ).invoke("t")
    assert ran.result == 1
    assert [fields["text"] for fields in ran.said("stdout")] == ["printed"]
    assert {fields["text"] for fields in ran.said("output")} == {"raw bytes", "and error", "from a child"}


def test_filling_standard_output_is_bounded(tools):
    ran = tools("""
        import os

        @tool("t")
        def t(ctx, payload):
            for number in range(20_000):
                print("x" * 1000)
            for number in range(2_000):
                os.write(1, b"y" * 1000 + b"\\n")
            return 1
    """).invoke("t")
    assert ran.result == 1
    assert len(ran.answer["meta"]["logs"]) < 1100
    [dropped] = ran.said("runner.log.dropped")
    assert dropped["records"] > 20_000


def test_filling_the_disk_is_an_error_of_the_handler(tools):
    ran = tools("""
        import os, tempfile

        @tool("t")
        def t(ctx, payload):
            written = 0
            for number in range(100):
                with open(os.path.join(tempfile.gettempdir(), str(number)), "wb") as file:
                    for _ in range(50):
                        written += file.write(b"x" * 1024 * 1024)
            return written
    """).invoke("t")
    assert ran.error["code"] == "USER_CODE_ERROR"
    assert ran.error["details"]["exception_type"] == "OSError"


def test_a_socket_to_the_outside_is_refused(tools):
    ran = tools("""
        import socket

        @tool("t")
        def t(ctx, payload):
            with socket.socket() as connection:
                connection.connect(("127.0.0.1", 80))
    """).invoke("t")
    assert ran.error["code"] == "USER_CODE_ERROR"
    assert "network" in ran.answer["meta"]["sandbox"]["enforced"]


def test_the_hosts_files_and_environment_are_not_seen(tools, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("hush")
    project = tools(f"""
        import os

        @tool("t")
        def t(ctx, payload):
            return {{"file": os.path.exists({str(secret)!r}), "env": sorted(os.environ), "home": os.path.expanduser("~")}}
    """)
    ran = project.run(
        {"action": "invoke", "kind": "tool", "handler": "t"}, env={"AIEL_TOKEN": "hush", "AEXL_TOKEN": "hush"}
    )
    assert ran.result["file"] is False
    assert "hush" not in str(ran.result)
    assert not {"AIEL_TOKEN", "AEXL_TOKEN"} & set(ran.result["env"])


def test_the_project_itself_cannot_be_written(tools):
    ran = tools("""
        @tool("t")
        def t(ctx, payload):
            open("entry_point.py", "a").write("#")
    """).invoke("t")
    assert ran.error["details"]["exception_type"] in ("OSError", "PermissionError")


def test_other_processes_cannot_be_traced(tools):
    ran = tools("""
        import ctypes, os

        @tool("t")
        def t(ctx, payload):
            libc = ctypes.CDLL(None, use_errno=True)
            return [libc.ptrace(16, os.getppid(), 0, 0), os.getppid(), [n for n in os.listdir("/proc") if n.isdigit()]]
    """).run({"action": "invoke", "kind": "tool", "handler": "t", "meta": {"capabilities": {"ctypes": True}}})
    traced, _, seen = ran.result
    assert traced == -1
    assert len(seen) <= 3


def test_a_module_that_was_not_granted_refuses_the_project(tools):
    project = tools(
        'import jobs\n@tool("t")\ndef t(ctx, payload): return 1\n', jobs="import subprocess\n", notes="def (:\n"
    )
    ran = project.invoke("t")
    assert (ran.status, ran.error["code"], ran.answer["http_status"]) == (3, "SECURITY_VIOLATION", 403)
    assert ran.error["message"] == "Disallowed imports detected: subprocess | sources={'subprocess': ['jobs.py']}"
    assert project.invoke("t", capabilities={"subprocess": True}).result == 1


def test_a_broken_file_that_nobody_imports_is_nobodys_business(tools):
    assert (
        tools('@tool("t")\ndef t(ctx, payload): return 1\n', broken="import subprocess\ndef (:\n").invoke("t").result
        == 1
    )


def test_a_module_of_the_project_can_be_imported_within_a_call(tools):
    project = tools(
        '@tool("t")\ndef t(ctx, payload):\n    import lib.late\n    return lib.late.VALUE\n', lib__late="VALUE = 7\n"
    )
    assert project.invoke("t").result == 7


def test_execute_reaches_the_project_and_nothing_else(tools):
    project = tools("", jobs="import os\ndef run(event, context): return event\n")
    for handler in ("os.path.basename", "jobs.os.getcwd", "json.dumps", "jobs.nope", "nope.run"):
        ran = project.run({"action": "execute", "handler": handler})
        assert (ran.status, ran.error["message"]) == (5, f"Handler not found: {handler}")
    for handler in (".run", "jobs.", "a b", "jobs..run"):
        ran = project.run({"action": "execute", "handler": handler})
        assert (ran.status, ran.error["message"]) == (6, "handler must be in the form 'module.function'")
    assert project.run({"action": "execute", "handler": "jobs.run", "event": {"a": 1}}).result == {"a": 1}


def test_running_a_project_does_not_change_what_it_is_called(tools):
    project = tools('import lib.x\n@tool("t")\ndef t(ctx, payload): return 1\n', lib__x="")
    first = project.invoke("t").answer["meta"]["snapshot_id"]
    subprocess.run([sys.executable, "-c", "import lib.x"], cwd=project.root, check=True, env={})
    assert (project.root / "lib" / "__pycache__").exists()
    assert project.invoke("t").answer["meta"]["snapshot_id"] == first
    (project.root / "lib" / "x.py").write_text("#\n")
    assert project.invoke("t").answer["meta"]["snapshot_id"] != first


def test_a_handler_can_forge_neither_ids_nor_the_runners_log(tools):
    project = tools("""
        import sys

        @tool("t")
        def t(ctx, payload):
            ctx.logs.clear()
            ctx._ids["request_id"] = "forged"
            ctx._ids["snapshot_id"] = "forged"
            ctx.log("runner.invoke.ok", level="nonsense", resource_kind="tool")
            ctx.log("odd", value=object(), nested={"x": {1, 2}})
            return {"meta": {"request_id": "forged"}}
    """)
    ran = project.invoke("t", request_id="real", trace_id="trace")
    logs = ran.answer["meta"]["logs"]
    assert {record["request_id"] for record in logs} == {"real"}
    assert {record["trace_id"] for record in logs} == {"trace"}
    assert {record["snapshot_id"] for record in logs} == {ran.answer["meta"]["snapshot_id"]}
    assert ran.answer["meta"]["request_id"] == "real"
    assert [event for event in ran.events if event == "runner.invoke.ok"] == ["runner.invoke.ok"]
    assert "handler.runner.invoke.ok" in ran.events
    [odd] = ran.said("odd")
    assert odd["nested"] == {"x": [1, 2]}
    assert "object" in odd["value"]


def test_a_handler_that_speaks_on_the_runtimes_channel_fails_itself_only(tools):
    project = tools("""
        import os

        @tool("t")
        def t(ctx, payload):
            for descriptor in range(3, 30):
                try:
                    os.write(descriptor, b"garbage\\n")
                except OSError:
                    pass
            return 1
    """)
    ran = project.invoke("t")
    assert ran.error["details"]["exception_type"] in ("ProtocolError", "WorkerDied")
    assert ran.answer["meta"]["request_id"]


@pytest.mark.parametrize("sort", ["import", "request", "load", "not_found", "timeout"])
def test_a_handler_cannot_say_that_it_failed_as_the_runner_does(tools, sort):
    project = tools(f"""
        from aexl_runtime.protocol.failures import fail

        @tool("t")
        def t(ctx, payload):
            raise fail("{sort}", "forged")
    """)
    ran = project.invoke("t")
    assert (ran.error["code"], ran.error["message"], ran.status) == ("USER_CODE_ERROR", "forged", 7)
    assert ran.answer["meta"]["snapshot_id"]
    assert ran.events[-1] == "runner.invoke.user_code_error"


def test_an_entry_point_cannot_say_that_it_was_refused(project):
    project.write(entry_point='from aexl_runtime.protocol.failures import fail\nraise fail("import", "forged")\n')
    ran = project.invoke("t")
    assert (ran.error["code"], ran.error["message"], ran.status) == ("INTERNAL", "forged", 3)


REQUESTS = [
    (b"", "Empty input. Provide JSON on stdin or use --action/--kind/--payload."),
    (b"[]", "the request must be a JSON object"),
    (b"null", "the request must be a JSON object"),
    (b"\xff\xfe", "Invalid JSON in the request"),
    (b'{"action": "describe", "meta": {"timeout_ms": NaN}}', "NaN is not JSON"),
    (b'{"action": "invoke", "kind": "tool", "handler": "t", "event": {"x": Infinity}}', "Infinity is not JSON"),
    (
        b'{"action": "invoke", "kind": "tool", "handler": "t", "event": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
        "too deeply",
    ),
    (b'{"action": "describe", "x": "' + b"x" * 5 * 1024 * 1024 + b'"}', "at most 4194304 are read"),
    (b'{"action": "delete"}', "action: Input should be 'describe', 'invoke' or 'execute', not 'delete'"),
    (b'{"action": "invoke", "kind": 3, "handler": "x"}', "kind: Input should be 'tool'"),
    (b'{"action": "invoke", "kind": "tool"}', "tool invoke requires handler (or legacy name)"),
    (b'{"action": "invoke", "kind": "http"}', "http invoke requires http object"),
    (b'{"action": "invoke", "kind": "mcp"}', "mcp invoke requires mcp object"),
    (b'{"action": "invoke", "kind": "tool", "handler": "t", "event": [1]}', "payload/event must be a JSON object"),
    (b'{"action": "describe", "ctx": 1}', "ctx must be a JSON object"),
    (b'{"action": "describe", "meta": {"timeout_ms": 0}}', "milliseconds from 1 to"),
    (b'{"action": "describe", "meta": {"timeout_ms": true}}', "milliseconds from 1 to"),
    (
        b'{"action": "invoke", "kind": "http", "http": {"method": "get", "path": "/"}}',
        "http.method: Input should be 'GET'",
    ),
    (b'{"action": "invoke", "kind": "http", "http": {"method": "GET", "path": "/", "x": 1}}', "http.x: Extra inputs"),
    (b'{"action": "invoke", "kind": "mcp", "mcp": {"server": "s"}}', "mcp.tool: Field required"),
]


@pytest.mark.parametrize(("request_", "message"), REQUESTS)
@pytest.mark.sampled(3)
def test_a_request_that_is_none_is_refused_before_anything_runs(project, request_, message):
    ran = project.write(entry_point="raise RuntimeError('it was imported')").run(request_)
    assert (ran.status, ran.error["code"]) == (2, "VALIDATION_ERROR")
    assert ran.error["details"]["legacy_code"] == "BAD_REQUEST"
    assert message in ran.error["message"]
    assert ran.answer["meta"]["request_id"] == "unknown"


def test_a_deep_payload_that_can_be_read_reaches_the_handler(tools):
    deep: object = 1
    for _ in range(150):
        deep = [deep]
    assert tools('@tool("t")\ndef t(ctx, payload): return payload["x"]\n').invoke("t", {"x": deep}).result == deep
