"""Integrations: what is listed, what is granted, and what connectors say."""

from __future__ import annotations

import pytest

from aexl.errors import Refused, Unavailable
from aexl_plane.http.wire_integrations import IntegrationRoutes


class Bell:
    """A connector that rings."""

    version = "1.2"

    def __init__(self):
        self.rung = []

    async def check(self, connection, body):
        if "break" in body:
            raise Unavailable("the bell is cracked")
        return {"rings": True}

    async def invoke(self, caller, connection, action, params):
        self.rung.append((caller.who, connection.provider, action, params))
        if "loud" in params:
            raise Refused("neighbours sleep", code="too_loud", status=429)
        return {"sound": "ding"}


@pytest.fixture
async def added(client):
    body = {
        "provider": "bell",
        "name": "Front door",
        "allowed_actions": ["bell.ring", "bell.melt"],
        "granted_actions": ["bell.ring"],
        "metadata": {"place": "door"},
    }
    made = await client.plane.json("POST", f"{client.api}/integrations", client.token, json=body, status=201)
    return f"{client.base}/integrations/{made['connection_id']}"


@pytest.fixture
def bell(client):
    """The same routes, with a connector behind them."""
    made = Bell()
    table = client.plane.assembly.routes()
    with_bell = {
        (r.method, r.path): r for r in IntegrationRoutes(client.plane.assembly._database, {"bell": made}).routes()
    }
    table.all = tuple(with_bell.get((route.method, route.path), route) for route in table.all)
    return made


async def test_an_integration_has_everything_that_both_clients_read(client, added):
    [listed] = await client.plane.json("GET", f"{client.base}/integrations", client.token)
    assert await client.plane.json("GET", added, client.token) == listed
    assert listed["provider"] == "bell"
    assert (listed["workspace_id"], listed["project_id"]) == (client.made.workspace.id, client.made.project.id)
    assert listed["allowed_actions"] == ["bell.melt", "bell.ring"]
    assert listed["granted_actions"] == ["bell.ring"]
    assert {"connection_id", "connector", "resource_type", "display_name", "status", "auth", "capabilities"} <= set(
        listed
    )
    assert "ok" not in listed  # one of the clients takes "ok": false for a failure


async def test_without_a_connector_an_integration_says_that_it_cannot_be_used(client, added):
    assert (await client.plane.json("GET", added, client.token))["status"] == "unavailable"
    check = await client.plane.json("POST", f"{added}/health-check", client.token, json={})
    assert (check["ok"], check["error"]["code"]) == (False, "integration_unavailable")
    invoked = await client.plane.json("POST", f"{added}/action/bell.ring:invoke", client.token, json={"params": {}})
    assert (invoked["ok"], invoked["http_status"]) == (False, 501)
    assert invoked["error"]["code"] == "integration_unavailable"


async def test_only_what_was_granted_is_run(client, added, bell):
    async def invoke(action, **params):
        url = f"{added}/action/{action}:invoke"
        return await client.plane.json("POST", url, client.token, json={"params": params})

    assert await invoke("bell.ring", times=2) == {"ok": True, "result": {"sound": "ding"}}
    assert bell.rung == [("owner@acme.example", "bell", "bell.ring", {"times": 2})]
    for action in ("bell.melt", "unknown", "bell.ring%20"):
        refused = await invoke(action)
        assert (refused["ok"], refused["http_status"], refused["error"]["code"]) == (False, 403, "action_not_granted")
    assert len(bell.rung) == 1
    failed = await invoke("bell.ring", loud=True)
    assert (failed["http_status"], failed["error"]) == (429, {"code": "too_loud", "message": "neighbours sleep"})


async def test_a_check_tells_what_the_connector_found(client, added, bell):
    fine = await client.plane.json("POST", f"{added}/health-check", client.token, json={})
    broken = await client.plane.json("POST", f"{added}/health-check", client.token, json={"break": 1})
    assert fine == {"ok": True, "error": None, "data": {"rings": True}}
    assert broken["ok"] is False
    assert broken["error"] == {"code": "integration_failed", "message": "the bell is cracked"}
    assert (await client.plane.json("GET", added, client.token))["connector"] == {"id": "bell", "version": "1.2"}


async def test_an_action_that_does_not_exist_cannot_be_granted(client):
    body = {"provider": "bell", "name": "x", "allowed_actions": ["a"], "granted_actions": ["b"]}
    await client.plane.json("POST", f"{client.api}/integrations", client.token, json=body, status=400)


async def test_one_that_was_removed_is_gone(client, added):
    await client.plane.json("DELETE", f"/api{added}", client.token)
    await client.plane.json("GET", added, client.token, status=404)
    assert await client.plane.json("GET", f"{client.base}/integrations", client.token) == []
