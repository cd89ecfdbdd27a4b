import pytest

from aexl.api import Call, Plan
from aexl.errors import Refused
from aexl.testing.admission import AdmissionConformance, FakeGate
from aexl.testing.factories import make_call, make_outcome, make_plan


class TestFakeGateConforms(AdmissionConformance):
    @pytest.fixture
    def gate(self) -> FakeGate:
        def choose(call: Call) -> Call:
            if call.model == "forbidden":
                raise Refused("no", code="model_not_allowed", status=403)
            return call

        return FakeGate(change=choose, headers=((b"x-ratelimit-limit-requests", b"5"),))

    def refused(self) -> tuple[Call, Plan]:
        return make_call(model="forbidden"), make_plan()


async def test_a_fake_gate_counts_what_is_open() -> None:
    gate = FakeGate()
    lease = await gate.admit(make_call(), make_plan())
    assert gate.open == 1
    assert lease is not None
    lease.close(make_outcome())
    assert gate.open == 0


async def test_a_fake_gate_refuses_with_a_reason_or_an_error() -> None:
    with pytest.raises(Refused, match="no money left"):
        await FakeGate(refuse="no money left").admit(make_call(), make_plan())
    with pytest.raises(ValueError, match="broken"):
        await FakeGate(refuse_early=ValueError("broken")).revise(make_call())
