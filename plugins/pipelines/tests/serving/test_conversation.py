"""A conversation over standard streams, its runs played by the test."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from aexl.api.runners import Text
from aexl.errors import Unavailable
from aexl_pipelines.execution.requests import RunResult
from aexl_pipelines.gates.queue import FileGates
from aexl_pipelines.journal.records import Gate, Progress, RunEnded
from aexl_pipelines.serving.stdio import (
    LONGEST_LINE,
    MOST_PROGRESS,
    MOST_RECORDS,
    MOST_WAITING,
    Conversation,
    Desk,
    Lines,
)


class Turns:
    """Runs turns as the test says."""

    def __init__(self, gates):
        self.gates = gates
        self.prompts = []
        self.verdicts = []
        self.gate = None
        self.error = None

    async def run(self, prompt, run, told):
        self.prompts.append(prompt)
        if self.error:
            raise self.error
        if prompt == "wait":
            await trio.sleep_forever()
        if prompt == "talk":
            told(run, Progress(step="a", event=Text("hello")))
        if self.gate is not None:
            self.verdicts.append(await self.gates.ask(msgspec.structs.replace(self.gate, run=run)))
        told(run, RunEnded(at=1.0, status="completed", exit_code=0))
        return RunResult(run=run, folder=Path(), status="completed", exit_code=0, response=prompt.upper(), cost=10)


class Talk:
    """The other end of the streams."""

    def __init__(self, runs, *, stream=True):
        self.desk = Desk()
        self.turns = Turns(FileGates(runs, answerer=self.desk))
        self.held = []
        self.lines = []
        self.broken = False
        self._send, self._receive = trio.open_memory_channel(1000)
        self._said = trio.Event()
        ids = iter(f"run{number}" for number in range(1000))
        self.conversation = Conversation(
            self.turns, self.desk, steps=("a",), source="x.yaml", stream=stream,
            hold=self.held.append, identify=lambda: next(ids),
        )  # fmt: skip

    async def write(self, data):
        await trio.lowlevel.checkpoint()
        if self.broken:
            raise BrokenPipeError
        self.lines.append(msgspec.json.decode(data))
        self._said.set()
        self._said = trio.Event()

    async def read(self):
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            return None

    def say(self, *lines):
        for line in lines:
            self._send.send_nowait(line if isinstance(line, bytes) else msgspec.json.encode(line))

    def end(self):
        self._send.close()

    async def until(self, kind, times=1):
        with trio.fail_after(5):
            while [line["type"] for line in self.lines].count(kind) < times:
                await self._said.wait()
        return [line for line in self.lines if line["type"] == kind][-1]

    async def hold(self, message=None):
        await self.conversation.hold_it(self.read, self, message)

    @property
    def kinds(self):
        return [line["type"] for line in self.lines]


@pytest.fixture
def talk(tmp_path):
    (tmp_path / "runs").mkdir()
    return Talk(tmp_path / "runs")


PAUSE = Gate(id="gate1", run="", step="a", kind="pause", text="Well?")


async def test_messages_are_turns_one_after_the_other_until_the_input_ends(talk):
    talk.say(b"one\n", {"type": "user_message", "text": "two"})
    talk.end()
    await talk.hold()

    assert talk.turns.prompts == ["one", "two"]
    turn = ["ready", "turn_started", "pipeline_completed", "turn_completed"]
    assert talk.kinds == ["chat_started", *turn, *turn, "chat_ended"]
    done = [line for line in talk.lines if line["type"] == "turn_completed"]
    assert [(line["response"], line["cost_usd"]) for line in done] == [("ONE", 1e-8), ("TWO", 1e-8)]
    assert talk.lines[0]["protocol"] == 1
    assert talk.conversation.exit_code == 0


async def test_one_message_is_one_turn_whatever_the_input_does(talk):
    await talk.hold("only this")
    assert talk.turns.prompts == ["only this"]
    assert talk.kinds[-1] == "chat_ended"
    assert "ready" not in talk.kinds


@pytest.mark.parametrize(
    ("line", "choice", "text", "reason"),
    [
        ({"type": "hitl_response", "text": "go"}, "approve", None, "go"),
        ({"type": "hitl_response", "choice": "reject", "reason": "no"}, "reject", None, "no"),
        ({"type": "hitl_response", "gate_id": "gate1", "choice": "approve"}, "approve", None, ""),
    ],
)
async def test_a_line_answers_a_gate(talk, line, choice, text, reason):
    talk.turns.gate = PAUSE
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        talk.say(b"go on")
        await until_open(talk)
        talk.say(line)
        await talk.until("turn_completed")
        talk.end()
    [verdict] = talk.turns.verdicts
    assert (verdict.choice, verdict.text, verdict.reason, verdict.by) == (choice, text, reason, "stdio")


async def until_open(talk):
    with trio.fail_after(5):
        while not talk.desk._open:
            await trio.sleep(0.005)


async def test_a_text_edits_what_can_be_edited(talk):
    talk.turns.gate = msgspec.structs.replace(PAUSE, kind="edit", editable=True, content="x")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        talk.say(b"go on")
        await until_open(talk)
        talk.say({"type": "permission_response", "allowed": True})
        assert "no permission gate is open" in (await talk.until("error"))["error"]
        talk.say({"type": "hitl_response", "choice": "edit"})
        assert "needs a text" in (await talk.until("error", 2))["error"]
        talk.say({"type": "hitl_response", "text": "y"})
        await talk.until("turn_completed")
        talk.end()
    assert (talk.turns.verdicts[0].choice, talk.turns.verdicts[0].text) == ("edit", "y")


async def test_a_permission_for_the_session_is_not_asked_twice(talk):
    talk.turns.gate = msgspec.structs.replace(PAUSE, kind="permission", detail={"tool": "Bash"})
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        talk.say(b"one")
        await until_open(talk)
        talk.say({"type": "permission_response", "allowed": True, "allow_for_session": True}, b"two")
        await talk.until("turn_completed", 2)
        talk.end()
    assert [verdict.reason for verdict in talk.turns.verdicts] == ["", "allowed for the session"]


async def test_when_the_input_ends_open_gates_are_closed(talk):
    talk.turns.gate = PAUSE
    talk.say(b"one")
    talk.end()
    await talk.hold()
    assert (talk.turns.verdicts[0].choice, talk.turns.verdicts[0].by) == ("reject", "nobody")


async def test_kill_ends_the_turn_and_not_the_conversation(talk):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        talk.say(b"wait")
        await talk.until("turn_started")
        talk.say({"type": "kill"})
        assert (await talk.until("turn_completed"))["status"] == "cancelled"
        assert talk.conversation.exit_code == 130
        talk.say({"type": "kill"}, b"more", {"type": "end_session"})
    assert talk.turns.prompts == ["wait", "more"]
    assert "no turn is running" in (await talk.until("error"))["error"]


async def test_pause_and_resume_hold_steps_back_and_a_turns_end_lets_go(talk):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        talk.say({"type": "pause"}, {"type": "resume"}, {"type": "pause"}, b"one")
        await talk.until("turn_completed")
        talk.end()
    assert talk.held[:4] == [True, False, True, False]


async def test_a_wrong_line_is_answered_and_nothing_else_happens(talk):
    talk.say(b"{nonsense", b"\xff", {"type": "hitl_response", "gate_id": "none"}, b"one")
    talk.end()
    await talk.hold()
    assert talk.kinds.count("error") == 3
    assert talk.turns.prompts == ["one"]


async def test_a_line_that_is_too_long_is_skipped_and_said_to_be(talk):
    fits = b"y" * (LONGEST_LINE - 1) + b"\n"
    talk.say(b"x" * (LONGEST_LINE + 1), b"x" * 10 + b"\n", fits)
    talk.end()
    await talk.hold()
    assert talk.kinds.count("error") == 1
    assert [len(prompt) for prompt in talk.turns.prompts] == [LONGEST_LINE - 1]


async def test_messages_wait_for_their_turn_up_to_a_limit(talk):
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        talk.say(b"wait")
        await talk.until("turn_started")
        talk.say(*[b"more"] * (MOST_WAITING + 1), {"type": "kill"})
        await talk.until("error")
        talk.end()
    assert len(talk.turns.prompts) == 1 + MOST_WAITING


async def test_a_turn_that_cannot_begin_is_an_error_line(talk):
    talk.turns.error = Unavailable("the disk is full")
    talk.say(b"one")
    talk.end()
    await talk.hold()
    assert talk.conversation.exit_code == 6
    assert next(line for line in talk.lines if line["type"] == "pipeline_error")["error"] == "the disk is full"


async def test_without_stream_agents_are_not_told_while_they_work(tmp_path):
    for stream, count in ((True, 1), (False, 0)):
        (tmp_path / f"runs{count}").mkdir()
        talk = Talk(tmp_path / f"runs{count}", stream=stream)
        await talk.hold("talk")
        assert talk.kinds.count("runner_event") == count


async def test_a_reader_that_is_gone_ends_it(talk):
    talk.broken = True
    talk.say(b"wait")
    with trio.fail_after(5):
        await talk.hold()
    assert talk.conversation.exit_code == 1


async def test_what_waits_to_be_written_has_a_bound_and_what_is_lost_is_said(talk):
    lines = Lines()
    for number in range(MOST_PROGRESS + 5):
        lines.put({"type": "p", "n": number}, progress=True)
    for number in range(MOST_RECORDS):
        lines.put({"type": "r", "n": number})
    lines.close()
    await lines.write_to(talk)
    assert len(talk.lines) == MOST_RECORDS + 1
    assert next(line for line in talk.lines if line["type"] == "dropped")["count"] == 5 + MOST_PROGRESS


async def test_a_program_that_answers_at_once_is_not_too_early(talk):
    """A gate is told of before it is asked; who reads quickly may answer in between."""
    talk.desk.expect(PAUSE)
    talk.say({"type": "hitl_response", "text": "go"})
    talk.turns.gate = PAUSE
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk.hold)
        await trio.testing.wait_all_tasks_blocked()
        talk.say(b"go on")
        await talk.until("turn_completed")
        talk.end()
    assert talk.turns.verdicts[0].reason == "go"
