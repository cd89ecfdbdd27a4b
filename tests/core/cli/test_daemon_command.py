"""``aexl daemon``: what it says, and its exit codes."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest

from aexl.core.cli import daemon as command
from aexl.core.daemon import StartFailed, log_path
from aexl.testing.host import FakeHost
from aexl.testing.session import FakeSession, run_command

STATUS = {"running": True, "pid": 4242, "url": "http://127.0.0.1:9001", "version": "1.0", "in_flight": 2}


@pytest.fixture
def session(tmp_path):
    return FakeSession(FakeHost(tmp_path))


def daemon(session, *arguments):
    return run_command(command.app, session, *arguments)


def test_start_passes_options_on_to_the_server(session, monkeypatch):
    seen = {}

    def start_daemon(home, probe, *, argv, wait):
        seen.update(home=home, argv=list(argv), wait=wait)
        return STATUS

    monkeypatch.setattr(command, "start_daemon", start_daemon)
    done = daemon(session, "start", "--wait", "3", "--port", "9001", "--demo")
    assert (done.code, done.out) == (0, "Started: http://127.0.0.1:9001 (pid 4242, aexl 1.0)\n")
    assert seen == {"home": session.home, "argv": ["--port", "9001", "--demo"], "wait": 3.0}


def test_start_says_so_when_a_server_runs(session):
    session.status = STATUS
    done = daemon(session, "start", "--json")
    assert done.code == 0
    assert done.json() == {**STATUS, "started": False}
    done = daemon(session, "start", "--port", "1")
    assert done.code == 0
    assert done.out.startswith("Runs already")
    assert "--port 1 has no effect" in done.err


def test_start_fails_with_the_reason_and_the_code_of_the_server(session, monkeypatch):
    def start_daemon(*_, **__):
        raise StartFailed("aexl.toml:3: unknown key", 3)

    monkeypatch.setattr(command, "start_daemon", start_daemon)
    done = daemon(session, "start")
    assert done.code == 3
    assert "aexl.toml:3: unknown key" in done.err
    assert str(log_path(session.home)) in done.err


def test_status_exits_3_when_none_runs(session):
    assert daemon(session, "status").code == 3
    done = daemon(session, "status", "--json")
    assert (done.code, done.json()) == (3, {"running": False})


def test_status_tells_where_it_runs(session):
    session.status = STATUS
    assert daemon(session, "status").out == "Runs: http://127.0.0.1:9001 (pid 4242, aexl 1.0)\n"
    assert daemon(session, "status", "--json").json()["pid"] == 4242


def test_stop_without_a_server_says_so_and_is_no_error(session):
    done = daemon(session, "stop")
    assert (done.code, done.out) == (0, "No server runs.\n")


@pytest.fixture
def server(session):
    """A process in a server's place; it hears signals, not words."""
    with subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"]) as process:
        session.status = {**STATUS, "pid": process.pid}
        yield process
        process.kill()


def test_stop_asks_the_server_and_waits_until_it_is_gone(session, server, monkeypatch):
    def ask(client, role, method, **_):
        assert (role.__name__, method) == ("Control", "stop")
        server.terminate()
        session.status = None

    monkeypatch.setattr(command.ControlClient, "call", ask)
    done = daemon(session, "stop")
    assert (done.code, done.out) == (0, f"Stopped: pid {server.pid}\n")
    assert server.wait(5) == -15


def test_stop_gives_up_after_its_timeout(session, server):
    done = daemon(session, "stop", "--timeout", "0.1")
    assert done.code == 1
    assert "still runs after 0.1 seconds, with 2 calls in flight" in done.err
    assert server.poll() is None


def test_stop_now_does_not_wait_for_calls(session, server, monkeypatch):
    first = itertools.count()
    monkeypatch.setattr(session, "running", lambda: session.status if next(first) == 0 else None)
    assert daemon(session, "stop", "--now").code == 0
    assert server.wait(5) == -15


def test_logs_without_a_log_say_where_it_would_be(session):
    done = daemon(session, "logs")
    assert done.code == 4
    assert str(log_path(session.home)) in done.err


@pytest.mark.parametrize(("lines", "shown"), [("2", "two\nthree\n"), ("0", ""), ("9", "one\ntwo\nthree\n")])
def test_logs_show_the_last_lines(session, lines, shown):
    write_log(session, "one\ntwo\nthree\n")
    assert daemon(session, "logs", "-n", lines).out == shown


def test_logs_follow_what_is_added_and_a_file_that_was_replaced(session, monkeypatch):
    path = write_log(session, "one\ntwo\n")
    monkeypatch.setattr(command.time, "sleep", lambda _: None)
    followed = command._follow(path, 1)
    assert next(followed) == b"two\n"
    with path.open("a") as file:
        file.write("three\n")
    assert next(followed) == b"three\n"
    path.rename(path.with_name("serve.log.1"))
    write_log(session, "fresh\n")
    assert next(followed) == b"fresh\n"
    path.write_text("cut\n")
    assert next(followed) == b"cut\n"


def write_log(session, text):
    path = log_path(session.home)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path
