"""``aiel-cli`` 1.3.9 as its users run it: log in, choose, begin, push, pull, conflict, delete."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request

import pytest
from aiel_person import Person, serving

pytestmark = pytest.mark.slow


def test_a_wrong_token_is_refused_and_a_good_one_shows_who_and_where(person):
    assert "401" in person.aiel("auth", "login", "--token", "aexl_wrong", status=1)
    person.aiel("auth", "login", "--token", person.token)
    person.aiel("config", "set", "workspace", "main")
    assert "demo" in person.aiel("config", "list")
    assert "ann@example.org" in person.aiel("auth", "status")
    assert "default" in person.aiel("auth", "list")
    assert "demo" in person.aiel("info", "workspaces")


def test_two_folders_share_a_project_and_each_sees_what_the_other_did(person, program):
    one, two = person.folder / "one", person.folder / "two"
    person.aiel("init")
    (one / "entry_point.py").write_text("answer = 42\n")
    (one / "src" / "deep").mkdir(parents=True)
    (one / "src" / "deep" / "a b é.txt").write_text("words\n")
    (one / "picture.bin").write_bytes(bytes(range(256)))
    (one / "nothing.txt").touch()
    person.aiel("add", ".")
    assert "commit created" in person.aiel("commit", "-m", "first")
    pushed = person.aiel("push")
    assert "entry_point.py -> version=1" in pushed
    assert "Push complete" in pushed

    person.aiel("init", at="two")
    person.aiel("pull", at="two")
    for path in ("entry_point.py", "src/deep/a b é.txt", "picture.bin", "nothing.txt"):
        assert (two / path).read_bytes() == (one / path).read_bytes()
    assert "picture.bin" in person.aiel("files", "ls", at="two")
    assert "modified" not in person.aiel("status", at="two")

    (two / "entry_point.py").write_text("answer = 43\n")
    (two / "nothing.txt").unlink()
    person.aiel("add", ".", at="two")
    person.aiel("commit", "-m", "second", at="two")
    assert "entry_point.py -> version=2" in person.aiel("push", at="two")

    (one / "entry_point.py").write_text("answer = 44\n")
    person.aiel("add", ".")
    person.aiel("commit", "-m", "too late")
    refused = person.aiel("push", status=1)
    assert "409" in refused
    person.aiel("pull")
    assert (one / "entry_point.py").read_text() == "answer = 43\n"
    (one / "nothing.txt").unlink()  # the client's pull leaves what was deleted elsewhere
    (one / "entry_point.py").write_text("answer = 44\n")
    person.aiel("add", ".")
    person.aiel("commit", "-m", "again")
    assert "entry_point.py -> version=3" in person.aiel("push")

    listed = program.json("files", "ls")
    log = [each["message"] for each in history(program)]
    assert {file["path"]: file["version"] for file in listed["files"]} == {
        ".aielignore": 1, "entry_point.py": 3, "picture.bin": 1, "src/deep/a b é.txt": 1,
    }  # fmt: skip
    assert program.run("files", "cat", "entry_point.py").stdout == "answer = 44\n"
    assert log[0] == "Put entry_point.py"
    assert "Delete nothing.txt" in log
    assert len(log) == 8


def test_a_file_that_was_deleted_can_be_made_again(person):
    one = person.folder / "one"
    person.aiel("init")
    for text in ("first", None, "second"):
        if text is None:
            (one / "a.txt").unlink()
        else:
            (one / "a.txt").write_text(text)
        person.aiel("add", ".")
        person.aiel("push")
    state = json.loads((one / ".aiel" / "state.json").read_text())
    assert state["last_manifest"]["a.txt"]["version"] == 3


def test_a_pushed_project_is_an_aexl_repository(person, program):
    """What the old client has pushed is cloned, changed and pushed by ours, and pulled by the old client."""
    one = person.folder / "one"
    person.aiel("init")
    (one / "app.py").write_text("print(1)\n")
    person.aiel("add", ".")
    person.aiel("push")
    clone = person.folder / "clone"
    program.run("snapshot", "clone", program.json("info")["remote"], str(clone))
    assert (clone / "app.py").read_text() == "print(1)\n"
    (clone / "app.py").write_text("print(2)\n")
    for command in (["add", "."], ["commit", "-m", "ours"], ["push"]):
        program.run("snapshot", *command, cwd=clone)
    person.aiel("pull")
    assert (one / "app.py").read_text() == "print(2)\n"
    assert program.run("snapshot", "check", "origin", "--read-data", cwd=clone).stdout.startswith("Sound")


def test_integrations_are_listed_and_one_that_nothing_can_run_says_so(person, add_integration):
    assert "Integrations" in person.aiel("integrations", "list")
    add_integration()
    person.aiel("init")
    assert "jira" in person.aiel("integrations", "list")
    person.aiel("integrations", "list", "--d")
    assert "integration_unavailable" in person.aiel("integrations", "check", "-p", "jira", status=1)


def test_what_was_answered_is_there_after_a_kill_in_the_middle_of_a_push_and_the_next_push_goes_on(killable):
    person, program = killable
    one = person.folder / "one"
    person.aiel("init")
    for n in range(12):
        (one / f"f{n:02}.txt").write_text(f"content {n}")
    person.aiel("add", ".")
    person.aiel("commit", "-m", "x")
    environ = {**person.environ, "PYTHONUNBUFFERED": "1"}
    push = subprocess.Popen([person.client, "push"], cwd=one, env=environ, stdout=subprocess.PIPE, text=True)
    assert push.stdout is not None
    answered = []
    for line in push.stdout:
        if "-> version=" in line:
            answered.append(line.split()[1])
        if len(answered) == 4:
            break
    port = program.url.rpartition(":")[2]
    program.stop(signal.SIGKILL)
    push.communicate(timeout=60)
    program.start("--port", port)
    listed = {file["path"] for file in program.json("files", "ls")["files"]}
    assert set(answered) <= listed
    assert program.run("ledger", "verify").returncode == 0
    person.aiel("pull")
    person.aiel("add", ".")
    (one / ".aiel" / "index.json").write_text('{"version": 1, "staged": {}}')  # what has landed would be a conflict
    person.aiel("add", ".")
    person.aiel("push")
    assert {path.name for path in one.glob("f*.txt")} <= {file["path"] for file in program.json("files", "ls")["files"]}


@pytest.fixture
def killable(home, tmp_path):
    """A person, and a server that no one else uses."""
    with serving(home) as program:
        yield Person(tmp_path, program.url, program.json("auth", "bootstrap")), program


def history(program):
    url = f"{program.url}/api/v1/workspaces/main/projects/demo/snapshots"
    request = urllib.request.Request(url, headers={"x-api-token": program.environ["AEXL_TOKEN"]})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["snapshots"]
