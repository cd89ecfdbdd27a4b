"""What the design promises (its section "What it must cost"), and whether a run kept it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One promise, measured.

    Attributes:
        value: ``None`` where this run could not measure it.
        more: Larger values are better.
    """

    name: str
    unit: str
    value: float | None
    floor: float
    goal: float
    more: bool = False

    def keeps(self, limit: float) -> str:
        """Return ``yes``, ``no``, or ``?`` for a value that was not measured."""
        if self.value is None:
            return "?"
        return "yes" if (self.value >= limit if self.more else self.value <= limit) else "no"

    @property
    def row(self) -> Sequence[str]:
        """The cells of its line."""
        sign = "≥" if self.more else "≤"
        value = "not measured" if self.value is None else number(self.value)
        floor, goal = f"{sign} {number(self.floor)}", f"{sign} {number(self.goal)}"
        return (self.name, self.unit, value, floor, self.keeps(self.floor), goal, self.keeps(self.goal))


COLUMNS = ("promise", "unit", "measured", "floor", "kept", "goal", "kept")


def number(value: float) -> str:
    """Return a number with three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, left: int) -> str:
    """Return an aligned table; the first ``left`` columns stand left."""
    lines = [tuple(columns), *(tuple(row) for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]

    def render(line: Sequence[str]) -> str:
        cells = (
            cell.ljust(width) if index < left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        return "  ".join(cells).rstrip()

    return "\n".join([render(lines[0]), "  ".join("-" * width for width in widths), *map(render, lines[1:])])
