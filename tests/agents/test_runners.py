"""The runners of pipelines around the real CLIs: one turn that uses a tool, behind a server, all of it booked."""

from __future__ import annotations

import functools
import os
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest
import trio
from agent_model import FINAL, USAGE, AgentModel
from desk import FOLDERS, KEYS, Desk, answer_cost, needs, running_with, sample, wait_until

from aexl.api import Upstream, Usage
from aexl.api.governed import Access
from aexl.api.runners import (
    Ability,
    Asked,
    Decision,
    RunnerEvent,
    RunnerLimits,
    RunnerOutcome,
    RunnerRequest,
    RunnerSession,
    Sampling,
    Text,
    ToolPolicy,
    ToolUse,
)
from aexl.core.http.transport import make_transport
from aexl.testing.host import FakeHost
from aexl_pipelines.runners.running import run
from aexl_pipelines.runners.table import runners

pytestmark = pytest.mark.slow

TABLE: Final = {runner.name: runner for runner in runners()}

MODELS: Final = {
    "claude": "claude-opus-4-8",
    "codex": "gpt-5.5",
    "opencode": "gpt-5.5",
    "aider": "gpt-4o-mini",
    "llm": "gpt-4o-mini",
    "gemini": "gpt-5.5",  # translated: the server's models are anybody's
    "http": "gpt-5.5",
}

TOOL_USERS = [pytest.param(cli, marks=needs(cli)) for cli in ("claude", "codex", "opencode", "gemini")]
ALL = [*TOOL_USERS, *(pytest.param(cli, marks=needs(cli)) for cli in ("aider", "llm"))]

COMMANDS: Final = ["printf 'made by an agent' > made.txt", "env > env.txt; cat made.txt"]

EDIT: Final = """I make it.

made.txt
```
<<<<<<< SEARCH
=======
made by an agent
>>>>>>> REPLACE
```
"""

Decide = Callable[[Asked], Awaitable[Decision]]


class Runs:
    """Runs runners on a desk, one agent paying for all."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.events: list[RunnerEvent] = []
        self.access = Access(url=desk.url, token=desk.agent(), run="r1")
        self._host = FakeHost(desk.home)
        self._host.upstream = make_transport(Upstream(private=True))
        self._machine = {**os.environ, **KEYS, "PATH": os.pathsep.join([*map(str, FOLDERS), os.environ["PATH"]])}

    def request(self, cli: str, prompt: str = "Do it.", **changes: Any) -> RunnerRequest:
        home = self.desk.home.parent / f"home-{cli}"
        given: dict[str, Any] = {
            "home": home,
            "cwd": self.desk.work,
            "model": MODELS.get(cli),
            "tools": ToolPolicy(mode="all") if cli in {"claude", "codex", "opencode", "gemini"} else ToolPolicy(),
            "environ": self._machine,
            "access": self.access,
            "limits": RunnerLimits(wall=60, idle=40),
            **changes,
        }
        return RunnerRequest(prompt=prompt, **given)

    def run(self, cli: str, *, decide: Decide | None = None, **changes: Any) -> RunnerOutcome:
        self.events = []

        async def tell(event: RunnerEvent) -> None:
            self.events.append(event)

        return trio.run(
            functools.partial(run, self._host, TABLE[cli], self.request(cli, **changes), tell=tell, decide=decide)
        )


@pytest.fixture
def runs(desk: Desk) -> Runs:
    return Runs(desk)


def check_booked(desk: Desk, calls: int) -> None:
    assert desk.states() == ["committed"] * calls
    assert desk.spent() == answer_cost() * calls
    desk.run("ledger", "verify")


@pytest.mark.parametrize("cli", TOOL_USERS)
def test_a_turn_with_tools_completes_and_is_all_booked(runs: Runs, model: AgentModel, cli: str) -> None:
    model.commands = COMMANDS
    outcome = runs.run(cli)

    assert (outcome.status, outcome.text) == ("completed", FINAL), outcome
    assert (runs.desk.work / "made.txt").read_text() == "made by an agent"
    assert len([event for event in runs.events if isinstance(event, ToolUse)]) == 2
    assert FINAL in "".join(event.text for event in runs.events if isinstance(event, Text))
    assert outcome.usage == Usage(
        input_tokens=(USAGE["input"] - USAGE["cached"]) * 3,
        cached_input_tokens=USAGE["cached"] * 3,
        output_tokens=USAGE["output"] * 3,
    )
    assert outcome.session
    check_booked(runs.desk, 3)


@pytest.mark.parametrize("cli", sample(TOOL_USERS, "claude"))
def test_its_tools_see_no_key_of_the_machine(runs: Runs, model: AgentModel, cli: str) -> None:
    model.commands = COMMANDS
    assert runs.run(cli).status == "completed"

    seen = (runs.desk.work / "env.txt").read_text()
    assert [value for value in (*KEYS.values(), runs.desk.environ["UPSTREAM_KEY"]) if value in seen] == []
    if cli == "codex":
        assert runs.access.token not in seen


@needs("aider")
def test_aider_edits_a_file_and_is_booked(runs: Runs, model: AgentModel) -> None:
    model.final = EDIT
    outcome = runs.run("aider", options={"edit_format": "diff"})

    assert outcome.status == "completed", outcome
    assert (runs.desk.work / "made.txt").read_text() == "made by an agent\n"
    assert [path.name for path in runs.desk.work.iterdir()] == ["made.txt"]
    assert [event.input for event in runs.events if isinstance(event, ToolUse)] == [{"path": "made.txt"}]
    assert outcome.usage is not None
    assert outcome.usage.output_tokens > 0  # it counts streams by an estimate of its own
    check_booked(runs.desk, 1)


@pytest.mark.long  # the test before keeps the rest of it
@needs("aider")
def test_aider_works_in_a_repository_and_commits_nothing(runs: Runs, model: AgentModel) -> None:
    git = functools.partial(subprocess.run, cwd=runs.desk.work, check=True, capture_output=True)
    git(["git", "init", "-q"])
    model.final = EDIT
    outcome = runs.run("aider", repository=True, options={"edit_format": "diff"})

    assert outcome.status == "completed", outcome
    assert b"made.txt" in git(["git", "status", "--porcelain"]).stdout


@needs("llm")
def test_llm_answers_and_goes_on(runs: Runs) -> None:
    first = runs.run("llm")
    again = runs.run("llm", session=RunnerSession(kind="resume", id=first.session))

    assert (first.status, first.text, again.status) == ("completed", FINAL, "completed"), (first, again)
    assert first.usage == Usage(
        input_tokens=USAGE["input"] - USAGE["cached"],
        cached_input_tokens=USAGE["cached"],
        output_tokens=USAGE["output"],
    )
    assert [len(body["messages"]) for body in runs.desk.model.bodies()] == [1, 3]  # type: ignore[arg-type]
    check_booked(runs.desk, 2)


def test_http_answers_over_the_server_and_knows_what_was_booked(runs: Runs) -> None:
    outcome = runs.run("http", system="Be brief.")

    assert (outcome.status, outcome.text) == ("completed", FINAL), outcome
    assert outcome.usage is not None
    check_booked(runs.desk, 1)


@pytest.mark.parametrize("cli", sample(TOOL_USERS, "claude"))
def test_a_session_is_resumed_in_its_own_home(runs: Runs, model: AgentModel, cli: str) -> None:
    first = runs.run(cli)
    session = RunnerSession(kind="resume", id=first.session, before=first.totals)
    again = runs.run(cli, prompt="And again.", session=session)

    assert (first.status, again.status) == ("completed", "completed"), (first, again)
    assert again.session == first.session
    assert again.usage == first.usage
    assert b"Do it." in model.requests[-1][3]
    assert b"And again." in model.requests[-1][3]


@pytest.mark.parametrize("cli", sample(TOOL_USERS[:3], "codex"))
def test_a_session_is_forked(runs: Runs, model: AgentModel, cli: str) -> None:
    first = runs.run(cli)
    forked = runs.run(cli, session=RunnerSession(kind="fork", id=first.session, before=first.totals))

    assert forked.status == "completed", forked
    assert forked.session not in {None, first.session}
    assert model.requests


@pytest.mark.parametrize("cli", sample(ALL, "codex"))
def test_a_spent_budget_denies_it(runs: Runs, model: AgentModel, cli: str) -> None:
    runs.desk.run("agent", "update", "alice", "--budget", "0.0001")
    outcome = runs.run(cli)

    assert (outcome.status, outcome.error and outcome.error.kind) == ("denied", "budget"), outcome
    assert "budget of alice" in (outcome.error.message if outcome.error else "")
    assert model.paths() == []


@pytest.mark.parametrize("cli", sample(TOOL_USERS, "claude"))
def test_stopping_it_leaves_no_process(runs: Runs, model: AgentModel, cli: str) -> None:
    mark = f"98765.{os.getpid()}"
    model.commands = [f"touch started; sleep {mark}"]
    started = runs.desk.work / "started"

    async def main() -> RunnerOutcome:
        stop = trio.Event()
        found: list[RunnerOutcome] = []

        async def tell(event: RunnerEvent) -> None:
            runs.events.append(event)

        async def go() -> None:
            found.append(await run(FakeHost(runs.desk.home), TABLE[cli], runs.request(cli), tell=tell, stop=stop))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(go)
            await trio.to_thread.run_sync(wait_until, started.exists, 40)
            assert running_with(f"sleep {mark}")
            stop.set()
        return found[0]

    outcome = trio.run(main)
    assert outcome.status == "cancelled", outcome
    assert running_with(f"sleep {mark}") == []


@needs("claude")
@pytest.mark.parametrize("allow", [pytest.param(True, marks=pytest.mark.long), False])
def test_a_question_of_claude_is_answered(runs: Runs, model: AgentModel, allow: bool) -> None:
    model.commands = COMMANDS[:1]
    asked: list[Asked] = []

    async def decide(question: Asked) -> Decision:
        asked.append(question)
        return Decision(allow=allow, reason="Not here.")

    outcome = runs.run("claude", decide=decide, tools=ToolPolicy(mode="ask"))

    assert (outcome.status, outcome.text) == ("completed", FINAL), outcome
    assert [(question.tool, question.input["command"]) for question in asked] == [("Bash", COMMANDS[0])]  # type: ignore[index]
    assert (runs.desk.work / "made.txt").exists() == allow


@pytest.mark.parametrize("cli", sample(TOOL_USERS[:2], "codex"))
def test_an_answer_is_held_to_a_schema(runs: Runs, model: AgentModel, cli: str) -> None:
    model.final = '{"name": "bob"}'
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": False,
    }
    outcome = runs.run(cli, schema=schema)

    assert (outcome.status, outcome.structured) == ("completed", {"name": "bob"}), outcome


@pytest.mark.parametrize("cli", sample(TOOL_USERS, "claude"))
def test_in_mode_read_it_writes_nothing(runs: Runs, model: AgentModel, cli: str) -> None:
    model.commands = COMMANDS[:1]
    runs.run(cli, tools=ToolPolicy(mode="read"))

    assert model.requests
    assert not (runs.desk.work / "made.txt").exists()


@pytest.mark.parametrize("cli", sample(ALL, "codex"))
def test_system_prompts_reach_the_model(runs: Runs, model: AgentModel, cli: str) -> None:
    capabilities = TABLE[cli].capabilities
    replaced = {"system": "Be a poet-4711."} if Ability.SYSTEM_REPLACE in capabilities else {}
    added = {"append_system": ("Rhyme-4712.",)} if Ability.SYSTEM_APPEND in capabilities else {}
    outcome = runs.run(cli, **replaced, **added)

    assert outcome.status == "completed", outcome
    body = model.requests[-1][3]
    assert (b"poet-4711" in body, b"Rhyme-4712" in body) == (bool(replaced), bool(added))


@pytest.mark.long  # llm keeps the same promise in `make test`
@needs("opencode")
def test_opencode_samples_as_it_is_told(runs: Runs, model: AgentModel) -> None:
    assert runs.run("opencode", sampling=Sampling(temperature=0.25, top_p=0.5)).status == "completed"

    body = model.bodies()[-1]
    assert (body["temperature"], body["top_p"]) == (0.25, 0.5)


@needs("llm")
def test_llm_samples_as_it_is_told(runs: Runs, model: AgentModel) -> None:
    sampling = Sampling(temperature=0.25, top_p=0.5, max_tokens=77)
    assert runs.run("llm", sampling=sampling).status == "completed"

    body = model.bodies()[-1]
    assert (body["temperature"], body["top_p"]) == (0.25, 0.5)
    assert 77 in (body.get("max_tokens"), body.get("max_completion_tokens"))


@pytest.mark.parametrize("cli", sample(TOOL_USERS[:2], "claude"))
def test_thinking_reaches_the_model(runs: Runs, model: AgentModel, cli: str) -> None:
    assert runs.run(cli, sampling=Sampling(thinking=0.2)).status == "completed"

    assert b'"effort":"low"' in model.requests[-1][3].replace(b" ", b"")


@pytest.mark.parametrize("cli", sample([TOOL_USERS[0], TOOL_USERS[3]], "claude"))
def test_a_limit_of_turns_holds(runs: Runs, model: AgentModel, cli: str) -> None:
    model.commands = ["true"] * 9
    outcome = runs.run(cli, limits=RunnerLimits(turns=3, wall=60))

    assert len(model.requests) <= 4
    assert (outcome.status, outcome.error and outcome.error.kind) == ("limit", "turns"), outcome


SHELLS: Final = {"claude": "Bash", "opencode": "bash", "gemini": "run_shell_command"}


@pytest.mark.parametrize("cli", sample([TOOL_USERS[0], *TOOL_USERS[2:]], "claude"))
def test_what_is_allowed_runs_and_what_is_denied_does_not_whatever_the_mode(
    runs: Runs, model: AgentModel, cli: str
) -> None:
    model.commands = COMMANDS[:1]
    made = runs.desk.work / "made.txt"
    runs.run(cli, tools=ToolPolicy(deny=(SHELLS[cli],), mode="all"))
    assert not made.exists()

    outcome = runs.run(cli, tools=ToolPolicy(allow=(SHELLS[cli],)), home=runs.desk.home.parent / "other")
    assert (outcome.status, made.exists()) == ("completed", True), outcome
