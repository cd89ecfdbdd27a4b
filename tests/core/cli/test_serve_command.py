"""``aexl serve`` before it serves."""

from __future__ import annotations

from aexl.core.cli.serve import app
from aexl.core.session import CommandSession
from aexl.testing.session import run_command


def test_a_level_of_the_log_that_is_none_is_a_sentence(home, monkeypatch):
    monkeypatch.setenv("AEXL_LOG", "loud")
    done = run_command(app, CommandSession(home))

    assert done.code == 2
    assert "AEXL_LOG must be one of CRITICAL" in done.err
    assert "'loud'" in done.err
