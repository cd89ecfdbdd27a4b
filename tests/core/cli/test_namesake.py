"""A built-in plugin's command is found by its name, unless anything is out of the ordinary."""

from __future__ import annotations

import pytest

from aexl.core.cli.namesake import find_namesake


@pytest.mark.parametrize("name", ["snapshot", "pipeline", "ledger"])
def test_a_command_that_is_called_like_its_plugin_is_found(tmp_path, name):
    found = find_namesake(tmp_path, name)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("name", ["snap", "snapshots", "models", "serve", "echo", ""])
def test_another_name_is_left_to_asking_all_plugins(tmp_path, name):
    assert find_namesake(tmp_path, name) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", True),
        ('[plugins]\noff = ["echo"]\n', True),
        ('[plugins]\noff = ["snapshots"]\n', False),
        ('[plugins.prefer.command]\nsnapshot = "mine"\n', False),
        ("[plugins]\noff = 3\n", False),
        ("not toml", False),
    ],
)
def test_the_configuration_may_say_otherwise(tmp_path, text, found):
    (tmp_path / "aexl.toml").write_text(text)
    assert (find_namesake(tmp_path, "snapshot") is not None) is found
