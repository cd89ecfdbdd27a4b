"""Views on terminals and elsewhere."""

from __future__ import annotations

import io

import pytest

from aexl.api.runners import Text
from aexl_pipelines.journal.records import Progress
from aexl_pipelines.live.opening import open_view
from aexl_pipelines.live.plain import PlainView
from aexl_pipelines.live.screen import ScreenView
from aexl_pipelines.live.words import clean


def play(view, *seen):
    with view:
        for each in seen:
            view.see("r1", each)


def test_a_terminal_gets_what_moves_and_anything_else_lines(terminal):
    assert isinstance(open_view(out=terminal, environ={"TERM": "xterm"}), ScreenView)
    for options in ({"plain": True}, {"quiet": True}, {"environ": {"TERM": "dumb"}}, {"out": io.StringIO()}):
        assert isinstance(open_view(**{"out": terminal, "environ": {}, **options}), PlainView)


def test_without_a_terminal_there_are_plain_lines(told):
    out = io.StringIO()
    view = open_view(out=out)
    play(
        view,
        told.run(),
        told.begin("fix", runner="stub"),
        Progress(step="fix", event=Text("hi")),
        told.end("fix", response="hi"),
    )
    view.see("r2", told.begin("inner"))
    view.summarize()
    assert out.getvalue().splitlines() == [
        "aexl: fix: prompt (stub)",
        "aexl: fix: completed in 1.0 s",
        "aexl: [r2] inner: prompt",
    ]


def test_a_run_that_ended_by_its_own_word_goes_on_from_the_step_that_said_it(told):
    out = io.StringIO()
    view = open_view(out=out)
    play(view, told.run(), told.over("aborted", 4, step="loop#1::c"))
    view.summarize()
    assert out.getvalue().splitlines()[-1] == "aexl: to go on: aexl pipeline resume r1 --from 'loop#1::c'"


@pytest.mark.parametrize(("status", "more"), [("denied", " --budget USD"), ("failed", ""), ("rejected", "")])
def test_a_run_that_has_not_completed_says_how_to_go_on(told, status, more):
    out = io.StringIO()
    view = open_view(out=out)
    play(view, told.run(), told.over(status, 7))
    view.summarize()
    assert out.getvalue().splitlines()[-1] == f"aexl: to go on: aexl pipeline resume r1{more}"


def test_quiet_says_nothing(told):
    out = io.StringIO()
    play(open_view(out=out, quiet=True), told.run(), told.begin("fix"), told.end("fix", status="failed"))
    assert out.getvalue() == ""


def test_a_reader_that_has_gone_does_not_stop_the_run(told):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    play(open_view(out=Gone()), told.run(), told.begin("fix"), told.end("fix"))


def test_what_has_ended_stays_on_the_screen_with_its_answer(terminal, told):
    view = open_view(out=terminal)
    play(
        view, told.run(), told.begin("fix"), told.end("fix", response="Done.\nAll."),
        told.end("hidden", response="secret", quiet=True),
        told.end("tests", kind="shell", stdout="".join(f"{n}\n" for n in range(99))),
    )  # fmt: skip
    seen = terminal.getvalue()
    for text in ("✓", "completed in 1.0 s", "  Done.", "  All.", "… 87 lines", "  98"):
        assert text in seen
    assert "secret" not in seen
    assert "  12\n" not in seen


def test_colours_are_left_out_where_they_are_not_wanted(terminal, told, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    play(open_view(out=terminal), told.run(), told.end("fix", status="failed"))
    assert "\x1b[31m" not in terminal.getvalue()
    coloured = type(terminal)()
    monkeypatch.delenv("NO_COLOR")
    play(open_view(out=coloured), told.run(), told.end("fix", status="failed"))
    assert "\x1b[31m" in coloured.getvalue()


def test_a_terminal_without_unicode_gets_words(told, terminal):
    terminal.encoding = "latin-1"
    play(open_view(out=terminal), told.run(), told.end("fix"))
    assert "ok " in terminal.getvalue()
    assert terminal.getvalue().isascii()


def test_while_a_person_is_asked_nothing_is_written(terminal, told):
    view = open_view(out=terminal)
    with view:
        view.see("r1", told.run())
        view.see("r1", told.begin("fix"))
        with view.suspended(), view.suspended():
            before = terminal.getvalue()
            view.see("r1", told.end("fix", response="Done."))
            assert terminal.getvalue() == before
        assert "Done." in terminal.getvalue()


def test_the_terminal_is_as_it_was_also_after_an_error(terminal, told):
    def work():
        with open_view(out=terminal) as view:
            view.see("r1", told.run())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h")


def test_the_table_has_step_status_time_cost_and_files(terminal, told):
    view = open_view(out=terminal, texts=False)
    play(
        view, told.run(), told.end("fix", cost=1, booked=50_125_000, changed=("a", "b")),
        told.begin("loop", kind="do_while"), told.end("loop#1::check", status="skipped"),
        told.end("loop", kind="do_while", status="failed"),
        told.over("failed", 1, message="the step loop failed", changed=("a",), booked=50_125_000),
    )  # fmt: skip
    terminal.truncate(0)
    view.summarize()
    table = [clean(line).split() for line in terminal.getvalue().splitlines()]
    assert ["step", "status", "time", "cost", "files"] in table
    assert ["fix", "✓", "completed", "1.0", "s", "0.0501", "2"] in table
    at = table.index(["loop", "✗", "failed", "1.0", "s"])
    assert table[at + 1] == ["check", "(1)", "-", "skipped"]
    text = terminal.getvalue()
    assert "run r1 failed in 9.0 s, 0.0501 USD, 1 file changed: the step loop failed" in text
    assert "aexl pipeline resume r1" in text
    assert "aexl pipeline log|diff|undo r1" in text


def test_a_long_run_has_its_outer_steps_in_the_table(terminal, told):
    view = open_view(out=terminal, texts=False)
    inner = [told.end(f"loop#{number}::fix") for number in range(100)]
    play(view, told.run(), *inner, told.end("loop", kind="do_while"), told.over())
    terminal.truncate(0)
    view.summarize()
    assert "100 more steps: see the log" in terminal.getvalue()


def test_a_narrow_terminal_has_a_narrow_table(terminal, told, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    view = open_view(out=terminal, texts=False)
    play(view, told.run(), told.end("fix-it", changed=("a",)), told.over())
    terminal.truncate(0)
    view.summarize()
    table = [clean(line).split() for line in terminal.getvalue().splitlines()]
    assert ["step", "time"] in table
    assert ["fix-it", "✓", "1.0", "s"] in table


@pytest.mark.parametrize("columns", ["1", "5", "20", "300"])
def test_any_width_will_do(terminal, told, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    view = open_view(out=terminal)
    play(
        view,
        told.run(),
        told.begin("a-step-with-a-long-name", runner="claude"),
        told.gate("a-step-with-a-long-name"),
        told.end("fix"),
    )
    view.summarize()
