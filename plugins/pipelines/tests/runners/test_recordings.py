"""What the parsers make of the recorded output of real CLIs."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aexl.api import Usage
from aexl.api.runners import Asked, Decision, Denied, RunnerRequest, RunnerSession, Text, Totals, Unknown

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}

NAMES = sorted(f"{path.parent.name}/{path.stem}" for path in (Path(__file__).parent / "recorded").glob("*/*.stdout"))

FINAL = "FAKE-FINAL-ANSWER"

FACTS = {
    # name: status, kind of error, part of the answer, nano-dollars, output tokens, denials
    "aider/err-badkey": ("failed", "auth", "", None, None, 0),
    "aider/tool-diff": ("completed", None, "I will create it.", 6_600_000, 24, 0),
    "claude/err-badkey-retries1": ("failed", "auth", "", 0, 0, 0),
    "claude/json-schema": ("completed", None, '{"name":"bob"}', 7_256_000, 56, 0),
    "claude/max-turns": ("limit", "turns", "", 21_768_000, 168, 0),
    "claude/partial": ("completed", None, FINAL, 14_512_000, 112, 1),
    "claude/perm-default-write": ("completed", None, FINAL, 14_512_000, 112, 1),
    "claude/resume": ("completed", None, FINAL, 5_592_000, 56, 0),
    "claude/sig-int-tool": ("cancelled", "stopped", "", 7_256_000, 56, 0),
    "claude/sji-canusetool-allow": ("completed", None, FINAL, 14_512_000, 112, 0),
    "claude/stream-text": ("completed", None, FINAL, 7_256_000, 56, 0),
    "claude/stream-tool-accept": ("completed", None, FINAL, 14_512_000, 112, 0),
    "codex/err-badkey": ("failed", "auth", "", None, None, 0),
    "codex/json-text": ("completed", None, FINAL, None, 56, 0),
    "codex/json-tool-danger": ("completed", None, FINAL, None, 112, 0),
    "codex/model-known": ("completed", None, FINAL, None, 112, 0),
    "codex/perm-readonly-write": ("completed", None, FINAL, None, 112, 1),
    "codex/sess-resume": ("completed", None, FINAL, None, 56, 0),
    "gemini/err-403": ("denied", "policy", "", None, 0, 0),
    "gemini/max-turns": ("limit", "turns", "", None, 112, 0),
    "gemini/sig-term-tool": ("protocol_error", "protocol", "", None, None, 0),
    "gemini/stream-tool-yolo": ("completed", None, FINAL, None, 112, 0),
    "llm/err-badkey": ("failed", "auth", "", None, None, 0),
    "llm/json": ("completed", None, FINAL, None, 56, 0),
    "llm/text": ("completed", None, FINAL, None, None, 0),
    "opencode/err-badkey": ("failed", "auth", "", None, None, 0),
    "opencode/json-tool": ("completed", None, FINAL, 692_000, 112, 0),
    "opencode/perm-ask-edit": ("denied", "permission", "I will do that now.", 346_000, 56, 1),
}

BEFORE = Totals(usage=Usage(input_tokens=234, cached_input_tokens=1000, output_tokens=56, reasoning_tokens=7))


def request_for(name: str) -> RunnerRequest:
    """Return the request that such a run may have had."""
    session = RunnerSession()
    if name in {"claude/resume", "codex/sess-resume"}:
        session = RunnerSession(kind="resume", id="given", before=BEFORE)
    schema = SCHEMA if name == "claude/json-schema" else None
    return RunnerRequest(prompt="x", home=Path("/home"), cwd=Path("/work"), session=session, schema=schema)


def replay(table, recording, pieces=None):
    """Return the events and the outcome of a recording, fed in pieces."""
    parser = table[recording.cli].parser(request_for(f"{recording.cli}/{recording.name}"))
    events = [event for piece in pieces or [recording.stdout] for event in parser.feed(piece)]
    return events, parser.finish(recording.exit, recording.stderr)


def test_every_recording_has_its_facts_here():
    assert sorted(FACTS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_outcome_is_what_happened(name, table, recordings):
    _, outcome = replay(table, recordings[name])
    status, kind, text, cost, output, denials = FACTS[name]

    assert (outcome.status, outcome.error and outcome.error.kind) == (status, kind)
    assert text in outcome.text
    assert bool(outcome.text) == bool(text)
    assert outcome.cost == cost
    assert (outcome.usage and outcome.usage.output_tokens) == output
    assert len(outcome.denials) == denials


@pytest.mark.parametrize("name", NAMES)
def test_events_and_outcome_are_those_that_were_reviewed(name, table, recordings):
    events, outcome = replay(table, recordings[name])
    found = json.loads(msgspec.json.encode({"events": events, "outcome": msgspec.structs.replace(outcome, stderr="")}))
    expected = json.loads((recordings[name].place.with_name(recordings[name].name + ".expected.json")).read_text())

    assert found == expected


@pytest.mark.parametrize("name", NAMES)
def test_no_line_of_a_real_cli_is_unknown(name, table, recordings):
    events, _ = replay(table, recordings[name])

    assert [event for event in events if isinstance(event, Unknown)] == []


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_how_the_output_is_cut_changes_nothing(table, recordings, data):
    recording = recordings[data.draw(st.sampled_from(NAMES))]
    size = len(recording.stdout)
    cuts = sorted(data.draw(st.lists(st.integers(0, size), max_size=20)))
    pieces = [recording.stdout[one:other] for one, other in zip([0, *cuts], [*cuts, size], strict=True)]

    assert replay(table, recording, pieces) == replay(table, recording)


GARBAGE = st.one_of(
    st.binary(max_size=80).filter(lambda line: b"\n" not in line),
    st.sampled_from([b"{", b"{}", b"null", b"[1]", b'{"type":"from-the-future","x":[1]}', b'{"type":5}', b"\xff\xfe"]),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_garbage_between_lines_changes_no_outcome(table, recordings, data):
    name = data.draw(st.sampled_from([name for name in NAMES if name.split("/")[0] not in {"aider", "llm"}]))
    recording = recordings[name]
    lines = recording.stdout.splitlines(keepends=True)
    for garbage in data.draw(st.lists(GARBAGE, max_size=5)):
        lines.insert(data.draw(st.integers(0, len(lines))), garbage + b"\n")

    assert replay(table, recording, [b"".join(lines)])[1] == replay(table, recording)[1]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def keys_of(value):
    """Yield every key and every short word in a value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_known_message_with_any_values_in_it_is_survived(table, recordings, data):
    name = data.draw(st.sampled_from([name for name in NAMES if name.split("/")[0] != "aider"]))
    recording = recordings[name]
    lines = [line for line in recording.stdout.splitlines() if line.startswith(b"{")] or [recording.stdout]
    message = json.loads(data.draw(st.sampled_from(lines)) if recording.cli != "llm" else b'{"response": "x"}')
    target = message
    for _ in range(data.draw(st.integers(0, 3))):
        inner = [value for value in target.values() if isinstance(value, dict) and value]
        if inner:
            target = data.draw(st.sampled_from(inner))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(VALUES)
    line = json.dumps([message] if recording.cli == "llm" else message).encode()

    parser = table[recording.cli].parser(request_for(name))
    parser.feed(line + b"\n")
    assert parser.finish(1, "").status


@pytest.mark.parametrize("name", [name for name in NAMES if FACTS[name][0] == "completed" and name != "llm/text"])
def test_a_run_that_lost_its_end_is_no_success(name, table, recordings):
    recording = recordings[name]
    short = recording.stdout.rstrip()[: int(len(recording.stdout) * 0.6)]
    if recording.cli == "aider":
        short = recording.stdout[: recording.stdout.index(b"Tokens:")]
    parser = table[recording.cli].parser(request_for(name))
    parser.feed(short)

    assert parser.finish(0, "").status in {"protocol_error", "failed"}


@pytest.mark.parametrize("cli", ["claude", "codex", "gemini", "opencode", "exec"])
def test_a_line_of_a_megabyte_is_read(cli, table, make_request):
    words = "word " * 250_000
    lines = {
        "claude": {"type": "result", "subtype": "success", "is_error": False, "result": words},
        "codex": {"type": "item.completed", "item": {"type": "agent_message", "text": words}},
        "gemini": {"type": "message", "role": "assistant", "content": words, "delta": True},
        "opencode": {"type": "text", "part": {"text": words}},
        "exec": {"type": "text", "text": words},
    }
    options = {"command": ["x"], "output": "events"} if cli == "exec" else {}
    parser = table[cli].parser(make_request(options=options))
    parser.feed(json.dumps(lines[cli]).encode() + b"\n")

    assert parser.finish(0, "").text == words


def test_a_line_that_is_too_long_is_shown_cut_and_the_next_one_is_read(table, make_request):
    parser = table["codex"].parser(make_request())
    for _ in range(17):
        first = parser.feed(b"x" * 1024 * 1024)
        if first:
            assert [len(event.line) for event in first] == [2000]
    events = parser.feed(b'\n{"type":"turn.completed","usage":{}}\n')

    assert [type(event).__name__ for event in events] == ["Concluded"]
    assert parser.finish(0, "").status == "completed"


def test_a_question_of_claude_is_answered_in_its_own_words(table, recordings):
    recording = recordings["claude/sji-canusetool-allow"]
    parser = table["claude"].parser(request_for("claude/sji-canusetool-allow"))
    [asked] = [event for event in parser.feed(recording.stdout) if isinstance(event, Asked)]
    allowed = json.loads(parser.answer(asked, Decision(allow=True)))
    denied = json.loads(parser.answer(asked, Decision(allow=False, reason="Not here.")))

    assert asked.tool == "Write"
    assert allowed["response"]["request_id"] == denied["response"]["request_id"] == asked.id
    assert allowed["response"]["response"] == {"behavior": "allow", "updatedInput": asked.input}
    assert denied["response"]["response"] == {"behavior": "deny", "message": "Not here."}


def test_pieces_of_a_message_are_not_told_twice(table, recordings):
    events, outcome = replay(table, recordings["claude/partial"])
    said = "".join(event.text for event in events if isinstance(event, Text))

    assert said == "I will do that now. " + outcome.text
    assert [event.tool for event in events if isinstance(event, Denied)] == ["Write"]


def test_a_resumed_thread_of_codex_counts_only_this_turn(table, recordings):
    _, outcome = replay(table, recordings["codex/sess-resume"])

    assert outcome.usage == Usage(input_tokens=234, cached_input_tokens=1000, output_tokens=56, reasoning_tokens=7)
    assert outcome.totals.usage == Usage(
        input_tokens=468, cached_input_tokens=2000, output_tokens=112, reasoning_tokens=14
    )


def test_a_resumed_thread_whose_earlier_tokens_are_not_known_has_none(table, recordings):
    recording = recordings["codex/sess-resume"]
    request = msgspec.structs.replace(request_for("codex/sess-resume"), session=RunnerSession(kind="resume", id="x"))
    parser = table["codex"].parser(request)
    parser.feed(recording.stdout)

    assert parser.finish(0, "").usage is None


def test_a_resumed_session_of_an_older_claude_costs_what_its_sum_has_grown_by(table, make_request):
    parser = table["claude"].parser(
        make_request(session=RunnerSession(kind="resume", id="x", before=Totals(cost=7_256_000)))
    )
    result = {"type": "result", "subtype": "success", "is_error": False, "result": "x", "total_cost_usd": 0.014512}
    parser.feed(json.dumps(result).encode() + b"\n")

    assert parser.finish(0, "").cost == 7_256_000
