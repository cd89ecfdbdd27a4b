"""What does each kind of work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aexl_pipelines.execution.actions import do_action
from aexl_pipelines.execution.agents import ask_agent
from aexl_pipelines.execution.calls import call_pipeline
from aexl_pipelines.execution.contexts import call_tool, run_line, show_spec, use_type
from aexl_pipelines.execution.instance import Instance
from aexl_pipelines.execution.loops import repeat_for_each, repeat_while
from aexl_pipelines.execution.outcomes import Work
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
    UseBody,
)

BODIES: Final[Mapping[type, Callable[[Instance], Awaitable[Work]]]] = {
    PromptBody: ask_agent,
    SkillBody: ask_agent,
    PipelineBody: call_pipeline,
    ActionBody: do_action,
    ShellBody: run_line,
    SpecBody: show_spec,
    McpBody: call_tool,
    UseBody: use_type,
    DoWhileBody: repeat_while,
    ForEachBody: repeat_for_each,
}
