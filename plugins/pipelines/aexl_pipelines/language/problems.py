"""What is wrong with a pipeline file: every problem with its place and what to write instead. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final, Literal

import msgspec

from aexl.errors import AexlError

MOST_PROBLEMS: Final = 200
"""More are counted, not kept: somebody who reads two hundred has given up."""

Code = Literal[
    "config/invalid-yaml",
    "config/file-not-found",
    "config/validation-failed",
    "config/circular-inheritance",
    "pipeline/circular-reference",
    "template/unresolved-variable",
    "condition/invalid",
    "skill/unknown",
    "schema/compatibility-failed",
    "loop/depth-exceeded",
]
"""What kind of problem it is; with ``ail:`` before it, the names that ail's own output has."""


class Place(msgspec.Struct, frozen=True, order=True):
    """Where something stands: a file as people call it, a line and a column, both from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Problem(msgspec.Struct, frozen=True, order=True):
    """One thing that is wrong.

    Attributes:
        message: A sentence with the offending value in it.
        suggestion: What to write instead, or an empty text.
    """

    place: Place
    message: str
    suggestion: str = ""
    code: Code = "config/validation-failed"

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" + (f"; {self.suggestion}" if self.suggestion else "")


class Report:
    """Collects problems, and notes on what works but will surprise."""

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}
        self._notes: dict[Problem, None] = {}
        self.dropped = 0

    def problem(
        self, place: Place, message: str, suggestion: str = "", code: Code = "config/validation-failed"
    ) -> None:
        """Add a problem; the same one twice counts once."""
        found = Problem(place, message, suggestion, code)
        if len(self._problems) < MOST_PROBLEMS:
            self._problems[found] = None
        elif found not in self._problems:
            self.dropped += 1

    def note(self, place: Place, message: str, suggestion: str = "") -> None:
        """Add something that a person should know and that keeps nothing from running."""
        if len(self._notes) < MOST_PROBLEMS:
            self._notes[Problem(place, message, suggestion)] = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was found, by file, line and column."""
        return tuple(sorted(self._problems))

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What was noted, by file, line and column."""
        return tuple(sorted(self._notes))


class InvalidPipeline(AexlError):
    """A pipeline file, or one of cases, cannot be used; names every problem of it and of the files that it uses.

    Args:
        what: What has the problems, as the subject of a sentence.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, problems: Sequence[Problem], dropped: int = 0, what: str = "the pipeline has") -> None:
        count = len(problems) + dropped
        lines = [f"{what} {count} problem{'s' if count != 1 else ''}:", *(f"  {each}" for each in problems)]
        if dropped:
            lines.append(f"  and {dropped} more")
        super().__init__("\n".join(lines))
        self.problems = tuple(problems)


def suggest(word: str, known: Iterable[str]) -> str:
    """Return a clause that names the nearest known word, or all of them if they are few."""
    choices = sorted(set(known))
    near = difflib.get_close_matches(word[:80], choices, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"known are {', '.join(choices)}" if 0 < len(choices) <= 12 else ""
