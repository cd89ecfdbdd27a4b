"""Cases that are tried: what the stub and the person say, tapes, scratch folders, several at once."""

from __future__ import annotations

import pytest
import trio

from aexl_pipelines.cases.answering import Lines
from aexl_pipelines.execution.ports import KnownAgents, NoGovernor
from aexl_pipelines.runners.stub import StubRunner

REVIEW = """
    pipeline:
      - id: invocation
        prompt: "{{ step.invocation.prompt }}"
      - id: review
        prompt: "Review: {{ step.invocation.response }}"
        on_result:
          - contains: BAD
            action: pause_for_human
            message: Really?
"""


def failures(verdict):
    return [f"{failure.check}: {failure.found}" for failure in verdict.failures] + (
        [verdict.error] if verdict.error else []
    )


async def test_the_stub_says_what_the_case_says_and_everything_is_counted(attempt):
    [verdict] = await attempt(
        REVIEW,
        """
        cases:
          - name: a
            prompt: Add a flag
            answers:
              invocation: {text: Done., files: {sub/new.txt: x}, input_tokens: 10, output_tokens: 5, cost: 0.25}
              review: {json: {ok: true}, cost: 0.50}
            expect:
              json: {ok: true}
              equals: {ok: true}
              steps:
                invocation: {prompt: Add a flag, files_changed: [sub/new.txt]}
                review: {contains: ok, prompt: "Review: Done.", branch: none, asked: false}
              files: {sub/new.txt: {equals: x}}
              changed: sub/new.txt
              max_cost: 0.75
              max_tokens: 15
              max_calls: 2
        """,
    )
    assert failures(verdict) == []
    assert (verdict.result, verdict.cost, verdict.tokens, verdict.calls) == ("passed", 750_000_000, 15, 2)
    assert (verdict.status, verdict.exit_code) == ("completed", 0)
    assert [step.step for step in verdict.steps] == ["invocation", "review"]


async def test_what_does_not_hold_is_named_with_its_place_and_what_was_there(attempt):
    [verdict] = await attempt(
        REVIEW,
        """
        cases:
          - name: a
            prompt: x
            answers: {review: fine}
            expect: {contains: [fine, awful], max_calls: 1}
        """,
    )
    assert verdict.result == "failed"
    assert failures(verdict) == ["answer: contains awful: fine", "run: max_calls 1: 2 calls"]
    assert str(verdict.failures[0].place) == "p.cases.yaml:6:31"


@pytest.mark.parametrize(("answer", "status", "code"), [("approve", "completed", 0), ("reject", "rejected", 5)])
async def test_the_case_answers_gates(attempt, answer, status, code):
    [verdict] = await attempt(
        REVIEW,
        f"""
        cases:
          - name: a
            prompt: x
            answers: {{review: BAD}}
            gates: {{review: {answer}}}
            expect: {{status: {status}, exit_code: {code}, steps: {{review: {{asked: true, branch: 1}}}}}}
        """,
    )
    assert failures(verdict) == []


async def test_a_gate_without_an_answer_fails_the_run(attempt):
    [verdict] = await attempt(REVIEW, "cases: [{name: a, prompt: x, answers: {review: BAD}}]")
    assert verdict.result == "failed"
    assert "the case has no answer: add it to 'gates:'" in failures(verdict)[0]


async def test_an_edit_is_what_later_steps_see(attempt):
    [verdict] = await attempt(
        """
        pipeline:
          - {id: invocation, prompt: x}
          - {id: mend, action: modify_output}
          - {id: use, prompt: "{{ step.mend.modified }}"}
        """,
        "cases: [{name: a, answers: {'*': first}, gates: {mend: {edit: better}}, expect: {steps: {use: {prompt: better}}}}]",
    )
    assert failures(verdict) == []


async def test_answers_come_one_after_the_other_and_the_last_holds_on(attempt):
    [verdict] = await attempt(
        """
        pipeline:
          - id: loop
            do_while:
              max_iterations: 5
              exit_if: step.try.response == "good"
              steps: [{id: try, prompt: x}]
          - {id: after, prompt: y, retry: 1}
        """,
        """
        cases:
          - name: a
            answers:
              loop::try: [bad, worse, good]
              after: [{error: provider, message: gone}, back]
            expect:
              contains: back
              steps:
                loop::try: {runs: 3, equals: good}
                loop#1::try: {equals: bad}
                after: {max_calls: 2}
              max_calls: 5
        """,
    )
    assert failures(verdict) == []


async def test_steps_side_by_side_get_their_own_lines(attempt):
    [verdict] = await attempt(
        """
        pipeline:
          - {id: a, async: true, prompt: same}
          - {id: b, async: true, prompt: same}
          - {id: all, action: join, depends_on: [a, b]}
        """,
        """
        cases:
          - name: a
            answers: {a: {text: from a, seconds: 0.02}, b: from b}
            expect: {steps: {a: {equals: from a}, b: {equals: from b}, all: {matches: '/from a[\\s\\S]*from b/'}}}
        """,
    )
    assert failures(verdict) == []


async def test_steps_of_called_pipelines_have_lines_and_checks_too(attempt):
    [verdict] = await attempt(
        """
        pipeline:
          - {id: call, pipeline: helper}
        pipelines:
          helper: [{id: only, prompt: "for {{ step.invocation.prompt }}"}]
        """,
        """
        cases:
          - name: a
            prompt: x
            answers: {invocation: me, call/only: here}
            expect: {equals: here, steps: {call/only: {prompt: {equals: for me}}}}
        """,
    )
    assert failures(verdict) == []


async def test_secrets_are_masked_in_everything_that_a_verdict_has(attempt):
    [verdict] = await attempt(
        """
        secrets: [API_KEY]
        pipeline:
          - {id: invocation, prompt: "use {{ secrets.API_KEY }}"}
          - {id: leak, context: {shell: 'echo "$KEY" > key.txt; echo "$KEY"'}, env: {KEY: "{{ secrets.API_KEY }}"}}
        """,
        """
        cases:
          - name: a
            env: {API_KEY: sesame-open}
            answers: {invocation: I know sesame-open}
            expect:
              contains: nothing
              steps: {invocation: {contains: x, prompt: {equals: y}}, leak: {contains: z}}
              files: {key.txt: {equals: q}}
        """,
    )
    assert len(verdict.failures) == 5
    assert "sesame" not in repr(verdict)
    assert "***" in repr(verdict)


async def test_a_run_has_an_end_in_time(attempt):
    [verdict] = await attempt(
        "pipeline: [{id: slow, prompt: x}]",
        "cases: [{name: a, timeout: 0.05, answers: {slow: {text: y, seconds: 60}}, expect: {status: timeout}}]",
    )
    assert failures(verdict) == []


async def test_what_cannot_run_says_why(attempt):
    [verdict] = await attempt("secrets: [ABSENT]\npipeline: [{id: a, prompt: x}]", "cases: [{name: a}]")
    assert verdict.result == "error"
    assert "ABSENT" in verdict.error


async def test_a_case_that_is_skipped_and_one_that_never_began_are_no_failures_of_theirs(attempt):
    verdicts = await attempt(
        REVIEW,
        """
        cases:
          - {name: bad, prompt: x, expect: {contains: never}}
          - {name: off, skip: not yet, prompt: x, expect: {contains: never}}
          - {name: later, prompt: x}
        """,
        jobs=1,
        fail_fast=True,
    )
    assert [(verdict.result, verdict.held) for verdict in verdicts] == [
        ("failed", False),
        ("not run", False),
        ("not run", False),
    ]
    [bad, off, later] = await attempt(
        REVIEW, "cases: [{name: a, skip: not yet}, {name: b, prompt: x}, {name: c, prompt: x}]"
    )
    assert (bad.result, bad.message, off.result, later.result) == ("skipped", "not yet", "passed", "passed")


class Counting(KnownAgents):
    """Counts how many ask at the same time; ``full`` is set once so many do."""

    def __init__(self, expected):
        super().__init__({})
        self.expected, self.now, self.most, self.full = expected, 0, 0, trio.Event()

    def runner(self, name):
        return Slow(self)


class Slow(StubRunner):
    """Waits until as many ask as may."""

    def __init__(self, count):
        self._count = count

    async def run(self, host, request, tell):
        self._count.now += 1
        self._count.most = max(self._count.most, self._count.now)
        if self._count.now == self._count.expected:
            self._count.full.set()
        await self._count.full.wait()
        await trio.lowlevel.checkpoint()
        self._count.now -= 1
        return await super().run(host, request, tell)


@pytest.mark.parametrize("jobs", [1, 3])
async def test_so_many_run_at_once_and_no_more(attempt, jobs):
    agents = Counting(jobs)
    cases = ", ".join(f"{{name: c{each}, prompt: x, runner: declared}}" for each in range(5))
    verdicts = await attempt(REVIEW, f"cases: [{cases}]", jobs=jobs, agents=agents)
    assert [verdict.name for verdict in verdicts] == ["c0", "c1", "c2", "c3", "c4"]
    assert agents.most == jobs


async def test_who_governs_sees_the_scratch_home_and_nothing_of_the_stub(attempt, tmp_path):
    homes = []

    def govern(host):
        homes.append(host.data_dir)
        return NoGovernor()

    cases = "cases: [{name: a, prompt: x}, {name: b, prompt: x, runner: declared}]"
    await attempt(REVIEW, cases, agents=Counting(1), governor=govern)
    assert homes == [tmp_path / "scratch/0001/home"]


def test_lines_are_found_by_address_then_by_path_then_for_any():
    lines = Lines({"loop#2::a": ["second"], "loop::a": ["any turn"], "*": ["one", "two"]})
    assert [lines.next(name) for name in ("loop#1::a", "loop#2::a", "b", "b", "b", "c")] == [
        "any turn", "second", "one", "two", "two", "one",
    ]  # fmt: skip
    assert Lines({}).next("a") is None
