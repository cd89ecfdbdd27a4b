"""``aexl agent``, over the role alone."""

from __future__ import annotations

import msgspec
import pytest

from aexl.api import Accounts, Limits, Window
from aexl.testing.accounts import FakeAccounts
from aexl.testing.host import FakeHost
from aexl.testing.session import FakeSession, run_command
from aexl_ledger.cli_agent import app


@pytest.fixture
def accounts():
    return FakeAccounts()


@pytest.fixture
def session(tmp_path, accounts):
    host = FakeHost(tmp_path)
    host.services = {Accounts: accounts}
    return FakeSession(host)


@pytest.fixture
def server(session):
    session.status = {"running": True, "url": "http://127.0.0.1:9000"}


@pytest.fixture
def agent(session):
    """Run ``aexl agent`` and return what it left."""
    return lambda *arguments: run_command(app, session, *arguments)


def test_create_shows_the_token_once_and_how_to_use_it(agent, session, accounts):
    session.status = {"url": "http://127.0.0.1:9001"}
    done = agent("create", "alice", "5")
    assert done.code == 0
    assert accounts._agents["alice"].budget == 5_000_000_000
    [token] = {word for word in done.out.split() if word.startswith("aexl_")}
    assert done.out.startswith("Created alice with a budget of 5.00 USD.\n")
    assert f"export OPENAI_BASE_URL=http://127.0.0.1:9001/v1 OPENAI_API_KEY={token}" in done.out
    assert f"export ANTHROPIC_BASE_URL=http://127.0.0.1:9001 ANTHROPIC_AUTH_TOKEN={token}" in done.out
    assert token not in agent("inspect", "alice").out


def test_create_without_a_server_says_how_to_start_one(agent):
    out = agent("create", "alice", "5").out
    assert "http://127.0.0.1:9000/v1" in out
    assert "aexl daemon start" in out


def test_create_json_has_the_token_and_the_money_as_strings(agent, server):
    created = agent("create", "alice", "0.000000001", "60", "--json").json()
    assert created["token"].startswith("aexl_")
    assert created["budget"] == "0.000000001"
    assert created["spent"] == created["reserved"] == "0.00"
    assert created["limits"]["rpm"] == 60
    assert "token" not in agent("inspect", "alice", "--json").json()


def test_every_option_of_create_arrives(agent, accounts):
    accounts.add("mum")
    done = agent(
        "create", "kid", "1", "--parent", "mum", "--daily", "0.5",
        "--monthly", "0.75", "--timezone", "Europe/Berlin", "--models", "gpt-*,claude-*", "--models", "own",
        "--no-streaming", "--no-tools", "--tool-names", "read_*", "--no-function-choice", "--no-vision",
        "--no-json-mode", "--max-input-tokens", "10", "--max-output-tokens", "20", "--max-total-tokens", "25",
        "--rpm", "6", "--tpm", "7", "--concurrency", "8", "--queue", "0.5", "--strict", "--passthrough", "--clamp",
    )  # fmt: skip
    assert done.code == 0, done.err
    kid = accounts._agents["kid"]
    assert (kid.parent, kid.timezone) == ("mum", "Europe/Berlin")
    assert [(window.period, window.budget) for window in kid.windows] == [("day", 500_000_000), ("month", 750_000_000)]
    assert kid.limits == Limits(
        models=("gpt-*", "claude-*", "own"), streaming=False, tools=False, tool_names=("read_*",),
        function_choice=False, vision=False, json_mode=False, max_input_tokens=10, max_output_tokens=20,
        max_total_tokens=25, rpm=6, tpm=7, concurrency=8, queue=0.5, strict=True, passthrough=True, clamp=True,
    )  # fmt: skip


def test_an_unlimited_budget_is_null_in_json(agent, server):
    assert agent("create", "alice", "unlimited", "--json").json()["budget"] is None
    assert "unlimited" in agent("inspect", "alice").out


@pytest.mark.parametrize(
    "budget", ["-5", "-0.01", "1e3", "NaN", "Infinity", "9999999999", "0.0000000001", "1_000", "$5", "", "5 "]
)
def test_a_budget_that_is_no_plain_amount_is_a_usage_error_that_names_it(agent, accounts, budget):
    done = agent("create", "alice", budget)
    assert done.code == 2
    assert budget.strip()[:2] in done.err
    assert accounts._agents == {}


def test_the_largest_budget_is_accepted_and_the_next_nano_is_not(agent):
    assert agent("create", "alice", "9007199.254740992").code == 0
    assert agent("create", "bob", "9007199.254740993").code == 2


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--rpm", "0"), ("--rpm", "1.5"), ("--tpm", "-1"), ("--concurrency", "many"), ("--max-output-tokens", "1e3"),
        ("--queue", "-1"), ("--queue", "inf"), ("--daily", "nan"), ("--monthly", "1,5"), ("--ttl", "soon"),
        ("--ttl", "0"), ("--scope", "root"), ("--models", "a,,b"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_a_usage_error_that_names_it(agent, accounts, option, value):
    done = agent("create", "alice", "5", f"{option}={value}")
    assert done.code == 2
    assert option in done.err
    assert value in done.err
    assert accounts._agents == {}


def test_rpm_may_be_given_once(agent):
    assert agent("create", "alice", "5", "60", "--rpm", "61").code == 2
    assert agent("create", "alice", "5", "60", "--rpm", "60").code == 0


def test_a_taken_name_is_a_conflict_and_an_unknown_one_is_not_found(agent):
    agent("create", "alice", "5")
    assert agent("create", "alice", "5").code == 5
    assert agent("inspect", "bob").code == 4


def test_list_shows_every_agent(agent, server):
    assert "no agents yet" in agent("list").out
    agent("create", "bob", "5")
    agent("create", "alice", "unlimited")
    assert [entry["name"] for entry in agent("list", "--json").json()] == ["alice", "bob"]
    assert [line.split()[:4] for line in agent("list").out.splitlines()[1:]] == [
        ["alice", "ready", "-", "unlimited"],
        ["bob", "ready", "-", "5.00"],
    ]


def test_inspect_shows_windows_and_what_differs_from_the_defaults(agent, accounts, server):
    agent("create", "alice", "5", "--daily", "1", "--no-tools", "--models", "gpt-*")
    window = Window(period="day", budget=10**9, spent=25 * 10**7, resets_at=86400.0)
    accounts._put(msgspec.structs.replace(accounts._agents["alice"], windows=(window,), spent=3, reserved=4))
    out = agent("inspect", "alice").out
    assert "day:         0.25 of 1.00, next begins 1970-01-02T00:00:00Z (UTC)\n" in out
    assert "limit:       tools = false\n" in out
    assert "limit:       models = gpt-*\n" in out
    assert "streaming" not in out
    shown = agent("inspect", "alice", "--json").json()
    assert (shown["spent"], shown["reserved"]) == ("0.000000003", "0.000000004")
    assert shown["windows"][0]["spent"] == "0.25"


def test_update_changes_what_is_named_and_nothing_else(agent, accounts):
    agent("create", "alice", "5", "60", "--daily", "1", "--models", "gpt-*", "--no-tools")
    assert agent("update", "alice", "--rpm", "none", "--daily", "unlimited", "--models", "none").code == 0
    alice = accounts._agents["alice"]
    assert (alice.budget, alice.windows) == (5_000_000_000, ())
    assert alice.limits == Limits(tools=False)
    assert agent("update", "alice", "--budget", "unlimited", "--tools", "--json").json()["budget"] is None
    assert accounts._agents["alice"].limits == Limits()


def test_update_of_nothing_is_a_usage_error(agent):
    agent("create", "alice", "5")
    assert agent("update", "alice").code == 2


def test_topup_adds_to_the_budget(agent):
    agent("create", "alice", "5")
    assert agent("topup", "alice", "0.25").out == "Added 0.25 USD; the budget of alice is 5.25 USD.\n"
    assert agent("topup", "alice", "1", "--json").json()["budget"] == "6.25"
    assert agent("topup", "alice", "0").code == 2
    assert agent("topup", "alice", "x").code == 2


def test_states_change_with_a_reason(agent, accounts):
    agent("create", "alice", "5")
    for command, state in (("pause", "paused"), ("resume", "ready"), ("quarantine", "quarantined")):
        done = agent(command, "alice", "--reason", f"to be {state}")
        assert (done.code, done.out) == (0, f"alice is {state}.\n")
        assert accounts._agents["alice"].reason == f"to be {state}"
    assert agent("resume", "alice", "--json").json()["state"] == "ready"


def test_delete_hides_an_agent_and_ends_its_tokens(agent, accounts):
    agent("create", "alice", "5")
    assert agent("delete", "alice").out == "Deleted alice.\n"
    assert accounts._tokens == {}
    assert agent("delete", "alice").code == 4


def test_rotation_leaves_one_new_token(agent, accounts):
    first = agent("create", "alice", "5", "--json").json()["token"]
    second = agent("rotate-token", "alice", "--json").json()
    assert second["token"] != first
    assert list(accounts._tokens) == [second["id"]]
    assert "export OPENAI_BASE_URL" in agent("rotate-token", "alice", "--ttl", "30d").out


def test_further_tokens_have_scope_labels_and_an_end(agent, accounts):
    agent("create", "alice", "5")
    token = agent(
        "token", "mint", "alice", "--scope", "read", "--label", "for=x", "--label", "by=a=b", "--ttl", "2h", "--json"
    ).json()
    _, kept = accounts._tokens[token["id"]]
    assert (kept.scope, kept.labels) == ("read", {"for": "x", "by": "a=b"})
    listed = {entry["id"]: entry for entry in agent("token", "list", "alice", "--json").json()}
    assert listed[token["id"]]["labels"] == {"for": "x", "by": "a=b"}
    assert "by=a=b, for=x" in agent("token", "list", "alice").out
    assert token["token"].split("_")[2] not in agent("token", "list", "alice").out
    assert agent("token", "revoke", token["id"]).code == 0
    assert agent("token", "revoke", token["id"]).code == 4


@pytest.mark.parametrize("label", ["novalue", "=x"])
def test_a_label_needs_key_and_value(agent, label):
    agent("create", "alice", "5")
    done = agent("token", "mint", "alice", "--label", label)
    assert done.code == 2
    assert repr(label) in done.err


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("24h", 86400), ("7d", 604800)])
def test_a_time_to_live_has_units(agent, accounts, text, seconds):
    seen = []

    async def mint(name, scope, labels, ttl):
        seen.append(ttl)
        return "aexl_id_secret"

    accounts.mint = mint
    assert agent("create", "alice", "5", "--ttl", text).code == 0
    assert seen == [seconds]


def test_without_accounts_the_reason_is_told(agent, session, server):
    session.host.services = {}
    done = agent("list")
    assert done.code == 6
    assert "no plugin plays Accounts" in done.err


@pytest.mark.parametrize("command", [cmd.name or cmd.callback.__name__ for cmd in app.registered_commands])
def test_every_command_has_help_with_an_example(agent, command):
    done = agent(command, "--help")
    assert done.code == 0
    assert "Example" in done.out


def test_where_no_server_and_no_ledger_is_there_nobody_is_listed_and_nothing_is_made(agent, tmp_path):
    assert "no agents yet" in agent("list").out
    assert agent("inspect", "alice").code == 4
    assert list(tmp_path.iterdir()) == []
