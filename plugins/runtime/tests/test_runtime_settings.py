"""The least values that ``[workers]`` and ``[sandbox]`` take; what is below them is refused by tests/house/test_bounds.py."""

from __future__ import annotations

import msgspec
import pytest

from aexl_runtime.settings import SandboxConfig, ToolTable, WorkersConfig


@pytest.mark.parametrize("least", [{"workers": 1}, {"uses": 1}, {"snapshots": 1}, {"queue": 0}, {"idle_seconds": 0}])
def test_the_least_of_workers_is_taken(least):
    msgspec.convert(least, WorkersConfig)


@pytest.mark.parametrize("name", ["memory", "pids", "disk", "file", "open_files"])
def test_the_least_of_the_sandbox_is_taken(name):
    msgspec.convert({name: 1}, SandboxConfig)


def test_the_longest_time_of_a_tool_is_a_day():
    msgspec.convert({"timeout": 86_400}, ToolTable)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"timeout": 86_401}, ToolTable)
