"""Resource limits of a process, and the count of a user's processes."""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping


def set_limits(limits: Mapping[str, int], more_pids: int | None) -> None:
    """Lower this process's limits for good; one that is lower already stays.

    Args:
        limits: By name, without ``RLIMIT_``.
        more_pids: Processes beside the user's present ones.
    """
    wanted = dict(limits)
    if more_pids is not None:
        wanted["NPROC"] = count_processes(os.getuid()) + more_pids
    for name, value in wanted.items():
        which = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(which)[1]
        lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (lowest, lowest))


def count_processes(user: int) -> int:
    """Return how many processes and threads ``user`` has, as far as ``/proc`` shows them."""
    count = 0
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            if os.stat(f"/proc/{name}").st_uid == user:
                count += len(os.listdir(f"/proc/{name}/task"))
        except OSError:
            continue  # it has ended meanwhile
    return count
