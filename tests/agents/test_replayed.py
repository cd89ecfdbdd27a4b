"""Agent runs replayed from cassettes: the model is gone, the machine has no key, and everything is as it was."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from agent_model import FINAL, AgentModel
from desk import Desk, answer_cost, needs

pytestmark = pytest.mark.slow

CLAUDE = ("claude", "-p", "--output-format", "json", "--permission-mode", "bypassPermissions")
CODEX = ("codex", "--disable", "plugins", "exec", "--json", "--skip-git-repo-check", "-s", "danger-full-access")
COMMANDS = ["printf 'made by an agent' > made.txt", "cat made.txt && date"]


def told_by_claude(output: str) -> str:
    return str(json.loads(output)["result"])


def told_by_codex(output: str) -> str:
    items = [json.loads(line).get("item", {}) for line in output.splitlines()]
    return "".join(item["text"] for item in items if item.get("type") == "agent_message")


RUNS = [
    pytest.param((*CLAUDE, "--model", "claude-opus-4-8", "Do it."), told_by_claude, id="claude", marks=needs("claude")),
    pytest.param(
        (*CODEX, "-m", "gpt-5.5", "Do it."), told_by_codex, id="codex", marks=[needs("codex"), pytest.mark.long]
    ),
]


def tapes(folder: Path) -> list[list[dict[str, Any]]]:
    """Return all recordings, line by line, in the order in which they were made."""
    found = [[json.loads(line) for line in path.read_bytes().splitlines()] for path in folder.glob("*.jsonl")]
    return sorted(found, key=lambda lines: float(lines[0]["at"]))


def answer_of(tape: list[dict[str, Any]]) -> bytes:
    return b"".join(piece["text"].encode() for piece in tape[2:-1])


def asked_again(desk: Desk, token: str, tape: list[dict[str, Any]]) -> bytes:
    """Ask what the agent asked, and return what comes, byte for byte."""
    request = tape[0]["request"]
    sent = {name: value for name, value in request["headers"] if value != "[redacted]"}
    sent |= {"authorization": f"Bearer {token}", "content-type": "application/json"}
    place = urlsplit(desk.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)
    path = f"/v1{request['path']}" + (f"?{request['query']}" if "query" in request else "")
    connection.request(request["method"], path, json.dumps(request["body"]), sent)
    with closing(connection):
        return connection.getresponse().read()


@pytest.mark.parametrize(("command", "told"), RUNS)
def test_a_recorded_run_replays_with_the_upstream_off(
    tmp_path: Path, model: AgentModel, command: tuple[str, ...], told: Any
) -> None:
    desk = Desk(tmp_path, model)
    folder = tmp_path / "tapes"
    model.commands = COMMANDS
    desk.start("--port", "0", "--cassette", str(folder), "--record")
    token = desk.agent()
    recorded = desk.govern(*command)
    costs = [execution["cost_usd"] for execution in desk.executions()]
    assert (recorded.returncode, told(recorded.stdout)) == (0, FINAL), recorded.stderr
    assert desk.spent() == answer_cost() * 3
    desk.stop()

    made = desk.work / "made.txt"
    made.unlink()
    asked = len(model.requests)
    model.__exit__()
    del desk.environ["UPSTREAM_KEY"]
    desk.start("--port", "0", "--cassette", str(folder), "--replay", "--timing", "none")
    replayed = desk.govern(*command)

    assert (replayed.returncode, told(replayed.stdout)) == (0, FINAL), replayed.stdout + replayed.stderr
    assert made.read_text() == "made by an agent"
    assert len(model.requests) == asked
    assert [execution["cost_usd"] for execution in desk.executions()] == costs * 2
    assert [asked_again(desk, token, tape) for tape in tapes(folder)] == [answer_of(tape) for tape in tapes(folder)]
    desk.stop()
    desk.run("ledger", "verify")
