"""Whether a pipeline's tool policy lets an agent use a tool. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final, Literal

from aexl_pipelines.language.parts import Tools

Verdict = Literal["open", "allowed", "denied", "unlisted", "disabled"]
"""``open``: the policy says nothing of tools that are not named; ``unlisted``: others are named, this is not."""

_PATTERN: Final = re.compile(r"([^()]+)(?:\((.*)\))?", re.DOTALL)
_SEPARATORS: Final = re.compile(r"\|\||&&|[;|&\n]")
_HIDDEN: Final = re.compile(r"\$\(|`|[<>]\(|[<>]|\n")
"""What makes one command run, read or write more than its first word says."""

_SUBJECTS: Final = (
    "command",
    "cmd",
    "file_path",
    "absolute_path",
    "path",
    "dir_path",
    "notebook_path",
    "url",
    "query",
    "pattern",
)
"""What of a tool's input a pattern in parentheses is about: the first that is there."""


def judge(tools: Tools | None, tool: str, given: object) -> Verdict:
    """Return what a policy says of a use of a tool.

    Patterns are ``Name``, ``Name(argument)`` and either with ``*``; ``git:*`` is ``git`` with anything behind it.
    A shell command is denied if any part of it is, and allowed only if it is one command and no more.
    """
    if tools is None:
        return "open"
    if tools.disabled:
        return "disabled"
    subject = _subject(given)
    if any(_denies(pattern, tool, subject) for pattern in tools.deny):
        return "denied"
    if not tools.allow:
        return "open"
    return "allowed" if any(_allows(pattern, tool, subject) for pattern in tools.allow) else "unlisted"


def _subject(given: object) -> tuple[str, bool] | None:
    """Return what a tool is used on, and whether that is a shell command."""
    if not isinstance(given, Mapping):
        return None
    for name in _SUBJECTS:
        value = given.get(name)
        if isinstance(value, list):
            value = " ".join(map(str, value))
        if isinstance(value, str):
            return value.strip(), name in {"command", "cmd"}
    return None


def _split(pattern: str) -> tuple[str, str | None]:
    found = _PATTERN.fullmatch(pattern.strip())
    return (pattern.strip(), None) if found is None else (found[1].strip(), found[2])


def _denies(pattern: str, tool: str, subject: tuple[str, bool] | None) -> bool:
    name, argument = _split(pattern)
    if not fnmatchcase(tool, name):
        return False
    if argument is None or argument in {"", "*"} or subject is None:
        return True
    text, shell = subject
    parts = [text, *(part.strip(" (){}`\"'") for part in _SEPARATORS.split(text))] if shell else [text]
    parts += [part.strip() for part in re.split(r"\$\(|`", text)[1:]] if shell else []
    return any(_fits(part, argument) for part in parts)


def _allows(pattern: str, tool: str, subject: tuple[str, bool] | None) -> bool:
    name, argument = _split(pattern)
    if not fnmatchcase(tool, name):
        return False
    if argument is None or argument in {"", "*"}:
        return True
    if subject is None:
        return False
    text, shell = subject
    if shell and (_SEPARATORS.search(text) or _HIDDEN.search(text)):
        return False
    return _fits(text, argument)


def _fits(text: str, argument: str) -> bool:
    if argument.endswith(":*"):
        beginning = argument.removesuffix(":*")
        return text == beginning or text.startswith(f"{beginning} ")
    if argument.endswith(" *") and text == argument.removesuffix(" *"):
        return True
    return fnmatchcase(text, argument) or fnmatchcase(text, f"*/{argument.removeprefix('./')}")


def explain(verdict: Verdict, tools: Tools | None, tool: str) -> str:
    """Return a refusal for the agent, which says what it can do instead."""
    match verdict:
        case "disabled":
            return "The pipeline allows no tools here: answer without any."
        case "unlisted":
            allowed = ", ".join(tools.allow) if tools else ""
            return f"The pipeline does not allow {tool} here; it allows {allowed}. Use these, or ask the person."
        case _:
            return f"The pipeline denies {tool} here. Do it another way, or ask the person."
