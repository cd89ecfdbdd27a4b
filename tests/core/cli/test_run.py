"""``aexl run``: real programs under a session that is not real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import trio

from aexl.api import Accounts, Execution, Executions
from aexl.core.cli import run as command
from aexl.core.cli import run_grant
from aexl.errors import Conflict
from aexl.testing.accounts import FakeAccounts
from aexl.testing.host import FakeConfig, FakeHost
from aexl.testing.session import FakeSession, run_command

DUMP = "import json, os, sys; json.dump([sys.argv[2:], dict(os.environ)], open(sys.argv[1], 'w'))"


class FakeExecutions:
    """What the ledger would know; a test puts executions in."""

    def __init__(self):
        self.known: list[Execution] = []

    async def recent(self, agent, limit):
        return [execution for execution in self.known if execution.agent == agent][:limit]


def make_execution(agent: str, run: str, **changes) -> Execution:
    values = {
        "id": "e1", "agent": agent, "state": "committed", "states": (), "surface": "chat", "model": "m",
        "provider": None, "provider_model": None, "price_version": None, "hold": 0, "cost": 5_000_000,
        "estimated": False, "overrun": False, "reason": None, "status": 200, "usage": None,
        "labels": {"run": run}, "receipts": (),
    }  # fmt: skip
    return Execution(**{**values, **changes})


@pytest.fixture
def accounts():
    return FakeAccounts("alice")


@pytest.fixture
def session(tmp_path, accounts, monkeypatch):
    monkeypatch.chdir(tmp_path)
    host = FakeHost(tmp_path)
    host.services = {Accounts: accounts, Executions: FakeExecutions()}
    return FakeSession(host)


def aexl_run(session, *arguments):
    return run_command(command.app, session, "--agent", "alice", *arguments)


def dumped(session, *options, program=None):
    """Run a program that writes down its arguments and environment, and return them."""
    out = Path("seen.json")
    words = program or [sys.executable, "-S", "-c", DUMP, str(out)]
    done = aexl_run(session, *options, "--", *words)
    assert done.code == 0, done.err
    return json.loads(out.read_text())


def own_program(name: str) -> str:
    """Make a program of this name that dumps like ``DUMP``."""
    path = Path(name)
    path.write_text(f"#!{sys.executable} -S\nimport sys; sys.argv.insert(1, 'seen.json')\n{DUMP}\n")
    path.chmod(0o755)
    return f"./{name}"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_is_told_to_end_while_it_begins_gives_back_what_it_has(session, accounts, monkeypatch, number):
    mint = accounts.mint

    async def told(*arguments):
        os.kill(os.getpid(), number)
        return await mint(*arguments)

    monkeypatch.setattr(accounts, "mint", told)
    before = signal.getsignal(number)
    done = aexl_run(session, "--budget", "1", "--", sys.executable, "-c", DUMP, "seen.json")
    assert (done.code, Path("seen.json").exists()) == (128 + number, False)
    assert "run " in done.err
    assert [agent.name for agent in trio.run(accounts.list)] == ["alice"]
    assert signal.getsignal(number) is before


def test_the_program_is_pointed_at_the_server_with_a_token_of_its_own(session, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    _, env = dumped(session)
    token = env["AEXL_TOKEN"]
    assert token.startswith("aexl_")
    assert env["OPENAI_BASE_URL"] == env["OPENAI_API_BASE"] == "http://127.0.0.1:9000/v1"
    assert env["ANTHROPIC_BASE_URL"] == env["AEXL_BASE_URL"] == "http://127.0.0.1:9000"
    assert env["OPENAI_API_KEY"] == env["ANTHROPIC_AUTH_TOKEN"] == token
    assert "ANTHROPIC_API_KEY" not in env
    assert env["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] == "1"
    assert env["HOME"] == "/home/me"


def test_the_machines_provider_keys_are_gone(session, monkeypatch):
    keys = [
        "ANTHROPIC_API_KEY", "OPENAI_ORGANIZATION", "GEMINI_API_KEY", "GOOGLE_API_KEY", "GROQ_API_KEY",
        "MISTRAL_API_KEY", "DEEPSEEK_API_KEY", "XAI_API_KEY", "OPENROUTER_API_KEY", "AZURE_OPENAI_API_KEY",
        "AWS_BEARER_TOKEN_BEDROCK", "CODEX_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "HF_TOKEN",
    ]  # fmt: skip
    for name in [*keys, "GITHUB_TOKEN", "OUR_GATEWAY_KEY"]:
        monkeypatch.setenv(name, "sk-machine")
    session.host.current = FakeConfig(secrets=frozenset({"OUR_GATEWAY_KEY"}))

    _, env = dumped(session)
    assert [name for name, value in env.items() if value == "sk-machine"] == ["GITHUB_TOKEN"]


def test_a_variable_may_be_kept_on_purpose(session, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/keys.json")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    _, env = dumped(session, "--keep-env", "GOOGLE_APPLICATION_CREDENTIALS", "--keep-env", "OPENAI_API_KEY")
    assert env["GOOGLE_APPLICATION_CREDENTIALS"] == "/keys.json"
    assert env["OPENAI_API_KEY"] == "sk-mine"


def test_an_outer_proxy_does_not_get_calls_to_the_server(session, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "example.org")
    _, env = dumped(session)
    assert env["NO_PROXY"] == env["no_proxy"] == "example.org,127.0.0.1"


def test_the_token_works_while_the_program_runs_and_not_after(session, accounts):
    tokens = []
    mint = accounts.mint

    async def remember(*arguments):
        tokens.append((arguments, await mint(*arguments)))
        return tokens[-1][1]

    accounts.mint = remember
    aexl_run(session, "--label", "task=42", "--", "true")
    [((agent, scope, labels, ttl), token)] = tokens
    assert (agent, scope, ttl) == ("alice", "execute", run_grant.TOKEN_TTL)
    assert labels.keys() == {"task", "run"}
    assert labels["task"] == "42"
    assert token not in str(accounts._tokens)
    assert accounts._tokens == {}


@pytest.mark.parametrize("label", ["novalue", "=x", "run=mine"])
def test_a_wrong_label_is_a_usage_error_that_names_it(session, label):
    done = aexl_run(session, "--label", label, "--", "true")
    assert done.code == 2
    assert repr(label) in done.err


@pytest.mark.parametrize("budget", ["-1", "1e-3", "NaN", "99999999999", "5,00", "0.0000000001"])
def test_a_wrong_budget_is_a_usage_error_that_names_it(session, budget):
    done = aexl_run(session, "--budget", budget, "--", "true")
    assert done.code == 2
    assert budget in done.err


def test_a_budget_makes_a_child_that_is_clamped_and_gone_afterwards(session, accounts):
    made = []
    create = accounts.create

    async def remember(agent):
        made.append(agent)
        return await create(agent)

    accounts.create = remember
    done = aexl_run(session, "--budget", "0.05", "--", "true")
    assert done.code == 0
    [child] = made
    assert child.name.startswith("alice:run-")
    assert (child.parent, child.budget, child.limits.clamp) == ("alice", 50_000_000, True)
    assert child.limits == msgspec.structs.replace(accounts._agents["alice"].limits, clamp=True)
    assert accounts._agents.keys() == {"alice"}
    assert accounts._tokens == {}
    assert "of alice: 0 calls, 0.00 of 0.05 USD" in done.err


def test_a_child_whose_calls_do_not_end_is_decommissioned(session, accounts, monkeypatch):
    monkeypatch.setattr(run_grant, "SETTLE_LIMIT", 0.05)
    monkeypatch.setattr(run_grant, "_POLL", 0.001)
    states = []
    transition, delete = accounts.transition, accounts.delete

    async def interrupt(name, state, reason):
        states.append(state)
        session.host.services[Executions].known.clear()
        return await transition(name, state, reason)

    async def refuse_once(name):
        if len(states) == 1:
            states.append("refused")
            raise Conflict("1 call runs")
        await delete(name)

    accounts.transition, accounts.delete = interrupt, refuse_once
    monkeypatch.setattr(run_grant.secrets, "token_hex", lambda _: "abcd")
    session.host.services[Executions].known.append(
        make_execution("alice:run-abcd", "abcd", state="dispatched", cost=None)
    )
    assert aexl_run(session, "--budget", "1", "--", "true").code == 0
    assert states == ["decommissioned", "refused"]
    assert accounts._agents.keys() == {"alice"}


def test_the_cost_is_the_runs_own_and_goes_to_stderr(session, monkeypatch):
    monkeypatch.setattr(run_grant.secrets, "token_hex", lambda _: "abcd")
    session.host.services[Executions].known = [
        make_execution("alice", "abcd"),
        make_execution("alice", "abcd", cost=1),
        make_execution("alice", "abcd", state="denied", cost=0),
        make_execution("alice", "other"),
    ]
    done = aexl_run(session, "--", "true")
    assert done.out == ""
    assert done.err == "aexl: run abcd of alice: 2 calls and 1 refused, 0.005000001 USD\n"
    assert aexl_run(session, "--quiet", "--", "true").err == ""


def test_what_is_not_settled_in_time_is_told(session, monkeypatch):
    monkeypatch.setattr(run_grant, "SETTLE_LIMIT", 0.0)
    monkeypatch.setattr(run_grant.secrets, "token_hex", lambda _: "abcd")
    open_call = make_execution("alice", "abcd", state="dispatched", cost=None)
    session.host.services[Executions].known = [open_call]
    assert "1 call, 0.00 USD, more is still being settled" in aexl_run(session, "--", "true").err


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 137), ("kill -2 $$", 130)])
def test_the_exit_code_is_the_programs(session, script, code):
    assert aexl_run(session, "--", "/bin/sh", "-c", script).code == code


def test_what_cannot_be_run_has_the_shells_codes_and_costs_no_token(session, accounts):
    minted = []
    accounts.mint = lambda *arguments: minted.append(arguments)
    done = aexl_run(session, "--", "no-such-program")
    assert (done.code, done.err) == (127, "aexl: no-such-program: there is no such program\n")
    Path("data").write_text("text")
    assert aexl_run(session, "--", "./data").code == 126
    assert minted == []


def test_a_program_without_an_interpreter_is_not_executable(session, accounts):
    Path("data").write_text("\0not a program")
    Path("data").chmod(0o755)
    assert aexl_run(session, "--", "./data").code == 126
    assert accounts._tokens == {}


def test_arguments_after_the_program_are_the_programs(session):
    arguments, _ = dumped(session, program=[own_program("tool"), "--budget", "x", "--", "-q"])
    assert arguments == ["--budget", "x", "--", "-q"]


def test_an_agent_that_does_not_exist_is_not_run_for(session):
    done = run_command(command.app, session, "--agent", "bob", "--", "touch", "ran")
    assert done.code == 4
    assert not Path("ran").exists()


def test_without_accounts_nothing_runs_and_the_reason_is_told(session):
    del session.host.services[Accounts]
    done = aexl_run(session, "--", "touch", "ran")
    assert done.code == 6
    assert "no plugin keeps agents" in done.err
    assert not Path("ran").exists()


def test_codex_is_told_its_provider_by_arguments(session):
    program = own_program("codex")
    arguments, _ = dumped(session, program=[program, "exec", "hello"])
    assert arguments[-2:] == ["exec", "hello"]
    assert set(arguments[:-2:2]) == {"-c"}
    assert 'model_provider="aexl"' in arguments
    assert 'model_providers.aexl.base_url="http://127.0.0.1:9000/v1"' in arguments
    assert 'model_providers.aexl.env_key="AEXL_TOKEN"' in arguments
    assert 'model_providers.aexl.wire_api="responses"' in arguments
    assert {'web_search="disabled"', "analytics.enabled=false"} <= set(arguments)
    assert dumped(session, "--no-adapt", program=[program, "exec"])[0] == ["exec"]


def test_opencode_keeps_its_users_settings_beside_ours(session, monkeypatch):
    monkeypatch.setenv("OPENCODE_CONFIG_CONTENT", '{"theme": "dark", "provider": {"openai": {"name": "x"}}}')
    _, env = dumped(session, program=[own_program("opencode")])
    config = json.loads(env["OPENCODE_CONFIG_CONTENT"])
    assert config["theme"] == "dark"
    assert config["provider"]["openai"]["name"] == "x"
    assert config["provider"]["openai"]["options"]["baseURL"] == "http://127.0.0.1:9000/v1"
    assert config["provider"]["anthropic"]["options"]["apiKey"] == "{env:AEXL_TOKEN}"


def test_opencode_settings_that_cannot_be_read_are_an_error_and_leave_no_token(session, accounts, monkeypatch):
    monkeypatch.setenv("OPENCODE_CONFIG_CONTENT", "{")
    done = aexl_run(session, "--", own_program("opencode"))
    assert done.code == 2
    assert accounts._tokens == {}


def test_aider_gets_the_token_where_litellm_looks_for_it(session):
    _, env = dumped(session, program=[own_program("aider")])
    assert env["ANTHROPIC_API_KEY"] == env["AEXL_TOKEN"]


def test_a_run_that_cannot_be_closed_says_so_and_keeps_the_programs_code(session, accounts):
    async def fail(token_id):
        raise Conflict("the ledger is closed")

    accounts.revoke = fail
    done = aexl_run(session, "--", "/bin/sh", "-c", "exit 3")
    assert done.code == 3
    assert "was not closed: the ledger is closed; its token is" in done.err


DRIVER = """
import sys, pathlib, typer
from aexl.api import Accounts
from aexl.core.cli.run import app
from aexl.testing.accounts import FakeAccounts
from aexl.testing.host import FakeHost
from aexl.testing.session import FakeSession

accounts = FakeAccounts("alice")
host = FakeHost(pathlib.Path.cwd())
host.services = {Accounts: accounts}
try:
    typer.main.get_command(app).main(["--agent", "alice", *sys.argv[1:]], obj=FakeSession(host))
finally:
    pathlib.Path("tokens").write_text(str(len(accounts._tokens)))
"""


def drive(tmp_path, *arguments):
    """Start ``aexl run`` in a process and a session of its own; its program prints a line when it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, *arguments],
        cwd=tmp_path, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def finish(process):
    with process:
        process.communicate(timeout=15)
    return process.returncode


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_reaches_the_program(tmp_path, number):
    script = f"trap 'exit 9' {number.name.removeprefix('SIG')}; echo ready; while :; do sleep 0.01; done"
    process, _ = drive(tmp_path, "--", "/bin/sh", "-c", script)
    process.send_signal(number)
    assert finish(process) == 9
    assert (tmp_path / "tokens").read_text() == "0"


@pytest.mark.slow
def test_a_program_that_ignores_the_end_is_killed_with_everything_it_started(tmp_path):
    script = "trap '' TERM; setsid sleep 600 & echo $!; while :; do sleep 0.01; done"
    process, daemon = drive(tmp_path, "--grace", "0.2", "--", "/bin/sh", "-c", script)
    process.terminate()
    assert finish(process) == 137
    assert not Path(f"/proc/{daemon}").exists()
    assert (tmp_path / "tokens").read_text() == "0"


@pytest.mark.slow
def test_a_second_sigterm_does_not_wait_for_the_grace(tmp_path):
    script = "trap 'echo heard' TERM; echo ready; while :; do sleep 0.01; done"
    process, _ = drive(tmp_path, "--grace", "600", "--", "/bin/sh", "-c", script)
    process.terminate()
    assert process.stdout.readline() == "heard\n"
    process.terminate()
    assert finish(process) == 137


@pytest.mark.slow
def test_a_daemon_that_the_program_left_behind_ends_with_the_run(tmp_path):
    process, daemon = drive(tmp_path, "--", "/bin/sh", "-c", "setsid sleep 600 & echo $!")
    assert finish(process) == 0
    assert not Path(f"/proc/{daemon}").exists()


@pytest.mark.slow
def test_the_terminals_interrupt_is_the_programs_to_answer(tmp_path):
    """In a terminal, ``^C`` reaches the program once, from the terminal, and we wait for its answer."""
    import pty

    (tmp_path / "driver.py").write_text(DRIVER)
    script = 'trap \'echo "<heard>"; sleep 0.3; exit 7\' INT; echo "<ready>"; while :; do sleep 0.01; done'
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execv(sys.executable, [sys.executable, "driver.py", "--", "/bin/sh", "-c", script])
    said = b""
    while b"<ready>" not in said:
        said += os.read(terminal, 1024)
    os.write(terminal, b"\x03")
    while True:
        try:
            data = os.read(terminal, 1024)
        except OSError:  # how Linux says that nobody has the terminal any more
            break
        if not data:
            break
        said += data
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 7
    assert said.count(b"<heard>") == 1
    assert (tmp_path / "tokens").read_text() == "0"
