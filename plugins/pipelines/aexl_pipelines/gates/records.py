"""What the files of a gate hold: the question, and the one answer. Pure."""

from __future__ import annotations

import hashlib

import msgspec

from aexl.errors import Invalid
from aexl_pipelines.journal.records import Choice, Gate, Verdict

LARGEST_TEXT = 1 << 20
"""Characters of an edited text."""
LARGEST_REASON = 4_000
"""Characters of a reason."""


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a gate.

    Attributes:
        gate: The gate's id.
        question: ``digest_of`` the gate that whoever answered has seen.
        at: Unix seconds.
    """

    gate: str
    question: str
    verdict: Verdict
    at: float


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A gate as its files have it; open while ``decided`` is ``None``."""

    gate: Gate
    decided: Decided | None = None


def verdict_of_timeout(gate: Gate) -> Verdict:
    """Return what counts when a gate's time has passed; an ``edit`` leaves the text as it is."""
    choice = gate.default or "reject"
    if choice == "edit" and not gate.editable:
        choice = "reject"
    reason = f"nobody answered within {gate.timeout or 0:g} seconds"
    return Verdict(choice=choice, text=gate.content if choice == "edit" else None, by="timeout", reason=reason)


def digest_of(gate: Gate) -> str:
    """Return what an answer is about: a gate that asks something else has another digest."""
    asked = (gate.id, gate.run, gate.step, gate.kind, gate.text, gate.content, gate.detail, gate.editable)
    return hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()


def check_verdict(gate: Gate, verdict: Verdict) -> None:
    """Refuse an answer that a gate cannot have.

    Raises:
        Invalid: If there is nothing to edit, an edit has no text, or a text is too long.
    """
    if verdict.choice == "edit" and not gate.editable:
        raise Invalid(f"gate {gate.id} ({gate.kind}) has nothing to edit; approve it or reject it")
    if verdict.choice == "edit" and verdict.text is None:
        raise Invalid(f"an edit of gate {gate.id} needs the text that it shall be")
    if verdict.choice != "edit" and verdict.text is not None:
        raise Invalid(f"a text goes together with an edit, and gate {gate.id} was given {verdict.choice!r}")
    if verdict.text is not None and len(verdict.text) > LARGEST_TEXT:
        raise Invalid(f"the text has {len(verdict.text)} characters; at most {LARGEST_TEXT} are kept")
    if len(verdict.reason) > LARGEST_REASON:
        raise Invalid(f"the reason has {len(verdict.reason)} characters; at most {LARGEST_REASON} are kept")


def past(choice: Choice) -> str:
    """Return what has been done to a gate."""
    return {"approve": "approved", "reject": "rejected", "edit": "edited"}[choice]


def describe(decided: Decided) -> str:
    """Return a clause: what was decided, by whom and why."""
    verdict = decided.verdict
    why = f": {verdict.reason}" if verdict.reason else ""
    return f"{past(verdict.choice)} by {verdict.by or 'somebody'}{why}"
