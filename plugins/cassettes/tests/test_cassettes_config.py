"""The plugin's table, and what the host asks of every plugin."""

from __future__ import annotations

import pytest

from aexl.testing.loading import PluginConformance
from aexl_cassettes.config import CassettesConfig
from aexl_cassettes.plugin import CassettesPlugin


class TestOff(PluginConformance):
    def make_plugin(self) -> object:
        return CassettesPlugin


class TestRecording(TestOff):
    config = "[cassettes]\nmode = 'record'\n"


class TestReplaying(TestOff):
    config = "[cassettes]\nmode = 'replay'\n"


@pytest.mark.parametrize(("values", "message"), [({"blur": ("(",)}, "no regular"), ({"answer_bytes": -1}, "negative")])
def test_a_wrong_value_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        CassettesConfig(**values)


def test_a_folder_is_below_the_home_unless_it_is_absolute(tmp_path):
    assert CassettesConfig().place(tmp_path) == tmp_path / "cassettes"
    assert CassettesConfig(folder="/srv/tapes").place(tmp_path).as_posix() == "/srv/tapes"
