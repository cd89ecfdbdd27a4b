"""What a child must do to itself for the layers that are used. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aexl_runtime.sandbox.means import NAMESPACE, Means
from aexl_runtime.sandbox.ports import Control, Layer, Order

_ADDRESS_SPACE: Final = 2
"""Address space for each byte of memory that may be used: programs reserve what they never touch."""


def order(
    means: Means,
    *,
    program: bytes,
    env: Mapping[str, str],
    readable: tuple[str, ...],
    account: int,
    keep_fds: tuple[int, ...],
) -> Order:
    """Return what the child must do.

    Args:
        program: What ``filter_parts`` was compiled to.
        readable: All paths, the system's and the interpreter's among them.
        account: The user to become, if the plan says so.
    """
    policy = means.policy
    wants = policy.wants
    view = means.view
    return Order(
        namespaces=means.namespaces if view != "bubblewrap" else (),
        shared=() if view != "bubblewrap" else tuple(name for name in NAMESPACE if name not in means.namespaces),
        view=view,
        whole_tree=view == "bubblewrap" and not wants(Control.FILESYSTEM),
        fresh_proc=view == "none" and {"mount", "pid"} <= set(means.namespaces),
        readable=readable,
        work=means.folders.work,
        account=account if means.account else None,
        drop=means.drop,
        landlock=means.landlock,
        landlock_version=means.landlock_version,
        program=program.hex(),
        limits=_limits(means),
        more_pids=_more_pids(means),
        groups=_group_settings(means),
        scratch_bytes=policy.disk_bytes if wants(Control.DISK) else None,
        end_all=wants(Control.PROCESSES),
        wall_seconds=policy.wall_seconds if wants(Control.WALL) else None,
        cpu_seconds=policy.cpu_seconds if wants(Control.CPU) else None,
        memory_bytes=policy.memory_bytes if wants(Control.MEMORY) and "memory" not in means.groups else None,
        env=env,
        keep_env=not wants(Control.ENVIRONMENT),
        keep_fds=keep_fds,
        bubblewrap=means.probed.bubblewrap,
    )


def _limits(means: Means) -> dict[str, int]:
    if not means.probed.has(Layer.RLIMITS):
        return {}
    policy, wants = means.policy, means.policy.wants
    limits = {"NOFILE": policy.open_files}
    if wants(Control.MEMORY):
        limits["AS"] = policy.memory_bytes * _ADDRESS_SPACE
    if wants(Control.CPU):
        limits["CPU"] = max(1, round(policy.cpu_seconds + 0.5))
    if wants(Control.DISK):
        limits.update(FSIZE=policy.file_bytes, CORE=0)
    if wants(Control.IPC):
        limits["MSGQUEUE"] = 819_200  # the kernel's own default, which may have been raised
    if wants(Control.PIDS) and _counted_apart(means):
        limits["NPROC"] = policy.pids + _ours(means, of_user=True)
    return limits


def _counted_apart(means: Means) -> bool:
    private = "user" in means.namespaces or means.view == "bubblewrap"
    return means.account or (means.probed.uid != 0 and means.probed.pids_by_user and private)


def _ours(means: Means, *, of_user: bool) -> int:
    """Return how many processes of ours are counted with the program's: in its user namespace, or in its group.

    The first process of a pid namespace is always there. In a user namespace there is the supervisor too,
    in a group there is bubblewrap's outer process.
    """
    if means.view == "bubblewrap":
        return 1 if of_user else 2
    return ("pid" in means.namespaces) + (of_user and "user" in means.namespaces)


def _more_pids(means: Means) -> int | None:
    limited = means.policy.wants(Control.PIDS) and means.probed.has(Layer.RLIMITS)
    return means.policy.pids if limited and means.probed.uid != 0 and not _counted_apart(means) else None


def _group_settings(means: Means) -> dict[str, dict[str, str]]:
    groups = means.groups
    second = groups.get("version", "2") == "2"
    policy = means.policy
    settings: dict[str, dict[str, str]] = {}
    if policy.wants(Control.MEMORY) and "memory" in groups:
        limit = str(policy.memory_bytes)
        names = ("memory.max", "memory.swap.max") if second else ("memory.limit_in_bytes", "")
        settings.setdefault(groups["memory"], {})[names[0]] = limit
        if names[1]:
            settings[groups["memory"]][names[1]] = "0"
    if policy.wants(Control.PIDS) and "pids" in groups:
        settings.setdefault(groups["pids"], {})["pids.max"] = str(policy.pids + _ours(means, of_user=False))
    return settings
