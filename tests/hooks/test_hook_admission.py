"""The hook ``aexl_admission``, by the example of its page in the reference."""

from __future__ import annotations

import pytest

from aexl.errors import Refused
from aexl.testing.factories import make_call, make_plan


async def test_hook_admission(example, make_host):
    host = make_host({"curfew": example["CurfewPlugin"]})
    [gate] = host.path.gates

    assert await gate.admit(make_call(), make_plan()) is None
    with pytest.raises(Refused, match="at night"):
        await gate.admit(make_call(model="gpt-4o"), make_plan())
