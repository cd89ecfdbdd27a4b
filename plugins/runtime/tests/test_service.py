"""The role ``Handlers``: projects found, runs told to the ledger, models paid by an agent."""

import json
from contextlib import suppress

import msgspec
import pytest
import trio

from aexl.api import Accounts, Booked, Handlers, Host, Invocation, Journal, Receipt, Snapshots, StepType
from aexl.api.governed import Access
from aexl.errors import ConfigError, Invalid, NotFound, Refused, Unavailable
from aexl.testing.accounts import FakeAccounts
from aexl.testing.answers import FakeAnswer
from aexl.testing.handlers import FakeHandlers, HandlersConformance, fake_numbers
from aexl.testing.host import FakeConfig, FakeHost
from aexl.testing.snapshots import FakeSnapshots
from aexl.testing.steps import FakeStepRun
from aexl_runtime.service import HandlerService
from aexl_runtime.settings import RuntimeConfig, SandboxConfig, WorkersConfig
from aexl_runtime.step import CallStep

pytestmark = pytest.mark.slow


async def keep_running(service, task_status=trio.TASK_STATUS_IGNORED):
    async with service.running():
        task_status.started()
        await trio.sleep_forever()


@pytest.fixture
def host(tmp_path, journal):
    home = tmp_path / "home"
    home.mkdir()
    host = FakeHost(home, config=FakeConfig(WorkersConfig(), SandboxConfig(), RuntimeConfig()))
    host.services[Journal] = journal
    host.services[Snapshots] = FakeSnapshots()
    host.services[Accounts] = FakeAccounts("alice")
    return host


@pytest.fixture
async def service(host, nursery):
    service = HandlerService(host)
    await nursery.start(keep_running, service)
    return service


class TestFake(HandlersConformance):
    @pytest.fixture
    def handlers(self):
        return fake_numbers()


class TestService(HandlersConformance):
    @pytest.fixture
    def handlers(self, service):
        return service


@pytest.fixture
def write(tmp_path):
    def write(source, **files):
        root = tmp_path / "project"
        root.mkdir(exist_ok=True)
        (root / "entry_point.py").write_text("from aexl.sdk import tool\nimport os\n" + source)
        for name, text in files.items():
            (root / name.replace("__", ".")).write_text(text)
        return str(root)

    return write


TOOL = '@tool("t")\ndef t(ctx, payload):\n    return 1\n'


async def test_every_run_is_in_the_ledger_without_what_was_said(service, host, write):
    root = write('@tool("t")\ndef t(ctx, payload):\n    return payload["secret"]\n')
    ran = await service.invoke(
        Invocation(project=root, kind="tool", handler="t", event={"secret": "hush"}, id="i", agent="alice")
    )
    [(kind, subject, data)] = host.services[Journal].events
    assert (kind, subject, data["code"], data["handler"], data["agent"]) == ("runtime.run", "i", "ok", "t", "alice")
    assert data["project"] == ran.answer["meta"]["snapshot_id"]
    assert "network" in data["enforced"]
    assert "hush" not in json.dumps(data)


NAMED = """
from aexl.sdk import http, mcp_server

@http.get("/orders/{id}")
def order(ctx, request):
    return 1

shop = mcp_server("shop", tools=["t"])

@tool("t")
def t(ctx, payload):
    return 1
"""


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({"kind": "http", "http": {"method": "GET", "path": "/orders/7"}}, "GET /orders/7"),
        ({"kind": "mcp", "mcp": {"server": "shop", "tool": "t"}}, "shop/t"),
        ({"kind": "tool", "handler": "t"}, "t"),
    ],
)
async def test_the_ledger_says_which_handler_ran_of_every_kind(service, host, write, asked, name):
    await service.invoke(Invocation(project=write(NAMED), **asked))
    [(_, _, data)] = host.services[Journal].events
    assert (data["handler"], data["code"]) == (name, "ok")


async def test_describing_is_not_in_the_ledger(service, host, write):
    await service.describe(write(TOOL))
    assert host.services[Journal].events == []


async def test_a_project_that_cannot_be_imported_is_not_described(service, write):
    with pytest.raises(Invalid, match="division by zero"):
        await service.describe(write("1/0"))


async def test_a_project_is_named_by_an_id_or_an_absolute_path(service):
    with pytest.raises(Invalid, match="absolute path"):
        await service.invoke(Invocation(project="relative", kind="tool", handler="t"))


async def test_a_snapshot_is_laid_out_once_and_read_only(service, host, write):
    root = write(TOOL)
    snapshots = host.services[Snapshots]
    snapshot = await snapshots.capture(root, "m")
    write("raise RuntimeError")
    for _ in range(2):
        ran = await service.invoke(Invocation(project=snapshot, kind="tool", handler="t"))
        assert (ran.result, ran.answer["meta"]["snapshot_id"]) == (1, snapshot)
    [laid_out] = (host.data_dir / "projects").iterdir()
    assert laid_out.stat().st_mode & 0o777 == 0o555
    with pytest.raises(NotFound):
        await service.invoke(Invocation(project="0" * 64, kind="tool", handler="t"))
    assert [path.name for path in laid_out.parent.iterdir()] == [snapshot]


async def test_only_so_many_snapshots_stay_laid_out(host, nursery, write):
    host.current = FakeConfig(WorkersConfig(snapshots=2), SandboxConfig(), RuntimeConfig())
    service = HandlerService(host)
    await nursery.start(keep_running, service)
    made = []
    for number in range(3):
        made.append(await host.services[Snapshots].capture(write(TOOL + f"# {number}\n"), "m"))
        await service.invoke(Invocation(project=made[-1], kind="tool", handler="t"))
    kept = {path.name for path in (host.data_dir / "projects").iterdir()}
    assert kept == set(made[1:])


async def test_without_snapshots_only_folders_are_run(service, host):
    del host.services[Snapshots]
    with pytest.raises(Unavailable, match="no plugin keeps snapshots"):
        await service.invoke(Invocation(project="0" * 64, kind="tool", handler="t"))


ASK = '@tool("t")\ndef t(ctx, payload):\n    a = ctx.model("m", "Hi", max_tokens=9)\n    return [a.text, a.cost_usd, a.execution]\n'


def said(text, amount=5_000_000):
    body = msgspec.json.encode({"choices": [{"message": {"content": text}}]})
    booked = Booked(execution="e1", receipt=Receipt(seq=1, hash="ab"), amount=amount, estimated=False, remaining=None)
    return FakeAnswer(body, execution="e1", booked=booked)


async def test_the_ledger_says_who_paid_where_nobody_was_named(service, host, write):
    host.answers = [said("hello")]
    await service.invoke(Invocation(project=write(ASK), kind="tool", handler="t"))
    [(_, _, data)] = host.services[Journal].events
    assert data["agent"] == "alice"


async def test_a_model_is_asked_as_the_agent_under_the_invocations_id(service, host, write):
    host.answers = [said("hello")]
    ran = await service.invoke(Invocation(project=write(ASK), kind="tool", handler="t", agent="alice", id="i-7"))
    assert ran.result == ["hello", "0.005", "e1"]
    [call] = host.calls
    assert (call.principal.agent, dict(call.principal.labels)) == ("alice", {"invocation": "i-7"})
    assert (call.model, call.output_limit, call.output_key, call.stream) == ("m", 9, "max_tokens", False)
    assert json.loads(call.body.data)["messages"] == [{"role": "user", "content": "Hi"}]
    assert await host.services[Accounts].tokens("alice") == []


async def test_a_run_that_asks_no_model_has_no_token(service, host, write):
    minted = []
    host.services[Accounts].mint = lambda *words: minted.append(words)
    await service.invoke(Invocation(project=write(TOOL), kind="tool", handler="t", agent="alice"))
    assert not minted


async def test_the_only_agent_pays_if_none_is_named(service, host, write):
    host.answers = [said("hello")]
    await service.invoke(Invocation(project=write(ASK), kind="tool", handler="t"))
    assert host.calls[0].principal.agent == "alice"
    host.services[Accounts].add("bob")
    ran = await service.invoke(Invocation(project=write(ASK), kind="tool", handler="t"))
    assert "nobody is named to pay" in ran.answer["error"]["message"]


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (FakeAnswer(error=Refused("no money left", code="insufficient_budget", status=402)), 402, "no money left"),
        (FakeAnswer(b'{"error": {"message": "slow down"}}', status=429), 429, "slow down"),
        (FakeAnswer(b"<html>"), 502, "is not JSON"),
    ],
)
async def test_a_refused_model_is_an_exception_in_the_handler(service, host, write, answer, status, message):
    host.answers = [answer]
    ran = await service.invoke(Invocation(project=write(ASK), kind="tool", handler="t", agent="alice"))
    assert (ran.status, ran.answer["error"]["details"]["exception_type"]) == (status, "ModelRefused")
    assert message in ran.answer["error"]["message"]


@pytest.mark.parametrize("mode", ["fork", "cold"])
async def test_a_handler_that_rids_its_context_of_what_it_declared_asks_no_model(host, nursery, write, mode):
    host.current = FakeConfig(WorkersConfig(mode=mode), SandboxConfig(), RuntimeConfig())
    service = HandlerService(host)
    await nursery.start(keep_running, service)
    root = write("""
@tool("t", allowed_actions=[])
def t(ctx, payload):
    ctx._handler = None
    return ctx.model("m", "Hi").text
""")
    ran = await service.invoke(Invocation(project=root, kind="tool", handler="t", agent="alice"))
    assert (ran.status, ran.answer["error"]["details"]["exception_type"]) == (403, "ModelRefused")
    assert host.calls == []


async def test_a_handler_gets_the_secrets_that_its_project_names_and_the_machine_allows(
    host, nursery, write, monkeypatch
):
    for name in ("WANTED", "ALLOWED", "BOTH"):
        monkeypatch.setenv(name, f"value of {name}")
    host.current = FakeConfig(WorkersConfig(), SandboxConfig(secrets=("ALLOWED", "BOTH")), RuntimeConfig())
    service = HandlerService(host)
    await nursery.start(keep_running, service)
    root = write(
        '@tool("t")\ndef t(ctx, payload):\n    return [dict(ctx.secrets), sorted(set(os.environ) & {"WANTED", "ALLOWED", "BOTH"})]\n',
        aexl__toml='[runtime]\nsecrets = ["WANTED", "BOTH"]\n',
    )
    ran = await service.invoke(Invocation(project=root, kind="tool", handler="t"))
    assert ran.result == [{"BOTH": "value of BOTH"}, ["BOTH"]]


async def test_a_project_may_ask_for_the_shim(service, write):
    root = write("from aiel_sdk import tool\n" + TOOL, aexl__toml="[runtime]\naiel_compat = true\n")
    assert (await service.invoke(Invocation(project=root, kind="tool", handler="t"))).result == 1


async def test_a_reload_is_followed_by_the_next_run(service, host, write):
    root = write('@tool("t")\ndef t(ctx, payload):\n    return os.getpid()\n')
    asked = Invocation(project=root, kind="tool", handler="t")
    await service.invoke(asked)
    assert service.pool.counts["kept"] == 1
    (await service.prepare(FakeConfig(WorkersConfig(mode="cold"), SandboxConfig(), RuntimeConfig())))()
    await service.invoke(asked)
    assert service.pool.counts["cold"] == 1


async def test_a_configuration_that_is_wrong_is_not_followed(service):
    wrong = SandboxConfig(demands={"nothing": "require"})
    with pytest.raises(ConfigError):
        await service.prepare(FakeConfig(WorkersConfig(), wrong, RuntimeConfig()))


async def test_a_pipeline_calls_a_handler_of_its_own_folder(service, host, write, tmp_path):
    host.services[Handlers] = service
    write('@tool("t")\ndef t(ctx, payload):\n    print("said")\n    return payload\n')
    run = FakeStepRun(tmp_path)
    kind: StepType = CallStep(host)
    outputs = await kind.parse({"handler": "t", "project": "project", "event": {"a": 1}}).run(run)
    assert (outputs["result"], outputs["status"]) == ({"a": 1}, 200)
    assert "said" in run.lines


async def test_a_step_calls_nothing_outside_of_its_runs_folder(tmp_path):
    host: Host = FakeHost(tmp_path)
    host.services[Handlers] = fake_numbers()
    workspace = tmp_path / "run"
    workspace.mkdir()
    (workspace / "away").symlink_to(tmp_path)
    with pytest.raises(Invalid, match="'away' of a call must be a folder below the run's"):
        await CallStep(host).parse({"handler": "add", "project": "away"}).run(FakeStepRun(workspace))
    assert not host.services[Handlers].invoked


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"project": "../other"}, "call.project"),
        ({"project": "a/../../b"}, "call.project"),
        ({"project": "/srv/project"}, "call.project"),
        ({"timeout": -1}, "call.timeout"),
        ({"timeout": 0}, "call.timeout"),
        ({"timeout": 86401}, "call.timeout"),
        ({"timeout": float("nan")}, "call.timeout"),
    ],
)
def test_what_no_step_can_be_asked_is_found_before_it_runs(tmp_path, given, key):
    with pytest.raises(ConfigError) as raised:
        CallStep(FakeHost(tmp_path)).parse({"handler": "t", **given})
    assert [problem.key for problem in raised.value.problems] == [key]


def test_the_longest_timeout_of_a_step_is_a_day(tmp_path):
    CallStep(FakeHost(tmp_path)).parse({"handler": "t", "timeout": 86400})


async def test_a_handler_that_fails_fails_the_step(tmp_path):
    host: Host = FakeHost(tmp_path)
    host.services[Handlers] = fake_numbers()
    with pytest.raises(Invalid, match="tool 'break' failed: USER_CODE_ERROR: broken"):
        await CallStep(host).parse({"handler": "break"}).run(FakeStepRun(tmp_path))


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({"handler": "a"}, {"kind": "tool", "handler": "a"}),
        ({"handler": "GET /x", "kind": "http"}, {"kind": "http", "http": {"method": "GET", "path": "/x", "body": {}}}),
        ({"handler": "s/t", "kind": "mcp"}, {"kind": "mcp", "mcp": {"server": "s", "tool": "t", "args": {}}}),
        ({"handler": "m.f", "kind": "execute"}, {"action": "execute", "handler": "m.f"}),
        ({"handler": "a", "project": "0" * 64}, {"project": "0" * 64, "labels": {}}),
    ],
)
async def test_a_step_asks_for_what_it_names(tmp_path, given, asked):
    host = FakeHost(tmp_path)
    fake = host.services[Handlers] = FakeHandlers({"a": lambda event: 1})
    with trio.move_on_after(10):
        with suppress(Invalid):
            await CallStep(host).parse(given).run(FakeStepRun(tmp_path))
    found = msgspec.to_builtins(fake.invoked[0])
    assert {key: found[key] for key in asked} == asked


async def test_a_governed_steps_models_are_paid_by_its_own_agent_with_its_labels(host, service, write, tmp_path):
    host.services[Handlers] = service
    accounts = host.services[Accounts]
    accounts.add("alice/run")
    token = await accounts.mint("alice/run", "execute", {"run": "r", "step": "a"}, 60.0)
    host.answers = [said("hello")]
    write(ASK)
    run = FakeStepRun(tmp_path, access=Access(url="http://127.0.0.1:9", token=token, run="r"))
    outputs = await CallStep(host).parse({"handler": "t", "project": "project"}).run(run)
    [call] = host.calls
    assert call.principal.agent == "alice/run"
    assert dict(call.principal.labels) == {"run": "r", "step": "a", "invocation": outputs["invocation"]}


async def test_a_governed_step_cannot_name_another_agent(tmp_path):
    run = FakeStepRun(tmp_path, access=Access(url="http://127.0.0.1:9", token="t", run="r"))
    host = FakeHost(tmp_path)
    host.services[Handlers] = fake_numbers()
    with pytest.raises(Invalid, match="its own agent pays for models, and not 'bob'"):
        await CallStep(host).parse({"handler": "add", "agent": "bob"}).run(run)
    assert not host.services[Handlers].invoked


async def test_a_step_whose_model_is_refused_is_denied(host, service, write, tmp_path):
    host.services[Handlers] = service
    host.answers = [FakeAnswer(error=Refused("no money left", code="insufficient_budget", status=402))]
    write(ASK)
    with pytest.raises(Refused, match="no money left") as raised:
        await CallStep(host).parse({"handler": "t", "project": "project", "agent": "alice"}).run(FakeStepRun(tmp_path))
    assert (raised.value.status, raised.value.code) == (402, "insufficient_budget")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"handler": 1},
        {"handler": "a", "x": 1},
        {"handler": "a", "kind": "widget"},
        {"handler": "a", "kind": "http"},
    ],
)
def test_a_step_that_says_nothing_sensible_is_refused_before_it_runs(tmp_path, given):
    with pytest.raises(ConfigError):
        CallStep(FakeHost(tmp_path)).parse(given)
