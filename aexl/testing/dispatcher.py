"""A dispatcher that plans everything, and what every dispatcher must do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping

import msgspec

from aexl.api import Call, Dispatcher, Outcome, Plan, Price, Provider, Target, Usage
from aexl.api.money import round_up
from aexl.errors import Refused
from aexl.testing.factories import CHEAP, make_call, make_outcome
from aexl.testing.provider import FakeProvider


class FakeDispatcher:
    """Plans every model at one price, at each provider that speaks the call's surface, in their order.

    Args:
        price: What every model costs.
        output_limit: The output limit of every model.
        models: The only names it knows; ``None`` knows all.

    Attributes:
        plans: Every plan it made, in order.
        reports: Targets and outcomes it heard of.
    """

    def __init__(
        self, *, price: Price = CHEAP, output_limit: int = 1000, models: Collection[str] | None = None
    ) -> None:
        self.price = price
        self.output_limit = output_limit
        self.models = models
        self.plans: list[Plan] = []
        self.reports: list[tuple[Target, Outcome]] = []

    def plan(self, call: Call, providers: Mapping[str, Provider]) -> Plan:
        if self.models is not None and call.model not in self.models:
            raise Refused(f"there is no model {call.model!r}", code="model_not_found", status=404, param="model")
        targets = tuple(
            Target(provider=name, model=call.model, price=self.price)
            for name, provider in providers.items()
            if call.surface in provider.surfaces
        )
        if not targets:
            raise Refused(f"no provider speaks {call.surface}", code="wrong_surface", status=400)
        costs = call.surface not in ("count", "stored")
        input_bound = len(call.body.data) if costs else 0
        output_bound = (call.output_limit or self.output_limit) * call.choices if costs else 0
        rates = self.price.rates
        fixed = round_up(input_bound * rates.dearest_input)
        plan = Plan(
            targets=targets,
            input_bound=input_bound,
            output_bound=output_bound,
            output_floor=min(call.output_floor * call.choices, output_bound),
            fixed=fixed,
            output_price=rates.dearest_output,
            hold=fixed + round_up(output_bound * rates.dearest_output),
        )
        self.plans.append(plan)
        return plan

    def report(self, target: Target, outcome: Outcome) -> None:
        self.reports.append((target, outcome))


class DispatcherConformance(ABC):
    """Promises of every ``aexl.api.Dispatcher``; derive a test class, and say how to make one.

    Attributes:
        call: A chat call that the dispatcher can plan.
        providers: The providers that the plan may name.
    """

    call = make_call()
    providers: Mapping[str, Provider] = {"fake": FakeProvider()}

    @abstractmethod
    def make_dispatcher(self) -> Dispatcher:
        """Return a dispatcher that can plan ``call`` with ``providers``, and knows no model ``no-such-model``."""

    def test_it_is_a_dispatcher(self) -> None:
        assert isinstance(self.make_dispatcher(), Dispatcher)

    def test_every_target_names_a_provider_that_speaks_the_surface(self) -> None:
        plan = self.make_dispatcher().plan(self.call, self.providers)
        assert plan.targets
        for target in plan.targets:
            assert self.call.surface in self.providers[target.provider].surfaces

    def test_the_hold_is_the_fixed_part_and_the_output(self) -> None:
        plan = self.make_dispatcher().plan(self.call, self.providers)
        assert plan.hold == plan.fixed + round_up(plan.output_bound * plan.output_price)
        assert 0 <= plan.output_floor <= plan.output_bound

    def test_the_hold_covers_the_dearest_answer_at_every_target(self) -> None:
        plan = self.make_dispatcher().plan(self.call, self.providers)
        assert plan.input_bound > 0
        assert plan.output_bound > 0
        bound, output = plan.input_bound, plan.output_bound
        for target in plan.targets:
            for tier in ("", *target.price.service):
                for usage in (
                    Usage(input_tokens=bound, output_tokens=output, tier=tier),
                    Usage(cached_input_tokens=bound, output_tokens=output, tier=tier),
                    Usage(cache_write_tokens=bound, output_tokens=output, tier=tier),
                    Usage(cache_write_1h_tokens=bound, output_tokens=output, reasoning_tokens=output, tier=tier),
                ):
                    assert target.price.cost(usage) <= plan.hold

    def test_equal_calls_get_equal_plans(self) -> None:
        dispatcher = self.make_dispatcher()
        assert dispatcher.plan(self.call, self.providers) == dispatcher.plan(self.call, self.providers)

    def test_a_lower_output_limit_holds_less(self) -> None:
        dispatcher = self.make_dispatcher()
        limited = dispatcher.plan(msgspec.structs.replace(self.call, output_limit=16), self.providers)
        assert limited.output_bound == 16
        assert limited.output_floor <= 16
        assert limited.hold < dispatcher.plan(self.call, self.providers).hold

    def test_every_choice_is_held_for(self) -> None:
        dispatcher = self.make_dispatcher()
        one = msgspec.structs.replace(self.call, output_limit=16)
        three = msgspec.structs.replace(one, choices=3)
        assert dispatcher.plan(three, self.providers).output_bound == 48

    def test_an_unknown_model_is_refused_with_404(self) -> None:
        self._refused(msgspec.structs.replace(self.call, model="no-such-model"), self.providers, 404)

    def test_without_a_provider_the_call_is_refused(self) -> None:
        self._refused(self.call, {}, None)

    def test_a_report_is_taken(self) -> None:
        dispatcher = self.make_dispatcher()
        target = dispatcher.plan(self.call, self.providers).targets[0]
        dispatcher.report(target, make_outcome(target=target))

    def _refused(self, call: Call, providers: Mapping[str, Provider], status: int | None) -> None:
        import pytest

        with pytest.raises(Refused) as caught:
            self.make_dispatcher().plan(call, providers)
        assert caught.value.reason
        assert caught.value.code
        assert status is None or caught.value.status == status
