"""How much is thought: what each family of models can be told, by its name.

A server that does not know a parameter refuses the whole call, so an effort is only
sent to models that are known to take one, unless the configuration says otherwise.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from aexl_translation.pivot import Effort, Thinking

_EFFORT_MODELS: Final = r"(?:^|[/:])(?:gpt-(?:[5-9]|[1-9][0-9])|gpt-oss|o[1-9](?:-|$)|codex|grok-[4-9])"
_OLD_CLAUDE: Final = r"claude-(?:(?:opus|sonnet|haiku)-4(?:-[015](?![0-9])|-2[0-9]{7}|$|@)|3-7)"
_OLDEST_CLAUDE: Final = r"claude-(?:[12]|instant|3(?!-7))"
_SAMPLED_CLAUDE: Final = rf"{_OLD_CLAUDE}|{_OLDEST_CLAUDE}|claude-(?:opus|sonnet|haiku)-4-6"
_LEVEL_GEMINI: Final = r"gemini-(?:[3-9]|[1-9][0-9])"
_BUDGET_GEMINI: Final = r"gemini-2\.5"

_EFFORT: Final = re.compile(_EFFORT_MODELS)
_OLD: Final = re.compile(_OLD_CLAUDE)
_OLDEST: Final = re.compile(_OLDEST_CLAUDE)
_SAMPLED: Final = re.compile(_SAMPLED_CLAUDE)
_LEVELS: Final = re.compile(_LEVEL_GEMINI)
_BUDGETS: Final = re.compile(_BUDGET_GEMINI)

LEAST_BUDGET: Final = 1024
"""Tokens; Anthropic takes no smaller budget for thinking."""

BUDGETS: Final[dict[Effort, int]] = {
    "none": 0,
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 32000,
    "max": 32000,
}
"""Tokens of thinking for an effort, where a provider asks for tokens."""


def is_shown(thinking: Thinking) -> bool:
    """Say whether what is thought shall be in the answer: where a mode is named, unless it says otherwise."""
    return thinking.shown is True or (thinking.shown is None and thinking.mode in ("on", "adaptive"))


def takes_effort(model: str) -> bool:
    """Say whether an OpenAI-compatible model is known to take ``reasoning_effort``."""
    return _EFFORT.search(model) is not None


def claude_thinks(model: str) -> Literal["adaptive", "budget", "never"]:
    """Return how a model behind Messages is told to think."""
    if _OLDEST.search(model):
        return "never"
    return "budget" if _OLD.search(model) or "claude" not in model else "adaptive"


def claude_samples(model: str) -> bool:
    """Say whether a model behind Messages takes a temperature and the like; Claude's newer ones refuse them."""
    return "claude" not in model or _SAMPLED.search(model) is not None


def gemini_thinks(model: str) -> Literal["level", "budget", "never"]:
    """Return how a Gemini model is told to think."""
    if _LEVELS.search(model):
        return "level"
    return "budget" if _BUDGETS.search(model) else "never"


def effort_of(thinking: Thinking) -> Effort | None:
    """Return the effort that a client asked for, from its budget where it named no effort."""
    if thinking.mode == "off":
        return "none"
    if thinking.effort is not None or thinking.budget is None:
        return thinking.effort
    for effort in ("minimal", "low", "medium", "high"):
        if thinking.budget <= BUDGETS[effort]:
            return effort
    return "high"


def budget_of(thinking: Thinking) -> int | None:
    """Return the tokens that may be thought, from the effort where no budget was named."""
    if thinking.mode == "off":
        return 0
    if thinking.budget is not None:
        return thinking.budget
    return BUDGETS[thinking.effort] if thinking.effort is not None else None
