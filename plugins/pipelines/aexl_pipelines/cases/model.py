"""A case file as the loader hands it on: typed, checked, immutable. Pure.

Money is nano-dollars, times are seconds. A *check* is one thing that is expected of
a run; whatever a case expects is a list of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from aexl.api.runners import ErrorKind
from aexl_pipelines.journal.records import Choice
from aexl_pipelines.language.loading import Loaded
from aexl_pipelines.language.problems import Place

DECLARED = "declared"
"""Where a runner is named: those that the pipeline names itself."""

Subject: TypeAlias = Literal["run", "answer", "message", "output", "step", "asked of", "file"]
"""What a check is about: the run, its last answer, why it ended, an output, a step's answer, its prompt, a file."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is expected.

    Attributes:
        name: Which step, output or file.
        what: The key that says it, as in ``contains`` or ``max_cost``.
        wanted: Its value, as the key's kind reads it.
        shown: The value as it was written, for people.
        place: Where it was written.
    """

    subject: Subject
    name: str = ""
    what: str
    wanted: object
    shown: str
    place: Place

    @property
    def title(self) -> str:
        """The check in words, as in ``step review: contains LGTM``."""
        about = f"{self.subject} {self.name}".rstrip()
        return f"{about}: {self.what} {self.shown}".rstrip()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the stub says and does when a step asks it.

    Attributes:
        text: ``None`` leaves it to the stub: an example of the step's schema, where it has one.
        files: What it writes, by path; ``None`` removes.
    """

    text: str | None = None
    files: Mapping[str, str | None] = {}
    error: ErrorKind | None = None
    message: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: int | None = None
    seconds: float = 0.0


class GateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a person would answer."""

    choice: Choice
    text: str | None = None
    reason: str = ""


class InputValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value of an input, and where it was written."""

    value: object
    place: Place


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """What each case is tried with."""

    runners: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What a case has, and what all cases of a file have in common; ``None`` where it is not said.

    Attributes:
        folder: Whose files are copied into the scratch folder.
        files: Written there besides, by path.
        runner: Who answers; ``declared`` are those that the pipeline names.
        tape: A folder of recordings; without ``runner`` they answer.
        answers: Of the stub, by step or ``*``: the first, the second and so on; the last one counts from there on.
        gates: Likewise.
        budget: Nano-dollars.
    """

    pipeline: str | None = None
    prompt: str | None = None
    inputs: Mapping[str, InputValue] = {}
    folder: Path | None = None
    files: Mapping[str, str] = {}
    runner: str | None = None
    model: str | None = None
    matrix: Matrix | None = None
    tape: Path | None = None
    answers: Mapping[str, tuple[Answer, ...]] = {}
    gates: Mapping[str, tuple[GateAnswer, ...]] = {}
    env: Mapping[str, str] = {}
    timeout: float | None = None
    budget: int | None = None
    checks: tuple[Check, ...] = ()
    places: Mapping[str, Place] = {}


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One case of a file, with what the file's defaults add.

    Attributes:
        skip: Why it does not run now.
    """

    name: str
    description: str = ""
    place: Place
    setup: Setup
    skip: str = ""


class CaseFile(msgspec.Struct, frozen=True, kw_only=True):
    """A case file as it is written."""

    cases: tuple[Case, ...]


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One run to be made: a case, with one combination of its matrix.

    Attributes:
        file: The case file, as people call it.
        label: The combination, as in ``runner=claude, model=haiku``; empty without a matrix.
        taped: Recordings answer; the runner is asked nothing.
        inputs: Bound to what the pipeline declares.
    """

    file: str
    case: Case
    label: str
    runner: str
    taped: bool
    model: str | None
    loaded: Loaded
    inputs: Mapping[str, object]

    @property
    def name(self) -> str:
        """The case's name with the combination behind it."""
        return f"{self.case.name} ({self.label})" if self.label else self.case.name
