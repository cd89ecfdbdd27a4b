"""Telling subscribers what happens."""

from __future__ import annotations

from contextlib import asynccontextmanager

import trio
import trio.testing

from aexl.api import Subscriber
from aexl.core.events import Hub


class Happened:
    pass


class HappenedAgain(Happened):
    pass


@asynccontextmanager
async def heard_by(hub, **options):
    heard = []

    async def handle(event):
        heard.append(type(event))

    async with trio.open_nursery() as nursery:
        await nursery.start(hub.run, [Subscriber(name="one", handle=handle, **options)])
        yield heard
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_who_subscribes_to_a_kind_hears_of_what_is_derived_from_it_and_of_nothing_else():
    hub = Hub()
    async with heard_by(hub, events=(Happened,)) as heard:
        for event in (Happened(), object(), HappenedAgain()):
            hub.publish(event)
    assert heard == [Happened, HappenedAgain]


async def test_what_was_published_to_nobody_is_heard_when_somebody_subscribes():
    hub = Hub()
    hub.publish(Happened())
    async with heard_by(hub, events=(Happened,)) as heard:
        hub.publish(Happened())
    assert heard == [Happened]


async def test_whether_an_event_is_wanted_is_asked_each_time():
    hub, answers = Hub(), [True, False, True]
    async with heard_by(hub, events=(Happened,), wants=answers.pop) as heard:
        for event in (Happened(), HappenedAgain(), Happened()):
            hub.publish(event)
    assert heard == [Happened, Happened]


async def test_what_a_full_buffer_has_no_room_for_is_dropped_and_counted():
    hub = Hub()
    async with heard_by(hub, events=(Happened,), buffer=1) as heard:
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(4):  # one goes straight to who waits for it, one has room
            hub.publish(Happened())
        [sample] = hub.samples()
    assert (heard, sample.value) == ([Happened, Happened], 2)
