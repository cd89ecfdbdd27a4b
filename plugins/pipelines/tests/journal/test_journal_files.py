"""Journals on the disk: one writer, torn tails, lists of runs, following."""

from __future__ import annotations

import errno
import os
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest
import trio

from aexl.errors import Conflict, Invalid, NotFound, Unavailable
from aexl_pipelines.journal.folders import find_folder, list_runs, make_folder, read_records, summarize
from aexl_pipelines.journal.following import follow
from aexl_pipelines.journal.records import (
    Gate,
    GateDecided,
    GateOpened,
    Noted,
    RunBegun,
    RunEnded,
    StepEnded,
    StepLink,
    Verdict,
)
from aexl_pipelines.journal.writing import NAME, is_driven, open_journal


def begun(run: str, project: str = "/p", at: float = 1.0) -> RunBegun:
    return RunBegun(at=at, run=run, project=project, file="a.yaml")


ENDED = RunEnded(at=9.0, status="failed", exit_code=1, cost=7, message="no")


async def write(home, run, *records, project="/p", parent=None):
    journal = open_journal(make_folder(home, run), create=True)
    await journal.append(msgspec.structs.replace(begun(run, project), parent=parent))
    for record in records:
        await journal.append(record)
    journal.close()
    return journal.path.parent


async def test_a_journal_goes_on_where_it_was_torn(tmp_path):
    folder = await write(tmp_path, "r1", Noted(at=2.0, text="one"))
    with (folder / NAME).open("ab") as file:
        file.write(b'{"n":2,"sum":"00')
    journal = open_journal(folder)
    assert [each.number for each in journal.records] == [0, 1]
    assert await journal.append(Noted(at=3.0, text="two")) == 2
    journal.close()
    assert [each.record.text for each in read_records(folder)[1:]] == ["one", "two"]


async def test_a_journal_has_one_writer_at_a_time(tmp_path):
    folder = make_folder(tmp_path, "r1")
    journal = open_journal(folder, create=True)
    assert is_driven(folder)
    with pytest.raises(Conflict, match="running in another process"):
        open_journal(folder)
    journal.close()
    assert not is_driven(folder)
    open_journal(folder).close()


async def test_records_from_many_tasks_have_an_order_and_are_told_in_it(tmp_path):
    journal = open_journal(make_folder(tmp_path, "r1"), create=True)
    told: list[int] = []
    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(journal.append, Noted(at=1.0, text=str(number)), told.append)
    journal.close()
    assert told == list(range(20))
    assert len(read_records(journal.path.parent)) == 20


async def test_a_journal_that_cannot_be_written_says_so_and_takes_nothing_more(tmp_path, monkeypatch):
    journal = open_journal(make_folder(tmp_path, "r1"), create=True)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(Unavailable, match="No space left"):
            await journal.append(begun("r1"))
    with pytest.raises(Unavailable, match="before"):
        await journal.append(begun("r1"))
    journal.close()


@pytest.mark.parametrize("name", ["", "nope", "..", "../r1"])
def test_a_run_that_is_not_there_is_not_found(tmp_path, name):
    with pytest.raises(NotFound):
        find_folder(tmp_path, name)


async def test_a_run_is_found_by_a_part_of_its_id(tmp_path):
    for run in ("aa1", "aa2", "bb3"):
        await write(tmp_path, run)
    assert find_folder(tmp_path, "bb").name == "bb3"
    assert find_folder(tmp_path, "2").name == "aa2"
    assert find_folder(tmp_path, "last").name == "bb3"
    with pytest.raises(Conflict, match="any of 2"):
        find_folder(tmp_path, "aa")


async def test_last_is_the_latest_run_of_a_project_that_no_other_has_called(tmp_path):
    await write(tmp_path, "r1", project="/p/inner")
    await write(tmp_path, "r2", project="/p", parent=StepLink(run="r1", step="a"))
    await write(tmp_path, "r3", project="/other")
    assert find_folder(tmp_path, "last", Path("/p")).name == "r1"
    assert find_folder(tmp_path, "last").name == "r3"
    with pytest.raises(NotFound, match="no run here"):
        find_folder(tmp_path, "last", Path("/empty"))


async def test_runs_are_listed_with_what_they_are(tmp_path):
    gate = Gate(id="g", run="r2", step="a", kind="pause")
    done = StepEnded(at=2.0, step="a", kind="prompt", status="completed", cost=3)
    await write(tmp_path, "r1", done, ENDED)
    await write(tmp_path, "r2", GateOpened(at=2.0, step="a", gate=gate), project="/p/inner")
    await write(tmp_path, "r3", project="/other")
    (make_folder(tmp_path, "r4") / NAME).write_bytes(b"")
    found = {each.run: each for each in list_runs(tmp_path)}
    assert list(found) == ["r3", "r2", "r1"]
    assert (found["r1"].state, found["r1"].cost, found["r1"].steps, found["r1"].exit_code) == ("failed", 7, 1, 1)
    assert (found["r2"].state, found["r3"].state) == ("broken", "broken")
    assert [each.run for each in list_runs(tmp_path, project=Path("/p"))] == ["r2", "r1"]


async def test_a_run_that_goes_on_costs_what_its_steps_do(tmp_path):
    def ended(step, **rest):
        return StepEnded(at=2.0, step=step, kind=rest.pop("kind", "prompt"), status="completed", **rest)

    again = ended("a", cost=100, booked=4), ended("a", cost=200, booked=9)
    folder = await write(tmp_path, "r1", *again, ended("loop#1::b", cost=50, booked=0))
    assert summarize(folder).cost == 9
    own = ended("loop#1::b", cost=50), ended("loop", kind="for_each", cost=50), ended("c", cost=7, cached=True)
    folder = await write(tmp_path, "r2", ended("a", cost=100, booked=4), *own)
    assert summarize(folder).cost == 54
    assert summarize(await write(tmp_path, "r3")).cost is None


async def test_a_run_that_waits_for_a_person_says_so(tmp_path):
    journal = open_journal(make_folder(tmp_path, "r1"), create=True)
    await journal.append(begun("r1"))
    folder = journal.path.parent
    assert summarize(folder).state == "running"
    gate = Gate(id="g", run="r1", step="a", kind="pause")
    await journal.append(GateOpened(at=2.0, step="a", gate=gate))
    assert summarize(folder).state == "waiting"
    await journal.append(GateDecided(at=3.0, step="a", gate="g", kind="pause", verdict=Verdict(choice="approve")))
    assert summarize(folder).state == "running"
    journal.close()


async def test_following_ends_with_the_run(tmp_path):
    journal = open_journal(make_folder(tmp_path, "r1"), create=True)
    await journal.append(begun("r1"))
    seen = []
    with trio.fail_after(5):
        async with aclosing(follow(journal.path.parent, look=0.01)) as records:
            async for written in records:
                seen.append(type(written.record).__name__)
                if len(seen) < 3:
                    await journal.append(Noted(at=2.0, text="x"))
                elif len(seen) == 3:
                    await journal.append(ENDED)
    journal.close()
    assert seen == ["RunBegun", "Noted", "Noted", "RunEnded"]


async def test_following_ends_when_nobody_drives_the_run(tmp_path):
    folder = await write(tmp_path, "r1")
    with trio.fail_after(5):
        async with aclosing(follow(folder)) as records:
            assert [type(each.record).__name__ async for each in records] == ["RunBegun"]
    with pytest.raises(NotFound):
        async with aclosing(follow(tmp_path / "none")) as records:
            await anext(records)


async def test_a_damaged_journal_is_not_written_to(tmp_path):
    folder = await write(tmp_path, "r1", Noted(at=2.0, text="one"))
    data = (folder / NAME).read_bytes()
    (folder / NAME).write_bytes(b"x" + data)
    with pytest.raises(Invalid, match="damaged"):
        open_journal(folder)
    assert (folder / NAME).read_bytes() == b"x" + data
    assert not list(list_runs(tmp_path))
