"""What one run of a kept worker does, the next one does not find."""

import pytest

from aexl_runtime.sandbox.ports import Policy

pytestmark = pytest.mark.slow

VIEWS = ["namespaces", "none"]

PLACES = """
    import resource, tempfile

    PLACES = {"/tmp", "/var/tmp", "/dev/shm", os.environ["AEXL_WORK"], tempfile.gettempdir(), os.path.dirname(__file__)}
    PLACES |= {os.path.dirname(place) for place in PLACES if place.startswith("/tmp/")}

    @tool("put")
    def put(ctx, payload):
        placed = []
        for place in sorted(PLACES):
            try:
                os.makedirs(f"{place}/left-folder/deep")
                with open(f"{place}/left", "w") as file:
                    file.write("a secret")
                placed.append(place)
            except OSError:
                pass
        return placed

    @tool("get")
    def get(ctx, payload):
        return [place for place in sorted(PLACES) if os.path.exists(f"{place}/left")]

    @tool("fill")
    def fill(ctx, payload):
        try:
            for number in range(10):
                with open(f"/tmp/{number}", "wb") as file:
                    file.write(bytes(1024 * 1024))
        except OSError as error:
            return error.strerror
"""


@pytest.mark.parametrize("view", VIEWS)
async def test_no_file_of_a_run_is_there_for_the_next_wherever_it_was_written(lab, view):
    lab = await lab(PLACES, policy=Policy(view=view))
    placed = (await lab.run("put")).result
    assert any(place.startswith("/tmp") for place in placed)
    found = await lab.run("get")
    assert (found.cold_start, found.result) == (False, [])


async def test_a_run_that_fills_its_disk_leaves_the_next_one_all_of_it(lab):
    lab = await lab(PLACES, policy=Policy(disk_bytes=8 * 1024 * 1024))
    first, second = await lab.run("fill"), await lab.run("fill")
    assert (first.result, second.cold_start) == ("No space left on device", False)
    assert (await lab.run("put")).result


async def test_a_folder_that_a_run_closed_is_open_for_the_next(lab):
    lab = await lab("""
    @tool("close")
    def close(ctx, payload):
        for folder in (os.environ["AEXL_WORK"], "/tmp"):
            try:
                os.chmod(folder, 0)
            except OSError:
                pass  # not ours

    @tool("write")
    def write(ctx, payload):
        open(os.path.join(os.environ["AEXL_WORK"], "new"), "w").close()
        return oct(os.stat(os.environ["AEXL_WORK"]).st_mode & 0o777)
    """)
    await lab.run("close")
    written = await lab.run("write")
    assert (written.cold_start, written.result) == (False, "0o700")


CHANGES = """
    import resource

    @tool("change")
    def change(ctx, payload):
        above = os.getppid()
        changed = []
        for name, how in {
            "limits": lambda: resource.prlimit(above, resource.RLIMIT_FSIZE, (0, 0)),
            "priority": lambda: os.setpriority(os.PRIO_PROCESS, above, 19),
            "processors": lambda: os.sched_setaffinity(above, {min(os.sched_getaffinity(0))}),
            "scheduling": lambda: os.sched_setscheduler(above, os.SCHED_IDLE, os.sched_param(0)),
        }.items():
            try:
                how()
                changed.append(name)
            except OSError:
                pass
        return changed

    @tool("own")
    def own(ctx, payload):
        os.setpriority(os.PRIO_PROCESS, 0, 5)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        return os.getpriority(os.PRIO_PROCESS, 0)
"""


@pytest.mark.parametrize("view", VIEWS)
async def test_a_run_cannot_change_the_process_that_later_runs_are_forked_from(lab, view):
    lab = await lab(CHANGES, policy=Policy(view=view))
    await lab.run("change")
    changed = await lab.run("change")
    assert (changed.cold_start, changed.result) == (False, [])


async def test_a_run_can_change_itself(lab):
    lab = await lab(CHANGES)
    assert [(await lab.run("own")).result for _ in range(2)] == [5, 5]


async def test_no_queue_or_shared_memory_of_a_run_is_there_for_the_next(lab):
    lab = await lab("""
    KEY, CREATE = 0x61657831, 0o1666

    def library():
        return __import__("ctypes").CDLL(None, use_errno=True)

    @tool("put")
    def put(ctx, payload):
        made = [library().shmget(KEY, 4096, CREATE), library().msgget(KEY, CREATE), library().semget(KEY, 1, CREATE)]
        return made + [library().mq_open(b"/left", os.O_CREAT | os.O_RDWR, 0o600, None)]

    @tool("get")
    def get(ctx, payload):
        found = [library().shmget(KEY, 4096, 0), library().msgget(KEY, 0), library().semget(KEY, 1, 0)]
        return found + [library().mq_open(b"/left", os.O_RDWR)]
    """)
    await lab.run("put")
    found = await lab.run("get")
    assert (found.cold_start, found.result) == (False, [-1, -1, -1, -1])
