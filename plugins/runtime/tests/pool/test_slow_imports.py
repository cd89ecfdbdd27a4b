"""The time of a run holds for the import too, and says nothing of the project for later runs."""

import time

import pytest

pytestmark = pytest.mark.slow

TOOL = """
@tool("t")
def t(ctx, payload):
    return 1
"""


async def test_an_import_without_end_takes_the_runs_time_once(lab):
    lab = await lab("import time\nwhile True: time.sleep(0.1)\n")
    begun = time.monotonic()
    answer = await lab.run("x", timeout_ms=3000)
    assert time.monotonic() - begun < 5.9
    assert (answer.failure.kind.code, answer.exit) == ("TIMEOUT", 4)
    assert answer.sandbox["enforced"]
    assert lab.pool.size == 0


async def test_a_project_that_was_once_too_slow_is_kept_when_it_has_the_time(lab):
    lab = await lab("import time; time.sleep(0.6)\n" + TOOL)
    assert (await lab.run("t", timeout_ms=500)).failure.kind.code == "TIMEOUT"
    assert [(await lab.run("t")).cold_start for _ in range(2)] == [True, False]


async def test_the_time_is_the_same_where_a_worker_cannot_be_kept(lab):
    lab = await lab(
        "import threading, time; threading.Thread(target=time.sleep, args=(20,)).start(); time.sleep(1.8)\n"
    )
    begun = time.monotonic()
    assert (await lab.run("t", timeout_ms=3000)).failure.kind.code == "TIMEOUT"
    assert time.monotonic() - begun < 5.9
