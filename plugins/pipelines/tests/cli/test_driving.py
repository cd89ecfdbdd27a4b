"""What ends a command that drives a run."""

from __future__ import annotations

import os
import signal

import pytest
import trio

from aexl_pipelines.cli.driving import until_signal


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_that_ends_a_command_cancels_its_work(number):
    cancelled = []

    async def work() -> str:
        os.kill(os.getpid(), number)
        try:
            await trio.sleep(10)
        except trio.Cancelled:
            cancelled.append(number)
            raise
        return "done"

    assert await until_signal(work) is None
    assert cancelled == [number]


async def test_a_terminal_may_end_where_its_end_was_to_be_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)

    async def work() -> str:
        os.kill(os.getpid(), signal.SIGHUP)
        await trio.lowlevel.checkpoint()
        return "done"

    try:
        assert await until_signal(work) == "done"
    finally:
        signal.signal(signal.SIGHUP, before)
