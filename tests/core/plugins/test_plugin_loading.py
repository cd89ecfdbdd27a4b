"""Loading plugins one by one."""

from __future__ import annotations

import tomllib
from pathlib import Path

from aexl.core.plugins import Plugins, Source, installed_sources
from aexl.errors import PluginError
from aexl.hookspecs import Plugin, hookimpl


class Fine(Plugin):
    @hookimpl
    def aexl_commands(self):
        return ["fine"]


class Raises(Plugin):
    @hookimpl
    def aexl_commands(self):
        raise RuntimeError("no commands today")


class Wraps:
    @hookimpl(wrapper=True)
    def aexl_commands(self):
        return (yield)


class Misspelled:
    @hookimpl
    def aexl_comands(self):
        return []


class CannotBeMade:
    def __init__(self):
        raise OSError("no disk")


def load(**plugins):
    return Plugins([Source(name, "test", "1", plugin) for name, plugin in plugins.items()])


def test_a_class_is_instantiated_and_an_object_is_taken_as_it_is():
    plugins = load(one=Fine, two=Fine())

    assert sorted(plugins.ask("aexl_commands")) == [("one", ["fine"]), ("two", ["fine"])]


def test_a_plugin_that_raises_when_it_is_made_is_named_and_the_others_go_on():
    plugins = load(bad=CannotBeMade, fine=Fine)

    assert plugins.records["bad"].reason == "OSError: no disk"
    assert [name for name, _ in plugins.ask("aexl_commands")] == ["fine"]


def test_a_plugin_that_raises_in_a_hook_is_switched_off_and_named():
    plugins = load(bad=Raises, fine=Fine)

    assert [name for name, _ in plugins.ask("aexl_commands")] == ["fine"]
    assert plugins.records["bad"].reason == "aexl_commands: RuntimeError: no commands today"
    assert not plugins.is_on("bad")


def test_a_hook_that_does_not_exist_switches_its_plugin_off():
    plugins = load(typo=Misspelled)

    assert "aexl_comands" in (plugins.records["typo"].reason or "")
    assert not plugins.manager.has_plugin("typo")


def test_a_wrapper_is_refused_with_what_to_do_instead():
    plugins = load(wraps=Wraps())

    assert list(plugins.ask("aexl_commands")) == []
    assert "return an object that wraps" in (plugins.records["wraps"].reason or "")


def test_a_plugin_that_the_configuration_switches_off_is_not_imported():
    plugins = Plugins([Source("bad", "test", "1", CannotBeMade)], off=["bad"])

    assert plugins.records["bad"].reason == "switched off by [plugins] off"


def test_a_plugin_for_another_aexl_is_refused_with_both_versions():
    plugins = Plugins([Source("old", "old-plugin", "1", Fine, ("aexl<0.0.1", "msgspec"))])

    assert plugins.records["old"].reason == "needs aexl <0.0.1, this is 0.1.0"


def test_a_requirement_that_does_not_apply_here_is_no_obstacle():
    plugins = Plugins([Source("fine", "some-plugin", "1", Fine, ('aexl<0.0.1; python_version < "3"',))])

    assert plugins.is_on("fine")


def test_the_built_in_plugins_are_installed_and_load():
    project = tomllib.loads(Path(__file__).parents[3].joinpath("pyproject.toml").read_text())
    plugins = Plugins(installed_sources())
    built_in = {name: record.reason for name, record in plugins.records.items() if record.built_in}

    assert built_in == dict.fromkeys(project["project"]["entry-points"]["aexl.plugins"])


def test_a_plugin_that_ends_the_program_ends_only_itself():
    class Exits:
        def __init__(self):
            raise SystemExit("no")

    plugins = load(exits=Exits, fine=Fine)

    assert plugins.records["exits"].reason == "SystemExit: no"
    assert plugins.is_on("fine")


def test_the_hooks_of_a_plugin_are_known():
    assert load(one=Fine).records["one"].hooks == ("aexl_commands",)


def test_what_cannot_be_entered_is_not_imported():
    def enter():
        raise PluginError("bad", "lock", "changed")

    plugins = Plugins([Source("bad", "test", "1", CannotBeMade, enter=enter)])

    assert plugins.records["bad"].reason == "changed"
