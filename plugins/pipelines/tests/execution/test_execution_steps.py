"""Steps: order, conditions, chains, branches of ``on_result``, failures."""

from __future__ import annotations

import pytest

from aexl.errors import Invalid
from aexl_pipelines.journal.records import AttemptEnded, BranchTaken, RunOptions, Verdict


async def test_steps_run_in_order_and_see_one_another(workshop):
    workshop.stub = {"answers": {"first": "one", "then one": "two"}}
    result = await workshop.run(
        """
        pipeline:
          - id: a
            prompt: first
          - id: b
            prompt: "then {{ step.a.response }}"
          - id: c
            context: {shell: "echo {{ last_response | quote }} $WORD"}
            env: {WORD: "{{ step.b.status }}"}
        outputs: {said: "{{ step.c.stdout }}", code: "{{ step.c.exit_code }}"}
        """
    )
    assert (result.status, result.exit_code) == ("completed", 0)
    assert result.outputs == {"said": "two completed", "code": 0}
    assert result.response == "two"


async def test_a_prompt_is_the_invocation_of_a_file_that_has_none(workshop):
    result = await workshop.run("pipeline: [{id: a, prompt: '{{ step.invocation.response }}!'}]", "hello")
    assert list(workshop.ended(result)) == ["invocation", "a"]
    assert workshop.ended(result)["a"].prompt == "stub response!"


async def test_a_condition_that_does_not_hold_skips_and_the_step_says_nothing(workshop):
    result = await workshop.run(
        """
        pipeline:
          - {id: a, prompt: x, condition: never}
          - {id: b, prompt: x, if: "step.a.status == 'skipped'"}
          - {id: c, prompt: x, condition: "{{ step.a.response }} == ''"}
          - {id: d, prompt: x, disabled: true}
        """
    )
    assert workshop.statuses(result) == {"a": "skipped", "b": "completed", "c": "completed", "d": "skipped"}


async def test_chains_run_around_a_step_with_names_of_their_own(workshop):
    result = await workshop.run(
        """
        pipeline:
          - id: a
            before: ["warm up", {id: style, prompt: "how"}]
            prompt: "with {{ step.a::before::0.response }} {{ step.style.response }}"
            then: [{prompt: "after {{ step.a.response }}", then: ["more"]}]
        """
    )
    assert list(workshop.ended(result)) == [
        "a::before::0",
        "a::before::style",
        "a",
        "a::then::0",
        "a::then::0::then::0",
    ]
    assert workshop.ended(result)["a"].prompt == "with stub response stub response"


@pytest.mark.parametrize(
    ("action", "status", "code"),
    [("continue", "completed", 0), ("break", "completed", 0), ("abort_pipeline", "aborted", 4)],
)
async def test_the_first_branch_that_fits_decides(workshop, action, status, code):
    result = await workshop.run(
        f"""
        pipeline:
          - id: a
            context: {{shell: "echo found; exit 2"}}
            on_result:
              - {{contains: nothing, action: abort_pipeline}}
              - {{exit_code: 2, action: {action}, message: "because {{{{ step.a.stdout }}}}"}}
              - {{always: true, action: abort_pipeline}}
          - {{id: b, prompt: x}}
        """
    )
    assert (result.status, result.exit_code) == (status, code)
    assert ("b" in workshop.ended(result)) == (action == "continue")
    taken = next(record for record in workshop.records(result) if isinstance(record, BranchTaken))
    assert (taken.number, taken.message) == (2, "because found")


async def test_a_branch_may_ask_about_a_field_of_the_answer(workshop):
    workshop.stub = {"answer": '```json\n{"verdict": "reject", "score": 2}\n```'}
    result = await workshop.run(
        """
        pipeline:
          - id: a
            prompt: judge
            on_result:
              - {field: score, equals: 3, action: break}
              - {field: verdict, in: [reject], action: abort_pipeline}
        """
    )
    assert result.status == "aborted"


async def test_a_failure_ends_the_run_unless_it_is_put_up_with(workshop):
    workshop.stub = {"error": "provider", "message": "no luck"}
    text = "pipeline: [{id: a, prompt: x%s}, {id: b, context: {shell: 'true'}}]"
    result = await workshop.run(text % "")
    assert (result.exit_code, result.message) == (1, "the step 'a' failed: no luck")
    assert "b" not in workshop.ended(result)
    result = await workshop.run(text % ", on_error: continue")
    assert result.exit_code == 0
    assert workshop.ended(result)["a"].tolerated


async def test_a_failed_step_is_tried_again_after_growing_waits(workshop, patient_clock):
    workshop.stub = {"error": "provider"}
    result = await workshop.run(
        "pipeline: [{id: a, prompt: x, retry: {times: 3, backoff: exponential, delay: 2s, jitter: true}}]"
    )
    waits = [record.wait for record in workshop.records(result) if isinstance(record, AttemptEnded)]
    assert waits == [1.5, 3.0, 6.0]  # a quarter off: half of the jitter's half
    assert workshop.ended(result)["a"].attempts == 4


async def test_what_another_attempt_would_meet_again_is_not_tried_again(workshop):
    workshop.stub = {"error": "budget", "message": "no money"}
    result = await workshop.run("pipeline: [{id: a, prompt: x, retry: 5}]")
    assert (result.status, result.exit_code) == ("denied", 7)
    assert workshop.ended(result)["a"].attempts == 1


async def test_an_answer_that_breaks_its_schema_is_asked_for_again(workshop):
    workshop.stub = {"answers": {"was refused": '{"n": 1}'}, "answer": "no json"}
    result = await workshop.run(
        "pipeline: [{id: a, prompt: x, retry: 1, output_schema: {type: object, required: [n]}}]"
    )
    assert result.exit_code == 0
    assert workshop.ended(result)["a"].structured == {"n": 1}


async def test_a_person_is_asked_about_a_failure_and_it_is_not_paid_for_twice(workshop, scripted):
    workshop.stub = {"error": "provider", "message": "no luck", "usage": {"input_tokens": 7}, "cost": 5}
    gates = scripted(Verdict(choice="approve"))
    result = await workshop.run("pipeline: [{id: a, prompt: x, on_error: pause_for_human}]", gates=gates)
    assert (result.exit_code, result.cost) == (0, 5)
    assert "no luck" in gates.asked[0].text
    result = await workshop.run(
        "pipeline: [{id: a, prompt: x, on_error: pause_for_human}]",
        gates=scripted(Verdict(choice="reject", reason="stop")),
    )
    assert (result.exit_code, result.message) == (5, "stop")


async def test_a_step_that_takes_too_long_is_ended(workshop, patient_clock):
    workshop.stub = {"seconds": 1000}
    result = await workshop.run("pipeline: [{id: a, prompt: x, timeout: 5s}]")
    assert (result.status, result.exit_code) == ("timeout", 6)
    result = await workshop.run("pipeline: [{id: a, prompt: x, timeout: 5s, on_timeout: continue}]")
    assert result.exit_code == 0
    result = await workshop.run("pipeline: [{id: a, prompt: x, timeout: 5s, on_timeout: retry}]")
    assert workshop.ended(result)["a"].attempts == 2


async def test_an_input_schema_is_held_against_the_answer_before(workshop):
    workshop.stub = {"answers": {"good": '{"x": 1}'}, "answer": "none"}
    text = """
        pipeline:
          - {id: a, prompt: %s}
          - id: b
            prompt: next
            input_schema: {type: object, properties: {x: {}}, required: [x]}
            on_result: {field: x, equals: 1, if_true: break}
          - {id: c, prompt: never}
    """
    result = await workshop.run(text % "good")
    assert (result.exit_code, list(workshop.ended(result))) == (0, ["a", "b"])
    result = await workshop.run(text % "bad")
    assert (result.exit_code, workshop.statuses(result)) == (1, {"a": "completed", "b": "failed"})


async def test_what_a_runner_cannot_do_is_an_error_before_anything_runs(workshop):
    text = """
        pipeline:
          - {id: a, context: {shell: "touch ran"}}
          - {id: b, prompt: x, runner: codex, tools: {disabled: true}}
          - {id: c, prompt: x, runner: nobody}
          - {id: d, prompt: x, runner: gemini, budget: 0.10}
          - {id: e, prompt: x, runner: codex, provider: {connect_timeout_seconds: 5, max_history_messages: 2}}
    """
    with pytest.raises(Invalid) as caught:
        await workshop.run(text, options=RunOptions())
    for part in (
        "step b: runner codex cannot honour tools",
        "step c: there is no runner",
        "step d: runner gemini counts no money",
        "step e: runner codex cannot honour provider: connect_timeout_seconds, max_history_messages",
    ):
        assert part in str(caught.value)
    assert not (workshop.project / "ran").exists()
    assert not list((workshop.host.data_dir / "runs").glob("*"))


async def test_a_name_without_a_value_fails_the_step_that_names_it(workshop):
    result = await workshop.run("pipeline: [{id: a, prompt: 'x {{ env.NOT_SET_ANYWHERE }}'}]")
    assert (result.exit_code, "env.NOT_SET_ANYWHERE" in result.message) == (1, True)


async def test_a_skill_and_a_part_of_the_language_go_into_prompts(workshop):
    result = await workshop.run(
        """
        pipeline:
          - {id: a, context: {spec: core}}
          - {id: b, skill: ail/code_review}
        """,
        "the work",
    )
    ended = workshop.ended(result)
    assert "pipeline" in ended["a"].stdout
    assert "stub response" in ended["b"].prompt


async def test_a_dry_run_calls_no_model_and_runs_no_program_unless_told(workshop):
    text = "pipeline: [{id: a, context: {shell: 'touch ran; echo real'}}, {id: b, prompt: 'x {{ step.a.stdout }}'}]"
    result = await workshop.run(text, options=RunOptions(dry_run=True))
    assert result.response.startswith("[DRY RUN] x [dry run]")
    assert not (workshop.project / "ran").exists()
    result = await workshop.run(text, options=RunOptions(dry_run=True, dry_run_shell=True))
    assert result.response == "[DRY RUN] x real"
