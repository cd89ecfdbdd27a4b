"""Validation: everything that stands against a snapshot, at once, before it runs for anybody."""

from __future__ import annotations

import msgspec
import pytest

from aexl.errors import Conflict, NotFound, Unavailable
from aexl_plane.deployments.validation import SnapshotRefused
from aexl_plane.options import PlaneOptions

CONTRACT = "tool:add must accept at least 2 args (ctx, input). Got: (payload)"


async def validate(deployer, snapshot="main", **wanted):
    found = await deployer.deployments.validate(deployer.project, snapshot, wanted.pop("environment", None), **wanted)
    return [(each.rule, each.message) for each in found.obstacles]


async def test_a_good_snapshot_has_nothing_against_it(deployer):
    assert await validate(deployer) == []
    assert await validate(deployer, deployer.first, environment="prod", runtime="builtin") == []


async def test_everything_is_said_at_once_and_over_http_too(deployer, handlers):
    await deployer.snapshot(b"absent>=1\nalso-absent\n", "requirements.txt")
    bad = await deployer.snapshot(b'[runtime]\nsdk = ">=9"\n', "aexl.toml")
    handlers.broken[bad] = CONTRACT
    expected = ["sdk", "requirement", "requirement", "contract"]
    assert [rule for rule, _ in await validate(deployer)] == expected

    client = deployer.client
    body = {"environment": "dev"}
    refused = await client.plane.json("POST", f"{client.api}/deployments", client.token, json=body, status=422)
    assert refused["error"]["code"] == "snapshot_refused"
    assert [each["rule"] for each in refused["error"]["problems"]] == expected
    assert refused["error"]["problems"][-1]["message"] == CONTRACT
    assert all(each["message"] in refused["error"]["message"] for each in refused["error"]["problems"])

    url = f"{client.api}/snapshots/{bad}:validate"
    found = await client.plane.json("POST", url, client.token, json={})
    assert (found["ok"], found["runtime"], found["described"]) == (False, "builtin", {})
    assert found["problems"] == refused["error"]["problems"]
    assert (await client.plane.json("GET", f"{client.api}/deployments", client.token))["deployments"] == []


async def test_a_snapshot_without_an_entry_point_is_refused_in_the_runners_words(deployer, handlers):
    await deployer.client.delete("entry_point.py")
    await deployer.snapshot(b"words", "README.md")
    assert await validate(deployer) == [("contract", "entry_point.py not found at: entry_point.py")]
    assert handlers.invoked == []


async def test_a_project_without_files_has_nothing_to_deploy(client, plane):
    made = await plane.assembly._files.head(client.made.project.id)
    assert made is None
    url = f"{client.api}/deployments"
    refused = await plane.json("POST", url, client.token, json={"environment": "dev"}, status=404)
    assert "the project has no files yet; 'aexl snapshot push' sends some" in refused["error"]["message"]


async def test_a_runtime_that_is_not_there_is_named(deployer, handlers):
    assert await validate(deployer, runtime="py313") == [
        ("runtime", "there is no runtime 'py313' here; there are builtin")
    ]
    handlers.offers.append(msgspec.structs.replace(handlers.offers[0], name="py313", problem="/opt/x is gone"))
    assert await validate(deployer, runtime="py313") == [
        ("runtime", "the runtime py313 cannot be used now; 'aexl runtime list' on the server says why")
    ]
    assert handlers.invoked == []


async def test_a_deployment_whose_runtime_has_gone_says_which(deployer, handlers):
    handlers.offers.append(msgspec.structs.replace(handlers.offers[0], name="py313"))
    made = await deployer.deploy(runtime="py313")
    await deployer.deployments.check_runtime(made)
    handlers.offers.pop()
    with pytest.raises(Unavailable) as gone:
        await deployer.deployments.check_runtime(made)
    assert str(gone.value) == (
        f"deployment {made.id} of dev needs the runtime py313: there is no runtime 'py313' here; there are builtin; "
        "put it back, or deploy with another one"
    )


async def test_an_environment_allows_what_is_on_its_list(deployer, handlers):
    handlers.offers.append(msgspec.structs.replace(handlers.offers[0], name="py313"))
    put = deployer.deployments.environments.put
    await put(deployer.actor, deployer.project, "dev", None, ["py313"])
    assert (await deployer.deploy(runtime="py313")).runtime == "py313"
    with pytest.raises(SnapshotRefused, match="the environment allows the runtimes py313, and not builtin"):
        await deployer.deploy()
    await put(deployer.actor, deployer.project, "dev", None, ["builtin"])
    assert (await deployer.deploy(runtime="builtin")).runtime == ""


async def test_a_list_that_changes_while_a_snapshot_is_looked_at_counts(deployer, handlers, monkeypatch):
    handlers.offers.append(msgspec.structs.replace(handlers.offers[0], name="py313"))
    invoke = handlers.invoke

    async def slow(invocation, **_):
        ran = await invoke(invocation)
        await deployer.deployments.environments.put(deployer.actor, deployer.project, "dev", None, ["py313"])
        return ran

    monkeypatch.setattr(handlers, "invoke", slow)
    with pytest.raises(Conflict, match="dev allows py313 by now, and not builtin"):
        await deployer.deploy()
    assert await deployer.deployments.latest(deployer.project, "dev") is None


@pytest.mark.slow
async def test_a_byte_order_mark_is_no_part_of_a_requirement(deployer):
    await deployer.snapshot(b"\xef\xbb\xbfabsent\n", "requirements.txt")
    message = "requirements.txt: absent is needed, and runtime builtin does not have absent"
    assert await validate(deployer) == [("requirement", message)]


async def test_requirements_lead_to_other_files_but_not_for_ever(deployer):
    await deployer.snapshot(b"-r more/a.txt\n-r gone.txt\n", "requirements.txt")
    await deployer.snapshot(b"-r ../requirements.txt\nabsent\n", "more/a.txt")
    assert await validate(deployer) == [
        ("requirement", "gone.txt is named by the requirements, and is not in the snapshot"),
        ("requirement", "more/a.txt: absent is needed, and runtime builtin does not have absent"),
    ]
    for number in range(20):
        await deployer.snapshot(b"" if number == 0 else f"-r {number - 1}.txt\n".encode(), f"{number}.txt")
    await deployer.snapshot(b"-r 19.txt\n", "requirements.txt")
    assert await validate(deployer) == []
    await deployer.snapshot(b"-r more/b.txt\n", "0.txt")
    assert await validate(deployer) == [("requirement", "the requirements lead to more than 20 files")]


async def test_declarations_have_a_size_and_an_encoding(deployer):
    most = 256 * 1024
    await deployer.snapshot(b"#" * most, "requirements.txt")
    assert await validate(deployer) == []
    await deployer.snapshot(b"#" * (most + 1), "requirements.txt")
    await deployer.snapshot(b"\xff", "aexl.toml")
    assert await validate(deployer) == [
        ("settings", "aexl.toml is not UTF-8"),
        ("settings", f"requirements.txt has {most + 1} bytes; {most} are read"),
    ]


class TestLimits:
    @pytest.fixture
    async def plane(self, home, run_plane, handlers):
        config = "[plane]\ndeploy_files = 2\ndeploy_bytes = 100\n"
        async with run_plane(home, config, ("snapshots", "ledger"), handlers) as made:
            yield made

    async def test_a_snapshot_has_a_number_of_files(self, deployer, handlers):
        await deployer.snapshot(b"1", "two")
        assert await validate(deployer) == []
        asked = len(handlers.invoked)
        await deployer.snapshot(b"1", "three")
        assert await validate(deployer) == [("policy", "it has 3 files; [plane] deploy_files allows 2")]
        assert len(handlers.invoked) == asked

    async def test_a_snapshot_has_a_size(self, deployer):
        await deployer.snapshot(b"x" * 100, "entry_point.py")
        assert await validate(deployer) == []
        await deployer.snapshot(b"x" * 101, "entry_point.py")
        assert await validate(deployer) == [("policy", "its files have 101 bytes; [plane] deploy_bytes allows 100")]


async def test_without_somebody_who_runs_handlers_nothing_can_be_deployed(home, run_plane, make_client):
    async with run_plane(home) as plane:
        client = make_client(plane, await plane.tenant())
        await client.put("entry_point.py", b"1")
        body = {"environment": "dev"}
        refused = await plane.json("POST", f"{client.api}/deployments", client.token, json=body, status=503)
        assert "no plugin runs handlers here" in refused["error"]["message"]


async def test_what_could_not_be_tried_is_not_held_against_the_snapshot(deployer, handlers, monkeypatch):
    async def busy(invocation, **_):
        raise Unavailable("too many runs wait for a worker")

    monkeypatch.setattr(handlers, "invoke", busy)
    with pytest.raises(Unavailable, match="too many runs"):
        await deployer.deploy()
    assert await deployer.told() == []


async def test_a_snapshot_of_another_project_is_not_validated(deployer):
    with pytest.raises(NotFound):
        await validate(deployer, "0" * 64)


@pytest.mark.parametrize(
    "values",
    [
        {"deploy_files": 0},
        {"deploy_bytes": 0},
        {"environments": ()},
        {"environments": ("dev", "dev"), "approval": ()},
        {"environments": ("Dev",), "approval": ()},
        {"environments": ("rollback",), "approval": ()},
        {"environments": tuple(f"e{number}" for number in range(11)), "approval": ()},
        {"approval": ("live",)},
    ],
)
def test_options_that_make_no_sense_are_refused(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        PlaneOptions(**values)


def test_environments_can_be_others():
    names = tuple(f"e{number}" for number in range(10))
    assert PlaneOptions(environments=names, approval=("e9",)).environments == names


REAL = b"""
from aexl.sdk import router, tool

@tool("add")
def add(payload):
    return payload
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "message"),
    [
        (REAL, CONTRACT),
        (REAL.replace(b"tool(", b"router(").replace(b"(payload)", b"(*, a)"), "router:add must accept at least 2 args (ctx, state). Got: (*, a)"),
        (b"import subprocess\n", "Disallowed imports detected: subprocess"),
        (b"import absent_module\n", "No module named 'absent_module'"),
    ],
)  # fmt: skip
async def test_the_real_runner_says_what_is_wrong(home, run_plane, make_client, source, message):
    async with run_plane(home, "", ("snapshots", "runtime")) as plane:
        client = make_client(plane, await plane.tenant())
        await client.put("entry_point.py", source)
        url, body = f"{client.api}/deployments", {"environment": "dev"}
        refused = await plane.json("POST", url, client.token, json=body, status=422)
        [problem] = refused["error"]["problems"]
        assert problem["rule"] == "contract"
        assert message in problem["message"]
        assert str(home) not in problem["message"]
        await client.put("entry_point.py", REAL.replace(b"(payload)", b"(ctx, payload)"), 1)
        made = await plane.json("POST", url, client.token, json=body, status=201)
        assert (made["status"], made["described"]["tools"]) == ("active", ["add"])
        offered = await plane.json("GET", f"{client.api}/runtimes", client.token)
        assert offered["runtimes"][0]["name"] == "builtin"


@pytest.mark.slow
async def test_every_handler_that_breaks_its_contract_is_named(home, run_plane, make_client):
    source = (
        REAL
        + b"""
from aexl.sdk import agent, http

@agent("plan")
def plan():
    return {}

@http.get("/health")
def health(request):
    return {}
"""
    )
    async with run_plane(home, "", ("snapshots", "runtime")) as plane:
        client = make_client(plane, await plane.tenant())
        await client.put("entry_point.py", source)
        body = {"environment": "dev"}
        refused = await plane.json("POST", f"{client.api}/deployments", client.token, json=body, status=422)
        assert [each["message"] for each in refused["error"]["problems"]] == [
            CONTRACT,
            "agent:plan must accept at least 2 args (ctx, state/payload). Got: ()",
            "http:GET /health must accept at least 2 args (ctx, request). Got: (request)",
        ]
