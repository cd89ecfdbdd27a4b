"""Runners without a model: ``stub`` and ``cassette``."""

from __future__ import annotations

import pytest

from aexl.api.runners import RunnerSession, Spent, Text, ToolUse
from aexl.errors import Invalid, NotFound
from aexl_pipelines.runners.running import run
from aexl_pipelines.runners.tape import fingerprint


@pytest.fixture
def play(host, table, make_request, new_listener):
    async def start(name="stub", *, record=None, **changes):
        heard = new_listener()
        outcome = await run(host, table[name], make_request(**changes), tell=heard.tell, record=record)
        return outcome, heard

    return start


async def test_the_stub_answers_without_a_word_of_what_to_say(play):
    outcome, heard = await play()

    assert (outcome.status, outcome.text, outcome.cost) == ("completed", "stub response", 0)
    assert Text("stub response", whole=True) in heard


async def test_the_stub_says_what_fits_the_prompt(play):
    options = {"answer": "else", "answers": {"test": "tests", "Do": "done"}}

    assert [(await play(prompt=prompt, options=options))[0].text for prompt in ("Do it.", "Hm.")] == ["done", "else"]


async def test_the_stub_makes_an_answer_that_its_schema_holds(play):
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    outcome, _ = await play(schema=schema)

    assert (outcome.status, outcome.structured) == ("completed", {"name": "stub"})
    with pytest.raises(Invalid, match="give it an answer"):
        await play(schema={"type": "string", "pattern": "^[0-9]{8}$"})


async def test_the_stub_changes_files_and_claims_costs(play, make_request):
    outcome, heard = await play(options={"files": {"a/b.txt": "x"}, "usage": {"output_tokens": 5}, "cost": 7})

    assert (make_request().cwd / "a" / "b.txt").read_text() == "x"
    assert (outcome.cost, outcome.usage.output_tokens) == (7, 5)
    assert [event.name for event in heard if isinstance(event, ToolUse)] == ["write"]
    assert [event.cost for event in heard if isinstance(event, Spent)] == [7]
    with pytest.raises(Invalid, match="below the working folder"):
        await play(options={"files": {"../x": ""}})


@pytest.mark.parametrize(
    ("kind", "status"), [("rate", "failed"), ("budget", "denied"), ("turns", "limit"), ("protocol", "protocol_error")]
)
async def test_the_stub_fails_as_it_is_told(play, kind, status):
    outcome, _ = await play(options={"error": kind})

    assert (outcome.status, outcome.error.kind, outcome.text) == (status, kind, "")


async def test_a_run_without_a_process_is_recorded_and_replayed_too(play, tmp_path):
    session = RunnerSession(id="s")
    recorded, first = await play(options={"answer": "Hi.", "cost": 5}, record=tmp_path / "tapes", session=session)
    replayed, again = await play("cassette", options={"tape": str(tmp_path / "tapes")})

    assert (replayed, again) == (recorded, first)


async def test_a_recording_is_found_by_what_was_asked_and_not_by_where(make_request, tmp_path):
    one = make_request(model="m")

    assert fingerprint(one) == fingerprint(make_request(model="m", cwd=tmp_path, options={"tape": "x"}))
    assert (
        len({fingerprint(make_request(**change)) for change in ({}, {"model": "m"}, {"prompt": "x"}, {"system": "s"})})
        == 4
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "runner None, which is not here"),
        ('{"tape": 2, "runner": "claude"}\n', "no recording of version 1"),
        ('{"tape": 1, "runner": "claude"}\n', "has no end"),
        ('{"tape": 1, "runner": "nobody"}\n{"exit": 0}\n', "which is not here"),
        ('{"tape": 1, "runner": "claude"}\nnonsense\n', ":2: this is no line of a recording"),
    ],
)
async def test_a_broken_recording_is_named(play, tmp_path, text, said):
    tape = tmp_path / "tape.jsonl"
    tape.write_text(text)
    with pytest.raises(Invalid, match=said):
        await play("cassette", options={"tape": str(tape)})


async def test_a_recording_that_is_not_there_is_named(play):
    with pytest.raises(NotFound, match="there is no recording"):
        await play("cassette", options={"tape": "nowhere.jsonl"})
