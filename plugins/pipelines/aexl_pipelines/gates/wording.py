"""What a person reads of a gate, and what a line that they type means. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from aexl.errors import Invalid
from aexl_pipelines.gates.records import past, verdict_of_timeout
from aexl_pipelines.journal.records import Choice, Gate
from aexl_pipelines.live.words import clean, duration

LINES: Final = 40
"""Lines of a text that a card shows; ``aexl pipeline gates GATE`` shows all."""

_WHAT: Final = {
    "pause": "waits for your word",
    "preview": "shows what it is about to send",
    "edit": "offers its answer for editing",
    "permission": "asks for a permission",
    "conflict": "could not be merged",
    "proposal": "proposes a change of the pipeline",
    "approval": "waits for approval",
}
_WORDS: Final[dict[str, Choice]] = {
    "a": "approve",
    "approve": "approve",
    "y": "approve",
    "yes": "approve",
    "r": "reject",
    "reject": "reject",
    "n": "reject",
    "no": "reject",
    "e": "edit",
    "edit": "edit",
}


def title(gate: Gate) -> str:
    """Return one line that says who asks what."""
    return f"Gate {gate.id}: step {clean(gate.step)} {_WHAT[gate.kind]}"


def card(gate: Gate, lines: int | None = LINES) -> list[str]:
    """Return the lines of a gate as a person sees it.

    Args:
        lines: The most that are shown of the content; ``None`` for all.
    """
    shown = [title(gate)]
    shown += [f"  {line}" for line in clean(gate.text).splitlines()]
    shown += [f"  {clean(str(name))}: {_short(value)}" for name, value in gate.detail.items() if name != "for"]
    content = clean(gate.content).splitlines()
    shown += [f"  | {line}" for line in content[:lines]]
    if lines is not None and len(content) > lines:
        shown.append(f"  | ... {len(content) - lines} more lines: aexl pipeline gates {gate.id}")
    return shown


def choices(gate: Gate) -> str:
    """Return the line that says what can be typed."""
    words = "[a]pprove, [r]eject or [e]dit" if gate.editable else "[a]pprove or [r]eject"
    late = (
        f"; after {duration(gate.timeout)} it counts as {past(verdict_of_timeout(gate).choice)}" if gate.timeout else ""
    )
    return f"{words}, a reason may follow{late}"


def read_answer(line: str, gate: Gate) -> tuple[Choice, str]:
    """Return what a typed line means: the choice, and the reason behind it.

    Raises:
        Invalid: If it is no answer to this gate; says what is.
    """
    word, _, reason = line.strip().partition(" ")
    choice = _WORDS.get(word.lower().rstrip(",:"))
    if choice is None or (choice == "edit" and not gate.editable):
        raise Invalid(f"{clean(word)[:40]!r} is no answer here; type {choices(gate)}")
    return choice, reason.strip()


def _short(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return next(_first_lines(clean(text)), "")


def _first_lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield line if len(line) <= 300 else line[:300] + "..."
