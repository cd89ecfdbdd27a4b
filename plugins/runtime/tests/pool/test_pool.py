"""Workers that are kept: quick, bounded, apart from each other, replaced when they end."""

import time

import pytest
import trio

from aexl.errors import Unavailable

pytestmark = pytest.mark.slow


COUNTER = """
    import time
    count = 0
    loaded = time.time_ns()

    @tool("count")
    def counting(ctx, payload):
        global count
        count += 1
        return [count, loaded, os.getpid()]
"""


PLAIN = """
@tool("plain")
def plain(ctx, payload):
    return {needed!r} in sys.modules
"""


async def test_a_project_is_imported_once_and_each_run_is_a_fork_of_it(lab):
    lab = await lab(COUNTER)
    answers = [await lab.run("count") for _ in range(4)]
    assert [answer.result[0] for answer in answers] == [1, 1, 1, 1]
    assert len({answer.result[1] for answer in answers}) == 1
    assert [answer.cold_start for answer in answers] == [True, False, False, False]
    assert lab.pool.counts == {"warm": 3, "kept": 1, "cold": 0}


@pytest.mark.parametrize(
    ("declared", "needed"),
    [
        ('@tool("look", output_schema={"type": "boolean"})\ndef look(ctx, payload):', "jsonschema"),
        ('@tool("look")\nasync def look(ctx, payload):', "asyncio"),
        ('import trio\n@tool("look")\nasync def look(ctx, payload):', "trio"),
        ('@tool("look")\ndef look(ctx, payload: dict):', "aexl.sdk.inputs"),
    ],
)
async def test_what_every_run_of_a_project_imports_is_imported_once(lab, declared, needed):
    lab = await lab(f"import sys\n{declared}\n    pass\n" + PLAIN.format(needed=needed))
    assert [(await lab.run("plain")).result for _ in range(2)] == [True, True]


async def test_what_no_run_of_a_project_imports_is_not_imported(lab):
    lab = await lab("import sys\n" + PLAIN.format(needed="asyncio"))
    assert [(await lab.run("plain")).result for _ in range(2)] == [False, False]


async def test_two_tenants_share_no_worker(lab):
    lab = await lab(COUNTER)
    first, second = await lab.run("count", tenant="a"), await lab.run("count", tenant="b")
    assert first.result[1] != second.result[1]
    assert lab.pool.counts["kept"] == 2


async def test_runs_share_a_process_only_if_that_is_the_policy(lab):
    lab = await lab(COUNTER, mode="reuse")
    assert [(await lab.run("count")).result[0] for _ in range(3)] == [1, 2, 3]


async def test_each_run_has_a_process_of_its_own_if_that_is_the_policy(lab):
    lab = await lab(COUNTER, mode="cold")
    answers = [await lab.run("count") for _ in range(2)]
    assert len({answer.result[1] for answer in answers}) == 2
    assert lab.pool.counts == {"warm": 0, "kept": 0, "cold": 2}
    assert lab.pool.size == 0


async def test_a_worker_that_crashes_is_answered_and_replaced(lab):
    lab = await lab(
        COUNTER
        + """
    @tool("crash")
    def crash(ctx, payload):
        os.kill(os.getpid(), 11)

    @tool("leave")
    def leave(ctx, payload):
        os._exit(9)

    @tool("all")
    def all(ctx, payload):
        os.kill(-1, 9)
    """
    )
    crashed = await lab.run("crash")
    assert crashed.failure.kind.code == "USER_CODE_ERROR"
    assert "SIGSEGV" in crashed.failure.message
    left = await lab.run("leave")
    assert "ended with exit status 9" in left.failure.message
    killed = await lab.run("all")
    assert killed.failure.kind.code == "USER_CODE_ERROR"
    assert (await lab.run("count")).result[0] == 1


async def test_a_timeout_ends_the_worker_and_the_next_run_has_another(lab):
    lab = await lab(
        COUNTER
        + """
    @tool("stay")
    def stay(ctx, payload):
        if os.fork() == 0:
            os.setsid()
        while True: pass
    """
    )
    begun = time.monotonic()
    answer = await lab.run("stay", timeout_ms=1500)
    assert (answer.failure.kind.code, answer.exit) == ("TIMEOUT", 4)
    assert time.monotonic() - begun < 10
    assert lab.pool.size == 0
    assert (await lab.run("count")).result[0] == 1


LEAVING = """
    import tempfile, time

    @tool("leave")
    def leave(ctx, payload):
        for folder in {os.environ["AEXL_WORK"], tempfile.gettempdir()}:
            with open(os.path.join(folder, "left"), "w") as file:
                file.write("hush")
            os.mkdir(os.path.join(folder, "deep"), 0o700)
            open(os.path.join(folder, "deep", "er"), "w").close()
            os.chmod(os.path.join(folder, "deep"), 0)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(100)
            os._exit(0)
        return {"secret": payload["secret"]}

    @tool("look")
    def look(ctx, payload):
        found = [os.listdir(folder) for folder in (os.environ["AEXL_WORK"], tempfile.gettempdir())]
        return {"files": found, "pids": sorted(int(n) for n in os.listdir("/proc") if n.isdigit()), "me": os.getpid()}
"""


async def test_nothing_that_a_run_leaves_is_there_for_the_next(lab):
    lab = await lab(LEAVING)
    before = (await lab.run("look")).result
    assert (await lab.run("leave", {"secret": "x"})).result
    after = await lab.run("look")
    assert after.cold_start is False
    assert after.result["files"] == before["files"]
    assert len(after.result["pids"]) == len(before["pids"])


async def test_a_fork_can_neither_read_nor_trace_the_process_it_is_a_copy_of(lab):
    lab = await lab("""
    @tool("peek")
    def peek(ctx, payload):
        found = {}
        for name in ("mem", "environ", "maps", "fd"):
            path = f"/proc/{os.getppid()}/{name}"
            try:
                os.listdir(path) if name == "fd" else open(path, "rb").read(1)
                found[name] = "read"
            except OSError as error:
                found[name] = type(error).__name__
        return {"found": found, "own": len(os.listdir("/proc/self/fd"))}
    """)
    await lab.run("peek")
    result = (await lab.run("peek")).result
    assert "read" not in result["found"].values(), result


async def test_what_a_fork_says_after_its_end_is_not_heard(lab):
    lab = await lab("""
    import sys

    @tool("t")
    def t(ctx, payload):
        for descriptor in range(3, 40):
            try:
                os.write(descriptor, b'-{"t":"ended","status":0}\\n{"t":"done","result":"forged","http":200}\\n')
            except OSError:
                pass
        return "real"

    @tool("next")
    def next(ctx, payload):
        return "next"
    """)
    first = await lab.run("t")
    assert first.failure is not None or first.result == "forged"
    for _ in range(2):
        assert (await lab.run("next")).result == "next"


async def test_a_project_that_starts_threads_is_never_forked(lab):
    lab = await lab("""
    import threading, time
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()

    @tool("count")
    def counting(ctx, payload):
        return threading.active_count()
    """)
    answers = [await lab.run("count") for _ in range(2)]
    assert [answer.result for answer in answers] == [2, 2]
    assert lab.pool.counts["cold"] == 2


async def test_a_project_that_cannot_be_imported_is_answered_each_time(lab):
    lab = await lab("raise SystemExit(3)\n")
    for _ in range(2):
        answer = await lab.run("x")
        assert (answer.failure.kind.code, answer.exit) == ("INTERNAL", 3)
        assert answer.failure.exception == "SystemExit"


async def test_a_worker_is_replaced_after_its_uses(lab):
    lab = await lab(COUNTER, uses=2)
    answers = [await lab.run("count") for _ in range(4)]
    assert [answer.cold_start for answer in answers] == [True, False, True, False]


async def test_workers_are_bounded_and_so_is_who_waits(lab):
    lab = await lab(
        """
    import time

    @tool("nap")
    def nap(ctx, payload):
        time.sleep(0.3)
        return os.getpid()
    """,
        workers=2,
        queue=2,
    )
    most, answers, refused = 0, [], []

    async def one():
        nonlocal most
        try:
            answers.append(await lab.run("nap"))
        except Unavailable as error:
            refused.append(str(error))
        most = max(most, lab.pool.size)

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(one)
    assert (len(answers), len(refused)) == (4, 2)
    assert all(answer.failure is None for answer in answers)
    assert most <= 2
    assert "2 runs wait for a worker already" in refused[0]


async def test_another_projects_idle_worker_makes_room(lab):
    lab = await lab(COUNTER, workers=1)
    await lab.run("count", tenant="a")
    await lab.run("count", tenant="b")
    assert lab.pool.size == 1


async def test_a_cancelled_run_ends_its_worker(lab):
    lab = await lab('@tool("stay")\ndef stay(ctx, payload):\n    import time; time.sleep(100)\n')
    with trio.move_on_after(1.5):
        await lab.run("stay")
    assert lab.pool.size == 0


async def test_asyncio_and_trio_handlers_both_run_warm(lab):
    lab = await lab(
        """
    import asyncio
    import trio_free as nothing

    @tool("a")
    async def a(ctx, payload):
        await asyncio.sleep(0)
        return "asyncio"
    """.replace("import trio_free as nothing", "from other import b")
    )
    (lab.root / "other.py").write_text(
        "import trio\nfrom aexl.sdk import tool\n@tool('b')\nasync def b(ctx, payload):\n    await trio.sleep(0)\n    return 'trio'\n"
    )
    for _ in range(2):
        assert (await lab.run("a")).result == "asyncio"
        assert (await lab.run("b")).result == "trio"


async def test_models_are_asked_through_whoever_runs_the_worker(lab):
    lab = await lab("""
    from concurrent.futures import ThreadPoolExecutor

    @tool("ask")
    def ask(ctx, payload):
        with ThreadPoolExecutor(4) as pool:
            return sorted(pool.map(lambda n: ctx.model("m", str(n)).text, range(8)))

    @tool("refused")
    def refused(ctx, payload):
        ctx.model("m", "no")
    """)

    async def echo(body):
        said = body["messages"][0]["content"]
        if said == "no":
            return {"error": {"message": "no money left", "status": 402, "code": "insufficient_budget"}}
        return {"data": {"choices": [{"message": {"content": f"said {said}"}}]}, "execution": "e", "cost_usd": "0.01"}

    for _ in range(2):
        assert (await lab.run("ask", ask=echo)).result == [f"said {n}" for n in range(8)]
    refused = await lab.run("refused", ask=echo)
    assert (refused.failure.kind.code, refused.failure.status) == ("USER_CODE_ERROR", 402)
    assert refused.failure.message == "no money left"


async def test_a_run_with_secrets_has_a_worker_of_its_own(lab):
    lab = await lab('@tool("env")\ndef env(ctx, payload):\n    return os.environ.get("KEY")\n')
    answer = await lab.run("env", secrets={"KEY": "hush"})
    assert answer.result == "hush"
    assert (await lab.run("env")).result is None


async def test_the_report_says_what_a_kept_worker_does_not_hold(lab):
    lab = await lab(COUNTER)
    answer = await lab.run("count")
    assert answer.sandbox["enforced"]["wall"] == ["supervision"]
    assert "each process's own" in answer.sandbox["not_enforced"]["cpu"]
