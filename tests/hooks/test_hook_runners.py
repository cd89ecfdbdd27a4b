"""The hook ``aexl_runners``, by the example of its page in the reference."""

from __future__ import annotations

from aexl.api import Runner
from aexl.api.runners import RunnerRequest, Text


async def test_hook_runners(example, make_host, tmp_path):
    host = make_host({"shell": example["ShellPlugin"]})
    [runner] = host.registry.every("aexl_runners", Runner)
    request = RunnerRequest(prompt="echo hello", home=tmp_path / "home", cwd=tmp_path)
    parser = runner.parser(request)
    async with host.spawn(runner.launch(request)) as process:
        events = [event async for line in process.lines for event in parser.feed(line + b"\n")]
        status = await process.wait()

    assert events == [Text("hello\n")]
    outcome = parser.finish(status, "")
    assert (outcome.status, outcome.text) == ("completed", "hello\n")
