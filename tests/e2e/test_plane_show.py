"""A project from an empty folder to a deployment that is promoted, refused, rolled back and replayed.

Everything is done by the commands that a stranger would type, and by a client over HTTP.
"""

from __future__ import annotations

import json
import sys
import venv
from pathlib import Path

import httpx
import pytest
from program import Program

pytestmark = pytest.mark.slow

BAD = """
@tool("bad")
def bad(payload):
    return payload
"""


class Author:
    """Somebody with a home, a login and a folder of their own."""

    def __init__(self, server: Program, folder: Path) -> None:
        self.server = server
        self.token = server.json("auth", "bootstrap", "--email", "ann@example.org")["token"]
        self.commands = Program(folder / "ann", server.upstream)
        self.root = folder / "shop"
        self.root.mkdir()
        self.commands.run("auth", "login", "--url", server.url, "--token", self.token)

    def run(self, *words: str, status: int = 0) -> str:
        done = self.commands.run(*words, cwd=self.root, check=False)
        assert done.returncode == status, f"aexl {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def json(self, *words: str, status: int = 0):
        done = self.commands.run(*words, "--json", cwd=self.root, check=False)
        assert done.returncode == status, f"aexl {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return json.loads(done.stdout)

    def change(self, old: str, new: str, message: str) -> str:
        path = self.root / "entry_point.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        self.run("snapshot", "add", ".")
        return str(self.json("snapshot", "commit", "-m", message)["id"])

    def get(self, environment: str, path: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.get(f"{self.server.url}/apps/main/demo/{environment}{path}", headers=headers, timeout=30)


@pytest.fixture
def ann(program: Program, tmp_path: Path) -> Author:
    (program.home / "aexl.toml").write_text("[serve]\nport = 0\n")
    program.start()
    return Author(program, tmp_path)


def test_from_an_empty_folder_to_a_deployment_rolled_back_and_replayed(ann: Author):
    begun = ann.run("init", "--project")
    first = ann.json("snapshot", "log")[0]["id"]
    assert "aexl deploy dev" in begun
    nothing = ann.get("dev", "/hello/ann")
    ann.run("snapshot", "push")
    deployed = ann.json("deploy", "dev")
    answered = ann.get("dev", "/hello/ann")
    made = ann.json("deploy", "invoke", "dev", "tool", "slugify", "--event", '{"title": "Hello World"}')
    flow = ann.json("deploy", "invoke", "dev", "flow", "publish", "--event", '{"title": "Hello World"}', "--async")

    assert nothing.status_code == 404
    assert (deployed["snapshot"], deployed["environment"], deployed["status"]) == (first, "dev", "active")
    assert (answered.status_code, answered.json()) == (200, {"hello": "ann"})
    assert (made["status"], made["result"]) == ("ok", {"slug": "hello-world"})
    assert "slugify.called" in ann.run("deploy", "logs", flow["id"], "--follow")

    promoted = ann.json("deploy", "promote")
    assert (promoted["environment"], promoted["snapshot"], promoted["follows"]) == ("staging", first, deployed["id"])
    assert ann.get("staging", "/hello/bob").json() == {"hello": "bob"}

    here = ann.change('{"hello": request', '{"greeted": request', "Say it otherwise")
    assert "'aexl snapshot push' sends it" in ann.run("deploy", "dev", here, status=4)
    ann.run("snapshot", "push")
    second = ann.json("deploy", "dev", here[:12], "--reason", "better")
    assert (second["snapshot"], second["replaces"]) == (here, deployed["id"])
    assert ann.get("dev", "/hello/ann").json() == {"greeted": "ann"}

    ann.change('@flow("publish")', BAD.strip() + '\n\n\n@flow("publish")', "Break a contract")
    ann.run("snapshot", "push")
    message = "tool:bad must accept at least 2 args (ctx, input). Got: (payload)"
    assert message in ann.run("deploy", "dev", status=2)
    assert message in ann.run("deploy", "validate", status=1)
    assert ann.get("dev", "/hello/ann").json() == {"greeted": "ann"}

    back = ann.json("deploy", "rollback", "dev")
    assert (back["snapshot"], back["follows"]) == (first, deployed["id"])
    assert ann.get("dev", "/hello/ann").json() == {"hello": "ann"}

    execution = ann.json("deploy", "executions", "--env", "dev", "-n", "1")["executions"][0]["id"]
    assert ann.json("deploy", "replay", execution)["same"] is True
    differs = ann.json("deploy", "replay", execution, "--on", here, status=1)
    assert [change["path"] for change in differs["changes"]] == ["/result/hello", "/result/greeted"]
    shown = ann.run("deploy", "replay", execution, "--on", here, status=1)
    assert '- "ann"\n' in shown
    assert '+ "ann"\n' in shown

    listed = ann.json("deploy", "list", "--environment", "dev")["deployments"]
    assert [(each["cause"], each["status"]) for each in listed] == [
        ("rollback", "active"),
        ("deploy", "replaced"),
        ("deploy", "replaced"),
    ]
    completing = {"_AEXL_COMPLETE": "complete_bash", "COMP_WORDS": "aexl deploy st", "COMP_CWORD": "2"}
    ann.commands.environ |= completing
    assert ann.run().split() == ["status", "staging"]
    for name in completing:
        del ann.commands.environ[name]
    states = {each["name"]: each for each in ann.json("deploy", "status")["environments"]}
    assert states["dev"]["active"]["id"] == back["id"]
    assert states["prod"]["active"] is None
    assert ann.server.run("ledger", "verify").returncode == 0


def test_what_needs_approval_waits_and_serves_when_it_is_approved(ann: Author):
    ann.run("init", "--project")
    ann.run("snapshot", "push")
    ann.run("deploy", "environment", "prod", "--approval")
    waiting = ann.json("deploy", "prod")
    assert waiting["status"] == "waiting"
    assert "it still waits" in ann.run("deploy", "to", "prod", "--wait", "0.1", status=6)
    several = ann.run("deploy", "approve", status=5)
    assert waiting["id"] in several
    assert ann.get("prod", "/hello/ann").status_code == 404

    assert ann.json("deploy", "reject", waiting["id"], "--reason", "not now")["status"] == "rejected"
    assert ann.json("deploy", "approve", "--reason", "tried")["status"] == "active"
    assert ann.get("prod", "/hello/ann").json() == {"hello": "ann"}
    assert "no deployment waits" in ann.run("deploy", "approve", status=4)


def test_a_deployment_runs_under_a_named_runtime_and_says_when_that_has_gone(ann: Author, tmp_path: Path):
    folder = tmp_path / "science"
    venv.create(folder, with_pip=False)
    [site] = folder.glob("lib/python3*/site-packages")
    (site / "nowhere_else.py").write_text("VALUE = 42\n")
    ann.server.stop()
    port = ann.server.url.rpartition(":")[2]
    (ann.server.home / "aexl.toml").write_text(f'[serve]\nport = 0\n[runtimes.science]\nvenv = "{folder}"\n')
    ann.server.start("--port", port)
    ann.run("init", "--project")
    ann.change("from aexl.sdk", "import nowhere_else\nfrom aexl.sdk", "Use what the server has not")
    ann.change('{"slug": ', '{"value": nowhere_else.VALUE, "slug": ', "Show it")
    ann.run("snapshot", "push")

    assert "nowhere_else" in ann.run("deploy", "dev", status=2)
    assert ann.json("deploy", "dev", "--runtime", "science")["runtime"] == "science"
    ran = ann.json("deploy", "invoke", "dev", "tool", "slugify", "--event", '{"title": "A"}')
    assert ran["result"] == {"value": 42, "slug": "a"}
    offered = {each["name"]: each for each in ann.json("deploy", "runtimes")["runtimes"]}
    assert offered["science"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "no runtime 'gpu'" in ann.run("deploy", "dev", "--runtime", "gpu", status=2)

    folder.rename(folder.with_name("elsewhere"))
    failed = ann.run("deploy", "invoke", "dev", "tool", "slugify", "--event", '{"title": "A"}', status=6)
    assert "needs the runtime science" in failed
