"""What was said when a run was started. Pure."""

from __future__ import annotations

import msgspec

from aexl_pipelines.journal.questions import OnGate


class RunOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was said when a run was started; a resume keeps what it does not say anew.

    Attributes:
        once: Run the steps around one answer and end: what ``aexl pipeline run`` always does with a prompt.
        dry_run: No model is called: the runner ``stub`` answers.
        dry_run_shell: In a dry run, lines of shell run all the same.
        headless: Nobody is here: steps that want a person follow their ``on_headless``.
        on_gate: What answers a gate at once; ``None`` waits for a person, or fails where none can answer.
        budget: Nano-dollars for the whole run.
        timeout: Seconds for the whole run.
        govern: The run must be governed by a server.
        record: Keep a recording of each agent, for the runner ``cassette``.
    """

    once: bool = False
    dry_run: bool = False
    dry_run_shell: bool = False
    headless: bool = False
    on_gate: OnGate | None = None
    budget: int | None = None
    timeout: float | None = None
    model: str | None = None
    runner: str | None = None
    govern: bool = False
    record: bool = False
