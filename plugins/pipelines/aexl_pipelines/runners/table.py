"""All runners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aexl.api import Runner
from aexl.api.runners import Ability

_MEANING: Final = {
    Ability.MODEL: "model",
    Ability.SESSION_ID: "session id chosen by us",
    Ability.RESUME: "resume a session",
    Ability.FORK: "fork a session",
    Ability.SYSTEM_REPLACE: "`system_prompt`",
    Ability.SYSTEM_APPEND: "`append_system_prompt`",
    Ability.TOOLS_ALLOW: "`tools: allow`",
    Ability.TOOLS_DENY: "`tools: deny`",
    Ability.TOOLS_OFF: "`tools: disabled`",
    Ability.MODE_READ: "mode `read`",
    Ability.MODE_EDIT: "mode `edit`",
    Ability.MODE_ALL: "mode `all`",
    Ability.MODE_ASK: "mode `ask`",
    Ability.TURNS: "limit of turns",
    Ability.USD: "limit in USD",
    Ability.TEMPERATURE: "sampling `temperature`",
    Ability.TOP_P: "sampling `top_p`",
    Ability.TOP_K: "sampling `top_k`",
    Ability.MAX_TOKENS: "sampling `max_tokens`",
    Ability.STOP: "sampling `stop`",
    Ability.THINKING: "sampling `thinking`",
    Ability.SCHEMA: "schema by its own means",
    Ability.USAGE: "counts tokens",
    Ability.COST: "counts money",
    Ability.DELTAS: "tells words as they come",
    Ability.TOOL_EVENTS: "tells of its tools",
}


def runners() -> Sequence[Runner]:
    """Return all runners. What they need is imported now, and nothing heavy; a loop only when one runs."""
    from aexl_pipelines.runners.aider import AiderRunner
    from aexl_pipelines.runners.cassette import CassetteRunner
    from aexl_pipelines.runners.chat import HttpRunner
    from aexl_pipelines.runners.claude import ClaudeRunner
    from aexl_pipelines.runners.codex import CodexRunner
    from aexl_pipelines.runners.gemini import GeminiRunner
    from aexl_pipelines.runners.llm import LlmRunner
    from aexl_pipelines.runners.opencode import OpencodeRunner
    from aexl_pipelines.runners.program import ExecRunner
    from aexl_pipelines.runners.stub import StubRunner

    live: list[Runner] = [
        ClaudeRunner(),
        CodexRunner(),
        GeminiRunner(),
        OpencodeRunner(),
        AiderRunner(),
        LlmRunner(),
        HttpRunner(),
        ExecRunner(),
    ]
    stub = StubRunner()
    recorded = {runner.name: runner for runner in (*live, stub)}
    return (*live, CassetteRunner(recorded), stub)


def capability_table(all_runners: Sequence[Runner]) -> str:
    """Return the table of runners and what they can do, in Markdown."""
    head = ["", *(f"`{runner.name}`" for runner in all_runners)]
    lines = [head, ["---"] * len(head)]
    for ability in Ability:
        marks = ("yes" if ability in runner.capabilities else "" for runner in all_runners)
        lines.append([_MEANING[ability], *marks])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
