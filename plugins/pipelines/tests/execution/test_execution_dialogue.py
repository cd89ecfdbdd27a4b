"""``step.ID.turns``: what an agent and its tools said, turn by turn, as ail's design has it."""

from __future__ import annotations

from aexl.api.money import Usage
from aexl.api.runners import Spent, Text, ToolResult, ToolUse
from aexl_pipelines.execution.dialogue import MOST, Dialogue
from aexl_pipelines.journal.records import RunOptions

ASKS = """
pipeline:
  - {id: a, prompt: x}
  - {id: b, if: "step.a.turns[1].content[0].type == 'tool_result'", prompt: "{{ step.a.turns[0].content[0].name }}"}
  - {id: c, condition: "{{ step.a.turns[1].type }} == user", prompt: "{{ step.a.turns }}"}
"""
TURNS = [
    {"type": "assistant", "content": [{"type": "tool_use", "name": "write", "input": {"path": "made.txt"}}]},
    {"type": "user", "content": [{"type": "tool_result", "name": "write", "result": "", "failed": False}]},
    {"type": "assistant", "content": [{"type": "text", "text": "done"}]},
]
WORKS = {"files": {"made.txt": "x"}, "answer": "done"}


def heard(*events):
    dialogue = Dialogue()
    for event in events:
        dialogue.hear(event, event.input if isinstance(event, ToolUse) else None)
    return dialogue


def texts(dialogue, response=None):
    return [part.get("text") for turn in dialogue.turns(response) for part in turn["content"]]


async def test_the_turns_of_a_step_are_a_list_in_templates_conditions_and_expressions(workshop):
    workshop.stub = WORKS
    result = await workshop.run(ASKS)
    ended = workshop.ended(result)
    assert (ended["b"].prompt, ended["c"].status) == ("write", "completed")
    assert list(ended["a"].dialogue) == TURNS
    assert ended["c"].prompt.startswith('[{"type"')


async def test_the_turns_of_a_run_that_was_resumed_are_those_that_it_had(workshop):
    workshop.stub = WORKS
    first = await workshop.run(ASKS)
    again = await workshop.resume(first.run, from_step="b")
    assert workshop.ended(again)["b"].prompt == "write"


async def test_turns_are_kept_only_where_a_pipeline_names_them(workshop):
    workshop.stub = WORKS
    result = await workshop.run("pipeline: [{id: a, prompt: x}, {id: b, prompt: '{{ step.a.turn_count }}'}]")
    assert workshop.ended(result)["a"].dialogue == ()
    assert workshop.ended(result)["b"].prompt == "1"


async def test_a_step_without_trace_keeps_no_turns(workshop):
    workshop.stub = WORKS
    result = await workshop.run(
        "pipeline: [{id: a, prompt: x, trace: false}, {id: b, prompt: '{{ step.a.turns }}'}]",
        options=RunOptions(runner="stub"),
    )
    assert workshop.ended(result)["b"].prompt == "[]"


async def test_secrets_are_masked_in_turns(workshop):
    workshop.environ = {**workshop.environ, "KEY": "hush-4711"}
    workshop.stub = {"answer": "it is hush-4711"}
    result = await workshop.run("secrets: [KEY]\n" + ASKS.replace("step.a.turns[1]", "step.a.turns[0]"))
    assert texts_of(workshop.ended(result)["a"].dialogue) == ["it is ***"]


def texts_of(turns):
    return [part["text"] for turn in turns for part in turn["content"]]


def test_pieces_of_a_text_are_one_and_whole_texts_are_several():
    dialogue = heard(Text("one "), Text("text"), Text("."), Text("whole", whole=True), Text("another", whole=True))
    assert texts(dialogue) == ["one text.whole", "another"]


def test_a_text_after_a_tool_is_another_one():
    dialogue = heard(Text("I look."), ToolUse(id="1", name="ls"), Spent(usage=Usage()), Text("I saw."))
    assert texts(dialogue) == ["I look.", None, "I saw."]
    assert [turn["type"] for turn in dialogue.turns(None)] == ["assistant"]


def test_who_was_not_heard_speaking_has_said_the_answer():
    dialogue = heard(ToolUse(id="1", name="ls"), ToolResult(id="1", output="a b", failed=True))
    assert dialogue.turns("All of it.")[-1] == {
        "type": "assistant",
        "content": [{"type": "text", "text": "All of it."}],
    }
    assert dialogue.turns("All of it.")[1]["content"][0]["failed"] is True


def test_what_is_kept_has_a_bound():
    dialogue = heard(*[Text("x" * 1000)] * (MOST // 1000 - 1), ToolResult(id="1", output="y" * 2000), Text("z"))
    kept = dialogue.turns("answer")
    assert [turn["type"] for turn in kept] == ["assistant", "user"]
    assert len(kept[0]["content"][0]["text"]) == MOST - 1000
    assert len(kept[1]["content"][0]["result"]) == 1000
