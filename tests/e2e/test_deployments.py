"""Deployments as a person meets them: one queue of questions, and a server that is killed in the middle."""

from __future__ import annotations

import json
import random
import signal
import threading
import time

import httpx
import pytest

pytestmark = pytest.mark.slow

ENTRY = 'from aexl.sdk import tool\n\n@tool("one")\ndef one(ctx, payload):\n    return {"is": %d}\n'


class Owner:
    """A tenant's owner with a project on the server, speaking HTTP."""

    def __init__(self, program, folder):
        self.program = program
        self.work = folder / "work"
        self.work.mkdir()
        self.token = program.json("auth", "bootstrap")["token"]
        self.api = "/api/v1/workspaces/main/projects/demo"
        program.run("snapshot", "init", cwd=self.work)
        remote = program.json("info")["remote"].replace(program.url, "{url}")
        self.remote = remote
        self.pushed = 0

    def push(self):
        """Make a snapshot, push it, and return its id."""
        self.pushed += 1
        (self.work / "entry_point.py").write_text(ENTRY % self.pushed)
        if self.pushed == 1:
            self.program.run(
                "snapshot", "remote", "add", "origin", self.remote.format(url=self.program.url), cwd=self.work
            )
        for command in (["add", "."], ["commit", "-m", str(self.pushed)], ["push"]):
            self.program.run("snapshot", *command, cwd=self.work)
        return self.ask("GET", "snapshots")["head"]

    def ask(self, method, path, body=None, status=None):
        headers = {"authorization": f"Bearer {self.token}"}
        answer = httpx.request(method, f"{self.program.url}{self.api}/{path}", json=body, headers=headers, timeout=60)
        assert answer.status_code in ((200, 201) if status is None else (status,)), answer.text
        return answer.json()

    def deploy(self, environment, **more):
        return self.ask("POST", "deployments", {"environment": environment, **more})

    def status(self, id):
        return self.ask("GET", f"deployments/{id}")["status"]

    def wait_for(self, id, status):
        end = time.monotonic() + 20
        while (now := self.status(id)) != status:
            assert time.monotonic() < end, now
            time.sleep(0.02)


@pytest.fixture
def owner(program, tmp_path):
    (program.home / "aexl.toml").write_text("[serve]\nport = 0\n")
    program.start()
    made = Owner(program, tmp_path)
    made.push()
    return made


def open_gates(program):
    return program.json("pipeline", "gates")


def test_what_waits_is_in_the_queue_of_all_gates_and_decided_from_either_side(owner, program):
    first = owner.deploy("prod", reason="the first release")
    [standing] = open_gates(program)
    gate = standing["gate"]
    assert (gate["kind"], gate["step"], gate["run"]) == ("approval", "prod", first["id"])
    assert "the first release" in program.run("pipeline", "gates", gate["id"]).stdout
    assert first["id"][:8] in program.run("pipeline", "gates").stdout
    assert program.json("pipeline", "runs", "--all") == []

    program.run("pipeline", "approve", gate["id"], "--reason", "read it")
    owner.wait_for(first["id"], "active")
    now = owner.ask("GET", f"deployments/{first['id']}")
    assert (now["decided_by"][:4], now["reason"]) == ("cli:", "read it")
    assert owner.ask("POST", f"deployments/{first['id']}:reject", {}, 409)["error"]["code"] == "conflict"

    second = owner.deploy("prod")
    owner.ask("POST", f"deployments/{second['id']}:reject", {"reason": "no"})
    assert open_gates(program) == []
    decided = [each for each in program.json("pipeline", "gates", "--all") if each["gate"]["run"] == second["id"]]
    assert [each["decided"]["verdict"]["choice"] for each in decided] == ["reject"]
    late = program.run("pipeline", "approve", decided[0]["gate"]["id"], check=False)
    assert (late.returncode, "rejected by" in late.stderr) == (5, True)

    third = owner.deploy("prod")
    admin = program.json("agent", "create", "boss", "1")
    token = program.json("agent", "token", "mint", "boss", "--scope", "admin")["token"]
    headers = {"authorization": f"Bearer {token}"}
    [shown] = httpx.get(f"{program.url}/api/v1/gates", headers=headers).json()["gates"]
    assert shown["run_id"] == third["id"]
    mere = {"authorization": f"Bearer {admin['token']}"}
    assert httpx.get(f"{program.url}/api/v1/gates", headers=mere).json()["gates"] == []
    url = f"{program.url}/api/v1/gates/{shown['gate_id']}"
    assert httpx.post(url, json={"choice": "approve"}, headers=headers).status_code == 200
    owner.wait_for(third["id"], "active")


def test_what_waits_outlives_the_server_and_is_answered_beside_it(owner, program):
    kept, answered = owner.deploy("prod"), owner.deploy("prod")
    program.stop(signal.SIGKILL)
    gates = {each["gate"]["run"]: each["gate"]["id"] for each in open_gates(program)}
    program.run("pipeline", "approve", gates[answered["id"]])
    program.start()
    owner.wait_for(answered["id"], "active")
    assert owner.status(kept["id"]) == "waiting"
    assert [each["gate"]["id"] for each in open_gates(program)] == [gates[kept["id"]]]
    assert program.stop() == 0
    program.start()
    program.run("pipeline", "reject", gates[kept["id"]], "--reason", "too old")
    owner.wait_for(kept["id"], "rejected")


class Deploying:
    """Threads that deploy, promote, roll back and approve until the server is gone, and what they were told."""

    def __init__(self, owner, snapshots, seed):
        self.told = {}
        self._owner, self._snapshots = owner, snapshots
        self._threads = [threading.Thread(target=self._run, args=(random.Random(seed + n),)) for n in range(4)]
        for thread in self._threads:
            thread.start()

    def _run(self, chance):
        headers = {"authorization": f"Bearer {self._owner.token}"}
        base = f"{self._owner.program.url}{self._owner.api}"
        with httpx.Client(headers=headers, timeout=30) as client:
            try:
                while True:
                    self._act(client, base, chance)
            except httpx.HTTPError:
                return

    def _act(self, client, base, chance):
        match chance.randrange(6):
            case 0:
                answer = client.post(f"{base}/environments/dev:promote", json={"to": "staging"})
            case 1:
                answer = client.post(f"{base}/environments/dev:rollback", json={})
            case 2:
                answer = client.post(f"{base}/deployments", json={"environment": "prod"})
                self._note(answer)
                if answer.status_code == 201:
                    word = chance.choice(("approve", "reject"))
                    answer = client.post(f"{base}/deployments/{answer.json()['id']}:{word}", json={})
            case _:
                body = {
                    "environment": "dev",
                    "snapshot": chance.choice(self._snapshots),
                    "weight": chance.choice((100, 100, 10)),
                }
                answer = client.post(f"{base}/deployments", json=body)
        self._note(answer)

    def _note(self, answer):
        if answer.status_code in (200, 201):
            made = answer.json()
            self.told[made["id"]] = made["status"]
        else:
            assert answer.status_code in (404, 409), answer.text

    def join(self):
        for thread in self._threads:
            thread.join()


AFTER = {
    "active": {"active", "replaced"},
    "waiting": {"waiting", "active", "replaced", "rejected"},
    "rejected": {"rejected"},
}
"""What may have become of a deployment, by what somebody was told."""


def kill_again_and_again(owner, times):
    program, seed = owner.program, random.randrange(10**9)
    print("seed", seed)
    chance, told = random.Random(seed), {}
    snapshots = [owner.push() for _ in range(3)]
    owner.deploy("dev")
    for number in range(times):
        load = Deploying(owner, snapshots, seed + 10 * number)
        time.sleep(chance.uniform(0.2, 1.0))
        program.stop(signal.SIGKILL)
        load.join()
        told |= load.told
        program.start()
        check(owner, told)
    program.run("ledger", "verify")
    assert len(told) > times
    lines = program.run("ledger", "export").stdout.splitlines()
    events = [json.loads(line)["event"] for line in lines]
    deployed = {event["subject"] for event in events if event["kind"] == "plane.deployed"}
    waited = {event["subject"] for event in events if event["kind"] == "plane.deployment_waiting"}
    rejected = {event["subject"] for event in events if event["kind"] == "plane.deployment_rejected"}
    listed = owner.ask("GET", "deployments?limit=1000")["deployments"]
    assert {each["id"] for each in listed if each["status"] in ("active", "replaced")} == deployed
    assert {each["id"] for each in listed if each["status"] == "rejected"} == rejected
    assert {each["id"] for each in listed if each["status"] == "waiting"} <= waited


def check(owner, told):
    """Everything that was acknowledged is there, and each environment points at one that is active."""
    listed, environments, gates = settled(owner)
    for name, status in told.items():
        assert listed[name]["status"] in AFTER.get(status, {status}), (name, status)
    for found in environments:
        serving = {each["id"] for each in (found["active"], found["canary"]) if each is not None}
        active = {
            name for name, each in listed.items() if (each["environment"], each["status"]) == (found["name"], "active")
        }
        assert serving == active
    asked = {each["gate"]["run"] for each in gates}
    assert {name for name, each in listed.items() if each["status"] == "waiting"} == asked


def settled(owner):
    """Read until nothing changes any more: what was decided before the kill is carried out after it."""
    found = read(owner)
    while (again := read(owner)) != found:
        found = again
    return found


def read(owner):
    listed = {each["id"]: each for each in owner.ask("GET", "deployments?limit=1000")["deployments"]}
    assert len(listed) < 1000, "there may be more than one answer has"
    return listed, owner.ask("GET", "environments")["environments"], open_gates(owner.program)


def test_kills_in_the_middle_of_deploys_lose_nothing_that_was_acknowledged(owner):
    kill_again_and_again(owner, 3)


@pytest.mark.long
def test_many_kills_in_the_middle_of_deploys_lose_nothing_that_was_acknowledged(owner):
    kill_again_and_again(owner, 40)
