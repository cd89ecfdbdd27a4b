"""The hook ``aexl_pipeline_steps``, by the example of its page in the reference."""

from __future__ import annotations

from aexl.api import StepType


async def test_hook_pipeline_steps(example, make_host):
    host = make_host({"greet": example["GreetPlugin"]})
    [kind] = host.registry.every("aexl_pipeline_steps", StepType)
    lines = []

    class Run:
        log = staticmethod(lines.append)

    assert await kind.parse({"name": "Ada"}).run(Run()) == {"text": "Hello Ada"}
    assert lines == ["greeting Ada"]
