"""Whole runs: child runs, gates, budgets, secrets, sessions, caches, going on and going another way."""

from __future__ import annotations

import json

import pytest
import trio

from aexl.errors import Conflict, Invalid, NotFound
from aexl_pipelines.journal.folders import list_runs, summarize
from aexl_pipelines.journal.records import ChildBegun, GateDecided, Progress, RunBegun, RunEnded, RunOptions, Verdict


async def test_a_called_pipeline_is_a_run_of_its_own_whose_cost_counts_in_both(workshop):
    workshop.stub = {"usage": {"input_tokens": 3, "output_tokens": 2}, "cost": 1_000}
    workshop.write(
        'pipeline: [{id: x, prompt: "{{ step.invocation.prompt }}?"}, {id: y, prompt: "{{ last_response }}"}]',
        "sub.yaml",
    )
    result = await workshop.run(
        """
        pipeline:
          - {id: a, prompt: hello}
          - {id: b, pipeline: ./sub.yaml, prompt: "do {{ step.a.response }}"}
          - {id: c, pipeline: named}
          - {id: d, pipeline: "./{{ env.WHICH }}.yaml"}
        pipelines:
          named: [{id: z, prompt: "{{ last_response }}!"}]
        """,
        environ={**workshop.environ, "WHICH": "sub"},
    )
    assert (result.exit_code, result.cost, result.turns) == (0, 6_000, 6)
    children = [record for record in workshop.records(result) if isinstance(record, ChildBegun)]
    assert [child.step for child in children] == ["b", "c", "d"]
    begun = [seen for _, seen in workshop.heard.seen if isinstance(seen, RunBegun)]
    assert [(each.depth, each.prompt) for each in begun] == [
        (0, ""), (1, "do stub response"), (1, "stub response"), (1, "stub response")
    ]  # fmt: skip
    assert begun[1].parent.run == result.run
    assert workshop.ended(result)["b"].cost == 2_000
    assert [run.parent for run in list_runs(workshop.host.data_dir)].count(result.run) == 3


async def test_pipelines_that_call_one_another_without_end_are_stopped(workshop):
    result = await workshop.run(
        'pipeline: [{id: a, pipeline: "./{{ env.ME }}"}]', environ={**workshop.environ, "ME": ".aexl.yaml"}
    )
    assert (result.exit_code, "more than 16 pipelines" in result.message) == (1, True)


@pytest.mark.parametrize(("verdict", "code"), [("approve", 0), ("reject", 5)])
async def test_a_gate_holds_until_somebody_answers(workshop, scripted, verdict, code):
    gates = scripted(Verdict(choice=verdict, by="ann", reason="so"))
    result = await workshop.run(
        "pipeline: [{id: a, prompt: x}, {id: b, action: pause_for_human, message: 'Look at {{ last_response }}'}, {id: c, prompt: y}]",
        gates=gates,
    )
    assert result.exit_code == code
    assert (gates.asked[0].text, gates.asked[0].content) == ("Look at stub response", "stub response")
    assert ("c" in workshop.ended(result)) == (code == 0)


async def test_without_anybody_a_gate_is_closed_and_a_resumed_run_asks_again(workshop, scripted):
    text = "pipeline: [{id: a, prompt: x}, {id: b, action: pause_for_human}]"
    result = await workshop.run(text)
    assert (result.status, result.exit_code) == ("rejected", 5)
    assert next(r for r in workshop.records(result) if isinstance(r, GateDecided)).verdict.by == "nobody"
    workshop.changes["gates"] = scripted(Verdict(choice="approve"))
    assert (await workshop.resume(result.run)).exit_code == 0
    assert [step for _, seen in workshop.heard.seen if type(seen).__name__ == "StepBegun" for step in [seen.step]] == [
        "a",
        "b",
        "b",
    ]


async def test_what_a_person_makes_of_an_answer_is_known(workshop, scripted):
    gates = scripted(
        Verdict(choice="edit", text="better"), Verdict(choice="edit", text="shown"), Verdict(choice="edit", text="best")
    )
    result = await workshop.run(
        """
        pipeline:
          - id: a
            prompt: x
            on_result: [{always: true, action: modify_output, message: "?"}]
          - {id: b, action: preview_for_human}
          - {id: c, action: modify_output}
          - {id: d, prompt: "{{ step.a.modified }} {{ last_response }} {{ step.c.modified }}"}
          - {id: e, action: use_original}
          - {id: f, prompt: "{{ last_response }}"}
        """,
        "go",
        gates=gates,
    )
    ended = workshop.ended(result)
    assert ended["d"].prompt == "better shown best"
    assert ended["f"].prompt == "stub response"


@pytest.mark.parametrize(
    ("rest", "code", "said"),
    [("", 0, "skipped"), (", on_headless: abort", 4, None), (", on_headless: use_default, default_value: d", 0, "d")],
)
async def test_without_a_person_modify_output_does_what_on_headless_says(workshop, rest, code, said):
    result = await workshop.run(
        f"pipeline: [{{id: a, prompt: x}}, {{id: b, action: modify_output{rest}}}]",
        options=RunOptions(runner="stub", headless=True),
    )
    assert result.exit_code == code
    if said is not None:
        ended = workshop.ended(result)["b"]
        assert ended.outputs.get("modified", ended.status) == said


async def test_secrets_go_where_they_are_named_and_nowhere_else(workshop):
    workshop.environ = {**workshop.environ, "TOKEN": 'hush-"very"-secret'}
    workshop.stub = {"answer": 'it is hush-"very"-secret'}
    result = await workshop.run(
        """
        secrets: [TOKEN]
        inputs: {word: {secret: true}}
        pipeline:
          - {id: a, context: {shell: 'test "$T" = "$TOKEN" && echo same $T; cat "$W"'}, env: {T: "{{ secrets.TOKEN }}", W: "{{ inputs.word }}"}}
          - {id: b, prompt: "say {{ secrets.TOKEN }} {{ inputs.word }}"}
        """,
        inputs={"word": "pass-word"},
    )
    assert result.response == "it is ***"
    assert workshop.ended(result)["a"].stdout == "same ***"
    kept = b"".join(path.read_bytes() for path in result.folder.rglob("*") if path.is_file())
    assert b"secret" not in kept.replace(b"secrets", b"").replace(b"secret: true", b"")
    assert b"pass-word" not in kept
    assert "hush" not in repr(workshop.heard.seen)


async def test_a_secret_that_is_missing_stops_a_run_before_it_begins(workshop):
    with pytest.raises(Invalid, match="NOT_THERE"):
        await workshop.run("{secrets: [NOT_THERE], pipeline: [{id: a, prompt: x}]}")
    assert not list((workshop.host.data_dir / "runs").glob("*"))


async def test_a_budget_ends_a_run_and_no_failure_is_put_up_with_then(workshop):
    workshop.stub = {"usage": {"input_tokens": 60}, "cost": 600_000_000}
    text = "{budget: %s, pipeline: [{id: a, prompt: x, on_error: continue}, {id: b, prompt: x, on_error: continue}]}"
    for budget in ("1.00", "{tokens: 100}"):
        result = await workshop.run(text % budget)
        assert (result.status, result.exit_code, result.cost) == ("denied", 7, 1_200_000_000)
    result = await workshop.run(text % "{turns: 1}")
    assert (result.status, result.cost) == ("denied", 600_000_000)
    result = await workshop.run(text % "1.20")  # all of it, and no more
    assert result.exit_code == 0


async def test_an_option_makes_the_budget_of_the_file_smaller_and_never_larger(workshop):
    workshop.stub = {"cost": 600}
    result = await workshop.run("pipeline: [{id: a, prompt: x}]", options=RunOptions(runner="stub", budget=599))
    assert result.status == "denied"
    result = await workshop.run(
        "{budget: 0.0000005, pipeline: [{id: a, prompt: x}]}", options=RunOptions(runner="stub", budget=10**9)
    )
    assert result.status == "denied"


async def test_the_time_of_a_run_is_kept(workshop, patient_clock):
    workshop.stub = {"seconds": 1000}
    text = "{%s pipeline: [{id: a, prompt: x}]}"
    result = await workshop.run(text % "", options=RunOptions(runner="stub", timeout=5))
    assert (result.status, result.exit_code) == ("timeout", 6)
    result = await workshop.run(text % "budget: {time: 5s},")
    assert (result.status, result.exit_code) == ("denied", 7)
    assert workshop.statuses(result) == {"a": "cancelled"}


async def test_a_session_is_resumed_or_forked(workshop):
    program = workshop.project / "agent"
    program.write_text('#!/bin/sh\ncat >/dev/null\necho "${AEXL_SESSION:-new} in $TMPDIR"\n')
    program.chmod(0o755)
    workshop.options = {"exec": {"command": [str(program)]}}
    result = await workshop.run(
        """
        pipeline:
          - {id: a, prompt: x, resume: true}
          - {id: b, prompt: x}
        """,
        options=RunOptions(runner="exec"),
    )
    assert result.exit_code == 0
    assert f"new in {result.folder}/homes/a-" in workshop.ended(result)["a"].response
    workshop.stub = {}
    result = await workshop.run(
        """
        pipeline:
          - {id: a, prompt: x}
          - {id: b, prompt: x}
          - {id: c, prompt: x, resume: a}
          - {id: d, prompt: x, resume: {step: b, fork: true}}
          - {id: e, prompt: x, resume: true}
        """
    )
    ended = workshop.ended(result)
    assert ended["c"].session == ended["a"].session != ended["b"].session
    assert ended["c"].home == ended["a"].home
    assert ended["d"].home not in {ended["a"].home, ended["b"].home}
    assert ended["e"].session == ended["d"].session


async def test_an_answer_is_kept_while_nothing_has_changed(workshop):
    workshop.stub = {"cost": 5}
    text = "pipeline: [{id: a, prompt: 'x {{ inputs.n }}', cache: true, tools: {disabled: true}}]\ninputs: {n: {type: integer}}"
    first = await workshop.run(text, inputs={"n": 1})
    second = await workshop.run(text, inputs={"n": 1})
    third = await workshop.run(text, inputs={"n": 2})
    assert [first.cost, second.cost, third.cost] == [5, None, 5]
    assert second.response == "stub response"
    assert workshop.ended(second)["a"].cached


async def test_an_answer_that_was_kept_without_its_turns_is_asked_for_again_where_they_are_named(workshop):
    text = "pipeline: [{id: a, prompt: x, cache: true, tools: {disabled: true}}, {id: b, prompt: 'B'}]"
    await workshop.run(text)
    turns = text.replace("'B'", "'{{ step.a.turns[0].content[0].text }}'")
    results = [await workshop.run(turns), await workshop.run(turns)]
    assert [workshop.ended(each)["b"].prompt for each in results] == ["stub response", "stub response"]
    assert [workshop.ended(each)["a"].cached for each in results] == [False, True]


async def test_a_run_goes_on_behind_what_has_ended(workshop):
    workshop.stub = {"cost": 5}
    text = "pipeline: [{id: a, prompt: x}, {id: b, context: {shell: 'echo $$ >> ran'}}, {id: c, prompt: '{{ env.MISSING }}'}]"
    result = await workshop.run(text)
    assert result.exit_code == 1
    (workshop.project / ".aexl.yaml").unlink()
    workshop.environ = {**workshop.environ, "MISSING": "here"}
    again = await workshop.resume(result.run[-4:])
    assert (again.exit_code, again.run, again.cost) == (0, result.run, 10)
    assert len((workshop.project / "ran").read_text().split()) == 1
    assert (await workshop.resume(result.run)).exit_code == 0
    assert sum(isinstance(record, RunEnded) for record in workshop.records(again)) == 2


async def test_a_run_is_done_again_from_a_step_on(workshop):
    result = await workshop.run(
        """
        pipeline:
          - {id: a, context: {shell: "echo a >> ran"}}
          - id: loop
            do_while:
              max_iterations: 3
              exit_if: do_while.iteration == 2
              steps: [{id: s, context: {shell: "echo s$N >> ran"}, env: {N: "{{ do_while.iteration }}"}}]
          - {id: b, context: {shell: "echo b >> ran"}}
        """
    )
    await workshop.resume(result.run, from_step="loop#2::s")
    assert (workshop.project / "ran").read_text().split() == ["a", "s0", "s1", "s2", "b", "s1", "s2", "b"]
    with pytest.raises(NotFound, match="no step 'nope'"):
        await workshop.resume(result.run, from_step="nope")


async def test_a_fork_is_a_new_run_that_pays_for_its_own_steps_only(workshop):
    workshop.stub = {"cost": 5}
    result = await workshop.run(
        "pipeline: [{id: a, prompt: x}, {id: b, prompt: 'see {{ step.a.response }}'}, {id: c, prompt: y}]"
    )
    forked = await workshop.fork(result.run, from_step="b")
    assert (forked.exit_code, forked.cost, forked.run != result.run) == (0, 10, True)
    assert list(workshop.ended(forked)) == ["a", "b", "c"]
    begun = workshop.records(forked)[0]
    assert (begun.origin.run, begun.origin.step) == (result.run, "b")


async def test_a_child_of_a_broken_run_goes_on_with_its_parent(workshop):
    workshop.stub = {"cost": 5}
    text = """
        pipeline: [{id: a, pipeline: named}]
        pipelines: {named: [{id: x, prompt: x}, {id: y, prompt: "{{ env.MISSING }}"}]}
    """
    result = await workshop.run(text)
    child = next(r.run for r in workshop.records(result) if isinstance(r, ChildBegun))
    with pytest.raises(Conflict, match="resume that one"):
        await workshop.resume(child)
    workshop.environ = {**workshop.environ, "MISSING": "here"}
    again = await workshop.resume(result.run)
    assert (again.exit_code, again.cost) == (0, 10)
    assert [r.run for r in workshop.records(again) if isinstance(r, ChildBegun)] == [child]


async def test_a_run_can_be_driven_once_at_a_time(workshop, scripted):
    class Waiting:
        answerable = True

        async def ask(self, gate):
            workshop.changes["gates"] = scripted()
            with pytest.raises(Conflict, match="running in another process"):
                await workshop.resume(gate.run)
            assert summarize(workshop.host.data_dir / "runs" / gate.run).state == "waiting"
            return Verdict(choice="approve")

    result = await workshop.run("pipeline: [{id: a, action: pause_for_human}]", gates=Waiting())
    assert result.exit_code == 0


async def test_a_cancelled_run_has_an_end_and_leaves_no_process(workshop):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            workshop.run,
            "pipeline: [{id: a, context: {shell: 'echo $$ > pid; trap \"\" TERM; sleep 100 & wait; sleep 100'}}]",
        )
        with trio.fail_after(5):
            while not (workshop.project / "pid").exists() or not (workshop.project / "pid").read_text():
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
        began = trio.current_time()
    assert trio.current_time() - began < 5  # of the 100 s that it sleeps
    folder = next((workshop.host.data_dir / "runs").iterdir())
    assert summarize(folder).state == "cancelled"
    pid = (workshop.project / "pid").read_text().strip()
    assert not (await trio.Path(f"/proc/{pid}").exists())


async def test_reload_self_goes_on_with_the_steps_of_the_new_file(workshop):
    text = """
        pipeline:
          - {id: a, context: {shell: "sed -i s/old/new/ .aexl.yaml"}}
          - {id: r, action: reload_self}
          - {id: b, prompt: "old {{ env.MISSING }}"}
    """
    result = await workshop.run(text)
    assert workshop.ended(result)["r"].response == "reloaded pipeline (3 -> 3 steps)"
    assert result.exit_code == 1
    (workshop.project / ".aexl.yaml").write_text("not: read")
    workshop.environ = {**workshop.environ, "MISSING": "one"}
    assert (await workshop.resume(result.run)).exit_code == 0
    assert workshop.ended(result)["b"].prompt == "new one"


async def test_what_is_not_to_be_logged_is_not_in_the_journal(workshop):
    result = await workshop.run(
        "pipeline: [{id: a, context: {shell: 'echo ssh'}, log: false}, {id: b, prompt: 'x {{ step.a.stdout }}', display: false}]"
    )
    assert workshop.ended(result)["a"].stdout is None
    assert workshop.ended(result)["b"].prompt == "x ssh"
    shown = [seen for _, seen in workshop.heard.seen if isinstance(seen, Progress) and seen.step == "b"]
    assert not any(type(each.event).__name__ == "Text" for each in shown)


async def test_every_record_is_told_in_order_with_its_run(workshop):
    result = await workshop.run("pipeline: [{id: a, prompt: x}]", "hello")
    told = [
        json.dumps(str(seen))
        for run, seen in workshop.heard.seen
        if run == result.run and not isinstance(seen, Progress)
    ]
    assert told == [json.dumps(str(record)) for record in workshop.records(result)]


async def test_a_loop_and_a_call_have_budgets_of_their_own(workshop):
    workshop.stub = {"cost": 5}
    text = """
        pipeline:
          - id: loop
            budget: {usd: 0.000000009}
            on_error: continue
            for_each: {over: [1, 2, 3], steps: [{id: a, prompt: x}]}
          - {id: b, pipeline: named, budget: {turns: 1}}
        pipelines: {named: [{id: x, prompt: x}, {id: y, prompt: y}]}
    """
    result = await workshop.run(text)
    assert (result.status, result.cost) == ("denied", 15)
    assert workshop.statuses(result) == {
        "loop#1::a": "completed", "loop#2::a": "completed", "loop#3::a": "failed", "loop": "failed", "b": "failed"
    }  # fmt: skip
    assert workshop.ended(result)["loop"].cost == 10


async def test_all_attempts_of_a_step_have_one_budget(workshop):
    workshop.stub = {"cost": 5, "usage": {"input_tokens": 3}, "error": "provider"}
    result = await workshop.run("pipeline: [{id: a, prompt: x, retry: 5, budget: {tokens: 7}}]")
    assert (result.status, result.cost) == ("denied", 15)


async def test_a_providers_alias_stands_for_what_it_says(workshop):
    result = await workshop.run(
        """
        providers: {fast: {name: groq, model: small, sampling: {temperature: 0.5}}}
        defaults: {model: large, provider: anthropic/big}
        pipeline:
          - {id: a, prompt: x}
          - {id: b, prompt: x, provider: fast}
          - {id: c, prompt: "{{ session.tool }}", provider: fast, model: mine}
        """
    )
    assert [workshop.ended(result)[name].model for name in "abc"] == ["big", "small", "mine"]
    assert workshop.ended(result)["c"].prompt == "stub"
