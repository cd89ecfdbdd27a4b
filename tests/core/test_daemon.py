"""Starting a server in the background: ready, or the reason why not. The server here is a small script."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from aexl.core import daemon
from aexl.core.daemon import StartFailed, log_path, start_daemon
from aexl.core.processes import is_alive
from aexl.errors import Unavailable

SERVER = """
import json, os, pathlib, sys, time
home = pathlib.Path(os.environ["AEXL_HOME"])
assert sys.argv[1] == "serve"
with open(home / "starts", "a") as file: file.write("x")
match sys.argv[2:]:
    case ["--broken"]:
        sys.exit("aexl: aexl.toml:3: serve.prot: unknown key")
    case ["--exit", code]:
        print("aexl: port 9000 cannot be had", file=sys.stderr)
        sys.exit(int(code))
    case ["--hang"]:
        print("waiting for the moon", flush=True)
        (home / "pid.new").write_text(str(os.getpid()))
        (home / "pid.new").rename(home / "pid")
        time.sleep(600)
print("serving", flush=True)
status = {"pid": os.getpid(), "session": os.getsid(0), "cwd": os.getcwd(), "terminal": os.isatty(0)}
(home / "new").write_text(json.dumps(status))
(home / "new").rename(home / "status")
time.sleep(600)
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    script = tmp_path / "server.py"
    script.write_text(SERVER)
    monkeypatch.setattr(
        daemon, "own_command", lambda home: nullcontext(([sys.executable, "-S", "-E", str(script)], ()))
    )
    home = tmp_path / "home"
    yield home
    status = probe(home)
    if status is not None:
        os.kill(status["pid"], 9)
        os.waitpid(status["pid"], 0)


def probe(home: Path) -> dict | None:
    path = home / "status"
    return json.loads(path.read_text()) if path.exists() else None


def start(home: Path, *argv: str, wait: float = 10.0) -> dict:
    return dict(start_daemon(home, lambda: probe(home), argv=argv, wait=wait))


def test_it_returns_when_the_server_is_ready(home):
    status = start(home)
    assert is_alive(status["pid"])
    assert status["session"] == status["pid"]  # no terminal can hang it up
    assert status["cwd"] == str(home)


def test_a_server_that_runs_is_left_alone(home):
    first = start(home)
    assert start(home) == first
    assert (home / "starts").read_text() == "x"


def test_two_starters_at_a_time_start_one_server(home):
    found = []
    threads = [threading.Thread(target=lambda: found.append(start(home))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len({status["pid"] for status in found}) == 1
    assert (home / "starts").read_text() == "x"


def test_the_log_is_private_and_appended_to(home):
    log_path(home).parent.mkdir(parents=True)
    log_path(home).write_text("before\n")
    log_path(home).chmod(0o600)
    start(home)
    assert log_path(home).read_text() == "before\nserving\n"
    assert log_path(home).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("size", "set_aside"), [(100, False), (101, True)])
def test_a_log_above_its_limit_is_set_aside(home, monkeypatch, size, set_aside):
    monkeypatch.setattr(daemon, "LOG_LIMIT", 100)
    log_path(home).parent.mkdir(parents=True)
    log_path(home).write_text("x" * size)
    start(home)
    assert log_path(home).with_name("serve.log.1").exists() is set_aside


@pytest.mark.parametrize(("options", "status"), [(("--broken",), 1), (("--exit", "3"), 3), (("--exit", "0"), 1)])
def test_a_server_that_ends_passes_on_its_words_and_its_code(home, options, status):
    log_path(home).parent.mkdir(parents=True)
    log_path(home).write_text("an old error\n")
    with pytest.raises(StartFailed) as caught:
        start(home, *options)
    assert caught.value.status == status
    words = "aexl.toml:3: serve.prot: unknown key" if options == ("--broken",) else "port 9000 cannot be had"
    assert str(caught.value) == words


def test_a_server_that_is_not_ready_in_time_is_ended(home):
    with pytest.raises(StartFailed, match=r"not ready in 2 seconds and was ended: waiting for the moon"):
        start(home, "--hang", wait=2)
    assert not is_alive(int((home / "pid").read_text()))


def test_an_interrupted_start_leaves_no_server(home):
    def interrupt():
        if (home / "pid").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start_daemon(home, interrupt, argv=["--hang"])
    assert not is_alive(int((home / "pid").read_text()))


def test_waiting_for_another_starter_has_an_end(home):
    home.mkdir()
    descriptor = os.open(home / "daemon.lock", os.O_RDWR | os.O_CREAT)
    daemon.fcntl.flock(descriptor, daemon.fcntl.LOCK_EX)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="another process"):
        start(home, wait=0.1)
    assert time.monotonic() - began < 5
    os.close(descriptor)


def test_a_home_that_cannot_be_made_says_why(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be made"):
        start_daemon(tmp_path / "file" / "home", lambda: None)
