"""The hook ``aexl_runners``, by the example of its page in the reference."""

from __future__ import annotations

from aexl.api import Runner


async def test_hook_runners(example, make_host):
    host = make_host({"shell": example["ShellPlugin"]})
    [runner] = host.registry.every("aexl_runners", Runner)
    parser = runner.parser("echo hello")
    async with host.spawn(runner.launch("echo hello")) as process:
        lines = [event async for line in process.lines for event in parser.feed(line)]
        status = await process.wait()

    assert lines == ["hello"]
    assert parser.finish(status, "")["ok"]
