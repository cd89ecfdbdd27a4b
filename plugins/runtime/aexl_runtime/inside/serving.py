"""A worker that is kept: the project is imported once, and each run is a fork of the process that has it.

The next fork is made before its order comes, and reads it itself: so a run costs no start, and what one run
was given is never in the memory that the next one is a copy of. A fork speaks through us; it has no descriptor
of the channel to the outside, so that nothing it leaves behind can speak for another run.

Lines of a fork go out with ``+`` before them, our own with ``-``.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aexl.sdk.registry import get_registry
from aexl_runtime.inside.preparing import prepare
from aexl_runtime.inside.running import Run
from aexl_runtime.inside.wire import Wire

_CHUNK = 64 * 1024
_PR_SET_DUMPABLE = 4


class _Marked(Wire):
    """A wire whose lines are marked as a fork's."""

    def send_line(self, line: bytes) -> None:
        super().send_line(b"+" + line)


def serve(wire: Wire, order: Mapping[str, Any]) -> None:
    """Import the project, then do runs until the channel ends.

    Args:
        order: ``root``, ``compat``, ``debug``, ``request`` with the capabilities; ``mode`` is ``fork`` or ``reuse``;
            ``alone``: all other processes that there are in here belong to the run; ``cpu_seconds`` for each process.
    """
    run = Run(_Marked(*wire.descriptors()))
    run.take_streams()
    loaded = run.load(order)
    prepare(get_registry())
    forkable = _threads() == 1
    _say(wire, {"t": "ready", "loaded": loaded, "forkable": forkable})
    if order["mode"] == "reuse" or not forkable:
        _serve_here(wire, run, order)
    else:
        _set_opaque(True)
        gc.collect()
        gc.freeze()
        _serve_forks(wire, loaded, order)


def _serve_here(wire: Wire, run: Run, order: Mapping[str, Any]) -> None:
    """Do every run in this process: quick, and what one leaves behind the next one finds."""
    while (asked := wire.receive()) is not None:
        run.wire.send({"t": "loaded", "ms": {}})
        run.act(asked)
        _tidy(order)
        _say(wire, {"t": "ended", "status": 0})


def _serve_forks(wire: Wire, loaded: Mapping[str, Any], order: Mapping[str, Any]) -> None:
    while True:
        ours, theirs = socket.socketpair()
        child = os.fork()
        if child == 0:
            ours.close()
            _run_fork(wire, theirs, loaded, order)
        theirs.close()
        begun = _relay(wire, ours, child)
        ours.close()
        _, status = os.waitpid(child, 0)
        if not begun:
            return
        _tidy(order)
        _say(wire, {"t": "ended", "status": os.waitstatus_to_exitcode(status)})


def _run_fork(wire: Wire, theirs: socket.socket, loaded: Mapping[str, Any], order: Mapping[str, Any]) -> None:
    """Be the fork: wait for an order on the channel, let go of it, and do the run. Does not return."""
    try:
        asked = wire.receive()
        if asked is not None:
            wire.close()
            os.setsid()
            _set_opaque(False)
            _limit_cpu(order["cpu_seconds"])
            theirs.sendall(b"\n")  # the order is read
            own = Wire(theirs.fileno(), theirs.fileno())
            run = Run(own)
            run.take_streams()
            own.send({**loaded, "ms": {}})
            run.act({**asked, "root": order["root"]})
    finally:
        os._exit(0)


def _relay(wire: Wire, fork: socket.socket, child: int) -> bool:
    """Carry lines both ways until the fork has ended; return whether it was given an order.

    What it started may hold its end of the channel open, and is not waited for.
    """
    if not fork.recv(1):
        return False
    main, out = wire.descriptors()
    ended = os.pidfd_open(child)
    poll = select.poll()
    for descriptor in (main, fork.fileno(), ended):
        poll.register(descriptor, select.POLLIN | select.POLLHUP)
    held = bytearray()
    try:
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if main in ready:
                data = os.read(main, _CHUNK)
                if not data:
                    os._exit(0)  # nobody is there any more; with us, all of it ends
                _give(fork, data)
            if fork.fileno() in ready and not _take(fork, out, held):
                poll.unregister(fork.fileno())
            if ended in ready:
                fork.setblocking(False)
                while _take(fork, out, held):
                    pass
                return True
    finally:
        os.close(ended)


def _give(fork: socket.socket, data: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # it has ended: nobody wants it
        fork.sendall(data)


def _take(fork: socket.socket, out: int, held: bytearray) -> bool:
    """Pass on what a fork has said; return whether there may be more."""
    try:
        data = fork.recv(_CHUNK)
    except (BlockingIOError, ConnectionResetError):
        return False
    held += data
    _pass_on(out, held)
    return bool(data)


def _pass_on(out: int, held: bytearray) -> None:
    """Send the complete lines on, each marked; keep the rest."""
    end = held.rfind(b"\n")
    if end < 0:
        return
    lines = b"".join(b"+" + line + b"\n" for line in bytes(held[:end]).split(b"\n"))
    del held[: end + 1]
    view = memoryview(lines)
    while view:
        view = view[os.write(out, view) :]


def _tidy(order: Mapping[str, Any]) -> None:
    """Remove what a run has left: processes, and files in its private folders. What cannot be removed ends us."""
    if order["alone"]:
        with suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        _reap()
    for variable in ("AEXL_WORK", "TMPDIR"):
        folder = os.environ.get(variable)
        if folder:
            _empty(folder)
    os.chdir(order["root"])


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _empty(folder: str) -> None:
    keep = os.environ.get("AEXL_WORK", "")
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        if entry.path == keep:
            _empty(entry.path)
        elif entry.is_dir(follow_symlinks=False):
            os.chmod(entry.path, 0o700)
            _empty(entry.path)
            os.rmdir(entry.path)
        else:
            os.unlink(entry.path)


def _say(wire: Wire, message: Mapping[str, Any]) -> None:
    import json

    wire.send_line(b"-" + json.dumps(message).encode() + b"\n")


def _threads() -> int:
    """Return how many threads this process has; a fork has only one of them."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        import threading

        return threading.active_count()


def _set_opaque(opaque: bool) -> None:
    """Let no fork read or trace us; a fork itself is as open as any process."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, int(not opaque), 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        return  # where there is no prctl, the sandbox says what it does not hold


def _limit_cpu(seconds: float) -> None:
    import resource

    soft = max(1, round(seconds + 0.5))
    used = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (soft + int(used.ru_utime + used.ru_stime), resource.RLIM_INFINITY))
