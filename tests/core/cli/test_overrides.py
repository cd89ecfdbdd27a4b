"""Values that a command line sets for one run."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from aexl.api import ConfigSection
from aexl.core.cli.overrides import cassette_settings, check_declared, read_settings
from aexl.errors import Invalid


@pytest.mark.parametrize(
    ("setting", "table"),
    [
        ("serve.port=9001", {"serve": {"port": 9001}}),
        ("serve.unix=/run/aexl.sock", {"serve": {"unix": "/run/aexl.sock"}}),
        ('models."gpt-5.5".limits = {context = 5}', {"models": {"gpt-5.5": {"limits": {"context": 5}}}}),
        ("plugins.off=['echo']", {"plugins": {"off": ["echo"]}}),
        ("a.b=x=y", {"a": {"b": "x=y"}}),
        ("a.b=", {"a": {"b": ""}}),
        ('a.b=say "hi"', {"a": {"b": 'say "hi"'}}),
    ],
)
def test_a_setting_is_read_as_toml_or_else_as_text(setting, table):
    assert read_settings([setting]) == table


def test_settings_add_up_and_the_later_one_wins():
    assert read_settings(["a.b=1", "a.c=2", "a.b=3"]) == {"a": {"b": 3, "c": 2}}


@pytest.mark.parametrize("setting", ["", "serve", "serve=1", "=1", "a.b=1\nc.d=2", "a b.c=1"])
def test_what_is_no_setting_is_refused(setting):
    with pytest.raises(Invalid, match=r"--set takes TABLE\.KEY=VALUE"):
        read_settings([setting])


def test_the_short_options_stand_for_the_table(tmp_path):
    assert cassette_settings(tmp_path, False, True, "none") == {
        "cassettes": {"mode": "replay", "folder": str(tmp_path), "timing": "none"}
    }
    assert cassette_settings(Path("tapes"), True, False, None) == {
        "cassettes": {"mode": "record", "folder": str(Path("tapes").absolute())}
    }
    assert cassette_settings(None, True, False, None) == {"cassettes": {"mode": "record"}}
    assert cassette_settings(None, False, False, None) == {}


def test_a_table_that_nobody_declares_is_refused():
    class Known(msgspec.Struct):
        pass

    sections = [ConfigSection(table="known", model=Known)]
    check_declared({"known": {}}, sections)
    with pytest.raises(Invalid, match=r"nothing here follows \[unknown\]"):
        check_declared({"unknown": {}}, sections)
