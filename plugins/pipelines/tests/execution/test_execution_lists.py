"""Loops, branches and joins."""

from __future__ import annotations

import pytest
import trio

from aexl_pipelines.journal.records import LoopTurn

PAIR = """
pipeline:
  - {id: a, async: true, prompt: left}
  - {id: b, async: true, context: {shell: "echo right"}}
  - {id: j, action: join, depends_on: [a, b]%s}
  - {id: c, prompt: "{{ step.j.response }}"}
"""


async def test_a_loop_runs_until_its_question_is_answered_with_yes(workshop):
    workshop.stub = {"answers": {"turn 2": "DONE"}, "answer": "more"}
    result = await workshop.run(
        """
        pipeline:
          - id: loop
            do_while:
              max_iterations: 5
              exit_when: "{{ step.try.response }} contains 'done'"
              steps:
                - {id: try, prompt: "turn {{ do_while.iteration }} of {{ do_while.max_iterations }}"}
                - id: see
                  if: do_while.iteration == 2
                  prompt: "before: {{ do_while[0].try.response }} {{ step.try.prompt }}"
          - {id: after, prompt: "{{ step.loop::try.response }} {{ step.loop.index }} {{ step.loop.response }}"}
        """
    )
    ended = workshop.ended(result)
    assert ended["after"].prompt == "DONE 3 DONE"
    assert ended["loop#3::see"].prompt == "before: more turn 2 of 5"
    assert ended["loop"].outputs == {"index": 3}


@pytest.mark.parametrize(("what", "code"), [("abort_pipeline", 1), ("continue", 0), ("pause_for_human", 5)])
async def test_a_loop_that_never_ends_by_itself_follows_on_max_iterations(workshop, what, code):
    result = await workshop.run(
        f"""
        pipeline:
          - id: loop
            do_while:
              max_iterations: 2
              exit_if: step.a.exit_code != 0
              on_max_iterations: {what}
              steps: [{{id: a, context: {{shell: "true"}}}}]
        """
    )
    assert result.exit_code == code


async def test_a_loop_goes_over_a_list_that_is_written_as_json(workshop):
    result = await workshop.run(
        """
        pipeline:
          - {id: a, for_each: {over: '["x", {"y": 1}]', steps: [{id: s, prompt: "{{ for_each.item }}"}]}}
        """
    )
    ended = workshop.ended(result)
    assert [ended["a#1::s"].prompt, ended["a#2::s"].prompt] == ["x", '{"y": 1}']


async def test_break_leaves_the_loop_and_the_run_goes_on(workshop):
    result = await workshop.run(
        """
        pipeline:
          - id: each
            for_each:
              over: [1, 2, 3]
              steps:
                - id: a
                  prompt: "item {{ for_each.item }}"
                  on_result: [{if: for_each.index == 2, action: break}]
          - {id: b, prompt: done}
        """
    )
    assert list(workshop.ended(result)) == ["each#1::a", "each#2::a", "each", "b"]


async def test_for_each_goes_over_items_and_combinations(workshop):
    result = await workshop.run(
        """
        pipeline:
          - id: plan
            context: {shell: "printf '[{\\"f\\": \\"x\\"}, {\\"f\\": \\"y\\"}]'"}
          - id: each
            for_each:
              over: "{{ step.plan.items }}"
              as: task
              max_items: 1
              steps: [{id: a, prompt: "{{ for_each.task.f }} {{ for_each.index }}/{{ for_each.total }}"}]
          - id: cross
            for_each:
              matrix: {model: [s, l], n: [1, 2]}
              steps: [{id: a, prompt: "{{ for_each.model }}{{ for_each.n }}"}]
        """
    )
    ended = workshop.ended(result)
    assert ended["each#1::a"].prompt == "x 1/1"
    assert "each#2::a" not in ended
    assert [ended[f"cross#{n}::a"].prompt for n in range(1, 5)] == ["s1", "s2", "l1", "l2"]


async def test_parallel_turns_run_at_the_same_time_and_no_more_than_allowed(workshop, patient_clock):
    workshop.stub = {"seconds": 10}
    began = trio.current_time()
    result = await workshop.run(
        """
        pipeline:
          - id: each
            for_each: {over: [1, 2, 3, 4], parallel: 2, steps: [{id: a, prompt: "{{ for_each.item }}"}]}
        """
    )
    assert (result.exit_code, round(trio.current_time() - began)) == (0, 20)
    assert workshop.ended(result)["each"].outputs["responses"] == ["stub response"] * 4
    assert sorted(r.turn for r in workshop.records(result) if isinstance(r, LoopTurn)) == [1, 2, 3, 4]


async def test_a_join_says_what_its_branches_said(workshop):
    result = await workshop.run(PAIR % "")
    assert workshop.ended(result)["j"].response == "[a]:\nstub response\n\n[b]:\nright\n"


async def test_branches_wait_for_what_they_depend_on_and_others_do_not(workshop, patient_clock):
    workshop.stub = {"seconds": 10}
    began = trio.current_time()
    result = await workshop.run(
        """
        pipeline:
          - {id: a, async: true, prompt: x}
          - {id: b, async: true, depends_on: [a], prompt: "{{ step.a.response }} {{ last_response }}"}
          - {id: c, async: true, prompt: x}
          - {id: j, action: join, depends_on: [b, c]}
        """
    )
    assert (result.exit_code, round(trio.current_time() - began)) == (0, 20)
    assert workshop.ended(result)["b"].prompt == "stub response stub response"


async def test_a_branch_that_fails_cancels_the_others_at_once(workshop):
    text = """
        pipeline:
          - {id: slow, async: true, context: {shell: "sleep 60"}}
          - {id: bad, async: true, prompt: x}
          - {id: j, action: join, depends_on: [slow, bad]%s}
    """
    workshop.stub = {"error": "provider", "message": "no", "seconds": 0.2}
    with trio.fail_after(5):
        result = await workshop.run(text % "")
    assert (result.exit_code, workshop.statuses(result)) == (1, {"bad": "failed", "slow": "cancelled"})


async def test_a_join_that_waits_for_all_says_who_failed(workshop):
    workshop.stub = {"error": "provider", "message": "no"}
    result = await workshop.run(PAIR % ", on_error: wait_for_all" + "\noutputs: {j: '{{ step.j.response }}'}")
    assert workshop.ended(result)["j"].response == "[a]:\n(failed: no)\n\n[b]:\nright\n"


async def test_a_structured_join_is_an_object_by_branch(workshop):
    workshop.stub = {"answers": {"left": '{"n": 1}', "right": '{"n": 2}'}, "answer": "x"}
    result = await workshop.run(
        """
        pipeline:
          - {id: a, async: true, prompt: left, output_schema: {type: object}}
          - {id: b, async: true, prompt: right, output_schema: {type: object}}
          - {id: j, action: join, depends_on: [a, b], output_schema: {type: object, required: [a, b]}}
          - {id: c, prompt: "{{ step.j.a.n }}{{ step.j.b.n }}"}
        """
    )
    assert workshop.ended(result)["c"].prompt == "12"


async def test_the_most_branches_at_a_time_are_what_the_file_says(workshop, patient_clock):
    workshop.stub = {"seconds": 10}
    began = trio.current_time()
    steps = "".join(f"\n  - {{id: s{n}, async: true, prompt: x}}" for n in range(4))
    names = ", ".join(f"s{n}" for n in range(4))
    await workshop.run(
        f"defaults: {{max_concurrency: 2}}\npipeline:{steps}\n  - {{id: j, action: join, depends_on: [{names}]}}"
    )
    assert round(trio.current_time() - began) == 20


async def test_a_loop_is_tried_again_from_its_first_turn(workshop):
    result = await workshop.run(
        """
        pipeline:
          - id: loop
            retry: 1
            for_each:
              over: [1, 2]
              steps:
                - id: a
                  context: {shell: "echo $N >> log; test $N = 1 -o -e seen && echo 5; test $N = 1 || touch seen"}
                  env: {N: "{{ for_each.item }}"}
                  output_schema: {type: integer}
        """
    )
    assert result.exit_code == 0
    assert (workshop.project / "log").read_text().split() == ["1", "2", "1", "2"]
    assert workshop.ended(result)["loop"].attempts == 2
