"""A deployment whose runtime has gone: refused where it is deployed, named where it is called."""

from __future__ import annotations

import os
import sys

import pytest

ENTRY = b'from aexl.sdk import tool\n\n\n@tool("one")\ndef one(ctx, payload):\n    return {"is": 1}\n'

pytestmark = pytest.mark.slow


def config(home):
    return f'[runtimes.mine]\npython = "{home / "python"}"\n'


@pytest.fixture
def python(home):
    """An interpreter in the home."""
    made = home / "python"
    made.symlink_to(os.path.realpath(sys.executable))
    return made


async def call(client, status):
    asked = {"kind": "tool", "handler": "one", "event": {}}
    url = f"{client.api}/environments/dev/invocations"
    return await client.plane.json("POST", url, client.token, json=asked, status=status)


async def deploy(client, status):
    body = {"environment": "dev", "runtime": "mine"}
    return await client.plane.json("POST", f"{client.api}/deployments", client.token, json=body, status=status)


async def test_an_interpreter_that_has_gone_is_named_by_calls_and_deployments(home, python, run_plane, make_client):
    others = ("snapshots", "runtime")
    async with run_plane(home, config(home), others) as plane:
        made = await plane.tenant()
        client = make_client(plane, made)
        await client.put("entry_point.py", ENTRY)
        deployed = await deploy(client, 201)
        assert deployed["runtime"] == "mine"
        assert (await call(client, 200))["result"] == {"is": 1}

        target = python.readlink()
        python.unlink()
        message = (await call(client, 503))["error"]["message"]
        assert f"deployment {deployed['id']} of dev needs the runtime mine" in message
        [problem] = (await deploy(client, 422))["error"]["problems"]
        assert (problem["rule"], "mine" in problem["message"]) == ("runtime", True)

        python.symlink_to(target)
        assert (await call(client, 200))["result"] == {"is": 1}

    async with run_plane(home, "", others) as plane:
        client = make_client(plane, made)
        message = (await call(client, 503))["error"]["message"]
        assert "there is no runtime 'mine' here; there are builtin" in message
        [problem] = (await deploy(client, 422))["error"]["problems"]
        assert problem["message"] == "there is no runtime 'mine' here; there are builtin"
