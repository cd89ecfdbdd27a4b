"""What a command says of trials: for people, for programs, and as JUnit's XML. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final
from xml.etree import ElementTree as ET

import msgspec

from aexl.api import format_usd
from aexl.api.money import NANOS
from aexl_pipelines.cases.verdicts import Verdict

COLUMNS: Final = ("", "case", "runner", ">seconds", ">cost", ">tokens", ">calls")
_WORDS: Final = {"passed": "ok", "failed": "FAILED", "error": "ERROR", "skipped": "skipped", "not run": "not run"}
_MOST_FAILURES: Final = 200
_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def row_of(verdict: Verdict) -> list[str]:
    """Return the line of a trial in the table."""
    return [
        _WORDS[verdict.result],
        verdict.name,
        verdict.runner,
        f"{verdict.duration:.1f}" if verdict.status else "",
        money(verdict.cost),
        str(verdict.tokens or ""),
        str(verdict.calls or ""),
    ]


def money(nanos: int | None) -> str:
    """Return an amount for people: in USD with four decimals, rounded up; empty for nothing."""
    if not nanos:
        return ""
    step = NANOS // 10_000
    whole, part = divmod(-(-nanos // step), 10_000)
    return f"${whole}.{part:04d}"


def failure_lines(verdicts: Iterable[Verdict]) -> list[str]:
    """Return what did not hold, with places, in the order of the trials."""
    lines: list[str] = []
    for verdict in verdicts:
        if verdict.held or verdict.result == "not run":
            continue
        lines += ["", f"{verdict.name} ({verdict.file}:{verdict.line}, {verdict.pipeline})"]
        lines += [f"  {verdict.error}"] if verdict.error else []
        for failure in verdict.failures:
            lines += [f"  {failure.place}: {failure.check}", f"    found: {_one_line(failure.found)}"]
        if verdict.kept:
            lines.append(f"  kept in {verdict.kept}")
    if len(lines) > _MOST_FAILURES:
        lines = [*lines[:_MOST_FAILURES], f"  and {len(lines) - _MOST_FAILURES} more lines: see --json"]
    return lines


def _one_line(text: str) -> str:
    shown = text.replace("\n", "\\n")
    return "".join(character if character.isprintable() else "?" for character in shown)


def sentence_of(verdicts: Sequence[Verdict]) -> str:
    """Return the last line: how many there were, and what they cost."""
    count = Counter(verdict.result for verdict in verdicts)
    parts = [f"{count[result]} {_COUNTED[result]}" for result in _COUNTED if count[result]]
    costs = [verdict.cost for verdict in verdicts if verdict.cost]
    seconds = sum(verdict.duration for verdict in verdicts)
    spent = f", {money(sum(costs))}" if costs else ""
    return f"{', '.join(parts)}; {seconds:.1f} s of runs{spent}."


_COUNTED: Final = {
    "passed": "passed",
    "failed": "failed",
    "error": "could not run",
    "skipped": "skipped",
    "not run": "not run",
}


def as_json(verdicts: Sequence[Verdict]) -> dict[str, object]:
    """Return everything for programs; costs are nano-dollars."""
    count = Counter(verdict.result for verdict in verdicts)
    return {
        "held": all(verdict.held for verdict in verdicts),
        "counts": {result.replace(" ", "_"): count[result] for result in _COUNTED},
        "cost": sum(verdict.cost or 0 for verdict in verdicts),
        "trials": [msgspec.to_builtins(verdict, enc_hook=str) for verdict in verdicts],
    }


def as_junit(verdicts: Sequence[Verdict]) -> bytes:
    """Return JUnit's XML: a suite for each case file."""
    root = ET.Element("testsuites", name="aexl pipeline test")
    for file in dict.fromkeys(verdict.file for verdict in verdicts):
        own = [verdict for verdict in verdicts if verdict.file == file]
        suite = ET.SubElement(root, "testsuite", {"name": _xml(file), **_counts(own)})
        for verdict in own:
            _add_case(suite, verdict)
    for name, value in _counts(verdicts).items():
        root.set(name, value)
    ET.indent(root)
    data: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return data + b"\n"


def _counts(verdicts: Sequence[Verdict]) -> dict[str, str]:
    count = Counter(verdict.result for verdict in verdicts)
    return {
        "tests": str(len(verdicts)),
        "failures": str(count["failed"]),
        "errors": str(count["error"]),
        "skipped": str(count["skipped"] + count["not run"]),
        "time": f"{sum(verdict.duration for verdict in verdicts):.3f}",
    }


def _add_case(suite: ET.Element, verdict: Verdict) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        name=_xml(verdict.name),
        classname=_xml(verdict.pipeline or verdict.file),
        file=_xml(verdict.file),
        line=str(verdict.line),
        time=f"{verdict.duration:.3f}",
    )
    properties = ET.SubElement(case, "properties")
    for name, value in (
        ("runner", verdict.runner),
        ("cost_usd", format_usd(verdict.cost or 0)),
        ("tokens", str(verdict.tokens)),
    ):
        ET.SubElement(properties, "property", name=name, value=_xml(value))
    if verdict.result == "failed":
        lines = [f"{each.place}: {each.check}\n  found: {each.found}" for each in verdict.failures]
        first = f"{verdict.failures[0].check}: found {verdict.failures[0].found}"
        failure = ET.SubElement(case, "failure", message=_xml(first[:500]), type="assertion")
        failure.text = _xml("\n".join(lines))
    elif verdict.result == "error":
        ET.SubElement(case, "error", message=_xml(verdict.error[:500]), type="error").text = _xml(verdict.error)
    elif not verdict.held or verdict.result == "skipped":
        ET.SubElement(case, "skipped", message=_xml(verdict.message or verdict.result))
    if verdict.answer:
        ET.SubElement(case, "system-out").text = _xml(verdict.answer)


def _xml(text: str) -> str:
    """Return a text without the characters that XML does not have."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
