"""What a runner lacks is an error before anything runs; and the table of what each has is in the docs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from aexl.api import HostedRunner, Runner
from aexl.api.runners import Ability, RunnerLimits, RunnerSession, Sampling, ToolPolicy
from aexl.errors import Invalid
from aexl_pipelines.runners.abilities import ALWAYS, check_request, missing, wishes
from aexl_pipelines.runners.table import capability_table, runners

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "runners.md"

ASKING = {
    Ability.MODEL: {"model": "m"},
    Ability.SESSION_ID: {"session": RunnerSession(id="s")},
    Ability.RESUME: {"session": RunnerSession(kind="resume", id="s")},
    Ability.FORK: {"session": RunnerSession(kind="fork", id="s")},
    Ability.SYSTEM_REPLACE: {"system": "x"},
    Ability.SYSTEM_APPEND: {"append_system": ("x",)},
    Ability.TOOLS_ALLOW: {"tools": ToolPolicy(allow=("a",))},
    Ability.TOOLS_DENY: {"tools": ToolPolicy(deny=("a",))},
    Ability.TOOLS_OFF: {"tools": ToolPolicy(disabled=True)},
    Ability.MODE_READ: {"tools": ToolPolicy(mode="read")},
    Ability.MODE_EDIT: {"tools": ToolPolicy(mode="edit")},
    Ability.MODE_ALL: {"tools": ToolPolicy(mode="all")},
    Ability.MODE_ASK: {"tools": ToolPolicy(mode="ask")},
    Ability.TURNS: {"limits": RunnerLimits(turns=1)},
    Ability.USD: {"limits": RunnerLimits(usd=1)},
    Ability.TEMPERATURE: {"sampling": Sampling(temperature=0)},
    Ability.TOP_P: {"sampling": Sampling(top_p=1)},
    Ability.TOP_K: {"sampling": Sampling(top_k=1)},
    Ability.MAX_TOKENS: {"sampling": Sampling(max_tokens=1)},
    Ability.STOP: {"sampling": Sampling(stop=("x",))},
    Ability.THINKING: {"sampling": Sampling(thinking=0)},
}


def test_every_ability_that_can_be_asked_for_is_asked_for_by_something():
    assert set(ASKING) | ALWAYS == set(Ability)


@pytest.mark.parametrize("ability", list(ASKING))
def test_a_request_asks_for_just_this(ability, make_request):
    assert [wish.ability for wish in wishes(make_request(**ASKING[ability]))] == [ability]


@pytest.mark.parametrize("ability", list(ASKING))
def test_a_runner_without_it_refuses_and_says_who_can_and_what_else_would_do(ability, table, make_request):
    request = make_request(**ASKING[ability])
    for runner in table.values():
        if ability in runner.capabilities:
            check_request(runner, request, list(table.values()))
            continue
        with pytest.raises(Invalid) as caught:
            check_request(runner, request, list(table.values()))
        said = str(caught.value)
        assert said.startswith(f"runner {runner.name} cannot honour ")
        able = [other.name for other in table.values() if ability in other.capabilities]
        assert any(f"{name}" in said.split(": ", 1)[1] for name in able)
        assert "stub" not in said


def test_all_that_is_missing_is_said_at_once(table, make_request):
    request = make_request(system="x", tools=ToolPolicy(mode="ask", allow=("a",)), sampling=Sampling(top_k=3))
    with pytest.raises(Invalid) as caught:
        check_request(table["codex"], request)

    assert len(str(caught.value).splitlines()) == 4
    assert len(missing(table["codex"].capabilities, request)) == 4


@pytest.mark.parametrize("kind", ["resume", "fork"])
def test_a_session_without_an_id_cannot_be_gone_on_with(kind, table, make_request):
    with pytest.raises(Invalid, match=f"runner claude cannot {kind} a session without its id"):
        check_request(table["claude"], make_request(session=RunnerSession(kind=kind)))


def test_all_of_them_are_runners_with_names_of_their_own():
    names = [runner.name for runner in runners()]

    assert names == ["claude", "codex", "gemini", "opencode", "aider", "llm", "http", "exec", "cassette", "stub"]
    assert all(isinstance(runner, Runner) for runner in runners())
    assert [runner.name for runner in runners() if isinstance(runner, HostedRunner)] == ["http", "cassette", "stub"]


def test_the_table_needs_no_loop_no_client_and_no_validator():
    heavy = "trio", "httpx", "jsonschema", "re2", "typer", "starlette"
    source = "import sys; from aexl_pipelines.runners.table import runners; runners(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", source], check=True, capture_output=True, text=True).stdout.split()

    assert [name for name in heavy if name in loaded] == []


def test_the_page_has_the_table_of_what_each_can_do():
    assert capability_table(runners()) in PAGE.read_text()


@pytest.mark.parametrize("runner", [pytest.param(runner, id=runner.name) for runner in runners()])
def test_a_runner_inside_the_host_starts_no_process(runner, make_request):
    if isinstance(runner, HostedRunner):
        with pytest.raises(Invalid, match="starts no process"):
            runner.launch(make_request())
        with pytest.raises(Invalid, match="starts no process"):
            runner.parser(make_request())
