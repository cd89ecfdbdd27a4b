"""The hook ``aexl_commands``, by the example of its page in the reference."""

from __future__ import annotations

from typer.testing import CliRunner


def test_hook_commands(example, make_host):
    host = make_host({"greeting": example["GreetingPlugin"]})
    [command] = host.registry.every("aexl_commands", example["Command"])
    said = []

    class Session:
        json = staticmethod(said.append)

    assert CliRunner().invoke(command.load(), ["Ada"], obj=Session()).exit_code == 0
    assert said == [{"greeting": "Hello Ada"}]
