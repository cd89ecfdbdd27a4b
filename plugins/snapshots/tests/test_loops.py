"""The same work with a loop and without one, and work ahead in threads."""

from __future__ import annotations

import threading

import pytest
import trio

from aexl_snapshots.ahead import AHEAD, work_ahead
from aexl_snapshots.loops import InThread, each_parallel, has_loop, in_thread, pause, run_without_loop, shielded


async def all_of_it(seen):
    async with InThread(Noted(seen)):
        with shielded():
            await pause(0)

        async def note(item):
            seen.append(await in_thread(int, item))

        await each_parallel(["1", "2", "3"], note, 2)
    return has_loop()


class Noted:
    def __init__(self, seen):
        self.seen = seen

    def __enter__(self):
        self.seen.append("in")

    def __exit__(self, *_):
        self.seen.append("out")


def test_everything_is_done_in_place_without_a_loop():
    seen = []
    assert run_without_loop(lambda: all_of_it(seen)) is False
    assert seen == ["in", 1, 2, 3, "out"]


async def test_the_same_is_done_with_a_loop():
    seen = []
    assert await all_of_it(seen) is True
    assert (seen[0], seen[-1], set(seen[1:-1])) == ("in", "out", {1, 2, 3})


def test_work_that_needs_a_loop_is_refused_without_one():
    class Never:
        def __await__(self):
            yield

    async def work():
        await Never()

    with pytest.raises(RuntimeError, match="needs a loop"):
        run_without_loop(work)


@pytest.mark.parametrize("run", [trio.run, run_without_loop])
def test_the_first_error_ends_all_and_is_raised_itself(run):
    async def fail(item):
        raise ValueError(item)

    async def work():
        await each_parallel([1, 2], fail, 1)

    with pytest.raises(ValueError, match="1"):
        run(work)


def test_results_come_in_order_and_few_wait():
    begun = []
    found = work_ahead(lambda item: begun.append(item) or item * 2, range(100))
    assert [next(found) for _ in range(3)] == [0, 2, 4]
    assert len(begun) <= AHEAD + 3
    assert list(found) == [item * 2 for item in range(3, 100)]


def test_an_error_is_raised_at_its_turn_and_the_rest_is_dropped():
    def work(item):
        if item == 1:
            raise ValueError("one")
        return item

    found = work_ahead(work, range(100))
    assert next(found) == 0
    with pytest.raises(ValueError, match="one"):
        next(found)
    assert [each.name for each in threading.enumerate() if each.name.startswith("aexl-snapshots")] == []


def test_of_no_items_no_thread_is_begun(monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda _: pytest.fail("a thread was begun"))
    assert list(work_ahead(str, [])) == []
