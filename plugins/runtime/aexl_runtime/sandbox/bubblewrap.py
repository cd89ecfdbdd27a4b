"""The same tree and namespaces by bubblewrap, where this user may not make them. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

from aexl_runtime.sandbox.orders import Order
from aexl_runtime.sandbox.paths import DEVICES, is_system_link, ways_to
from aexl_runtime.sandbox.view import WORK

_SHARED: Final = {"pid": "--unshare-pid", "net": "--unshare-net", "ipc": "--unshare-ipc"}


def command(order: Order, program: Sequence[str], *, filter_fd: int | None = None) -> list[str]:
    """Return the words that run ``program`` in the tree of ``order``; a path that does not exist is passed over.

    Args:
        filter_fd: From where bubblewrap reads the seccomp program, for its own first process as well.
    """
    words = [order.bubblewrap, "--die-with-parent", "--new-session", "--unshare-uts", "--unshare-cgroup-try"]
    words += [option for name, option in _SHARED.items() if name not in order.shared]
    words += [] if filter_fd is None else ["--seccomp", str(filter_fd)]
    if order.whole_tree:
        words += ["--dev-bind", "/", "/"]
        words += [] if "pid" in order.shared else ["--proc", "/proc"]
        return [*words, *_privileges(order), "--", *program]
    words += ["--perms", "0755", "--dir", "/dev", *_scratch(order)]
    seen = order.readable if order.work is None else (*order.readable, order.work)
    for folder in _ways(seen):
        words += ["--perms", "0755", "--dir", folder]  # else only root may pass
    for path in order.readable:
        words += _shown(path)
    for path in DEVICES:
        words += ["--dev-bind", path, path]
    for name, target in {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}.items():
        words += ["--symlink", target, f"/dev/{name}"]
    words += ["--symlink", "/tmp", "/dev/shm", "--symlink", "/tmp", "/var/tmp"]  # noqa: S108  # of the new tree
    if "pid" not in order.shared:
        words += ["--proc", "/proc"]
    if order.work is not None:
        words += ["--bind", order.work, order.work]
    return [*words, "--remount-ro", "/", *_privileges(order), "--", *program]


def _scratch(order: Order) -> Iterator[str]:
    yield from ("--perms", "1777")
    if order.scratch_bytes is not None:
        yield from ("--size", str(order.scratch_bytes))
    yield from ("--tmpfs", "/tmp", "--perms", "0777", "--dir", WORK)  # noqa: S108


def _ways(paths: Sequence[str]) -> list[str]:
    """Return the folders on the ways to ``paths``, but for those that are there already."""
    ways = {way for path in paths for way in ways_to(path)}
    return sorted(ways - {"/", "/tmp"})  # noqa: S108


def _shown(path: str) -> list[str]:
    if is_system_link(path):
        return ["--symlink", os.readlink(path), path]
    return ["--ro-bind-try", path, path]


def _privileges(order: Order) -> list[str]:
    """Return what the inner process keeps, to become another user and to give up what is left."""
    kept = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP") if order.account is not None else ()
    words = ["--cap-drop", "ALL"] if order.drop else []
    return words + [word for name in kept for word in ("--cap-add", name)]
