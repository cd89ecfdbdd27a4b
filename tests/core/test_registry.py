"""Checking and merging what plugins answer."""

from __future__ import annotations

import msgspec
import pytest

from aexl.api import Command, ConfigSection, HealthCheck
from aexl.core.plugins import Plugins, Source
from aexl.core.registry import Registry
from aexl.hookspecs import Plugin, hookimpl


async def fine():
    return None


def command(name="x"):
    return Command(name=name, summary="A command.", load=lambda: None)


def plugin_with(commands=(), checks=()):
    class Made(Plugin):
        @hookimpl
        def aexl_commands(self):
            return commands

        @hookimpl
        def aexl_health_checks(self, host):
            return checks

    return Made()


def registry(prefer=None, **plugins):
    loaded = Plugins([Source(name, "test", "1", plugin) for name, plugin in plugins.items()])
    made = Registry(loaded, prefer or {})
    made.gather("aexl_commands")
    made.gather("aexl_health_checks", host=None)
    return made


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (None, "returned NoneType, not a sequence of Command"),
        ("text", "returned str, not a sequence of Command"),
        ([1], "returned int, not Command"),
        (7, "returned int, not a sequence of Command"),
    ],
)
def test_an_answer_of_the_wrong_type_switches_its_plugin_off_and_names_hook_and_type(answer, complaint):
    made = registry(bad=plugin_with(commands=answer), good=plugin_with(commands=[command()]))

    assert made.plugins.records["bad"].reason == f"aexl_commands: {complaint}"
    assert [found.name for found in made.every("aexl_commands", Command)] == ["x"]


def test_what_a_switched_off_plugin_had_answered_to_other_hooks_is_dropped():
    made = registry(bad=plugin_with(commands=[command()], checks=["no check"]))

    assert made.every("aexl_commands", Command) == ()


def test_a_name_that_is_taken_switches_the_second_plugin_off_and_names_the_first():
    made = registry(one=plugin_with([command()]), two=plugin_with([command()]))
    off = [record for record in made.plugins.records.values() if record.reason]

    assert len(off) == 1
    other = "one" if off[0].name == "two" else "two"
    assert f"command 'x' already comes from plugin {other!r}" in (off[0].reason or "")


@pytest.mark.parametrize("winner", ["one", "two"])
def test_prefer_says_whose_name_wins_and_both_plugins_stay_on(winner):
    made = registry(
        {"command": {"x": winner}},
        one=plugin_with([command(), command("a")]),
        two=plugin_with([command(), command("b")]),
    )
    owners = {offer.name: offer.plugin for offer in made.offers("aexl_commands")}

    assert owners == {"x": winner, "a": "one", "b": "two"}


def test_a_plugin_that_offers_a_name_twice_is_switched_off():
    made = registry(one=plugin_with([command(), command()]))

    assert made.plugins.records["one"].reason == "aexl_commands: command 'x' is offered twice"


def test_offers_without_names_stand_side_by_side():
    check = HealthCheck(name="disk", probe=fine)
    made = registry(one=plugin_with(checks=[check]), two=plugin_with(checks=[HealthCheck(name="net", probe=fine)]))

    assert {found.name for found in made.every("aexl_health_checks", HealthCheck)} == {"disk", "net"}


def test_a_table_with_a_key_that_has_no_default_switches_its_plugin_off_and_not_the_start():
    class Strict(msgspec.Struct):
        key: str

    class Made(Plugin):
        def __init__(self, **options):
            self.options = options

        @hookimpl
        def aexl_config(self):
            return [ConfigSection(table="mine", model=Strict, **self.options)]

    for options, reason in (
        ({}, "aexl_config: the table [mine] needs a default for every key"),
        ({"keyed": True}, None),
    ):
        loaded = Plugins([Source("strict", "test", "1", Made(**options))])
        Registry(loaded, {}).gather("aexl_config")
        assert (loaded.records["strict"].reason or "").startswith(reason or "")
        assert loaded.is_on("strict") is (reason is None)
