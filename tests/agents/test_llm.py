"""``llm`` under ``aexl run``: a client that needs nothing but the variables of OpenAI."""

from __future__ import annotations

import pytest
from agent_model import FINAL, AgentModel
from desk import Desk, answer_cost, needs

pytestmark = [pytest.mark.slow, needs("llm")]

LLM = ("llm", "-m", "gpt-4o-mini", "Hello")
ASKED = "POST /v1/chat/completions"


def test_it_streams_an_answer_and_is_billed(desk: Desk, model: AgentModel) -> None:
    desk.agent()
    done = desk.govern(*LLM, options=("--label", "task=42"))

    assert (done.returncode, done.stdout) == (0, FINAL + "\n")
    assert model.paths() == [ASKED]
    [execution] = desk.executions()
    assert (execution["state"], execution["labels"]["task"]) == ("committed", "42")
    assert desk.spent() == answer_cost()


@pytest.mark.long  # claude keeps the same promise in `make test`
def test_a_spent_budget_reaches_it_with_one_request(desk: Desk, model: AgentModel) -> None:
    desk.agent("alice", "0.01")
    done = desk.govern(*LLM)

    assert done.returncode == 1
    assert "the total budget of alice has 0.01 USD left" in done.stderr
    assert (model.paths(), desk.states()) == ([], ["denied"])


def test_a_policy_denies_it_with_one_request(desk: Desk, model: AgentModel) -> None:
    desk.agent("alice", "5", "--no-streaming")
    done = desk.govern(*LLM)

    assert done.returncode == 1
    assert "may not stream" in done.stderr
    assert (model.paths(), desk.states()) == ([], ["denied"])
