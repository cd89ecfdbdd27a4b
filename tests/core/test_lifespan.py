"""Holding plugins' contexts open."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio

from aexl.core.lifespan import lifespans
from aexl.core.session import only_error
from aexl.errors import PluginError, Unavailable


def recorder(log, name, *, fail=None, hang=False):
    @asynccontextmanager
    async def lifespan():
        if fail == "enter":
            raise OSError("cannot enter")
        log.append(f"+{name}")
        yield
        if hang:
            await trio.sleep_forever()
        log.append(f"-{name}")

    return name, lifespan()


async def test_contexts_are_entered_in_order_and_left_in_reverse():
    log = []
    async with lifespans([recorder(log, "a"), recorder(log, "b")], grace=5):
        log.append("run")

    assert log == ["+a", "+b", "run", "-b", "-a"]


async def test_an_error_on_entering_names_the_plugin_and_leaves_those_before():
    log = []
    with pytest.raises(BaseExceptionGroup) as caught:
        async with lifespans([recorder(log, "a"), recorder(log, "b", fail="enter")], grace=5):
            pytest.fail("must not run")

    error = only_error(caught.value)
    assert isinstance(error, PluginError)
    assert str(error) == "plugin 'b', aexl_lifespan: OSError: cannot enter"
    assert log == ["+a", "-a"]


async def test_an_error_of_ours_comes_out_as_it_is():
    @asynccontextmanager
    async def locked():
        raise Unavailable("the lock is held by pid 7")
        yield

    with pytest.raises(BaseExceptionGroup) as caught:
        async with lifespans([("ledger", locked())], grace=5):
            pytest.fail("must not run")
    assert isinstance(only_error(caught.value), Unavailable)


async def test_a_context_that_hangs_on_leaving_is_cancelled_after_the_grace(autojump_clock):
    log = []
    before = trio.current_time()
    async with lifespans([recorder(log, "a"), recorder(log, "b", hang=True)], grace=3):
        pass

    assert trio.current_time() - before == pytest.approx(3)


async def test_a_background_error_stops_the_host_and_names_the_plugin():
    @asynccontextmanager
    async def breaks():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(explode)
            yield

    async def explode():
        raise ZeroDivisionError("background")

    with pytest.raises(BaseExceptionGroup) as caught:
        async with lifespans([("bad", breaks())], grace=5):
            await trio.sleep_forever()
    error = only_error(caught.value)
    assert isinstance(error, PluginError)
    assert error.plugin == "bad"
