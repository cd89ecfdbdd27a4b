"""Two pipelines on the same cases: what differs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from aexl_pipelines.cases.checking import clipped
from aexl_pipelines.cases.reporting import money
from aexl_pipelines.cases.verdicts import Verdict

COLUMNS: Final = ("case", "result", "other", ">cost", ">other", ">seconds", ">other", ">tokens", ">other")
_SHOWN: Final = 300


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One case, with the pipeline that it names and with the other one.

    Attributes:
        differs: What is not the same, in words.
    """

    name: str
    file: str
    one: Verdict
    other: Verdict
    differs: tuple[str, ...] = ()


def pair_up(ones: Sequence[Verdict], others: Sequence[Verdict]) -> list[Pair]:
    """Return the verdicts of both, side by side; they must be of the same trials in the same order."""
    return [
        Pair(name=one.name, file=one.file, one=one, other=other, differs=tuple(_differences(one, other)))
        for one, other in zip(ones, others, strict=True)
    ]


def _differences(one: Verdict, other: Verdict) -> Iterator[str]:
    if one.result != other.result:
        yield f"result: {one.result} / {other.result}"
    if one.status != other.status:
        yield f"status: {one.status or 'none'} / {other.status or 'none'}"
    failed, fails = ({failure.check for failure in each.failures} for each in (one, other))
    yield from (f"only the other holds: {check}" for check in sorted(failed - fails))
    yield from (f"only the first holds: {check}" for check in sorted(fails - failed))
    if one.answer != other.answer:
        yield f"answer: {_short(one.answer)} / {_short(other.answer)}"
    for name in sorted({*one.outputs, *other.outputs}):
        values = [each.outputs.get(name) for each in (one, other)]
        if values[0] != values[1]:
            yield f"output {name}: {_short(str(values[0]))} / {_short(str(values[1]))}"
    steps = [{step.step: step.status for step in each.steps} for each in (one, other)]
    for name in dict.fromkeys((*steps[0], *steps[1])):
        statuses = [each.get(name, "not there") for each in steps]
        if statuses[0] != statuses[1]:
            yield f"step {name}: {statuses[0]} / {statuses[1]}"


def _short(text: str) -> str:
    return clipped(text.replace("\n", "\\n"), _SHOWN)


def row_of(pair: Pair) -> list[str]:
    """Return the line of a case in the table."""
    one, other = pair.one, pair.other
    return [
        pair.name,
        one.result,
        other.result,
        money(one.cost),
        money(other.cost),
        f"{one.duration:.1f}",
        f"{other.duration:.1f}",
        str(one.tokens),
        str(other.tokens),
    ]


def summary_rows(pairs: Sequence[Pair]) -> list[str]:
    """Return what both cost and took in all."""
    ones, others = [pair.one for pair in pairs], [pair.other for pair in pairs]
    cells = ["all"]
    for each in (ones, others):
        cells.append(f"{sum(verdict.held for verdict in each)}/{len(each)} held")
    cells += [money(sum(verdict.cost or 0 for verdict in each)) for each in (ones, others)]
    cells += [f"{sum(verdict.duration for verdict in each):.1f}" for each in (ones, others)]
    return cells + [str(sum(verdict.tokens for verdict in each)) for each in (ones, others)]


def difference_lines(pairs: Sequence[Pair]) -> list[str]:
    """Return what differs, case by case."""
    lines: list[str] = []
    for pair in pairs:
        if pair.differs:
            lines += ["", f"{pair.name} ({pair.file})", *(f"  {each}" for each in pair.differs)]
    return lines


def as_json(pairs: Sequence[Pair]) -> dict[str, object]:
    """Return everything for programs."""
    return {
        "held": all(pair.one.held and pair.other.held for pair in pairs),
        "same": not any(pair.differs for pair in pairs),
        "cases": [msgspec.to_builtins(pair, enc_hook=str) for pair in pairs],
    }
