"""The plane as a person uses it: the installed command line, a server, logins, a project pushed and cloned."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import threading

import pytest
from program import AEXL, Program

pytestmark = pytest.mark.slow


@pytest.fixture
def served(program: Program) -> Program:
    """A server, without models."""
    (program.home / "aexl.toml").write_text("[serve]\nport = 0\n")
    program.start()
    return program


def other(program: Program, folder, **environ) -> Program:
    """Return the commands of somebody with a home of their own."""
    made = Program(folder, program.upstream)
    made.environ |= environ
    return made


def test_from_bootstrap_to_files_every_command_shows_what_it_acts_on(served, tmp_path):
    first = served.json("auth", "bootstrap", "--email", "ann@example.org")
    again = served.run("auth", "bootstrap", check=False)
    info = served.json("info")
    served.run("workspace", "create", "research")
    served.run("project", "create", "alpha", "-w", "research")
    served.run("project", "create", "beta", "-w", "research")
    used = served.run("workspace", "use", "research").stdout
    undecided = served.run("files", "ls", check=False)
    chosen = served.json("project", "use", "beta")
    listed = served.json("files", "ls")
    elsewhere = served.json("files", "ls", "-w", "main")

    assert (again.returncode, "has a tenant already" in again.stderr) == (5, True)
    assert first["profile"] == "default"
    assert (info["url"], info["user"], info["workspace"], info["project"]) == (
        served.url,
        "ann@example.org",
        "main",
        "demo",
    )
    assert info["remote"] == f"{served.url}/store/main/demo"
    assert f"research at {served.url} (as ann@example.org, profile default)" in used
    assert (undecided.returncode, "aexl project use" in undecided.stderr) == (4, True)
    assert (chosen["workspace"], chosen["project"]) == ("research", "beta")
    assert (listed["target"]["workspace"], listed["target"]["project"], listed["files"]) == ("research", "beta", [])
    assert (elsewhere["target"]["workspace"], elsewhere["target"]["project"]) == ("main", "demo")
    assert "files ls" not in served.run("files", "ls").stdout
    assert "research/beta" in served.run("files", "ls").stdout
    assert served.run("ledger", "verify").returncode == 0


def test_logins_are_kept_apart_and_a_token_goes_to_its_own_server_only(served, tmp_path):
    owner = served.json("auth", "bootstrap")["token"]
    user = served.json("auth", "user", "create", "bob@example.org", "--scopes", "read,write", "--ttl", "1h")
    bob = other(served, tmp_path / "bob")
    login = [AEXL, "auth", "login", "--url", served.url, "--profile", "work", "--json"]
    done = subprocess.run(
        login, env=bob.environ, input=user["token"] + "\n", capture_output=True, text=True, check=True
    )
    bob.run("auth", "login", "--url", served.url, "--profile", "boss", "--token", owner)

    assert (json.loads(done.stdout)["user"], json.loads(done.stdout)["stored_in"]) == ("bob@example.org", "file")
    assert [each["profile"] for each in bob.json("auth", "list") if each["current"]] == ["boss"]
    assert bob.json("auth", "switch", "work")["user"] == "bob@example.org"
    assert bob.json("auth", "status")["scopes"] == ["read", "write"]
    assert bob.run("auth", "user", "list", check=False).returncode == 1
    elsewhere = bob.run("info", "--url", "https://elsewhere.example", check=False)
    assert (elsewhere.returncode, "is not sent to" in elsewhere.stderr) == (2, True)
    wrong = other(served, tmp_path / "eve", AEXL_URL=served.url, AEXL_TOKEN="aexl_wrong")
    status = wrong.run("auth", "status", "--json", check=False)
    assert (status.returncode, json.loads(status.stdout)["authenticated"]) == (1, False)

    assert bob.json("auth", "revoke")["logged_out"] == "work"
    assert bob.run("auth", "status", "--profile", "work", check=False).returncode == 1
    assert bob.json("auth", "logout")["removed"] == "boss"
    assert bob.run("info", check=False).returncode == 4


def test_a_service_token_for_one_project_pushes_there_and_nowhere_else(served, tmp_path):
    served.run("auth", "bootstrap")
    served.run("project", "create", "aside")
    made = served.json("auth", "token", "create", "ci", "--service", "--scopes", "write", "-w", "main", "-p", "demo")
    ci = other(
        served, tmp_path / "ci", AEXL_SNAPSHOTS_TOKEN=made["token"], AEXL_URL=served.url, AEXL_TOKEN=made["token"]
    )
    work = tmp_path / "work"
    work.mkdir()
    (work / "app.py").write_text("print(1)\n")
    for command in (["init"], ["add", "."], ["commit", "-m", "one"]):
        ci.run("snapshot", *command, cwd=work)
    refused = ci.run("snapshot", "remote", "add", "aside", f"{served.url}/store/main/aside", cwd=work, check=False)
    ci.run("snapshot", "remote", "add", "origin", ci.json("info")["remote"], cwd=work)
    ci.run("snapshot", "push", cwd=work)
    ci.run("snapshot", "clone", f"{served.url}/store/main/demo", str(tmp_path / "clone"))
    (work / "app.py").write_text("print(2)\n")
    ci.run("snapshot", "add", ".", cwd=work)
    ci.run("snapshot", "commit", "-m", "two", cwd=work)
    ci.run("snapshot", "push", cwd=work)
    ci.run("snapshot", "pull", cwd=tmp_path / "clone")

    assert refused.returncode != 0
    assert [each["slug"] for each in ci.json("project", "list")["projects"]] == ["demo"]
    assert ci.run("files", "cat", "app.py").stdout == "print(2)\n"
    assert (tmp_path / "clone" / "app.py").read_text() == "print(2)\n"
    snapshots = ci.run("snapshot", "log", "--json", cwd=work).stdout
    first = json.loads(snapshots)[-1]["id"]
    assert ci.run("files", "cat", "app.py", "--snapshot", first).stdout == "print(1)\n"
    assert "Sound" in ci.run("snapshot", "check", "origin", "--read-data", cwd=work).stdout


@pytest.mark.parametrize("delay", [0.3, *(pytest.param(n / 20, marks=pytest.mark.long) for n in range(7, 30))])
def test_a_push_goes_on_when_its_server_is_killed_and_comes_back_and_is_never_seen_by_halves(served, tmp_path, delay):
    client = other(served, tmp_path / "client")
    token = served.json("auth", "bootstrap")["token"]
    client.run("auth", "login", "--url", served.url, "--token", token)  # the push finds it there
    work = tmp_path / "work"
    work.mkdir()
    for n in range(200):
        (work / f"{n}.bin").write_bytes(random.Random(n).randbytes(20_000))
    for command in (
        ["init"],
        ["add", "."],
        ["commit", "-m", "x"],
        ["remote", "add", "origin", f"{served.url}/store/main/demo"],
    ):
        client.run("snapshot", *command, cwd=work)
    port = served.url.rpartition(":")[2]
    seen = []

    def kill_and_start_again():
        served.stop(signal.SIGKILL)
        served.start("--port", port)
        seen.append(len(served.json("files", "ls")["files"]))

    timer = threading.Timer(delay, kill_and_start_again)
    timer.start()
    client.run("snapshot", "push", cwd=work)
    timer.join()

    assert seen in ([0], [201])
    assert len(served.json("files", "ls")["files"]) == 201
    assert "Sound" in client.run("snapshot", "check", "origin", "--read-data", cwd=work).stdout
