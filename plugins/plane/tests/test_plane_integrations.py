"""Integrations: what is listed, what is granted, what connectors say, and what the ledger hears."""

from __future__ import annotations

import logging

import msgspec
import pytest
import trio

from aexl.errors import ConfigError
from aexl.testing.connectors import SECRET

GRANTED = ["bell.ring", "bell.wait", "bell.tell", "bell.fall"]


@pytest.fixture
def add(client):
    async def add(*, status=201, **body):
        body = {"name": "Front door", "integration": "tower", **body}
        made = await client.plane.json("POST", f"{client.api}/integrations", client.token, json=body, status=status)
        return made.get("connection_id", made)

    return add


class Hearing:
    """Plays ``Journal``, and remembers what it was told of calls."""

    def __init__(self):
        self.heard = []

    async def append(self, kind, subject, data):
        if "action" in kind:
            self.heard.append((kind.removeprefix("plane."), dict(data)))


@pytest.fixture
def told(client):
    """What the ledger has heard of calls."""
    hearing = Hearing()
    client.plane.assembly._database._journal = lambda: hearing
    return hearing.heard


@pytest.fixture
def invoke(client):
    async def invoke(connection, action="bell.ring", *, key=None, status=200, **params):
        url = f"{client.api}/integrations/{connection}/actions/{action}:invoke"
        headers = {} if key is None else {"idempotency-key": key}
        answered = await client.plane.ask("POST", url, client.token, json={"params": params}, headers=headers)
        assert answered.status == status, answered.body
        return msgspec.json.decode(answered.body)

    return invoke


async def test_an_integration_has_everything_that_both_clients_read(client, add):
    made = await add(
        allowed_actions=["bell.ring", "bell.wait"], granted_actions=["bell.ring"], metadata={"place": "door"}
    )
    listed = await client.plane.json("GET", f"{client.base}/integrations", client.token)
    one = await client.plane.json("GET", f"{client.base}/integrations/{made}", client.token)

    assert (
        [one] == listed == (await client.plane.json("GET", f"{client.api}/integrations", client.token))["integrations"]
    )
    assert (one["provider"], one["integration"], one["status"], one["status_reason"]) == (
        "bell",
        "tower",
        "active",
        None,
    )
    assert one["connector"] == {"id": "bell", "version": "1.2"}
    assert (one["workspace_id"], one["project_id"]) == (client.made.workspace.id, client.made.project.id)
    assert (one["allowed_actions"], one["granted_actions"]) == (["bell.ring", "bell.wait"], ["bell.ring"])
    assert {"connection_id", "resource_type", "display_name", "auth", "capabilities", "metadata"} <= set(one)
    assert "ok" not in one  # one of the clients takes "ok": false for a failure


async def test_a_project_is_connected_only_to_what_its_tenant_was_given(run_plane, make_client, home):
    config = """
        [integrations.named]
        provider = "bell"
        tenants = ["acme"]
        actions = ["bell.ring"]
        """
    async with run_plane(home, config) as plane:
        acme, rival = [make_client(plane, await plane.tenant(name)) for name in ("acme", "rival")]
        offered = await plane.json("GET", "/api/v1/integrations", acme.token)
        assert [(each["name"], each["actions"]) for each in offered["offered"]] == [
            ("named", ["bell.ring"]), ("tower", sorted(GRANTED))
        ]  # fmt: skip
        assert [each["name"] for each in (await plane.json("GET", "/api/v1/integrations", rival.token))["offered"]] == [
            "tower"
        ]
        wanted = {"name": "x", "integration": "named"}
        made = await plane.json("POST", f"{acme.api}/integrations", acme.token, json=wanted, status=201)
        hers = await plane.ask("POST", f"{rival.api}/integrations", rival.token, json=wanted)
        nobodys = await plane.ask(
            "POST", f"{rival.api}/integrations", rival.token, json={**wanted, "integration": "other"}
        )
        assert hers.status == nobodys.status == 404
        assert hers.body.replace(b"named", b"other") == nobodys.body

        # What the owner takes back is gone for those that are connected already.
        (home / "aexl.toml").write_text(config.replace("acme", "rival"))
        await plane.host.reload()
        gone = await plane.json("GET", f"{acme.base}/integrations/{made['connection_id']}", acme.token)
        assert gone["status"] == "unavailable"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"provider": "http"}, "provider bell"),
        ({"allowed_actions": ["bell.melt"]}, "no action bell.melt"),
        ({"granted_actions": ["bell.melt"]}, "cannot be granted"),
        ({"allowed_actions": ["bell.ring"], "granted_actions": ["bell.wait"]}, "cannot be granted"),
        ({"integration": ""}, "name one"),
        ({"name": ""}, "name"),
    ],
)
async def test_what_cannot_be_granted_is_refused_when_it_is_added(add, body, why):
    assert why in (await add(status=400, **body))["error"]["message"]


async def test_without_a_connector_an_integration_says_that_it_cannot_be_used(client, add, invoke, told):
    made = await add(integration="", provider="jira", allowed_actions=["jira.myself"], granted_actions=["jira.myself"])
    url = f"{client.base}/integrations/{made}"
    assert (await client.plane.json("GET", url, client.token))["status"] == "unavailable"
    check = await client.plane.json("POST", f"{url}/health-check", client.token, json={})
    assert (check["ok"], check["error"]["code"]) == (False, "integration_unavailable")
    wire = await client.plane.json("POST", f"{url}/action/jira.myself:invoke", client.token, json={"params": {}})
    assert (wire["ok"], wire["http_status"], wire["error"]["code"]) == (False, 501, "integration_unavailable")
    assert (await invoke(made, "jira.myself", status=501))["error"]["code"] == "integration_unavailable"
    assert [(kind, data["outcome"]) for kind, data in told] == [("action_refused", "integration_unavailable")] * 3


async def test_a_credential_that_the_server_does_not_have_makes_it_unavailable(run_plane, make_client, home):
    config = '[integrations.dark]\nprovider = "bell"\ntenants = ["*"]\ncredential = "NOT_SET_ANYWHERE"\n'
    async with run_plane(home, config) as plane:
        client = make_client(plane, await plane.tenant())
        wanted = {"name": "x", "integration": "dark", "granted_actions": ["bell.ring"]}
        made = await plane.json("POST", f"{client.api}/integrations", client.token, json=wanted, status=201)
        shown = await plane.json("GET", f"{client.api}/integrations/{made['connection_id']}", client.token)
        assert (shown["status"], "no credential" in shown["status_reason"]) == ("unavailable", True)
        assert "NOT_SET_ANYWHERE" not in str(shown)
        [dark, _] = await plane.assembly.integrations.configured()
        assert "NOT_SET_ANYWHERE is set neither" in dark.problem


async def test_only_what_was_granted_is_run_and_all_of_it_is_in_the_ledger(client, add, invoke, told):
    made = await add(granted_actions=["bell.ring"])
    done = await invoke(made, times=2)
    for action in ("bell.wait", "unknown", "bell.ring%20"):
        assert (await invoke(made, action, status=403))["error"]["code"] == "action_not_granted"
    failed = await invoke(made, loud=True, status=429)

    assert (done["result"], done["execution"], done["cost_usd"]) == ({"sound": "ding", "times": 2}, None, None)
    assert failed["error"]["code"] == "too_loud"
    [rung, _] = client.plane.bell.made["tower"].rung
    assert (rung.id, rung.by, rung.tenant, rung.project) == (
        done["call"], "owner@acme.example", client.made.tenant.id, client.made.project.id
    )  # fmt: skip
    heard = told
    assert [(kind, data["action"], data.get("outcome")) for kind, data in heard] == [
        ("action_started", "bell.ring", None), ("action_ended", "bell.ring", "ok"),
        ("action_refused", "bell.wait", "action_not_granted"), ("action_refused", "unknown", "action_not_granted"),
        ("action_refused", "bell.ring ", "action_not_granted"),
        ("action_started", "bell.ring", None), ("action_ended", "bell.ring", "too_loud"),
    ]  # fmt: skip
    assert heard[0][1]["call"] == heard[1][1]["call"] == done["call"]
    assert {"by", "project", "provider", "integration", "milliseconds"} <= set(heard[1][1])
    assert heard[1][1]["by"] == "owner@acme.example"


async def test_an_action_that_the_owner_takes_back_is_refused_at_once(client, add, invoke, home):
    made = await add(granted_actions=["bell.ring", "bell.wait"])
    text = (home / "aexl.toml").read_text()
    (home / "aexl.toml").write_text(text + 'actions = ["bell.wait"]\n')
    await client.plane.host.reload()
    assert "owner does not allow" in (await invoke(made, status=403))["error"]["message"]
    shown = await client.plane.json("GET", f"{client.api}/integrations/{made}", client.token)
    assert shown["granted_actions"] == ["bell.wait"]


async def test_a_reload_closes_what_is_not_needed_any_more_and_keeps_the_rest(client, add, invoke, home):
    bell = client.plane.bell.made["tower"]
    await client.plane.host.reload()
    assert client.plane.bell.made["tower"] is bell
    (home / "aexl.toml").write_text((home / "aexl.toml").read_text() + "per_minute = 7\n")
    await client.plane.host.reload()
    await trio.testing.wait_all_tasks_blocked()
    assert bell.closed
    assert not client.plane.bell.made["tower"].closed
    (home / "aexl.toml").write_text((home / "aexl.toml").read_text() + 'provider2 = "x"\n')
    with pytest.raises(ConfigError, match="provider2"):
        await client.plane.host.reload()


async def test_the_credential_is_in_no_answer_no_log_and_no_event(client, add, invoke, home, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    made = await add(granted_actions=GRANTED)
    answers = [await invoke(made, "bell.tell"), await invoke(made, said=SECRET)]
    answers.append(await invoke(made, "bell.fall", status=502))
    bell = client.plane.bell.made["tower"]
    bell.broken = f"cannot ring with {SECRET}"
    answers.append(await invoke(made, status=503))
    url = f"{client.base}/integrations/{made}"
    answers.append(await client.plane.json("POST", f"{url}/health-check", client.token, json={}))
    answers.append(await client.plane.json("POST", f"{url}/action/bell.ring:invoke", client.token, json={"params": {}}))
    for path in ("integrations", f"integrations/{made}"):
        answers += [
            await client.plane.json("GET", f"{base}/{path}", client.token) for base in (client.base, client.api)
        ]
    answers.append(await client.plane.json("GET", "/api/v1/integrations", client.token))
    answers.append([repr(each) for each in await client.plane.assembly.integrations.configured()])

    assert answers[0]["result"] == {"told": "my secret is [hidden]"}
    assert answers[2]["error"]["code"] == "integration_failed"
    assert "fell from the tower" not in str(answers)
    assert "fell from the tower" in caplog.text
    assert SECRET not in str(answers)
    assert SECRET not in caplog.text
    everything = (home / "plane.db").read_bytes() + (home / "plane.db-wal").read_bytes()
    assert SECRET.encode() not in everything
    assert b"BELL_SECRET" not in everything


async def test_calls_of_a_connection_have_limits_at_their_edge(client, add, invoke, home):
    (home / "aexl.toml").write_text((home / "aexl.toml").read_text() + "per_minute = 3\n")
    await client.plane.host.reload()
    first, second = await add(granted_actions=["bell.ring"]), await add(granted_actions=["bell.ring"])
    for _ in range(3):
        await invoke(first)
    assert (await invoke(first, status=429))["error"]["code"] == "rate_limited"
    await invoke(second)


async def test_so_many_calls_run_at_a_time_and_one_that_takes_too_long_is_ended(client, add, invoke, home, told):
    (home / "aexl.toml").write_text((home / "aexl.toml").read_text() + "concurrent = 2\ntimeout = 0.3\n")
    await client.plane.host.reload()
    made = await add(granted_actions=["bell.ring", "bell.wait"])
    ended = []

    async def wait():
        ended.append((await invoke(made, "bell.wait", status=504))["error"]["code"])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        nursery.start_soon(wait)
        while len(client.plane.bell.made["tower"].rung) < 2:
            await trio.sleep(0.005)
        assert (await invoke(made, status=429))["error"]["code"] == "rate_limited"
    assert ended == ["integration_timeout"] * 2
    await invoke(made)
    assert [data["outcome"] for kind, data in told if kind == "action_ended"][:2] == ["integration_timeout"] * 2


async def test_a_client_that_leaves_is_in_the_ledger_too(client, add, invoke, told):
    made = await add(granted_actions=["bell.wait"])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(invoke, made, "bell.wait")
        while not client.plane.bell.made["tower"].rung:
            await trio.sleep(0.005)
        nursery.cancel_scope.cancel()
    assert [data.get("outcome") for _, data in told] == [None, "cancelled"]


async def test_of_two_calls_with_one_key_the_second_gets_the_answer_of_the_first(client, add, invoke):
    made = await add(granted_actions=["bell.ring", "bell.wait"])
    bell = client.plane.bell.made["tower"]
    first = await invoke(made, key="k1", times=1)
    assert await invoke(made, key="k1", times=1) == first
    assert len(bell.rung) == 1
    assert (await invoke(made, key="k1", times=2, status=422))["error"]["code"] == "idempotency_mismatch"
    other = await add(granted_actions=["bell.ring"])
    assert (await invoke(other, key="k1", times=1))["call"] != first["call"]

    # A failure frees the key; an end that nobody knows does not.
    await invoke(made, key="k2", loud=True, status=429)
    await invoke(made, key="k2", loud=True, status=429)
    with trio.move_on_after(0.2):
        await invoke(made, "bell.wait", key="k3")
    assert (await invoke(made, "bell.wait", key="k3", status=409))["error"]["code"] == "in_flight"
    url = f"{client.base}/integrations/{made}/action/bell.ring:invoke"
    wire = [
        await client.plane.json("POST", url, client.token, json={"params": {"idempotency_key": "k4"}}) for _ in "ab"
    ]
    assert wire[0] == wire[1]
    for wrong in ("", "x" * 201):
        assert (await invoke(made, key=wrong, status=400))["error"]["code"] == "invalid_idempotency_key"
    await invoke(made, key="x" * 200)


async def test_a_check_tells_what_the_connector_found(client, add):
    made = await add()
    wire, own = f"{client.base}/integrations/{made}/health-check", f"{client.api}/integrations/{made}:check"
    fine = await client.plane.json("POST", wire, client.token, json={})
    broken = await client.plane.json("POST", wire, client.token, json={"break": 1})
    assert fine == {"ok": True, "error": None, "data": {"rings": True}}
    assert broken == {
        "ok": False,
        "error": {"code": "integration_failed", "message": "the bell is cracked"},
        "data": {},
    }
    assert await client.plane.json("POST", own, client.token, json={}) == {"data": {"rings": True}}
    await client.plane.json("POST", own, client.token, json={"break": 1}, status=503)


async def test_one_that_was_removed_is_gone(client, add):
    made = await add()
    assert await client.plane.json("DELETE", f"{client.api}/integrations/{made}", client.token) == {"removed": made}
    await client.plane.json("GET", f"{client.api}/integrations/{made}", client.token, status=404)
    assert await client.plane.json("GET", f"{client.base}/integrations", client.token) == []


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ('provider = "bel"\ntenants = ["*"]', "no plugin offers 'bel'"),
        ('provider = "bell"\ntenants = []', "tenants must name"),
        ('provider = "bell"', "tenants"),
        ('provider = "bell"\ntenants = ["*"]\nactions = ["bell.melt"]', "cannot do bell.melt"),
        ('provider = "bell"\ntenants = ["*"]\nsounds = "x"', "did you mean 'sound'"),
        ('provider = "bell"\ntenants = ["*"]\ncredential = "sk-123"', "not the secret itself"),
        ('provider = "bell"\ntenants = ["*"]\ntimeout = 300.1', "from 0.1 to 300"),
        ('provider = "bell"\ntenants = ["*"]\nconcurrent = 0', "from 1 to 1000"),
        ('provider = "bell"\ntenants = ["*"]\nper_minute = 100001', "from 1 to 100000"),
    ],
)
async def test_a_table_that_is_wrong_keeps_the_old_configuration(plane, home, table, named):
    (home / "aexl.toml").write_text(f"{(home / 'aexl.toml').read_text()}\n[integrations.wrong]\n{table}\n")
    with pytest.raises(ConfigError) as wrong:
        await plane.host.reload()
    assert named in str(wrong.value)
    assert "integrations.wrong" in str(wrong.value)
    assert "sk-123" not in str(wrong.value)
