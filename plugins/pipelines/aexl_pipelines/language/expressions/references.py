"""Names of values, as in ``step.tests.exit_code`` or ``step.review.json.findings[0].file``. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aexl_pipelines.language.answers import decode_answer, decode_json
from aexl_pipelines.language.expressions.errors import ExpressionError, Unresolved

_PLAIN_PART: Final = re.compile(r"\w+(?:-+\w+|::\w+)*")
_PIECE: Final = re.compile(r'\[\s*(?:(\d{1,9})|("(?:[^"\\]|\\.)*")|\'([^\']*)\')\s*\]|([^.\[\]]+)')
_EARLY: Final = {
    ("session", "invocation_prompt"): ("step", "invocation", "prompt"),
    ("session", "invocation", "prompt"): ("step", "invocation", "prompt"),
    ("input",): ("inputs",),
}
"""Spellings of the language's first description, and a singular that everybody writes once."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A name in its parts; numbers are places in a list."""

    parts: tuple[str | int, ...]
    offset: int = field(default=0, compare=False)

    @property
    def root(self) -> str | int:
        """The first part."""
        return self.parts[0]

    def __str__(self) -> str:
        text = ""
        for number, part in enumerate(self.parts):
            if isinstance(part, int):
                text += f"[{part}]"
            elif number == 0:
                text += part
            else:
                text += f".{part}" if _PLAIN_PART.fullmatch(part) else f"[{json.dumps(part, ensure_ascii=False)}]"
        return text


def parse_reference(text: str, offset: int = 0) -> Reference:
    """Return a name's parts; what stands between two dots may be anything, for ail's ids may.

    Raises:
        ExpressionError: If a part is empty or a bracket is wrong.
    """
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        if text[at] == "." and parts:
            at += 1
            if at == len(text) or text[at] in ".[":
                raise ExpressionError(
                    f"the name {text[:60]!r} has an empty part", offset + at, "write a word between two dots"
                )
        found = _PIECE.match(text, at)
        if found is None or (parts and found[4] is not None and text[at - 1] != "."):
            raise ExpressionError(f"{text[:60]!r} is not a name", offset + at, "names look like step.tests.exit_code")
        parts.append(_part(found, offset + at))
        at = found.end()
    if not parts or isinstance(parts[0], int):
        raise ExpressionError(f"{text[:60]!r} is not a name", offset, "names look like step.tests.exit_code")
    return Reference(_modern(tuple(parts)), offset)


def _part(found: re.Match[str], offset: int) -> str | int:
    if found[1] is not None:
        return int(found[1])
    if found[2] is not None:
        try:
            return str(decode_json(found[2]))
        except ValueError as error:
            raise ExpressionError(f"{found[2][:60]} is not a text", offset, 'write ["name"]') from error
    return found[3] if found[3] is not None else found[4].strip()


def _modern(parts: tuple[str | int, ...]) -> tuple[str | int, ...]:
    for old, new in _EARLY.items():
        if parts[: len(old)] == old:
            return (*new, *parts[len(old) :])
    return parts


def look_up(reference: Reference, values: Mapping[str, object]) -> object:
    """Return what a name stands for; ``None`` for what is known and has no value, such as a skipped step's answer.

    Args:
        values: By first part. Under ``step`` stand the entries by id; a field that an entry
            does not have is looked for in its answer, read as JSON.

    Raises:
        Unresolved: If it stands for nothing.
    """
    root = values.get(str(reference.root), _NOTHING)
    if reference.root == "step" and isinstance(root, Mapping):
        found = _look_up_step(reference.parts[1:], root)
    else:
        found = root if root is _NOTHING else _walk(root, reference.parts[1:])
    if found is _NOTHING:
        raise Unresolved(f"{reference} has no value")
    return found


def look_up_in(value: object, parts: Sequence[str | int]) -> tuple[bool, object]:
    """Return whether a JSON value has a field, and the field."""
    found = _walk(value, parts)
    return (False, None) if found is _NOTHING else (True, found)


class _Nothing:
    pass


_NOTHING: Final = _Nothing()


def _look_up_step(parts: Sequence[str | int], steps: Mapping[str, object]) -> object:
    for length in range(len(parts), 0, -1):  # an id may have dots in it
        entry = steps.get(".".join(str(part) for part in parts[:length]))
        if isinstance(entry, Mapping):
            return _field(entry, parts[length:])
    return _NOTHING


def _field(entry: Mapping[str, object], rest: Sequence[str | int]) -> object:
    if not rest:
        return _NOTHING
    name = rest[0]
    if isinstance(name, str) and name in entry:
        return _walk(entry[name], rest[1:])
    if entry.get("status") == "skipped":
        return None
    answer = _answer(entry)
    if name == "result":
        return _walk(answer, rest[1:])
    if name == "items":
        found = _decoded(answer)
        return _walk(found, rest[1:]) if isinstance(found, list) else _NOTHING
    if name == "json":
        return _walk(_decoded(answer), rest[1:])
    return _walk(_decoded(answer), rest)


def _answer(entry: Mapping[str, object]) -> object:
    """Return a step's answer: its response, or what a program printed."""
    if entry.get("response") is not None:
        return entry["response"]
    streams = [entry.get("stdout"), entry.get("stderr")]
    if all(stream is None for stream in streams):
        return _NOTHING
    return "\n".join(str(stream) for stream in streams if stream)


def _decoded(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return decode_answer(value)
    except (ValueError, RecursionError):
        return _NOTHING


def _walk(value: object, parts: Sequence[str | int]) -> object:
    for part in parts:
        if isinstance(value, str):
            value = _decoded(value)
        if isinstance(value, Mapping) and str(part) in value:
            value = value[str(part)]
        elif isinstance(value, list) and str(part).isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return _NOTHING
    return value
