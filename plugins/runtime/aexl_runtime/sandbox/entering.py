"""Entering a sandbox: what happens between the fork and the program's first instruction.

Three processes: the *supervisor*, which is the one that called ``enter``; the *first* process of the new pid
namespace, which reaps what is orphaned and whose end is the end of all; and the *program*. Without a pid
namespace there is no first process, and the supervisor adopts what is orphaned.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from typing import NoReturn

from aexl_runtime.sandbox import kernel, settling
from aexl_runtime.sandbox.bubblewrap import command
from aexl_runtime.sandbox.cgroups import Group
from aexl_runtime.sandbox.orders import Ending, Order
from aexl_runtime.sandbox.supervision import PERMITTED, REFUSED_STATUS, Supervisor, leave, tell
from aexl_runtime.sandbox.view import WORK


def enter(order: Order, inner: Sequence[str] = (), *, meanwhile: Callable[[], object] | None = None) -> None:
    """Confine this process, which must be a fresh one with one thread. Returns in the program's process only.

    The process that called becomes the supervisor and ends as the program does. If a layer fails, the
    program never runs: the supervisor ends with status 125 and says why (see ``Order.ending_fd``).

    Args:
        inner: With bubblewrap: the words that start our own program for the inner part, which finds the
            descriptor for its tidings and its work folder as the last words.
        meanwhile: Called in the program's process, confined already, while the supervisor puts it into its control
            groups; must run nobody else's code.
    """
    if not order.keep_env:
        kernel.close_descriptors((*order.keep_fds, *(() if order.ending_fd is None else (order.ending_fd,))))
    parent = os.getppid()
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    group = Group(order.groups)
    reader, writer = os.pipe()
    permit, permitting = os.pipe()
    scratch: str | None = None
    try:
        group.make()
        scratch = _make_scratch(order)
        settling.leave_namespaces(order)
    except OSError as error:
        _finish(order, group, scratch, Ending(cause="refused", status=REFUSED_STATUS, detail=str(error)))
    child = os.fork()
    if child == 0:
        for descriptor in (reader, permitting, *(() if order.ending_fd is None else (order.ending_fd,))):
            os.close(descriptor)
        _become_program(order, permit, writer, order.work or scratch or WORK, inner, meanwhile)
        return
    os.close(writer)
    os.close(permit)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # nobody looks into us from inside; not before the maps are written
    _finish(order, group, scratch, Supervisor(order, child, reader, permitting, group, parent).run())


def finish_inside(order: Order, tidings: int, work: str) -> None:
    """Take the last steps of ``order`` inside a tree that bubblewrap has made."""
    try:
        settling.give_up(order, work)
        settling.set_surroundings(order, work)
        _say(tidings, entered=True)
    except BaseException as error:
        _fail(tidings, error)
    os.close(tidings)


def _hand_filter(order: Order) -> int | None:
    """Return a pipe with the seccomp program in it, for bubblewrap to read."""
    if not order.program:
        return None
    reader, writer = os.pipe()
    os.write(writer, bytes.fromhex(order.program))  # a few kilobytes, which a pipe holds
    os.close(writer)
    os.set_inheritable(reader, True)
    return reader


def _become_program(
    order: Order,
    permit: int,
    tidings: int,
    work: str,
    inner: Sequence[str],
    meanwhile: Callable[[], object] | None,
) -> None:
    try:
        os.setsid()
        if order.view == "bubblewrap":
            _await(permit)
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
            os.set_inheritable(tidings, True)
            words = command(order, [*inner, str(tidings), work], filter_fd=_hand_filter(order))
            os.execv(words[0], words)  # noqa: S606  # no shell
        settling.make_view(order)
        settling.give_up(order, work)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of user clears it
        settling.set_surroundings(order, work)
        settling.filter_calls(order)  # the first process gets it too: who takes it over must gain nothing
        if meanwhile is not None:
            meanwhile()
        _await(permit)
        if "pid" in order.namespaces:
            kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # nor can it be taken over
            program = os.fork()
            if program != 0:
                _be_first(program, tidings)
        _say(tidings, entered=True)
    except BaseException as error:
        _fail(tidings, error)
    os.close(tidings)


def _await(permit: int) -> None:
    """Wait until the supervisor has put this process into its groups; raises if it could not, or is gone."""
    said = os.read(permit, 1000)
    os.close(permit)
    if said != PERMITTED:
        raise OSError(said.decode() or "who watches it is gone")


def _be_first(program: int, tidings: int) -> NoReturn:
    """Reap until the program has ended, say how, and end, which ends everything in the namespace."""
    kernel.close_descriptors((tidings,))
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == program:
            _say(tidings, status=status)
            os._exit(0)


def _say(tidings: int, **record: object) -> None:
    os.write(tidings, json.dumps(record).encode() + b"\n")


def _fail(tidings: int, error: BaseException) -> NoReturn:
    try:
        _say(tidings, failed=str(error) or type(error).__name__)
    finally:
        os._exit(REFUSED_STATUS)


def _make_scratch(order: Order) -> str | None:
    """Make a folder on the machine's disk where there is no private file system for it."""
    if order.private_files or order.work is not None:
        return None
    import tempfile  # slow to import, and seldom needed

    folder = tempfile.mkdtemp(prefix="aexl-work-")
    if order.account is not None:
        os.chown(folder, order.account, order.account)
    return folder


def _finish(order: Order, group: Group, scratch: str | None, ending: Ending) -> NoReturn:
    try:
        group.remove(ending=order.end_all or ending.cause not in ("exit", "signal"))
        if scratch is not None:
            import shutil  # likewise

            shutil.rmtree(scratch)
        tell(order, ending)
        leave(ending)
    finally:
        os._exit(REFUSED_STATUS)
