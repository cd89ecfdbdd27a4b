"""What people are asked, and what they answer. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

GateKind = Literal["pause", "preview", "edit", "permission", "conflict", "proposal", "approval"]
"""``approval``: another plugin asks; ``Gate.run`` is its word then, and there is no such run."""

Choice = Literal["approve", "reject", "edit"]
OnGate = Literal["approve", "reject", "fail"]


class Gate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A question to a person; the run, or this branch of it, waits for the answer.

    Attributes:
        id: Unique among all gates of this home; the same when a resumed run asks again.
        text: What is asked.
        content: What can be edited, or is looked at: the answer, the patch.
        detail: What belongs to the kind: tool and input of a permission, paths of a conflict.
        editable: ``edit`` is an answer.
        default: What counts when ``timeout`` seconds have passed; ``reject`` where it is ``None``.
    """

    id: str
    run: str
    step: str
    kind: GateKind
    text: str = ""
    content: str = ""
    detail: Mapping[str, object] = {}
    editable: bool = False
    default: Choice | None = None
    timeout: float | None = None
    opened: float = 0.0


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a gate.

    Attributes:
        text: What an edit made of ``Gate.content``.
        by: Who: ``terminal``, ``cli``, ``http``, ``option``, ``timeout``, ``nobody``, or a person's name.
    """

    choice: Choice
    text: str | None = None
    reason: str = ""
    by: str = ""
