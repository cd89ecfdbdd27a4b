"""What requests may say. Pure: structs with every field checked, and nothing else taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from aexl_pipelines.journal.records import OnGate

Name = Annotated[str, msgspec.Meta(max_length=200)]
Reason = Annotated[str, msgspec.Meta(max_length=4_000)]
LongText = Annotated[str, msgspec.Meta(max_length=1 << 20)]
Key = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Usd = Annotated[str, msgspec.Meta(pattern=r"^\d{1,9}(\.\d{1,9})?$", description="USD, as in 0.50")]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=31_536_000)]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all requests have in common: a field that is not known is an error."""


class PipelineChoice(Body, frozen=True, kw_only=True):
    """Which pipeline, and where it works.

    Attributes:
        folder: An absolute path, in one of ``[pipelines] folders``; the only one of them where it is missing.
        pipeline_path: A file in that folder, or a pipeline's name; the folder's own where both are missing.
        pipeline_inline: The text of one.
    """

    folder: str | None = None
    pipeline_path: str | None = None
    pipeline_inline: LongText | None = None


class NewRun(PipelineChoice, frozen=True, kw_only=True):
    """A run to start.

    Attributes:
        on_gate: Answers every gate; without it they wait for an answer.
        wait: Answer when the run has ended, or waits at a gate, instead of at once.
    """

    prompt: LongText = ""
    inputs: Mapping[str, object] = {}
    model: Name | None = None
    runner: Name | None = None
    budget_usd: Usd | None = None
    timeout_seconds: Seconds | None = None
    on_gate: OnGate | None = None
    dry_run: bool = False
    wait: bool = False


class ResumedRun(Body, frozen=True, kw_only=True):
    """How to go on with a run; ``from_step`` runs that step and what is behind it again."""

    from_step: Name | None = None
    wait: bool = False


class NewSession(PipelineChoice, frozen=True, kw_only=True):
    """A session to open: turns of one pipeline in one folder."""

    session_key: Key | None = None
    runner: Name | None = None
    model: Name | None = None


class NewTurn(Body, frozen=True, kw_only=True):
    """A turn: one run of the session's pipeline. With ``wait`` the answer comes when it has ended, or waits at a gate."""

    prompt: LongText
    inputs: Mapping[str, object] = {}
    wait: bool = True


class GateAnswer(Body, frozen=True, kw_only=True):
    """The answer to a gate; ``text`` is what an edit makes of its content."""

    choice: Literal["approve", "reject", "edit"]
    reason: Reason = ""
    text: LongText | None = None


class HitlAnswer(Body, frozen=True, kw_only=True):
    """The answer to a gate in the words of ail: which of them counts depends on the gate's kind.

    Attributes:
        behavior: To a permission.
        choice: To a preview ``use_transformed``, ``use_original`` or ``use_edited``; to any gate ``approve``, ``reject`` or ``edit``.
        edited_prompt: The text of ``use_edited`` or ``edit``.
    """

    behavior: Literal["allow", "deny"] | None = None
    choice: Literal["use_transformed", "use_original", "use_edited", "approve", "reject", "edit"] | None = None
    message: Reason = ""
    edited_prompt: LongText | None = None
