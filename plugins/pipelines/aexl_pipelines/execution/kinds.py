"""What kinds of steps are called, in journals and for people. Pure."""

from __future__ import annotations

from typing import Final

from aexl_pipelines.language.model import (
    ActionBody,
    DoWhileBody,
    ForEachBody,
    McpBody,
    PipelineBody,
    PromptBody,
    ShellBody,
    SkillBody,
    SpecBody,
    Step,
    UseBody,
)

_ASKING: Final = frozenset(
    {"pause_for_human", "preview_for_human", "modify_output", "propose_pipeline_change", "apply_pipeline_diff"}
)


def asks_person(step: Step) -> bool:
    """Say whether a step is a gate: its time is that of its question, and ends with a verdict."""
    return isinstance(step.body, ActionBody) and step.body.action in _ASKING


def kind_of(step: Step) -> str:
    """Return a step's kind in a word, as ``planning`` has it."""
    match step.body:
        case PromptBody():
            return "prompt"
        case SkillBody():
            return "skill"
        case PipelineBody():
            return "pipeline"
        case ActionBody(action=action):
            return action
        case ShellBody():
            return "shell"
        case SpecBody():
            return "spec"
        case McpBody():
            return "mcp"
        case UseBody():
            return "use"
        case DoWhileBody():
            return "do_while"
        case ForEachBody():
            return "for_each"
