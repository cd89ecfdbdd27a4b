"""A pipeline's step as it runs, for tests of step types."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aexl.api.governed import Access


class FakeStepRun:
    """A ``StepRun``.

    Attributes:
        access: What a governed run gives; ``None`` for one that nobody governs.
        lines: What the step has logged.
    """

    def __init__(
        self, workspace: Path, inputs: Mapping[str, object] | None = None, access: Access | None = None
    ) -> None:
        self.workspace = workspace
        self.inputs: Mapping[str, object] = dict(inputs or {})
        self.access = access
        self.lines: list[str] = []

    def log(self, line: str) -> None:
        self.lines.append(line)
