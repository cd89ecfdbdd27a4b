"""``aexl snapshot`` on a terminal: colour, progress, and a question."""

from __future__ import annotations

import io
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aexl.api import ObjectId
from aexl_snapshots.cli.graph import Graph
from aexl_snapshots.cli.progress import Bar
from aexl_snapshots.cli.views import show_time
from aexl_snapshots.sizes import show_size

AEXL = Path(sys.executable).with_name("aexl")


def run_on_terminal(folder, *arguments, answer=b"", **environ):
    """Run the program on a terminal of its own; return its exit code and all that it showed."""
    master, slave = pty.openpty()
    kept = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder.parent),
        "AEXL_HOME": str(folder.parent / "home"),
        "TERM": "xterm",
    }
    process = subprocess.Popen(
        [AEXL, "snapshot", *arguments], cwd=folder, env={**kept, **environ}, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    shown, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        ready, _, _ = select.select([master], [], [], 1)
        try:
            piece = os.read(master, 65536) if ready else b" "[:0]
        except OSError:
            break
        shown += piece
        if answer and b"[y/N]" in shown:
            os.write(master, answer)
            answer = b""
    os.close(master)
    return process.wait(timeout=30), shown.decode(errors="replace")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "project"
    made.mkdir()
    assert run_on_terminal(made, "init")[0] == 0
    return made


@pytest.mark.slow
def test_there_is_colour_unless_it_is_not_wanted(folder):
    (folder / "a").touch()
    assert "\x1b[31m" in run_on_terminal(folder, "status")[1]
    assert "\x1b[31m" not in run_on_terminal(folder, "status", NO_COLOR="1")[1]


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "code"), [(b"y\n", 0), (b"n\n", 2)])
def test_a_person_is_asked_about_what_looks_like_a_credential(folder, answer, code):
    (folder / "k.py").write_text("AKIA" + "IOSFODNN7EXAMPLE\n")
    done, shown = run_on_terminal(folder, "add", ".", answer=answer)
    assert "k.py looks like a credential" in shown
    assert done == code


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("stream", "expected"), [(Terminal, True), (io.StringIO, False)])
def test_progress_is_drawn_on_a_terminal_only(monkeypatch, stream, expected):
    error = stream()
    monkeypatch.setattr(sys, "stderr", error)
    monkeypatch.setenv("TERM", "xterm")
    with Bar() as bar:
        bar.meter.begin("adding", 10_000_000)
        time.sleep(0.06)
        bar.meter.add(5_000_000)
        time.sleep(0.2)
        bar.meter.add(5_000_000)
    assert bool(error.getvalue()) is expected
    if expected:
        assert "Adding" in error.getvalue()
        assert "MB/s" in error.getvalue()


def draw(history):
    """Draw a history, given as pairs of a letter and its parents' letters."""
    graph, lines = Graph(), []
    for made, parents in history:
        node, lead = graph.draw(ObjectId(made), [ObjectId(parent) for parent in parents])
        lines += [f"{node} {made}", *lead]
    return lines


def test_a_graph_of_a_line_is_a_line():
    assert draw([("c", "b"), ("b", "a"), ("a", "")]) == ["* c", "* b", "* a"]


def test_a_graph_shows_a_merge():
    assert draw([("d", "cb"), ("c", "a"), ("b", "a"), ("a", "")]) == ["* d", "|\\", "* | c", "| * b", "|/", "* a"]


def test_a_graph_shows_two_merges():
    history = [("m", "nt"), ("n", "os"), ("o", "r"), ("t", "s"), ("s", "r"), ("r", "")]
    assert draw(history) == ["* m", "|\\", "* | n", "|\\ \\", "* | | o", "| | * t", "| |/", "| * s", "|/", "* r"]


def test_sizes_and_times_are_for_people():
    assert [show_size(size) for size in (0, 1023, 1024, 5 * 1024**3)] == ["0 bytes", "1023 bytes", "1.0 KiB", "5.0 GiB"]
    assert show_time(0) == "1970-01-01 00:00:00 UTC"
    assert show_time(2**53) == "9007199254740992 ms"
