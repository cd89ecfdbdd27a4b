"""The hook ``aexl_connectors``, by the example of its page in the reference."""

from __future__ import annotations

from aexl.api import ConnectorSettings
from aexl.testing.connectors import make_action


async def test_hook_connectors(example, make_host):
    kind = make_host({"bell": example["BellPlugin"]}).connectors()["bell"]
    bell = kind.build(ConnectorSettings(name="door", options={"sound": "dong "}, credential=None, timeout=1))

    assert await bell.check({}) == {"sound": "dong "}
    assert (await bell.invoke(make_action("bell.ring", times=2))).value == {"heard": "dong dong "}
