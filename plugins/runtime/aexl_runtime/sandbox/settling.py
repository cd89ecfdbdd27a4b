"""What a process does to itself so that it can no longer do anything else: the steps of an order, in order."""

from __future__ import annotations

import os
import signal

from aexl_runtime.sandbox import kernel, landlock, view
from aexl_runtime.sandbox.limits import set_limits
from aexl_runtime.sandbox.orders import Order
from aexl_runtime.sandbox.paths import DEVICES


def leave_namespaces(order: Order) -> None:
    """Leave all namespaces but the mount namespace, which the tree's maker leaves."""
    names = [name for name in order.namespaces if name != "mount"]
    if not names:
        return
    user, group = os.geteuid(), os.getegid()
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # one that changed its user may not open its own files in /proc
    kernel.unshare(*names)
    if "user" in names:
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")


def make_view(order: Order) -> None:
    """Make the program's own file tree, or its own ``/proc`` at least."""
    if "mount" not in order.namespaces:
        return
    kernel.unshare("mount")
    if order.view == "own":
        view.build(
            order.readable,
            work=order.work,
            scratch_bytes=order.scratch_bytes,
            owner=order.account,
            processes="pid" in order.namespaces,
        )
    elif order.fresh_proc:
        kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
        view.mount_processes()


def give_up(order: Order, work: str) -> None:
    """Give up privileges, take limits, and let Landlock confine this process and all it starts.

    Args:
        work: The folder to write in, as it is seen now.
    """
    if order.drop:
        kernel.limit_capabilities()
    if order.account is not None:
        os.setgroups([])
        os.setresgid(order.account, order.account, order.account)
        os.setresuid(order.account, order.account, order.account)
    set_limits(order.limits, order.more_pids)
    if order.drop:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    if order.landlock:
        own_tree = order.view != "none"
        landlock.restrict(
            order.landlock,
            order.landlock_version,
            shown=("/",) if own_tree else (),
            readable=order.readable,
            writable=("/tmp" if own_tree else work, *([order.work] if order.work else [])),  # noqa: S108  # its own
            devices=DEVICES,
        )
    if order.drop:
        kernel.drop_capabilities()


def filter_calls(order: Order) -> None:
    """Install the seccomp program; the last step."""
    if order.program:
        kernel.install_filter(bytes.fromhex(order.program))


def set_surroundings(order: Order, work: str) -> None:
    """Give the program its environment and working folder, and signals as they are by default."""
    if not order.keep_env:
        os.environ.clear()
    os.environ.update(order.env)
    os.environ.update(HOME=work, TMPDIR=work, AEXL_WORK=work)
    os.umask(0o077)
    os.chdir(work)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
