"""Deploying, promoting, rolling back: one that serves, and a history that leads back."""

from __future__ import annotations

import msgspec
import pytest
import trio

from aexl.errors import Conflict, Invalid, NotFound
from aexl_plane.deployments.actors import Actor
from aexl_plane.deployments.rules import REASON
from aexl_plane.deployments.validation import SnapshotRefused


async def test_what_is_deployed_serves(deployer, handlers):
    made = await deployer.deploy(reason="the first")
    assert await deployer.serving() == made
    assert (made.status, made.snapshot, made.weight, made.reason) == ("active", deployer.first, 100, "the first")
    assert made.described["tools"] == ["add", "break"]
    assert (handlers.invoked[-1].project, handlers.invoked[-1].repository) == (made.snapshot, deployer.project)


async def test_an_environment_runs_what_it_was_pointed_at_and_not_the_head(deployer):
    made = await deployer.deploy()
    second = await deployer.snapshot("2")
    assert (await deployer.serving()).snapshot == made.snapshot != second
    assert (await deployer.deploy()).snapshot == second
    assert (await deployer.deploy(snapshot=deployer.first)).snapshot == deployer.first


async def test_nothing_serves_before_the_first_deployment(deployer):
    with pytest.raises(NotFound, match="nothing is deployed to dev yet; 'aexl deploy dev'"):
        await deployer.serving()
    assert await deployer.deployments.latest(deployer.project, "dev") is None
    with pytest.raises(NotFound, match="no environment 'nowhere' in this project; there are dev, staging, prod"):
        await deployer.deploy("nowhere")


async def test_a_snapshot_of_nobody_and_one_of_another_project_cannot_be_deployed(deployer, plane, make_client):
    other = make_client(plane, await plane.tenant("rival"))
    theirs = (await other.put("entry_point.py", b"SECRET = 1\n"))["snapshot"]
    for snapshot in ("0" * 64, theirs, "prod", "\N{SNOWMAN}"):
        with pytest.raises(NotFound):
            await deployer.deploy(snapshot=snapshot)


async def test_what_was_replaced_says_so_and_knows_what_came_before(deployer):
    first = await deployer.deploy()
    await deployer.snapshot("2")
    second = await deployer.deploy()
    assert (await deployer.deployments.get(deployer.project, first.id)).status == "replaced"
    assert second.replaces == first.id
    listed = await deployer.deployments.list(deployer.project, "dev", 10)
    assert [each.id for each in listed] == [second.id, first.id]
    assert await deployer.deployments.list(deployer.project, "dev", 1) == listed[:1]
    assert await deployer.deployments.list(deployer.project, "staging", 10) == []
    assert await deployer.deployments.latest(deployer.project, "dev") == second


async def test_of_two_deploys_at_once_both_are_kept_and_one_serves(deployer):
    second = await deployer.snapshot("2")
    made = []

    async def deploy(snapshot):
        made.append(await deployer.deploy(snapshot=snapshot))

    for _ in range(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(deploy, deployer.first)
            nursery.start_soon(deploy, second)
    listed = await deployer.deployments.list(deployer.project, "dev", 100)
    assert sorted(each.id for each in listed) == sorted(each.id for each in made)
    [active] = [each for each in listed if each.status == "active"]
    assert (await deployer.serving()).id == active.id
    assert sorted(each.replaces or "" for each in made) == sorted(
        ["", *(each.id for each in made if each.id != active.id)]
    )


async def test_of_two_who_expect_the_same_deployment_one_is_told(deployer):
    before = await deployer.deploy()
    outcomes = []

    async def deploy():
        try:
            outcomes.append(await deployer.deploy(expected=before.id))
        except Conflict as error:
            outcomes.append(str(error))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(deploy)
        nursery.start_soon(deploy)
    [won] = [each for each in outcomes if not isinstance(each, str)]
    [lost] = [each for each in outcomes if isinstance(each, str)]
    assert lost.startswith(f"dev is served by {won.id}, not by {before.id}")


async def test_a_snapshot_whose_contract_fails_is_refused_and_nothing_is_kept(deployer, handlers):
    before = await deployer.deploy()
    bad = await deployer.snapshot("2")
    handlers.broken[bad] = "tool:add must accept at least 2 args (ctx, input). Got: (payload)"
    with pytest.raises(SnapshotRefused) as refused:
        await deployer.deploy()
    assert (refused.value.status, refused.value.code) == (422, "snapshot_refused")
    assert handlers.broken[bad] in refused.value.reason
    assert await deployer.serving() == before
    assert len(await deployer.deployments.list(deployer.project, None, 10)) == 1
    kind, data = (await deployer.told())[-1]
    assert (kind, data["environment"], data["by"]) == ("deployment_refused", "dev", deployer.actor.who)
    assert handlers.broken[bad] in data["reason"]


async def test_a_promotion_takes_the_same_snapshot_and_runtime(deployer, handlers):
    handlers.offers.append(msgspec.structs.replace(handlers.offers[0], name="py312"))
    source = await deployer.deploy(runtime="py312")
    await deployer.snapshot("2")
    made = await deployer.deployments.promote(deployer.actor, deployer.project, "dev", "staging")
    assert (made.snapshot, made.runtime, made.cause, made.follows) == (source.snapshot, "py312", "promote", source.id)
    assert await deployer.serving("staging") == made
    assert await deployer.serving("dev") == source


async def test_a_promotion_is_held_to_the_other_environments_list(deployer, handlers):
    handlers.offers.append(msgspec.structs.replace(handlers.offers[0], name="py312"))
    await deployer.deploy(runtime="py312")
    await deployer.deployments.environments.put(deployer.actor, deployer.project, "staging", None, ["builtin"])
    with pytest.raises(SnapshotRefused, match="the environment allows the runtimes builtin, and not py312"):
        await deployer.deployments.promote(deployer.actor, deployer.project, "dev", "staging")


async def test_a_promotion_needs_something_to_promote_and_another_place(deployer):
    with pytest.raises(NotFound, match="nothing is deployed to dev yet"):
        await deployer.deployments.promote(deployer.actor, deployer.project, "dev", "staging")
    await deployer.deploy()
    with pytest.raises(Invalid, match="dev cannot be promoted to itself"):
        await deployer.deployments.promote(deployer.actor, deployer.project, "dev", "dev")
    with pytest.raises(NotFound):
        await deployer.deployments.promote(deployer.actor, deployer.project, "dev", "nowhere")


async def roll_back(deployer, to=None, environment="dev"):
    return await deployer.deployments.rollback(deployer.actor, deployer.project, environment, to)


async def test_rollbacks_lead_further_back_each_time(deployer):
    snapshots = [deployer.first]
    await deployer.deploy()
    for text in "23":
        snapshots.append(await deployer.snapshot(text))
        await deployer.deploy()
    await deployer.deploy()  # the same again is nothing to go back to
    for snapshot in (snapshots[1], snapshots[0]):
        made = await roll_back(deployer)
        assert (made.snapshot, made.cause) == (snapshot, "rollback")
        assert await deployer.serving() == made
    with pytest.raises(NotFound, match="dev has no earlier deployment to go back to"):
        await roll_back(deployer)


async def test_a_rollback_to_a_named_deployment_may_lead_forth_again(deployer):
    first = await deployer.deploy()
    await deployer.snapshot("2")
    second = await deployer.deploy()
    assert (await roll_back(deployer)).follows == first.id
    forth = await roll_back(deployer, second.id)
    assert (forth.snapshot, forth.follows) == (second.snapshot, second.id)
    assert (await roll_back(deployer)).snapshot == first.snapshot


async def test_a_rollback_goes_only_where_the_environment_has_been(deployer):
    with pytest.raises(NotFound, match="nothing is deployed to dev yet"):
        await roll_back(deployer)
    made = await deployer.deploy()
    elsewhere = await deployer.deployments.promote(deployer.actor, deployer.project, "dev", "staging")
    with pytest.raises(Invalid, match="has never served dev"):
        await roll_back(deployer, elsewhere.id)
    with pytest.raises(NotFound, match="no deployment 'dp_0'"):
        await roll_back(deployer, "dp_0")
    with pytest.raises(Conflict, match=f"deployment {made.id} serves dev already"):
        await roll_back(deployer, made.id)


async def test_a_rollback_is_not_asked_for_contracts_but_needs_its_runtime(deployer, handlers):
    handlers.offers.append(msgspec.structs.replace(handlers.offers[0], name="py312"))
    await deployer.deploy(runtime="py312")
    await deployer.snapshot("2")
    await deployer.deploy()
    del handlers.offers[1]
    with pytest.raises(SnapshotRefused, match="there is no runtime 'py312' here; there are builtin"):
        await roll_back(deployer)
    handlers.offers.append(msgspec.structs.replace(handlers.offers[0], name="py312"))
    asked = len(handlers.invoked)
    assert (await roll_back(deployer)).runtime == "py312"
    assert len(handlers.invoked) == asked


async def test_a_canary_takes_its_part_of_the_requests(deployer):
    numbers = iter(range(100))
    deployer.deployments._serving.pick = lambda: next(numbers)
    active = await deployer.deploy()
    canary = await deployer.deploy(snapshot=await deployer.snapshot("2"), weight=7)
    served = [(await deployer.serving()).id for _ in range(100)]
    assert served == [canary.id] * 7 + [active.id] * 93


@pytest.mark.parametrize("weight", [0, 101, -1])
async def test_a_weight_is_a_percentage(deployer, weight):
    await deployer.deploy()
    with pytest.raises(Invalid, match="weight must be from 1 to 100 percent"):
        await deployer.deploy(weight=weight)


async def test_a_canary_needs_something_beside_it(deployer):
    with pytest.raises(Conflict, match="nothing serves dev beside a canary yet"):
        await deployer.deploy(weight=99)


async def test_a_canary_ends_by_what_replaces_it_by_a_rollback_or_by_itself(deployer):
    service, environments = deployer.deployments, deployer.deployments.environments

    async def state():
        found = await environments.get(deployer.project, "dev")
        return found.active.id, found.canary and found.canary.id

    async def status(made):
        return (await service.get(deployer.project, made.id)).status

    first = await deployer.deploy()
    one, two = await deployer.deploy(weight=1), await deployer.deploy(weight=99)
    assert await state() == (first.id, two.id)
    assert (await status(one), await status(two)) == ("replaced", "active")

    assert (await roll_back(deployer)).id == first.id
    assert (await state(), await status(two)) == ((first.id, None), "replaced")

    three = await deployer.deploy(weight=10)
    await service.end_canary(deployer.actor, deployer.project, "dev")
    assert (await state(), await status(three)) == ((first.id, None), "replaced")
    with pytest.raises(NotFound, match="dev has no canary"):
        await service.end_canary(deployer.actor, deployer.project, "dev")

    four, whole = await deployer.deploy(weight=50), await deployer.deploy(weight=100)
    assert (await state(), await status(four)) == ((whole.id, None), "replaced")
    served = {(await deployer.serving()).id for _ in range(50)}
    assert served == {whole.id}


async def test_a_reason_has_a_length(deployer):
    assert len((await deployer.deploy(reason="x" * REASON)).reason) == REASON
    with pytest.raises(Invalid, match=f"the reason has {REASON + 1} characters"):
        await deployer.deploy(reason="x" * (REASON + 1))


async def test_the_ledger_hears_of_all_of_it(deployer):
    first = await deployer.deploy()
    await deployer.snapshot("2")
    await deployer.deploy(weight=5)
    await deployer.deployments.end_canary(deployer.actor, deployer.project, "dev")
    await deployer.deploy()
    await roll_back(deployer)
    await deployer.deployments.promote(deployer.actor, deployer.project, "dev", "staging")
    told = await deployer.told()
    assert [(kind, data.get("cause")) for kind, data in told] == [
        ("deployed", "deploy"), ("deployed", "deploy"), ("canary_ended", None), ("deployed", "deploy"),
        ("deployed", "rollback"), ("deployed", "promote"),
    ]  # fmt: skip
    assert told[0][1]["snapshot"] == first.snapshot
    assert all(data["by"] == deployer.actor.who for _, data in told)


async def test_what_serves_outlives_the_server(home, run_plane, handlers, make_client):
    async with run_plane(home, "", ("snapshots",), handlers) as plane:
        client = make_client(plane, await plane.tenant())
        await client.put("entry_point.py", b"1")
        project = client.made.project.id
        made = await plane.assembly.deployments.deploy(Actor("x", "us_x"), project, "dev")
    async with run_plane(home, "", ("snapshots",), handlers) as plane:
        assert await plane.assembly.deployments.serving(project, "dev") == made
