"""The hook ``aexl_provider_types``, by the example of its page in the reference."""

from __future__ import annotations

import pytest

from aexl.errors import ConfigError


async def test_hook_provider_types(example, make_host):
    host = make_host({"parrot": example["ParrotPlugin"]}, "[providers.polly]\ntype = 'parrot'\ncolour = 'red'\n")
    async with host.running():
        assert host.path.providers["polly"].name == "polly"


async def test_a_wrong_table_keeps_the_host_from_starting(example, make_host):
    host = make_host({"parrot": example["ParrotPlugin"]}, "[providers.polly]\ntype = 'parrot'\ncolor = 'red'\n")
    with pytest.raises(BaseExceptionGroup) as caught:
        async with host.running():
            pytest.fail("started")
    assert caught.group_contains(ConfigError, match="providers.polly.color: is not known")
