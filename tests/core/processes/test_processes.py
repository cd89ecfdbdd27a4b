"""Real programs: what they get, what they say, and that nothing of them is left."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from aexl.api import ProcessSpec
from aexl.core.processes import clean_environment, is_alive
from aexl.core.processes.running import spawn
from aexl.errors import Conflict, Invalid, NotFound, Unavailable

PATH = {"PATH": os.environ["PATH"]}

DAEMON = """
import os, sys, time
if os.fork():
    os._exit(0) if {leave} else None
    os.wait()
    sys.exit()
os.setsid()
if os.fork():
    os._exit(0)
with open(sys.argv[1], "w") as file:
    file.write(str(os.getpid()))
os.rename(sys.argv[1], sys.argv[1] + ".ready")
time.sleep(600)
"""


def make_spec(argv: Sequence[str], tmp_path: Path, **changes: object) -> ProcessSpec:
    return ProcessSpec(**{"argv": argv, "env": PATH, "cwd": tmp_path, **changes})  # type: ignore[arg-type]


def shell(script: str, tmp_path: Path, **changes: object) -> ProcessSpec:
    return make_spec(["/bin/sh", "-c", script], tmp_path, **changes)


def python(script: str, tmp_path: Path, *arguments: str, **changes: object) -> ProcessSpec:
    return make_spec([sys.executable, "-S", "-E", "-c", script, *arguments], tmp_path, **changes)


async def appears(path: Path) -> str:
    """Wait until another process has made a file: there is no event to wait for between processes."""
    with trio.fail_after(10):
        while not path.exists():
            await trio.sleep(0.005)
    return path.read_text()


async def test_output_comes_line_by_line_and_the_exit_code_as_it_is(tmp_path):
    async with spawn(shell("echo one; echo two >&2; printf three; exit 7", tmp_path)) as process:
        assert [line async for line in process.lines] == [b"one", b"three"]
        assert [line async for line in process.stderr] == [b"two"]
        assert await process.wait() == 7


async def test_a_program_that_a_signal_ended_reports_it_as_a_negative_number(tmp_path):
    async with spawn(shell("kill -9 $$", tmp_path)) as process:
        assert await process.wait() == -9


async def test_the_environment_is_built_from_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "inherited")
    async with spawn(make_spec(["env"], tmp_path, env={**PATH, "GIVEN": "1"})) as process:
        names = {line.partition(b"=")[0] async for line in process.lines}
    assert names == {b"PATH", b"GIVEN", b"AEXL_TREE"}


async def test_a_tree_inside_a_tree_carries_both_marks(tmp_path, monkeypatch):
    monkeypatch.setenv("AEXL_TREE", "outer")
    async with spawn(shell('echo "$AEXL_TREE"', tmp_path)) as process:
        [mark] = [line async for line in process.lines]
    assert mark.startswith(b"outer:")


async def test_the_program_reads_its_stdin_to_the_end(tmp_path):
    async with spawn(make_spec(["wc", "-c"], tmp_path, stdin=b"x" * 300_000)) as process:
        assert [line.strip() async for line in process.lines] == [b"300000"]


async def test_without_stdin_the_program_reads_an_empty_one(tmp_path):
    async with spawn(make_spec(["cat"], tmp_path)) as process:
        assert await process.wait() == 0


async def test_a_program_that_never_reads_stdin_holds_nothing_up(tmp_path):
    with trio.fail_after(5):
        async with spawn(shell("echo done", tmp_path, stdin=b"x" * 1_000_000)) as process:
            assert [line async for line in process.lines] == [b"done"]
        async with spawn(make_spec(["sleep", "600"], tmp_path, stdin=b"x" * 1_000_000)):
            pass


async def test_a_line_of_three_megabytes_comes_in_pieces_of_one(tmp_path):
    script = "import sys; sys.stdout.write('x' * 3_000_000 + '\\nshort\\n')"
    async with spawn(python(script, tmp_path)) as process:
        lines = [line async for line in process.lines]
    assert [len(line) for line in lines] == [1_048_576, 1_048_576, 902_848, 5]


async def test_lines_that_nobody_reads_hold_the_program_up_and_not_our_memory(tmp_path):
    script = "import sys\nwhile True: sys.stdout.write('x' * 1000 + '\\n')"
    with trio.fail_after(5):
        async with spawn(python(script, tmp_path)) as process:
            await process.lines.receive()
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert process.lines.statistics().current_buffer_used <= 8  # type: ignore[attr-defined]


async def test_closing_the_output_lets_the_program_go_on(tmp_path):
    script = "import sys\nfor _ in range(3000): sys.stdout.write('x' * 1000 + '\\n')"
    with trio.fail_after(5):
        async with spawn(python(script, tmp_path)) as process:
            await process.lines.aclose()
            assert await process.wait() == 0


async def test_output_ends_with_the_program_though_a_daemon_holds_the_pipe(tmp_path):
    with trio.fail_after(5):
        async with spawn(shell("sleep 600 & echo last; exit 0", tmp_path)) as process:
            assert [line async for line in process.lines] == [b"last"]


async def test_everything_in_the_pipe_at_the_end_is_delivered(tmp_path):
    script = "import sys; sys.stdout.write('line\\n' * 12_000)"  # 60,000 bytes fit into a pipe
    async with spawn(python(script, tmp_path)) as process:
        await process.wait()
        assert len([line async for line in process.lines]) == 12_000


@pytest.mark.parametrize("leave", [False, True])
async def test_a_daemon_that_forked_twice_and_changed_session_is_dead_after_leaving(tmp_path, leave):
    note = tmp_path / "pid"
    async with spawn(python(DAEMON.format(leave=leave), tmp_path, str(note))) as process:
        pid = int(await appears(tmp_path / "pid.ready"))
        if leave:
            assert await process.wait() == 0
        assert is_alive(pid)
        began = time.monotonic()
    assert time.monotonic() - began < 10  # of the 600 s that it sleeps
    assert not is_alive(pid)
    assert not Path(f"/proc/{pid}").exists()  # collected too


@pytest.mark.slow
async def test_a_daemon_without_the_mark_is_found_by_its_session(tmp_path):
    """``env -i`` takes the mark away; the first look, while its parent lived, has seen its session."""
    script = "setsid env -i sh -c 'sleep 600 & echo $! > note; mv note pid; sleep 1' & wait; exit 0"
    async with spawn(shell(script, tmp_path)) as process:
        pid = int(await appears(tmp_path / "pid"))
        await process.wait()
    assert not is_alive(pid)


async def test_a_program_that_ignores_sigterm_is_killed_after_its_grace(tmp_path):
    script = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
    async with spawn(shell(script, tmp_path, cancel=((signal.SIGTERM, 0.1),))) as process:
        await process.lines.receive()
        began = time.monotonic()
    assert 0.1 <= time.monotonic() - began < 10
    assert await process.wait() == -9


async def test_a_program_may_end_in_its_grace(tmp_path):
    script = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done"
    async with spawn(shell(script, tmp_path)) as process:
        await process.lines.receive()
    assert await process.wait() == 3


async def test_a_stopped_program_hears_that_it_shall_end(tmp_path):
    script = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done"
    async with spawn(shell(script, tmp_path)) as process:
        await process.lines.receive()
        process.signal(signal.SIGSTOP)
    assert await process.wait() == 3


async def test_a_program_that_says_much_while_it_ends_needs_no_reader(tmp_path):
    script = (
        "import os, signal, sys, time\n"
        "def end(*_):\n  sys.stdout.write('x\\n' * 500_000)\n  sys.exit(4)\n"
        "signal.signal(signal.SIGTERM, end)\nos.write(1, b'ready\\n')\nwhile True: time.sleep(1)"
    )
    async with spawn(python(script, tmp_path)) as process:
        await process.lines.receive()
    assert await process.wait() == 4


async def test_cancellation_ends_the_tree_and_goes_on(tmp_path):
    pid = 0
    with trio.move_on_after(30) as scope:
        async with spawn(shell("sleep 600 & echo $!; wait", tmp_path)) as process:
            pid = int(await process.lines.receive())
            scope.cancel()
            await process.wait()
    assert scope.cancelled_caught
    assert not is_alive(pid)
    assert not is_alive(process.pid)


async def test_an_error_in_the_block_comes_out_as_it_is(tmp_path):
    with pytest.raises(KeyError):
        async with spawn(make_spec(["sleep", "600"], tmp_path)) as process:
            raise KeyError
    assert not is_alive(process.pid)


async def test_children_that_appear_while_the_tree_is_killed_die_too(tmp_path):
    script = "import os, time\nend = time.monotonic() + 20\nwhile time.monotonic() < end:\n  pid = os.fork()\n  if pid: os._exit(0)\n"
    with trio.fail_after(5):
        async with spawn(python(script, tmp_path, cancel=())) as process:
            session = process.pid
            await process.wait()
    assert not any(_session(pid) == session for pid in _pids())


async def test_files_are_private_and_gone_afterwards(tmp_path):
    path = tmp_path / "home" / "settings" / "a.json"
    async with spawn(shell(f"stat -c %a {path}; cat {path}", tmp_path, files={path: "{}"})) as process:
        assert [line async for line in process.lines] == [b"600", b"{}"]
    assert not (tmp_path / "home").exists()


async def test_what_the_program_left_beside_its_files_stays(tmp_path):
    path = tmp_path / "home" / "a.json"
    async with spawn(shell("echo x > home/own", tmp_path, files={path: "{}"})) as process:
        await process.wait()
    assert (tmp_path / "home" / "own").exists()
    assert not path.exists()


async def test_a_file_that_exists_is_not_overwritten(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("mine")
    with pytest.raises(Conflict, match=r"a\.json"):
        async with spawn(shell("true", tmp_path, files={tmp_path / "b" / "first": "", path: "theirs"})):
            pytest.fail("it ran")
    assert path.read_text() == "mine"
    assert not (tmp_path / "b").exists()


async def test_what_cannot_be_started_says_why(tmp_path):
    (tmp_path / "data").write_text("not a program")
    cases = [
        (make_spec([], tmp_path), Invalid, "command"),
        (make_spec(["a\0b"], tmp_path), Invalid, "NUL"),
        (make_spec(["no-such-program"], tmp_path), NotFound, "no-such-program"),
        (make_spec(["true"], tmp_path / "nowhere"), NotFound, "nowhere"),
        (make_spec([str(tmp_path / "data")], tmp_path), Unavailable, "Permission"),
    ]
    for spec, error, words in cases:
        with pytest.raises(error, match=words):
            async with spawn(spec):
                pytest.fail("it ran")


async def test_two_trees_do_not_touch_each_other(tmp_path):
    async with spawn(shell("setsid sleep 600 & echo $!; wait", tmp_path)) as kept:
        pid = int(await kept.lines.receive())
        async with spawn(make_spec(["sleep", "600"], tmp_path)):
            pass
        assert is_alive(pid)
        assert is_alive(kept.pid)
    assert not is_alive(pid)


@pytest.mark.slow
async def test_orphans_that_ended_are_collected_while_the_program_runs(tmp_path):
    async with spawn(shell("(sleep 0.3 & echo $!); read x", tmp_path, stdin=None)) as process:
        pid = int(await process.lines.receive())
        with trio.fail_after(20):
            while Path(f"/proc/{pid}").exists():
                await trio.sleep(0.02)


def test_a_foreign_program_gets_its_own_libraries_back(monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    ours = {"LD_LIBRARY_PATH": "/bundle", "_PYI_ARCHIVE_FILE": "x", "_MEIPASS2": "y", "HOME": "/h"}
    assert clean_environment(ours) == {"HOME": "/h"}
    assert clean_environment({**ours, "LD_LIBRARY_PATH_ORIG": "/theirs"}) == {
        "HOME": "/h",
        "LD_LIBRARY_PATH": "/theirs",
    }


def test_a_host_that_is_not_frozen_changes_nothing():
    env = {"LD_LIBRARY_PATH": "/theirs", "LD_LIBRARY_PATH_ORIG": "/x"}
    assert clean_environment(env) == env


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


async def test_a_conversation_goes_on_until_the_input_is_ended(tmp_path):
    script = 'while read -r line; do echo "heard $line"; done; echo end'
    async with spawn(shell(script, tmp_path, stdin=b"one\n", converse=True)) as process:
        assert await process.lines.receive() == b"heard one"
        await process.send(b"two\n")
        assert await process.lines.receive() == b"heard two"
        process.end_input()
        process.end_input()
        assert [line async for line in process.lines] == [b"end"]
        with pytest.raises(Invalid, match="has ended"):
            await process.send(b"three\n")


async def test_nothing_can_be_sent_to_a_program_that_was_not_to_converse(tmp_path):
    async with spawn(shell("cat", tmp_path, stdin=b"one\n")) as process:
        with pytest.raises(Invalid, match="has ended"):
            await process.send(b"two\n")
        assert [line async for line in process.lines] == [b"one"]


async def test_what_is_sent_to_a_program_that_reads_no_more_is_dropped(tmp_path):
    async with spawn(shell("exec <&-; echo closed; sleep 0.2", tmp_path, converse=True)) as process:
        assert await process.lines.receive() == b"closed"
        for _ in range(20):
            await process.send(b"x" * 100_000)
        assert await process.wait() == 0


@pytest.mark.parametrize(("length", "pieces"), [(10, 1), (11, 2)])
async def test_a_line_over_the_specifications_limit_comes_in_pieces(tmp_path, length, pieces):
    async with spawn(shell(f"printf '%s\\n' {'x' * length}", tmp_path, line_limit=10)) as process:
        assert len([line async for line in process.lines]) == pieces


async def test_folders_are_made_and_stay(tmp_path):
    folder = tmp_path / "home" / "deep"
    async with spawn(shell("test -d home/deep && touch home/deep/kept", tmp_path, folders=[folder, folder])) as process:
        assert await process.wait() == 0
    assert (folder / "kept").exists()
    assert folder.stat().st_mode & 0o777 == 0o700
