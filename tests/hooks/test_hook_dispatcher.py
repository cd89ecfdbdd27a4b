"""The hook ``aexl_dispatcher``, by the example of its page in the reference."""

from __future__ import annotations

from aexl.testing.factories import make_call
from aexl.testing.provider import FakeProvider


def test_hook_dispatcher(example, make_host):
    host = make_host({"one-price": example["OnePricePlugin"]})
    plan = host.path.dispatcher.plan(make_call(), {"fake": FakeProvider()})

    assert plan.output_bound == 256
