"""Running agents: real processes that behave as CLIs do, and as they should not."""

from __future__ import annotations

import functools
import os
import signal
import time
from pathlib import Path

import pytest
import trio

from aexl.api.runners import (
    Asked,
    Concluded,
    Decision,
    RunnerLimits,
    RunnerSession,
    Spent,
    Started,
    Text,
    ToolPolicy,
    Unknown,
)
from aexl.errors import Invalid, NotFound
from aexl_pipelines.runners.running import STDERR_LIMIT, End, inside_repository, run

pytestmark = pytest.mark.slow

SAY = """
signal.signal(signal.SIGINT, signal.default_int_handler)
def say(**message):
    print(json.dumps(message), flush=True)
def result(**more):
    say(type="result", subtype="success", is_error=False, result="done", session_id="s", total_cost_usd=0.5, **more)
"""


@pytest.fixture
def go(host, table, heard, make_request, program):
    """Run a program in the place of a CLI."""

    def start(source, cli="claude", *, options=None, run_options=None, **changes):
        path = program(SAY + source)
        given = {"program": path} if cli != "exec" else {"command": [path], "output": "events"}
        request = make_request(options={**given, **(options or {})}, **changes)
        return run(host, table[cli], request, **{"tell": heard.tell, **(run_options or {})})

    return start


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"


async def appears(path):
    with trio.fail_after(10):
        while not path.exists() or not path.read_text():
            await trio.sleep(0.01)
    return path.read_text()


async def test_events_come_in_order_and_the_outcome_is_the_protocols(go, heard):
    outcome = await go(
        'say(type="system", subtype="init", session_id="s", model="m")\nprint("no json")\nresult()\nsys.exit(3)'
    )

    assert [type(event) for event in heard] == [Started, Unknown, Spent, Concluded]
    assert (outcome.status, outcome.text, outcome.session, outcome.model) == ("completed", "done", "s", "m")
    assert outcome.exit_code == 3


async def test_it_runs_where_and_with_what_it_was_told(go, make_request):
    outcome = await go(
        "result(**{'structured_output': {'cwd': os.getcwd(), 'in': sys.stdin.read(), 'home': os.environ['HOME']}})",
        prompt="Say 'ä'.",
        schema={"type": "object"},
    )
    request = make_request()

    assert outcome.structured == {"cwd": str(request.cwd), "in": "Say 'ä'.", "home": str(request.home)}


async def test_a_cli_that_says_nothing_of_its_end_has_failed_whatever_its_exit_code(go):
    outcome = await go('sys.stderr.write("\\x1b[31mit broke\\x1b[0m\\n")')

    assert (outcome.status, outcome.error.kind) == ("protocol_error", "protocol")
    assert outcome.error.message == "claude ended with exit code 0 and did not say how the run went: it broke"
    assert "it broke" in outcome.stderr


async def test_what_it_says_beside_may_tell_why(go):
    outcome = await go('sys.stderr.write("No conversation found with session ID: x\\n"); sys.exit(1)')

    assert (outcome.status, outcome.error.kind) == ("failed", "session")


async def test_a_line_of_over_a_megabyte_and_one_without_an_end_are_read(go):
    outcome = await go("result(junk='x' * 1_500_000)\nsys.stdout.write('{\"type\": \"assis')")

    assert (outcome.status, outcome.text) == ("completed", "done")


async def test_standard_error_is_kept_to_its_end_within_bounds(go):
    outcome = await go("for n in range(20_000): sys.stderr.write(f'line {n}\\n')\nresult()")

    assert outcome.stderr.endswith("line 19999")
    assert STDERR_LIMIT - 20 < len(outcome.stderr) <= STDERR_LIMIT


@pytest.mark.parametrize("lines", [[b"a" * 10, b"b" * 10], [b"x" * 25], [b"", b"", b"c"], [b"a" * 20]])
def test_the_end_of_a_text_is_never_longer_than_its_limit(lines):
    end = End(20)
    for line in lines:
        end.add(line)

    assert b"\n".join(lines).decode().endswith(end.text())
    assert 0 < len(end.text()) <= 20


async def test_the_limit_of_time_ends_it_and_what_it_still_says_counts(go):
    outcome = await go(
        "def end(*_): say(type='result', subtype='error_during_execution', is_error=True, total_cost_usd=0.5,"
        " terminal_reason='aborted_tools'); sys.exit(0)\n"
        "signal.signal(signal.SIGINT, end)\nsay(type='system', subtype='init', session_id='s')\ntime.sleep(60)",
        limits=RunnerLimits(wall=0.5),
    )

    assert (outcome.status, outcome.error.kind) == ("timeout", "wall")
    assert (outcome.session, outcome.totals.cost) == ("s", 500_000_000)
    assert outcome.error.message == "the run took longer than 0.5 seconds"


async def test_silence_ends_it_and_every_line_is_a_sign_of_life(go, heard):
    begin = time.monotonic()
    outcome = await go(
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(0))\n"
        "for n in range(5): print(n, flush=True); time.sleep(0.2)\ntime.sleep(60)",
        limits=RunnerLimits(idle=0.6),
    )

    assert (outcome.status, outcome.error.kind) == ("timeout", "idle")
    assert time.monotonic() - begin > 1.3
    assert len(heard) == 5


async def test_a_listener_that_takes_its_time_is_no_silence(go, heard, host, table, make_request, program):
    async def slow(event):
        if not heard:
            await trio.sleep(1.5)
        heard.append(event)

    request = make_request(
        options={"program": program(SAY + "print('x', flush=True)\nresult()")}, limits=RunnerLimits(idle=1)
    )
    outcome = await run(host, table["claude"], request, tell=slow)

    assert outcome.status == "completed"


async def test_stopping_is_polite_first_and_certain_at_last(go, make_request):
    stop = trio.Event()
    work = make_request().cwd
    source = (
        "import subprocess\n"
        "signal.signal(signal.SIGTERM, lambda *_: None)\n"
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "open('pids', 'w').write(f'{os.getpid()} {child.pid}')\n"
        "while True: time.sleep(1)"
    )
    outcomes = []

    async def start():
        outcomes.append(await go(source, "llm", run_options={"stop": stop}))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(start)
        pids = [int(pid) for pid in (await appears(work / "pids")).split()]
        stop.set()

    [outcome] = outcomes
    assert (outcome.status, outcome.error.kind, outcome.exit_code) == ("cancelled", "stopped", -signal.SIGKILL)
    assert all(is_gone(pid) for pid in pids)


async def test_what_completed_before_it_was_stopped_stays_completed(go):
    stop = trio.Event()

    async def tell(event):
        if isinstance(event, Concluded):
            stop.set()

    outcome = await go("result()\ntime.sleep(60)", run_options={"stop": stop, "tell": tell})
    assert outcome.status == "completed"


async def test_a_cli_that_lingers_behind_its_end_is_ended(go, monkeypatch):
    monkeypatch.setattr("aexl_pipelines.runners.running.LINGER", 0.2)
    outcome = await go("result()\ntime.sleep(600)")

    assert (outcome.status, outcome.text) == ("completed", "done")


async def test_cancelling_leaves_no_process(go, make_request):
    work = make_request().cwd
    source = (
        "import subprocess\nsignal.signal(signal.SIGINT, lambda *_: sys.exit(1))\n"
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "open('pids', 'w').write(f'{os.getpid()} {child.pid}')\ntime.sleep(600)"
    )
    with trio.move_on_after(20) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(go, source, "codex")
            pids = [int(pid) for pid in (await appears(work / "pids")).split()]
            nursery.cancel_scope.cancel()

    assert not scope.cancelled_caught
    assert all(is_gone(pid) for pid in pids)


ASKING = """
line = json.loads(sys.stdin.readline())
assert line["message"]["content"] == "Do it.", line
say(type="control_request", request_id="r1", request={"subtype": "can_use_tool", "tool_name": "Write", "input": {"a": 1}})
print("meanwhile", flush=True)
answer = json.loads(sys.stdin.readline())["response"]
result(structured_output=answer)
sys.exit(0 if sys.stdin.read() == "" else 9)
"""


@pytest.mark.parametrize("allow", [True, False])
async def test_a_question_is_answered_and_the_input_ends_with_the_run(go, heard, allow):
    async def decide(asked):
        assert asked == Asked(id="r1", tool="Write", input={"a": 1})
        return Decision(allow=allow, reason="no")

    outcome = await go(ASKING, tools=ToolPolicy(mode="ask"), schema={"type": "object"}, run_options={"decide": decide})

    assert (outcome.status, outcome.exit_code) == ("completed", 0), outcome
    assert outcome.structured["response"]["behavior"] == ("allow" if allow else "deny")


async def test_a_question_that_nobody_answers_is_denied(go):
    outcome = await go(ASKING, tools=ToolPolicy(mode="ask"), schema={"type": "object"})

    assert outcome.structured["response"] == {"behavior": "deny", "message": "Nobody is here who could allow this."}


async def test_a_person_may_think_longer_than_the_agent_may_be_silent(go):
    async def decide(_):
        await trio.sleep(0.8)
        return Decision(allow=True)

    outcome = await go(
        ASKING,
        tools=ToolPolicy(mode="ask"),
        schema={"type": "object"},
        limits=RunnerLimits(idle=0.3),
        run_options={"decide": decide},
    )

    assert outcome.status == "completed"


@pytest.mark.parametrize("where", ["tell", "decide"])
async def test_an_error_of_the_listener_ends_the_run_and_comes_out_as_it_is(
    go, host, table, make_request, program, where
):
    async def fail(_):
        raise ZeroDivisionError

    async def hear(_):
        return None

    request = make_request(options={"program": program(SAY + ASKING)}, tools=ToolPolicy(mode="ask"))
    given = {"tell": fail} if where == "tell" else {"tell": hear, "decide": fail}
    with pytest.raises(ZeroDivisionError):
        await run(host, table["claude"], request, **given)


async def test_a_program_that_is_not_installed_is_said_before_anything_runs(host, table, heard, make_request):
    with pytest.raises(NotFound, match="runner codex needs the program 'codex', which is not there: install it"):
        await run(host, table["codex"], make_request(environ={"PATH": "/nowhere"}), tell=heard.tell)
    assert heard == []
    assert not make_request().home.exists()


async def test_what_cannot_be_honoured_is_said_before_anything_runs(go, heard):
    with pytest.raises(Invalid, match="runner codex cannot honour mode: ask"):
        await go("result()", "codex", tools=ToolPolicy(mode="ask"))
    assert heard == []


async def test_files_that_a_killed_run_has_left_are_no_obstacle(go, make_request):
    left = make_request().home / ".gemini" / "settings.json"
    left.parent.mkdir(parents=True)
    left.write_text("{}")
    source = (
        "written = json.load(open(os.environ['HOME'] + '/.gemini/settings.json'))\n"
        "say(type='result', status='success' if 'privacy' in written else 'error', stats={})"
    )
    outcome = await go(source, "gemini")

    assert outcome.status == "completed"
    assert not left.exists()


async def test_a_home_is_its_owners_alone_and_stays_for_the_next_run(go, make_request):
    await go("open(os.environ['CLAUDE_CONFIG_DIR'] + '/kept', 'w').write('x')\nresult()")
    home = make_request().home

    assert (home / "claude" / "kept").read_text() == "x"
    assert {oct(path.stat().st_mode & 0o777) for path in (home, home / "claude", home / "tmp")} == {"0o700"}


async def test_exec_reads_events_of_our_own(go, heard):
    outcome = await go(
        "assert sys.stdin.read() == 'Do it.'\n"
        "say(type='started', session='s1')\nsay(type='text', text='Hel')\nsay(type='text', text='lo')\n"
        "say(type='tool_use', id='1', name='x', input={'a': 1})\nsay(type='tool_result', id='1', output='y')\n"
        "say(type='spent', usage={'input_tokens': 5, 'output_tokens': 2}, cost=7)\nprint('strange')\n"
        "say(type='concluded')",
        "exec",
    )

    assert (outcome.status, outcome.text, outcome.session, outcome.cost) == ("completed", "Hello", "s1", 7)
    assert (outcome.usage.input_tokens, outcome.usage.output_tokens) == (5, 2)
    kinds = [type(event).__name__ for event in heard]
    assert kinds == ["Started", "Text", "Text", "ToolUse", "ToolResult", "Spent", "Unknown", "Concluded"]


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("say(type='error', kind='budget', message='spent')", "denied"),
        ("say(type='concluded', error={'type': 'error', 'kind': 'turns', 'message': 'enough'})", "limit"),
        ("say(type='text', text='x'); sys.exit(2)", "failed"),
        ("say(type='text', text='x')", "completed"),
        ("say(type='asked', id='1', tool='rm')", "denied"),
    ],
)
async def test_exec_ends_as_its_events_say_and_else_as_its_exit_code(go, source, status):
    assert (await go(source, "exec")).status == status


async def test_exec_takes_plain_text_for_the_answer(go, heard):
    outcome = await go("print('one'); print('two')", "exec", options={"output": "text"})

    assert (outcome.status, outcome.text) == ("completed", "one\ntwo")
    assert heard == [Text("one\n"), Text("two\n")]


async def test_aider_is_not_waited_for_while_it_asks_a_spent_budget_again(go, monkeypatch):
    monkeypatch.setattr("aexl_pipelines.runners.running.LINGER", 0.1)
    outcome = await go(
        "print('Aider v0.86.2\\n')\n"
        "print('litellm.APIError: APIError: OpenAIException - the total budget of alice has 0.01 USD left')\n"
        "print('Retrying in 0.2 seconds...', flush=True)\ntime.sleep(60)",
        "aider",
    )

    assert (outcome.status, outcome.error.kind) == ("denied", "budget")


async def test_a_recorded_run_is_replayed_by_the_cassette(go, heard, host, table, make_request, tmp_path, new_listener):
    tapes = tmp_path / "tapes"
    recorded = await go(
        "say(type='system', subtype='init', session_id='s', model='m')\n"
        "sys.stdout.buffer.write(b'\\xff\\n'); sys.stderr.write('hm\\n'); sys.stdout.flush()\nresult()",
        session=RunnerSession(id="11111111-2222-4333-8444-555555555555"),
        run_options={"record": tapes},
    )
    first, events = list(heard), new_listener()
    replayed = await run(host, table["cassette"], make_request(options={"tape": str(tapes)}), tell=events.tell)

    assert list(events) == first
    assert replayed == recorded
    with pytest.raises(NotFound, match="there is no recording"):
        await run(host, table["cassette"], make_request("Other.", options={"tape": str(tapes)}), tell=events.tell)


def test_a_folder_below_a_repository_is_inside_it(tmp_path):
    (tmp_path / "one" / "deep").mkdir(parents=True)
    (tmp_path / "one" / ".git").write_text("gitdir: elsewhere")

    assert inside_repository(tmp_path / "one" / "deep")
    assert not inside_repository(tmp_path)


def test_running_needs_no_more_than_its_arguments(host, table, heard, make_request):
    request = make_request(options={"answer": "Hi."})
    outcome = trio.run(functools.partial(run, host, table["stub"], request, tell=heard.tell))

    assert (outcome.status, outcome.text) == ("completed", "Hi.")
