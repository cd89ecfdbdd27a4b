"""What is said of trials: to people, to programs, to JUnit's readers, and of two pipelines."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import msgspec
import pytest

from aexl_pipelines.cases import comparing, reporting
from aexl_pipelines.cases.checking import Failure
from aexl_pipelines.cases.verdicts import StepReport, Verdict
from aexl_pipelines.language.problems import Place

FAILURE = Failure(check="answer: contains x", found="an\nother\x00\x1b[31m", place=Place("a.cases.yaml", 4, 7))


def verdict(name="one", result="passed", **fields):
    known = {"file": "a.cases.yaml", "case": name, "label": "", "pipeline": "a.yaml", "runner": "stub", "line": 3}
    return Verdict(**{**known, "name": name, "result": result, "status": "completed", **fields})


ALL = [
    verdict("good", cost=1_234_560_000, tokens=12, calls=2, duration=1.26, answer="fine \x00"),
    verdict("bad", "failed", failures=(FAILURE,), kept="/tmp/x"),
    verdict("broken", "error", error="the secret 'A' is missing", status=""),
    verdict("off", "skipped", message="not yet", status=""),
    verdict("late", "not run", status="", file="b.cases.yaml"),
]


def test_a_line_has_what_a_trial_cost():
    assert reporting.row_of(ALL[0]) == ["ok", "good", "stub", "1.3", "$1.2346", "12", "2"]
    assert [reporting.row_of(each)[0] for each in ALL[1:]] == ["FAILED", "ERROR", "skipped", "not run"]


@pytest.mark.parametrize(
    ("nanos", "shown"), [(None, ""), (0, ""), (1, "$0.0001"), (100_000, "$0.0001"), (100_001, "$0.0002")]
)
def test_money_is_rounded_up(nanos, shown):
    assert reporting.money(nanos) == shown


def test_failures_are_shown_with_places_and_without_control_characters():
    lines = reporting.failure_lines(ALL)
    assert lines == [
        "",
        "bad (a.cases.yaml:3, a.yaml)",
        "  a.cases.yaml:4:7: answer: contains x",
        "    found: an\\nother??[31m",
        "  kept in /tmp/x",
        "",
        "broken (a.cases.yaml:3, a.yaml)",
        "  the secret 'A' is missing",
    ]
    assert reporting.sentence_of(ALL) == (
        "1 passed, 1 failed, 1 could not run, 1 skipped, 1 not run; 1.3 s of runs, $1.2346."
    )


def test_very_many_failures_are_counted():
    lines = reporting.failure_lines([verdict(f"c{each}", "failed", failures=(FAILURE,)) for each in range(100)])
    assert len(lines) == 201
    assert lines[-1] == "  and 200 more lines: see --json"


def test_programs_get_everything():
    found = msgspec.json.decode(msgspec.json.encode(reporting.as_json(ALL)))
    assert (found["held"], found["counts"]["not_run"], found["cost"]) == (False, 1, 1_234_560_000)
    assert found["trials"][1]["failures"][0]["place"] == {"file": "a.cases.yaml", "line": 4, "column": 7}
    assert reporting.as_json(ALL[:1])["held"] is True


def test_junit_has_a_suite_for_each_file_and_no_character_that_xml_has_not():
    root = ET.fromstring(reporting.as_junit(ALL))
    suites = root.findall("testsuite")
    assert [(suite.get("name"), suite.get("tests")) for suite in suites] == [
        ("a.cases.yaml", "4"),
        ("b.cases.yaml", "1"),
    ]
    assert [root.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["5", "1", "1", "2"]
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert cases["good"].find("system-out").text == "fine \N{REPLACEMENT CHARACTER}"
    assert cases["bad"].find("failure").get("message").startswith("answer: contains x")
    assert "a.cases.yaml:4:7" in cases["bad"].find("failure").text
    assert cases["broken"].find("error").text == "the secret 'A' is missing"
    assert cases["off"].find("skipped").get("message") == "not yet"
    assert cases["late"].find("skipped").get("message") == "not run"
    assert cases["good"].find("properties/property[@name='cost_usd']").get("value") == "1.23456"


def test_what_differs_between_two_pipelines_is_named():
    step = StepReport(step="review", kind="prompt", status="completed")
    one = verdict(answer="yes", outputs={"v": 1}, steps=(step,), cost=20_000_000, tokens=5, duration=2.0)
    other = verdict(result="failed", failures=(FAILURE,), answer="no", outputs={"v": 2}, tokens=3, duration=1.0)
    [pair, same] = comparing.pair_up([one, one], [other, one])
    assert pair.differs == (
        "result: passed / failed",
        "only the first holds: answer: contains x",
        "answer: yes / no",
        "output v: 1 / 2",
        "step review: completed / not there",
    )
    assert same.differs == ()
    assert comparing.row_of(pair) == ["one", "passed", "failed", "$0.0200", "", "2.0", "1.0", "5", "3"]
    assert comparing.summary_rows([pair, same]) == [
        "all",
        "2/2 held",
        "1/2 held",
        "$0.0400",
        "$0.0200",
        "4.0",
        "3.0",
        "10",
        "8",
    ]
    assert comparing.difference_lines([pair, same])[1] == "one (a.cases.yaml)"
    assert (comparing.as_json([same])["same"], comparing.as_json([pair])["held"]) == (True, False)
