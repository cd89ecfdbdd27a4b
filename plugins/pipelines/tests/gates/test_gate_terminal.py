"""The prompt at a terminal, on a pseudo-terminal."""

from __future__ import annotations

import os
import pty
from pathlib import Path

import pytest
import trio

from aexl.errors import Invalid
from aexl_pipelines.gates.files import GateFiles
from aexl_pipelines.gates.opening import command_gates
from aexl_pipelines.gates.queue import FileGates
from aexl_pipelines.gates.terminal import Terminal
from aexl_pipelines.gates.wording import LINES, card, choices, read_answer
from aexl_pipelines.journal.records import RunOptions, Verdict


class Keyboard:
    """The other end of the pseudo-terminal: types, and reads the screen."""

    def __init__(self):
        self.fd, self._inner = pty.openpty()
        os.set_blocking(self.fd, False)
        self.device = Path(os.ttyname(self._inner))
        self.screen = ""

    async def until(self, text, times=1):
        with trio.fail_after(5):
            while self.screen.count(text) < times:
                await trio.lowlevel.wait_readable(self.fd)
                self.screen += os.read(self.fd, 65536).decode()

    def type(self, text):
        os.write(self.fd, text.encode())

    def close(self):
        os.close(self.fd)
        os.close(self._inner)


@pytest.fixture
def keyboard():
    made = Keyboard()
    yield made
    made.close()


@pytest.fixture
def terminal(keyboard, tmp_path):
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf " and more" >> "$1"\n')
    editor.chmod(0o700)
    made = Terminal(keyboard.device, by="terminal:carol", environ={"EDITOR": str(editor), "PATH": os.environ["PATH"]})
    yield made
    made.close()


async def asked(gates, gate):
    """Ask in the background; return where the verdict will be."""
    verdicts = []

    async def ask():
        verdicts.append(await gates.ask(gate))

    return ask, verdicts


@pytest.mark.parametrize(
    ("line", "choice", "reason"),
    [
        ("a", "approve", ""),
        ("yes, looks good", "approve", "looks good"),
        ("R: not on a Friday", "reject", "not on a Friday"),
        ("reject", "reject", ""),
    ],
)
async def test_a_typed_line_is_the_answer(runs, make_gate, keyboard, terminal, line, choice, reason):
    gates = FileGates(runs, answerer=terminal)
    ask, verdicts = await asked(gates, make_gate())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await keyboard.until("> ")
        keyboard.type(line + "\n")

    assert verdicts == [Verdict(choice=choice, reason=reason, by="terminal:carol")]
    assert "Deploy?" in keyboard.screen


async def test_a_line_that_is_no_answer_is_asked_again(runs, make_gate, keyboard, terminal):
    ask, verdicts = await asked(FileGates(runs, answerer=terminal), make_gate())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await keyboard.until("> ")
        keyboard.type("\nperhaps\n")
        await keyboard.until("is no answer here")
        keyboard.type("e\n")
        await keyboard.until("'e' is no answer here")
        keyboard.type("n\n")
    assert verdicts[0].choice == "reject"


@pytest.mark.slow
async def test_an_edit_is_what_the_editor_leaves(runs, make_gate, keyboard, terminal):
    ask, verdicts = await asked(FileGates(runs, answerer=terminal), make_gate(editable=True, content="some text"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await keyboard.until("> ")
        keyboard.type("e shorter\n")
    assert verdicts == [Verdict(choice="edit", text="some text and more", reason="shorter", by="terminal:carol")]


@pytest.mark.slow
async def test_a_prompt_ends_cleanly_when_another_process_answers_first(runs, make_gate, keyboard, terminal):
    ask, verdicts = await asked(FileGates(runs, answerer=terminal), make_gate())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await keyboard.until("> ")
        keyboard.type("appr")  # half a line, which no shell shall get
        GateFiles(runs).decide(make_gate(), Verdict(choice="reject", by="cli:bob", reason="no"), 5.0)
    await keyboard.until("was rejected by cli:bob: no")
    assert verdicts[0].by == "cli:bob"

    ask, verdicts = await asked(FileGates(runs, answerer=terminal), make_gate(id="bbbb"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await keyboard.until("> ", times=2)
        keyboard.type("y\n")
    assert verdicts[0].choice == "approve"


async def test_the_end_of_input_closes_the_gate(runs, make_gate, keyboard, terminal):
    ask, verdicts = await asked(FileGates(runs, answerer=terminal), make_gate())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await keyboard.until("> ")
        keyboard.type("\x04")
    assert (verdicts[0].choice, verdicts[0].by) == ("reject", "nobody")


@pytest.mark.slow
async def test_two_gates_are_asked_one_after_the_other(runs, make_gate, keyboard, terminal):
    gates = FileGates(runs, answerer=terminal)
    first, one = await asked(gates, make_gate(id="aaaa"))
    second, two = await asked(gates, make_gate(id="bbbb"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(first)
        await keyboard.until("> ")
        nursery.start_soon(second)
        keyboard.type("y\n")
        await keyboard.until("Gate bbbb")
        assert keyboard.screen.index("Gate aaaa") < keyboard.screen.index("Gate bbbb")
        await keyboard.until("> ", times=2)
        keyboard.type("n\n")
    assert (one[0].choice, two[0].choice) == ("approve", "reject")


async def test_without_a_terminal_nobody_is_asked(runs, make_gate, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with command_gates(runs, RunOptions(), device=tmp_path / "none") as gates:
        assert (await gates.ask(make_gate())).by == "nobody"
    with command_gates(runs, RunOptions(on_gate="approve"), device=tmp_path / "none") as gates:
        assert (await gates.ask(make_gate())).by == "option"


def test_what_an_agent_wrote_cannot_forge_a_prompt(make_gate):
    shown = card(make_gate(text="\x1b[1A", content="\x07\n" * 3, detail={"tool": "Ba\x1bsh", "input": {"a": "\x9b"}}))
    assert not {"\x1b", "\x07", "\x9b"} & set("".join(shown))


def test_a_long_text_is_cut_on_the_card_and_said_to_be(make_gate):
    gate = make_gate(content="\n".join(f"line {n}" for n in range(LINES + 1)))
    assert f"  | ... 1 more lines: aexl pipeline gates {gate.id}" in card(gate)
    assert len(card(gate, None)) == len(card(make_gate())) + LINES + 1


def test_the_choices_say_what_a_timeout_does(make_gate):
    assert choices(make_gate(timeout=60.0)).endswith("after 1:00 it counts as rejected")
    assert "[e]dit" in choices(make_gate(editable=True))
    with pytest.raises(Invalid, match="is no answer here"):
        read_answer("edit", make_gate())
