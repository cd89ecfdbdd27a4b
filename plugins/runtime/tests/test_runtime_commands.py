"""``aexl runtime`` without a server: one line of JSON and an exit status, whatever happens."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

ENTRY = """
import os
from aexl.sdk import tool

@tool("secrets")
def secrets(ctx, payload):
    return [dict(ctx.secrets), os.environ.get("DECLARED"), os.environ.get("ALLOWED")]
"""


@pytest.fixture
def aexl(tmp_path):
    """Return a function that runs ``aexl runtime``, and returns exit status and answer."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "aexl.toml").write_text('[sandbox]\nsecrets = ["BOTH", "ALLOWED"]\n')
    project = tmp_path / "project"
    project.mkdir()
    (project / "entry_point.py").write_text(ENTRY)
    (project / "aexl.toml").write_text('[runtime]\nsecrets = ["BOTH", "DECLARED", "UNSET"]\n')
    secrets = {"BOTH": "both", "DECLARED": "declared", "ALLOWED": "allowed"}
    environment = {**os.environ, **secrets, "AEXL_HOME": str(home)}

    def aexl(*words):
        done = subprocess.run(
            [sys.executable, "-m", "aexl", "runtime", *words],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            check=False,
        )
        [line] = done.stdout.splitlines()
        return done.returncode, json.loads(line)

    return aexl


def test_secrets_that_are_declared_and_allowed_are_given_without_a_server_too(aexl):
    status, answer = aexl("invoke", "project", "--kind", "tool", "--handler", "secrets", "--event", "{}")
    assert (status, answer["result"]) == (0, [{"BOTH": "both"}, None, None])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "there is no folder"),
        (["0" * 64], "there is no snapshot"),
        (["project", "--runtime", "nope"], "there is no runtime 'nope'"),
    ],
)
def test_what_does_not_exist_is_an_answer_too(aexl, words, message):
    status, answer = aexl("invoke", *words, "--kind", "tool", "--handler", "t", "--event", "{}", "--request-id", "r")
    assert (status, answer["http_status"], answer["error"]["code"]) == (3, 404, "NOT_FOUND")
    assert message in answer["error"]["message"]
    assert answer["meta"]["request_id"] == "r"
