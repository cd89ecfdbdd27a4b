"""``aexl daemon`` and ``aexl run`` as a person runs them: in processes of their own, with a real server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from aexl.core.processes import is_alive

pytestmark = pytest.mark.slow


@pytest.fixture
def aexl(tmp_path):
    """Run ``aexl`` in a home of its own."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "aexl.toml").write_text("[serve]\nport = 0\n")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AEXL_HOME": str(home), "OPENAI_API_KEY": "sk-machine"}

    def start(*arguments):
        command = [sys.executable, "-m", "aexl", *arguments]
        return subprocess.Popen(
            command, env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(*arguments):
        with start(*arguments) as process:
            out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    run.start = start
    run.home = home
    yield run
    run("daemon", "stop", "--now")


def test_start_status_and_stop(aexl):
    assert aexl("daemon", "status").returncode == 3
    started = aexl("daemon", "start", "--json")
    assert started.returncode == 0, started.stderr
    pid = json.loads(started.stdout)["pid"]
    again = json.loads(aexl("daemon", "start", "--json").stdout)
    assert (again["pid"], again["started"]) == (pid, False)
    assert aexl("daemon", "status").returncode == 0
    assert aexl("daemon", "stop").returncode == 0
    assert not is_alive(pid)
    assert aexl("daemon", "stop").stdout == "No server runs.\n"
    assert "serves http://" in aexl("daemon", "logs").stdout


def test_a_second_server_in_one_home_refuses_and_the_first_goes_on(aexl):
    pid = json.loads(aexl("daemon", "start", "--json").stdout)["pid"]
    second = aexl("serve", "--port", "0")
    assert second.returncode == 6
    assert "another server" in second.stderr
    assert is_alive(pid)


def test_a_broken_configuration_is_the_reason_and_does_not_keep_a_server_running(aexl):
    aexl("daemon", "start")
    (aexl.home / "aexl.toml").write_text("[serve]\nprot = 1\n")
    assert aexl("daemon", "stop").returncode == 0
    done = aexl("daemon", "start")
    assert done.returncode == 3
    assert "aexl.toml:2: serve.prot" in done.stderr


def test_a_port_in_use_is_the_reason(aexl):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = aexl("daemon", "start", "--port", str(port))
    assert done.returncode == 6
    assert f"port {port} on 127.0.0.1 cannot be had" in done.stderr


def test_two_runs_at_a_time_start_one_server_that_outlives_them(aexl):
    assert aexl("agent", "create", "alice", "1").returncode == 0
    command = ["run", "--agent", "alice", "--budget", "0.05", "--", "sh", "-c", 'echo "$AEXL_BASE_URL"; env; exit 7']
    runs = [aexl.start(*command) for _ in range(2)]
    said = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [7, 7], said
    first, second = (out.splitlines() for out, _ in said)
    assert first[0] == second[0]
    assert "sk-machine" not in said[0][0]
    status = json.loads(aexl("daemon", "status", "--json").stdout)
    assert status["url"] == first[0]
    agents = json.loads(aexl("agent", "list", "--json").stdout)
    assert [agent["name"] for agent in agents] == ["alice"]
    assert json.loads(aexl("agent", "token", "list", "alice", "--json").stdout) != []


def test_a_mistake_in_the_file_does_not_keep_the_operator_from_a_running_server(aexl):
    assert aexl("agent", "create", "alice", "1").returncode == 0
    assert aexl("daemon", "start").returncode == 0
    file = aexl.home / "aexl.toml"
    broken = file.read_text() + "oops oops\n"
    file.write_text(broken)
    for command in (
        "agent pause alice",
        "agent resume alice",
        "agent list",
        "status",
        "metrics",
        "models list",
        "ledger show",
        "ledger verify",
        "run --agent alice -- true",
    ):
        done = aexl(*command.split())
        assert done.returncode == 0, (command, done.stderr)
    for command in ("config list", "config set serve.port 1", "models reload"):
        done = aexl(*command.split())
        assert (done.returncode, "aexl.toml:" in done.stderr) == (3, True), (command, done.stderr)
    assert file.read_text() == broken
    assert aexl("doctor").returncode == 1
    assert aexl("daemon", "stop").returncode == 0
