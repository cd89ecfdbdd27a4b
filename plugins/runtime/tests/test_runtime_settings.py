"""``[workers]`` and ``[sandbox]``: values that cannot work are refused when they are read."""

import msgspec
import pytest

from aexl.errors import ConfigError
from aexl_runtime.policies import policy_of
from aexl_runtime.settings import SandboxConfig, WorkersConfig


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("workers", 0, "workers must be 1 or more, not 0"),
        ("workers", -3, "workers must be 1 or more, not -3"),
        ("uses", 0, "uses must be 1 or more, not 0"),
        ("snapshots", 0, "snapshots must be 1 or more, not 0"),
        ("queue", -1, "queue must be 0 or more, not -1"),
        ("idle_seconds", -0.1, "idle_seconds must be 0 or more, not -0.1"),
        ("idle_seconds", float("nan"), "idle_seconds must be 0 or more, not nan"),
    ],
)
def test_a_number_of_workers_that_does_no_work_is_refused(key, value, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert({key: value}, WorkersConfig)


@pytest.mark.parametrize("least", [{"workers": 1}, {"uses": 1}, {"snapshots": 1}, {"queue": 0}, {"idle_seconds": 0}])
def test_the_least_number_is_taken(least):
    msgspec.convert(least, WorkersConfig)


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(value):
    with pytest.raises(ConfigError, match=r"sandbox\.cpu"):
        policy_of(SandboxConfig(cpu=value))
