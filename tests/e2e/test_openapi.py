"""The whole API against its own document: schemathesis, with both kinds of tokens, on a server that has everything."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from model_server import ModelServer
from program import Program

pytestmark = pytest.mark.slow

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")

CONFIG = """
[pipelines]
folders = ["{folder}"]

[integrations.web]
provider = "http"
tenants = ["*"]
base_url = "{upstream}"
private = true
per_minute = 100000

[integrations.models]
provider = "openai"
tenants = ["*"]
agent = "alice"
model = "gpt.plain"
per_minute = 100000
concurrent = 1000
"""

ENTRY = """
from aexl.sdk import tool


@tool("slugify", description="Make a slug")
def slugify(ctx, title: str = "A B") -> dict:
    return {"slug": "-".join(title.lower().split())}
"""

RULES_ACROSS_FIELDS = (
    "postTokens",  # a project is named together with its workspace
    "postProjectIntegrations",  # a provider is named, or an integration, and grants are among what is allowed
    "postProjectEnvironmentsByEnvironmentInvocations",  # what an invocation needs depends on its kind
    "postProjectSnapshotsBySnapshotInvocations",
    "postProjectIntegrationsByConnectionActionsByActionInvoke",  # what parameters mean is the connector's
    "postProjectExecutionsByExecutionReplay",  # a runtime is one that this server has
    "postProjectDeployments",  # what can be deployed depends on the files
    "postProjectEnvironmentsByEnvironmentPromote",  # nothing is promoted to itself
    "putProjectEnvironmentsByEnvironment",  # words of the command line are no names, runtimes must exist
    "startRun",  # what a pipeline takes depends on it
    "openSession",
    "runTurn",
    "validatePipeline",
    "materializePipeline",
    "listPipelines",  # which folders there are is the server's
    "answerGate",
    "answerSessionGate",
)
"""Operations that have rules which no schema can say: a value that the schema allows may be a 400."""


class Server:
    """A running server with a project, a deployment, an execution, integrations, and a pipeline's run."""

    def __init__(self, program: Program, folder: Path) -> None:
        program.configure(CONFIG.format(folder=folder, upstream=program.upstream.url))
        program.start()
        self.url = program.url
        self.agent = program.agent("alice", "500")
        self.token = str(program.json("auth", "bootstrap")["token"])
        self.api = "/api/v1/workspaces/main/projects/demo"
        self.known = {**self._make(), **self._run()}

    def _make(self) -> dict[str, str]:
        with httpx.Client(base_url=self.url, headers={"x-api-token": self.token}, timeout=30) as client:

            def post(path: str, body: object) -> Any:
                answer = client.post(path, json=body)
                assert answer.is_success, answer.text
                return answer.json()

            wire, data = "/v1/workspaces/main/projects/demo", ENTRY.encode()
            digest = hashlib.sha256(data).hexdigest()
            wanted = {"content_type": "text/plain", "expected_version": 0, "size_bytes": len(data), "sha256": digest}
            signed = post(f"{wire}/uploads:sign?path=entry_point.py", wanted)
            httpx.put(signed["signed_url"], content=data, headers={"content-type": "text/plain"}).raise_for_status()
            snapshot = post(f"/v1/uploads/{signed['upload_id']}:commit", {})["snapshot"]
            deployment = post(f"{self.api}/deployments", {"environment": "dev"})["id"]
            run = {"kind": "tool", "handler": "slugify", "event": {}}
            execution = post(f"{self.api}/environments/dev/invocations", run)["id"]
            wanted = {"name": "Models", "integration": "models", "granted_actions": ["openai.ping"]}
            connection = post(f"{self.api}/integrations", wanted)["connection_id"]
        return {
            "workspace": "main",
            "project": "demo",
            "path": "entry_point.py",
            "snapshot": snapshot,
            "environment": "dev",
            "deployment": deployment,
            "execution": execution,
            "connection": connection,
            "action": "openai.ping",
        }

    def _run(self) -> dict[str, str]:
        text = 'version: "1"\npipeline:\n  - {id: one, context: {shell: "echo hello"}}\n'
        with httpx.Client(base_url=self.url, headers={"x-api-key": self.agent}, timeout=30) as client:
            answer = client.post("/api/v1/runs", json={"pipeline_inline": text, "wait": True})
            assert answer.status_code == 201, answer.text
            return {"run": answer.json()["run_id"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests: what they do to it is what clients do."""
    home, folder = tmp_path_factory.mktemp("openapi") / "home", tmp_path_factory.mktemp("work")
    home.mkdir(mode=0o700)
    with ModelServer() as upstream:
        program = Program(home, upstream)
        try:
            yield Server(program, folder)
        finally:
            if program.process is not None:
                program.stop(signal.SIGKILL)


def find_nothing(
    server: Server, folder: Path, *options: str, known: Mapping[str, str] | None = None, seed: int = 1
) -> None:
    """Run schemathesis, which has to find nothing; what it finds is printed whole."""
    parameters = "".join(f'"path.{name}" = "{value}"\n' for name, value in (known or {}).items())
    without = "".join(
        f'[[operations]]\ninclude-operation-id = "{name}"\nchecks.positive_data_acceptance.enabled = false\n'
        for name in RULES_ACROSS_FIELDS
    )
    # A session's events go on until it ends: reading them for a moment is enough.
    without += '[[operations]]\ninclude-operation-id = "followSession"\nrequest-timeout = 0.5\n'
    tokens = "".join(
        f'[auth.openapi.{scheme}]\nbearer = "{token}"\n[auth.openapi.{scheme}Key]\napi_key = "{token}"\n'
        for scheme, token in (("project", server.token), ("agent", server.agent))
    )
    config = folder / "schemathesis.toml"
    config.write_text(
        f"seed = {seed}\n[generation]\nallow-extra-parameters = false\n[parameters]\n{parameters}{tokens}{without}"
    )
    command = [
        str(SCHEMATHESIS), "--config-file", str(config), "run", f"{server.url}/api/v1/openapi.json",         "--continue-on-failure", "--no-color", "--warnings", "off", "--request-timeout", "20",
        # Ends the token of the whole run: tried below, by itself.
        "--exclude-operation-id", "deleteTokens", *options,
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=900)
    assert "API Operations:" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0, done.stdout[done.stdout.find("FAILURES") :]


def test_every_operation_answers_as_the_document_says(server, tmp_path):
    """A few examples of each; the tests below have all that there is time for."""
    few = ("--phases", "fuzzing", "--max-examples", "2", "--workers", "2")
    find_nothing(server, tmp_path, *few, known=server.known)


@pytest.mark.long
def test_what_is_there_is_answered_as_the_document_says(server, tmp_path):
    chosen = ("--phases", "coverage", "--max-examples", "1")
    find_nothing(server, tmp_path, *chosen, known=server.known)


@pytest.mark.long
def test_what_is_not_there_is_answered_as_the_document_says(server, tmp_path):
    places = {name: server.known[name] for name in ("workspace", "project")}
    find_nothing(server, tmp_path, "--phases", "coverage,fuzzing", "--max-examples", "5", known=places)


def test_all_of_ones_own_tokens_end_with_one_request(server):
    """The one operation that is left out above."""
    with httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {server.token}"}) as client:
        token = client.post("/api/v1/users", json={"email": "ann@example.org"}).json()["token"]
        client.headers["authorization"] = f"Bearer {token}"
        assert client.delete("/api/v1/tokens").json() == {"revoked": 1}
        assert client.get("/api/v1/me").status_code == 401


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 6))
def test_hundreds_of_examples_of_every_operation_find_nothing(server, tmp_path, seed):
    phases = ("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "100", "--workers", "2")
    for known in ({}, {name: server.known[name] for name in ("workspace", "project")}, server.known):
        find_nothing(server, tmp_path, *phases, known=known, seed=seed)


def test_the_document_needs_no_token_and_names_every_operation_once(server):
    found = httpx.get(f"{server.url}/api/v1/openapi.json")
    said = found.json()
    operations = [each for methods in said["paths"].values() for each in methods.values()]

    assert found.headers["content-type"] == "application/json"
    assert len({each["operationId"] for each in operations}) == len(operations) > 60
    assert set(said["components"]["securitySchemes"]) == {"agent", "agentKey", "project", "projectKey"}
    for each in operations:
        assert each["summary"]
        assert {"400", "401", "403", "404", "405", "429", "503"} <= set(each["responses"])
    assert not [name for name in said["components"]["schemas"] if "_" in name]
