"""Environments: there without being made, made by name, each with its settings."""

from __future__ import annotations

import msgspec
import pytest

from aexl.errors import Conflict, Invalid, NotFound
from aexl_plane.deployments.environments import RUNTIMES
from aexl_plane.http.deployments import LISTED
from aexl_plane.http.integration_shapes import Nothing
from aexl_plane.names import RESERVED_ENVIRONMENTS
from aexl_plane.storage.deployments import ENVIRONMENTS


async def put(deployer, name, approval=None, runtimes=None):
    return await deployer.deployments.environments.put(deployer.actor, deployer.project, name, approval, runtimes)


async def names(deployer):
    return [each.environment.name for each in await deployer.deployments.environments.list(deployer.project)]


async def test_three_are_there_without_being_made_and_prod_asks(deployer):
    found = await deployer.deployments.environments.list(deployer.project)
    assert [(each.environment.name, each.environment.approval) for each in found] == [
        ("dev", False), ("staging", False), ("prod", True),
    ]  # fmt: skip
    assert all((each.active, each.canary, each.waiting) == (None, None, []) for each in found)


async def test_others_are_made_by_name_and_settings_are_changed_one_by_one(deployer, handlers):
    handlers.offers.append(msgspec.structs.replace(handlers.offers[0], name="py313"))
    made = (await put(deployer, "qa", approval=True)).environment
    assert (made.approval, made.runtimes) == (True, ())
    made = (await put(deployer, "qa", runtimes=["py313", "builtin", "py313"])).environment
    assert (made.approval, made.runtimes) == (True, ("builtin", "py313"))
    made = (await put(deployer, "qa", approval=False, runtimes=[])).environment
    assert (made.approval, made.runtimes) == (False, ())
    assert await names(deployer) == ["dev", "staging", "prod", "qa"]
    assert [data["approval"] for kind, data in await deployer.told() if kind == "environment_changed"] == [1, 1, 0]


async def test_what_serves_goes_on_serving_when_settings_change(deployer):
    made = await deployer.deploy()
    after = await put(deployer, "dev", approval=True)
    assert after.active == made == await deployer.serving()
    assert (await deployer.deploy()).status == "waiting"
    await put(deployer, "prod", approval=False)
    assert (await deployer.deploy("prod")).status == "active"


async def test_a_field_that_nobody_knows_governs_nothing(deployer, client):
    for method, url, wanted in (
        ("POST", "deployments", {"environment": "dev", "wieght": 10}),
        ("PUT", "environments/dev", {"aproval": True}),
    ):
        answer = await client.plane.json(method, f"{client.api}/{url}", client.token, json=wanted, status=400)
        assert "unknown field" in answer["error"]["message"]
    with pytest.raises(NotFound):
        await deployer.serving()


async def test_every_request_of_our_own_says_all_that_it_may_have(plane):
    asked = {route.takes for route in plane.assembly.routes().all if route.takes not in (None, Nothing)}
    assert [each for each in asked if not each.__struct_config__.forbid_unknown_fields] == []


async def test_one_of_a_project_is_none_of_another(deployer, plane, make_client):
    await put(deployer, "qa")
    other = make_client(plane, await plane.tenant("rival"))
    environments = plane.assembly.deployments.environments
    with pytest.raises(NotFound, match="no environment 'qa'"):
        await environments.get(other.made.project.id, "qa")


async def test_a_project_has_so_many(deployer):
    for number in range(ENVIRONMENTS - 3):
        await put(deployer, f"e{number}")
    with pytest.raises(Conflict, match=f"a project has {ENVIRONMENTS} environments at most"):
        await put(deployer, "one-more")
    await put(deployer, "e0", approval=True)
    await put(deployer, "prod", approval=False)
    assert len(await names(deployer)) == ENVIRONMENTS


@pytest.mark.parametrize("name", ["", "Dev", "a b", "-a", "a/b", "x" * 64, *sorted(RESERVED_ENVIRONMENTS)])
async def test_a_name_is_a_slug_and_no_word_of_the_command(deployer, name):
    with pytest.raises(Invalid):
        await put(deployer, name)


async def test_the_longest_name(deployer):
    assert (await put(deployer, "x" * 63)).environment.name == "x" * 63


async def test_a_list_has_runtimes_that_there_are_and_so_many(deployer, handlers):
    with pytest.raises(Invalid, match="there is no runtime py313 here; there are builtin"):
        await put(deployer, "dev", runtimes=["py313"])
    first = handlers.offers[0]
    handlers.offers += [msgspec.structs.replace(first, name=f"r{number}") for number in range(RUNTIMES)]
    every = [f"r{number}" for number in range(RUNTIMES)]
    assert len((await put(deployer, "dev", runtimes=every)).environment.runtimes) == RUNTIMES
    with pytest.raises(Invalid, match=f"has {RUNTIMES} runtimes at most, not {RUNTIMES + 1}"):
        await put(deployer, "dev", runtimes=[*every, "builtin"])


async def test_a_server_may_have_other_environments(home, run_plane, handlers, make_client):
    config = '[plane]\nenvironments = ["test", "live"]\napproval = []\n'
    async with run_plane(home, config, ("snapshots",), handlers) as plane:
        client = make_client(plane, await plane.tenant())
        found = await plane.json("GET", f"{client.api}/environments", client.token)
        assert [(each["name"], each["approval"]) for each in found["environments"]] == [
            ("test", False), ("live", False),
        ]  # fmt: skip


async def test_over_http_an_environment_shows_what_serves_and_what_waits(deployer):
    client, made = deployer.client, {}
    plane, token = client.plane, client.token
    settings = {"approval": False, "runtimes": ["builtin"]}
    await plane.json("PUT", f"{client.api}/environments/dev", token, json=settings)
    for weight in (100, 20):
        body = {"environment": "dev", "weight": weight, "reason": "because"}
        made[weight] = await plane.json("POST", f"{client.api}/deployments", token, json=body, status=201)
    await plane.json("PUT", f"{client.api}/environments/dev", token, json={"approval": True})
    body = {"environment": "dev", "expected": made[100]["id"]}
    waiting = await plane.json("POST", f"{client.api}/deployments", token, json=body, status=201)

    found = await plane.json("GET", f"{client.api}/environments/dev", token)
    assert (found["approval"], found["runtimes"]) == (True, ["builtin"])
    assert [found["active"]["id"], found["canary"]["id"], *(each["id"] for each in found["waiting"])] == [
        made[100]["id"], made[20]["id"], waiting["id"],
    ]  # fmt: skip
    assert "described" not in found["active"]
    one = await plane.json("GET", f"{client.api}/deployments/{made[100]['id']}", token)
    assert one == made[100]
    assert one["described"]["tools"] == ["add", "break"]
    assert (one["runtime"], one["by"], one["created"][-1]) == ("builtin", "owner@acme.example", "Z")

    ended = await plane.json("DELETE", f"{client.api}/environments/dev/canary", token)
    assert ended["canary"] is None
    approved = await plane.json("POST", f"{client.api}/deployments/{waiting['id']}:approve", token, json={})
    assert (approved["status"], approved["replaces"]) == ("active", made[100]["id"])
    await deployer.snapshot("2")
    promoted = await plane.json(
        "POST", f"{client.api}/environments/dev:promote", token, json={"to": "staging"}, status=201
    )
    assert (promoted["environment"], promoted["follows"]) == ("staging", approved["id"])


async def test_over_http_lists_have_a_length(deployer):
    client = deployer.client
    url = f"{client.api}/deployments"
    for _ in range(3):
        await deployer.deploy()
    found = await client.plane.json("GET", f"{url}?limit=2&environment=dev", client.token)
    assert len(found["deployments"]) == 2
    await client.plane.json("GET", f"{url}?limit={LISTED}", client.token)
    for query in (f"limit={LISTED + 1}", "limit=0", "limit=x"):
        await client.plane.json("GET", f"{url}?{query}", client.token, status=400)
    await client.plane.json("GET", f"{url}?environment=nowhere", client.token, status=404)


@pytest.mark.parametrize(("rights", "status"), [(["read"], 403), (["execute"], 403), (["write"], 201)])
async def test_who_may_only_look_deploys_nothing(deployer, rights, status):
    client, plane = deployer.client, deployer.client.plane
    wanted = {"name": "x", "scopes": rights}
    token = (await plane.json("POST", "/api/v1/tokens", client.token, json=wanted, status=201))["token"]
    body = {"environment": "dev"}
    assert (await plane.ask("POST", f"{client.api}/deployments", token, json=body)).status == status
    assert (await plane.ask("PUT", f"{client.api}/environments/dev", token, json={})).status == 403
    waiting = await deployer.deploy("prod")
    assert (await plane.ask("POST", f"{client.api}/deployments/{waiting.id}:approve", token, json={})).status == 403
