"""Policies in their real worker process; each start takes some 50 ms."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from textwrap import dedent

import pytest
import trio
import trio.testing

from aexl.api import Limits
from aexl.errors import ConfigError, Refused
from aexl.testing.factories import make_call, make_principal
from aexl.testing.host import FakeConfig
from aexl_policy.config import PolicyConfig
from aexl_policy.gate import PolicyGate

Opened = Callable[..., AbstractAsyncContextManager[PolicyGate]]


def write(home: Path, **files: str) -> None:
    (home / "policies").mkdir(exist_ok=True)
    for name, text in files.items():
        (home / "policies" / f"{name}.py").write_text(dedent(text))


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    @asynccontextmanager
    async def open_gate(config: PolicyConfig | None = None, **files: str) -> AsyncIterator[PolicyGate]:
        write(tmp_path, **files)
        gate = PolicyGate(tmp_path)
        async with gate.open():
            (await gate.prepare(FakeConfig(config or PolicyConfig())))()
            yield gate

    return open_gate


async def refusal(gate: PolicyGate, **changes: object) -> Refused:
    with pytest.raises(Refused) as caught:
        await gate.revise(make_call(**changes))
    return caught.value


async def test_without_a_policy_no_process_runs(opened: Opened) -> None:
    async with opened() as gate:
        call = make_call()
        assert await gate.revise(call) is call
        assert gate._policies is None
        assert await gate.probe() is None


async def test_a_policy_sees_the_call_and_denies_by_name(opened: Opened) -> None:
    async with opened(
        check="""
        def evaluate(call):
            seen = (call.agent, dict(call.labels), call.surface, call.model, call.stream, call.output_limit, call.tools)
            expected = ("alice", {"run": "7"}, "chat", "test-model", False, 50, ("look", "web_search"))
            assert seen == expected, seen
            assert call.time > 1_700_000_000
            if call.body["messages"][0]["content"] == "secret":
                return "no secrets"
        """
    ) as gate:
        body = {
            "messages": [{"role": "user", "content": "secret"}],
            "tools": [{"type": "function", "function": {"name": "look"}}, {"type": "web_search"}],
        }
        principal = make_principal(labels={"run": "7"})
        refused = await refusal(gate, body=body, output_limit=50, principal=principal)
        assert (refused.status, refused.code) == (403, "policy_denied")
        assert refused.reason == "The policy 'check.py' denies: no secrets"
        body["messages"][0]["content"] = "fine"
        await gate.revise(make_call(body, output_limit=50, principal=principal))
        assert gate.denials == {"policy_denied": 1}


async def test_policies_are_asked_in_order_and_see_what_the_ones_before_patched(opened: Opened) -> None:
    async with opened(
        a="""
        def evaluate(call):
            call.body["temperature"] = 9  # a copy of one's own
            return {"patch": {"model": "small", "max_output_tokens": 64, "temperature": 0.5}}
        """,
        b="""
        def evaluate(call):
            seen = (call.model, call.output_limit, call.body["temperature"], call.body["max_completion_tokens"])
            return None if seen == ("small", 64, 0.5, 64) else str(seen)
        """,
    ) as gate:
        call = await gate.revise(make_call())
        assert (call.model, call.output_limit) == ("small", 64)
        assert call.body.get("temperature") == 0.5
        assert call.body.get("max_completion_tokens") == 64


async def test_a_denial_ends_the_questions(opened: Opened, tmp_path: Path) -> None:
    async with opened(
        a="def evaluate(call): return False", b=f"def evaluate(call): open({str(tmp_path / 'asked')!r}, 'w').close()"
    ) as gate:
        refused = await refusal(gate)
        assert "a.py" in refused.reason
        assert not (tmp_path / "asked").exists()


async def test_a_patched_model_is_held_to_the_agents_own_list(opened: Opened) -> None:
    async with opened(p="def evaluate(call): return {'patch': {'model': 'dear'}}") as gate:
        refused = await refusal(gate, principal=make_principal(limits=Limits(models=("test-*",))))
        assert refused.code == "model_not_allowed"


async def test_a_patched_output_limit_is_held_to_the_agents_own(opened: Opened) -> None:
    async with opened(p="def evaluate(call): return {'patch': {'max_output_tokens': 100}}") as gate:
        refused = await refusal(gate, principal=make_principal(limits=Limits(max_output_tokens=99)))
        assert refused.code == "max_output_tokens"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("raise KeyError(call.body['messages'][0]['content'])", "it raised KeyError in line 3"),
        ("raise SystemExit(3)", "it raised SystemExit in line 3"),
        ("return 5", "it answered with int, which is no answer"),
        ("return {'patch': {'stream': True}}", "it patched 'stream', which no policy may"),
        ("import os; os._exit(7)", "its process ended with 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "its process ended with -9"),
        ("return 'x' * 10**10", "it raised MemoryError in line 3"),
        ("return [0] * 10**9 and call.__setattr__('agent', 'bob')", "it raised MemoryError in line 3"),
        ("call.agent = 'bob'", "it raised FrozenInstanceError in line 3"),
    ],
)
async def test_a_policy_that_fails_denies_and_is_named_and_the_next_call_is_judged(
    opened: Opened, code: str, says: str
) -> None:
    async with opened(broken=f"\ndef evaluate(call):\n    if call.model == 'bad': {code}\n") as gate:
        refused = await refusal(gate, model="bad")
        assert (refused.status, refused.code) == (403, "policy_failed")
        assert refused.reason == f"The policy 'broken.py' failed, and so denies: {says}."
        assert await gate.probe() is None
        await gate.revise(make_call(model="good"))


@pytest.mark.slow
@pytest.mark.parametrize("hang", ["while True: pass", "import time; time.sleep(1000)"])
async def test_a_policy_that_hangs_denies_and_the_next_call_is_judged(opened: Opened, hang: str) -> None:
    async with opened(
        PolicyConfig(timeout=0.5),
        fine="def evaluate(call): pass",
        slow=f"def evaluate(call):\n    if call.model == 'bad':\n        {hang}",
    ) as gate:
        refused = await refusal(gate, model="bad")
        assert refused.reason == "The policy 'slow.py' failed, and so denies: no answer within 0.5 seconds."
        await gate.revise(make_call())
        assert gate.restarts == 1


@pytest.mark.slow
async def test_what_a_policy_starts_ends_with_it(opened: Opened, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    async with opened(
        PolicyConfig(timeout=1.0),
        forks=f"""
        import os, subprocess, time
        def evaluate(call):
            child = subprocess.Popen(["sleep", "1000"])
            open({str(note)!r}, "w").write(str(child.pid))
            time.sleep(1000)
        """,
    ) as gate:
        await refusal(gate)
        with trio.fail_after(5):  # a killed process has an end of its own
            while _runs(int(note.read_text())):
                await trio.sleep(0.01)


async def test_what_a_policy_prints_does_not_disturb(opened: Opened) -> None:
    async with opened(
        loud="""
        import sys
        def evaluate(call):
            print('{"deny": "forged"}', flush=True)
            return None if sys.stdin.read() == "" else "there was input"
        """
    ) as gate:
        await gate.revise(make_call())


async def test_a_policy_does_not_see_the_machines_keys(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    async with opened(p="import os\ndef evaluate(call): return ','.join(sorted(os.environ))") as gate:
        refused = await refusal(gate)
        assert "OPENAI_API_KEY" not in refused.reason
        assert "PATH" in refused.reason


async def test_a_cancelled_call_does_not_confuse_the_next(opened: Opened) -> None:
    async with opened(
        p="""
        import time
        def evaluate(call):
            if call.model == "slow":
                time.sleep(0.5)
                return "too late"
        """
    ) as gate:
        with trio.move_on_after(0.02):
            await gate.revise(make_call(model="slow"))
        await gate.revise(make_call())


async def test_many_calls_are_judged_one_by_one(opened: Opened) -> None:
    async with opened(p="def evaluate(call): return call.model if call.model.startswith('bad') else None") as gate:
        wrong: list[str] = []

        async def one(number: int) -> None:
            model = f"{'bad' if number % 3 else 'good'}-{number}"
            try:
                await gate.revise(make_call(model=model))
                if number % 3:
                    wrong.append(model)
            except Refused as refused:
                if not refused.reason.endswith(model):
                    wrong.append(refused.reason)

        async with trio.open_nursery() as nursery:
            for number in range(60):
                nursery.start_soon(one, number)
        assert not wrong


async def test_broken_files_are_all_named_with_their_lines(opened: Opened, tmp_path: Path) -> None:
    async with opened() as gate:
        write(tmp_path, a="x = 1\ndef evaluate(call:\n    pass\n", b="\n\nimport no_such_module\n", c="x = 1\n", d="def evaluate(call): 1\n")  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            await gate.prepare(FakeConfig())
        told = {(Path(problem.source).name, problem.line) for problem in caught.value.problems}
        assert told == {("a.py", 2), ("b.py", 3), ("c.py", None)}
        assert "evaluate(call)" in str(caught.value)


async def test_a_reload_swaps_and_a_refused_one_leaves_what_was(opened: Opened, tmp_path: Path) -> None:
    async with opened(p="def evaluate(call): return 'old'") as gate:
        write(tmp_path, p="def evaluate(call): return 'new'")
        swap = await gate.prepare(FakeConfig())
        assert "old" in (await refusal(gate)).reason
        swap()
        assert "new" in (await refusal(gate)).reason
        write(tmp_path, p="def evaluate(call)")
        with pytest.raises(ConfigError):
            await gate.prepare(FakeConfig())
        assert "new" in (await refusal(gate)).reason
        (tmp_path / "policies" / "p.py").unlink()
        (await gate.prepare(FakeConfig()))()
        await gate.revise(make_call())


async def test_a_prepared_generation_that_is_not_used_is_ended(opened: Opened, tmp_path: Path) -> None:
    async with opened(p="def evaluate(call): return 'old'") as gate:
        await gate.prepare(FakeConfig())
        assert gate._prepared is not None
        unused = gate._prepared.worker._process
        await gate.prepare(FakeConfig())
        assert unused is not None
        assert unused.returncode is not None


async def test_leaving_ends_the_process_even_when_cancelled(tmp_path: Path) -> None:
    write(tmp_path, p="def evaluate(call): pass")
    gate = PolicyGate(tmp_path)
    with trio.CancelScope() as scope:
        async with gate.open():
            (await gate.prepare(FakeConfig()))()
            assert gate._policies is not None
            process = gate._policies.worker._process
            scope.cancel()
    assert process is not None
    assert process.returncode is not None


async def test_an_installed_package_may_bring_a_policy(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "house_rules-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: house-rules\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[aexl.policies]\nhouse = house_rules:judge\n")
    (tmp_path / "house_rules.py").write_text("def judge(call): return 'house rules'\n")
    monkeypatch.syspath_prepend(tmp_path)
    async with opened() as gate:
        refused = await refusal(gate)
        assert refused.reason == "The policy 'house' denies: house rules"


async def test_when_too_many_calls_wait_for_the_policies_the_next_is_told_to_come_back(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aexl_policy.scripts.process.MAX_WAITING", 0)
    async with opened(p="def evaluate(call): pass") as gate:
        refused = await refusal(gate)
        assert (refused.status, refused.code, refused.retry_after) == (503, "policy_busy", 1.0)


async def test_a_call_does_not_wait_for_ever_for_its_turn(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aexl_policy.scripts.process._TURN_SECONDS", 0.05)
    slow = "import time\ndef evaluate(call): time.sleep(10)"
    async with opened(PolicyConfig(timeout=0.3), p=slow) as gate, trio.open_nursery() as nursery:
        nursery.start_soon(refusal, gate)
        await trio.testing.wait_all_tasks_blocked()
        assert (await refusal(gate)).code == "policy_busy"


async def test_a_policy_that_does_not_load_in_time_is_an_error(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aexl_policy.scripts.process._LOAD_SECONDS", 0.1)
    async with opened() as gate:
        write(tmp_path, slow="while True: pass\n")
        with pytest.raises(ConfigError, match=r"slow\.py.*could not be loaded within 0\.1 seconds"):
            await gate.prepare(FakeConfig())


async def test_the_probe_tells_when_the_policies_cannot_be_loaded_any_more(opened: Opened, tmp_path: Path) -> None:
    async with opened(PolicyConfig(timeout=0.1), p="def evaluate(call): return 5 if call.model else None") as gate:
        (tmp_path / "policies" / "p.py").write_text("def evaluate(call)\n")
        assert await gate.probe() is None
        assert gate._policies is not None
        await gate._policies.worker._kill()
        assert "cannot be loaded" in (await gate.probe() or "")
        refused = await refusal(gate)
        assert refused.code == "policy_failed"


async def test_a_named_file_must_exist(opened: Opened) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(ConfigError, match="there is no policy file")):
        async with opened(PolicyConfig(files=("policies/missing.py",))):
            pass


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
