"""Waiting for a run as long as there is something to wait for."""

from __future__ import annotations

from typing import Self

import trio

from aexl_pipelines.serving.jobs import Station


class Suspension:
    """Waits until a run has ended, or waits for a person itself. To be entered before the run begins."""

    def __init__(self, station: Station, run: str) -> None:
        self._station = station
        self._run = run
        self._asked = trio.Event()

    def __enter__(self) -> Self:
        self._station.desk.watch(self._run, self._asked)
        return self

    def __exit__(self, *_: object) -> None:
        self._station.desk.unwatch(self._run, self._asked)

    async def wait(self) -> None:
        """Wait; ends too when the server begins to stop."""
        job = self._station.job(self._run)
        if job is None:
            return
        async with trio.open_nursery() as nursery:
            for event in (job.done, self._asked, self._station.stopping):
                nursery.start_soon(_cancel_after, event, nursery.cancel_scope)
            await trio.sleep_forever()


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
