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
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aexl.sdk.registry import get_registry
from aexl_runtime.inside.leftovers import Leftovers
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
            ``private_files``: all of ``/tmp`` is for runs; ``cpu_seconds`` for each process.
    """
    leftovers = Leftovers("/tmp" if order["private_files"] else os.environ["AEXL_WORK"])  # noqa: S108
    run = Run(_Marked(*wire.descriptors()))
    run.take_streams()
    loaded = run.load(order)
    prepare(get_registry())
    forkable = _threads() == 1
    _say(wire, {"t": "ready", "loaded": loaded, "forkable": forkable})
    if order["mode"] == "reuse" or not forkable:
        _serve_here(wire, run, order, leftovers)
    else:
        _set_opaque(True)
        gc.collect()
        gc.freeze()
        _serve_forks(wire, loaded, order, leftovers)


def _serve_here(wire: Wire, run: Run, order: Mapping[str, Any], leftovers: Leftovers) -> None:
    """Do every run in this process: quick, and what one leaves behind the next one finds."""
    while (asked := wire.receive()) is not None:
        run.begin(asked, {"t": "loaded", "ms": {}})
        run.act(asked)
        leftovers.remove()
        os.chdir(order["root"])
        _say(wire, {"t": "ended", "status": 0})


def _serve_forks(wire: Wire, loaded: Mapping[str, Any], order: Mapping[str, Any], leftovers: Leftovers) -> None:
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
        leftovers.remove()
        os.chdir(order["root"])
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
            run.begin(asked, {**loaded, "ms": {}})
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
