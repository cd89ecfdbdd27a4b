import timeit
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from aexl.api import Call, Limits, Plan
from aexl.errors import Refused
from aexl.testing.admission import AdmissionConformance, enter
from aexl.testing.factories import make_call, make_outcome, make_plan, make_principal
from aexl.testing.host import FakeConfig, FakeHost
from aexl_policy.gate import PolicyGate
from aexl_policy.metrics import collect
from aexl_policy.plugin import PolicyPlugin


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[PolicyGate]:
    gate = PolicyGate(tmp_path)
    async with gate.open():
        (await gate.prepare(FakeConfig()))()
        yield gate


class TestPolicyGateConforms(AdmissionConformance):
    @pytest.fixture
    async def gate(self, gate: PolicyGate) -> PolicyGate:
        return gate

    def passing(self) -> tuple[Call, Plan]:
        return make_call(principal=make_principal(limits=Limits(rpm=1000, tpm=1_000_000))), make_plan()

    def refused(self) -> tuple[Call, Plan]:
        return make_call(principal=make_principal(limits=Limits(models=()))), make_plan()

    def waiting(self) -> tuple[Call, Plan]:
        return make_call(principal=make_principal("bob", limits=Limits(concurrency=1))), make_plan()


class TestPolicyGateWithPoliciesConforms(TestPolicyGateConforms):
    @pytest.fixture
    async def gate(self, gate: PolicyGate, tmp_path: Path) -> PolicyGate:
        (tmp_path / "policies").mkdir()
        (tmp_path / "policies" / "open.py").write_text("def evaluate(call): return 'allow'\n")
        (await gate.prepare(FakeConfig()))()
        return gate


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"state": "paused", "scope": "read", "limits": Limits(models=())}, "agent_not_ready"),
        ({"scope": "read", "limits": Limits(models=())}, "read_only_token"),
        ({"limits": Limits(models=(), strict=True)}, "model_not_allowed"),
    ],
)
async def test_the_gravest_reason_is_told_first(gate: PolicyGate, changes: dict[str, object], code: str) -> None:
    with pytest.raises(Refused) as caught:
        await gate.revise(make_call({"x": 1}, principal=make_principal(**changes)))
    assert caught.value.code == code


async def test_an_agent_without_limits_passes_untouched_and_holds_nothing(gate: PolicyGate) -> None:
    call = make_call()
    assert await gate.revise(call) is call
    assert await gate.admit(call, make_plan()) is None


async def test_a_value_that_a_rule_cannot_read_is_a_malformed_request(gate: PolicyGate) -> None:
    call = make_call(b'{"messages": [1e999]}', principal=make_principal(limits=Limits(vision=False)))
    with pytest.raises(Refused, match="'messages' cannot be read") as caught:
        await gate.revise(call)
    assert caught.value.status == 400


async def test_token_limits_are_held_before_rates(gate: PolicyGate) -> None:
    call = make_call(principal=make_principal(limits=Limits(max_total_tokens=5, rpm=1)))
    for _ in range(3):
        with pytest.raises(Refused) as caught:
            await gate.admit(call, make_plan())
        assert caught.value.code == "max_total_tokens"


async def test_metrics_tell_denials_by_rule_and_waits(gate: PolicyGate) -> None:
    limited = make_principal(limits=Limits(rpm=1, queue=0, models=("test-*",)))
    lease = await enter(gate, make_call(principal=limited), make_plan())
    with pytest.raises(Refused):
        await enter(gate, make_call(principal=limited), make_plan())
    for _ in range(2):
        with pytest.raises(Refused):
            await enter(gate, make_call(principal=limited, model="other"), make_plan())
    assert lease is not None
    lease.close(make_outcome())
    samples = list(collect(gate))
    denials = {s.labels["rule"]: s.value for s in samples if s.name == "aexl_policy_denials_total"}
    assert denials == {"rate_limited": 1, "model_not_allowed": 2}
    assert [s.value for s in samples if s.name == "aexl_policy_waiting"] == [0]
    (total,) = [s.value for s in samples if s.suffix == "_count"]
    assert [s.value for s in samples if s.labels.get("le") == "+Inf"] == [total]


async def test_the_plugin_answers_every_hook_with_one_gate(tmp_path: Path) -> None:
    plugin, host = PolicyPlugin(), FakeHost(tmp_path)
    gate = plugin.aexl_admission(host)
    assert isinstance(gate, PolicyGate)
    (check,) = plugin.aexl_health_checks(host)
    (metrics,) = plugin.aexl_metrics(host)
    (section,) = plugin.aexl_config()
    assert section.table == "policy"
    lifespan = plugin.aexl_lifespan(host)
    assert lifespan is not None
    async with lifespan:
        (await gate.prepare(FakeConfig()))()
        assert await check.probe() is None
    assert list(metrics())


@pytest.mark.slow
async def test_an_agent_without_limits_costs_a_few_microseconds(gate: PolicyGate) -> None:
    call, plan = make_call(), make_plan()

    async def revise_and_admit() -> None:
        await gate.revise(call)
        await gate.admit(call, plan)

    def once() -> None:
        try:
            revise_and_admit().send(None)
        except StopIteration:
            return

    await trio.lowlevel.checkpoint()
    best = min(timeit.repeat(once, number=2000, repeat=5)) / 2000
    assert best < 30e-6  # some 2 microseconds on a quiet machine
