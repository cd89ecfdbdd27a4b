"""What may be said to be enforced by the layers that are used. Pure.

The rules, one function for each control, claim only what holds against a program that tries: a control that
another one's absence undermines is not claimed. The table is explained in ``docs/explanation/sandbox.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from aexl.errors import Unavailable
from aexl_runtime.sandbox.landlock import SCOPES_SINCE, TRUNCATE_SINCE
from aexl_runtime.sandbox.means import Means
from aexl_runtime.sandbox.ports import Control, Demand, Layer, Policy, Report, Standing


def standings(means: Means) -> dict[Control, Standing]:
    """Return what becomes of each control."""
    made: dict[Control, Standing] = {}
    for control in Control:
        if not means.policy.wants(control):
            made[control] = Standing(state="off", reason="switched off by the policy")
        elif control in _KEPT_BY_PRIVILEGE and not means.drop:
            made[control] = _open("a program that can gain or keep privileges can undo it")
        else:
            made[control] = _RULES[control](means)
    return made


def _network(means: Means) -> Standing:
    if means.seccomp:
        namespace = means.made("net") if "net" in means.namespaces else ()
        return _enforced(*namespace, Layer.SECCOMP)
    if "net" in means.namespaces:
        return _partly("without seccomp, sockets to other virtual machines (AF_VSOCK) are open", *means.made("net"))
    if means.landlock_version >= 4:
        return _partly("Landlock stops TCP only", Layer.LANDLOCK)
    return _open("neither a network namespace nor seccomp can be had")


def _filesystem(means: Means) -> Standing:
    landlock = (Layer.LANDLOCK,) if means.landlock_version else ()
    if means.view != "none":
        return _enforced(*means.made("mount"), *landlock)
    if not landlock:
        return _open("neither a mount namespace, bubblewrap nor Landlock can be had")
    if means.landlock_version < TRUNCATE_SINCE:
        return _partly("this kernel's Landlock does not stop files from being emptied", *landlock)
    if means.seccomp:
        return _enforced(*landlock, Layer.SECCOMP)
    if means.account:
        return _enforced(*landlock, Layer.ACCOUNT)
    return _partly("without seccomp, modes, owners and times of the user's files can be changed", *landlock)


def _processes(means: Means) -> Standing:
    if "pid" in means.namespaces and (means.view != "none" or "mount" in means.namespaces):
        return _enforced(*means.made("pid"), *((Layer.SECCOMP,) if means.seccomp else ()))
    if means.landlock_version >= SCOPES_SINCE:
        files = "files" in means.landlock
        if not files:
            return _partly("without the file rules, /proc shows other processes", Layer.LANDLOCK)
        if not means.seccomp and not means.account:
            return _partly(
                "without seccomp, limits and priorities of the user's processes can be changed", Layer.LANDLOCK
            )
        by = Layer.SECCOMP if means.seccomp else Layer.ACCOUNT
        return _enforced(Layer.LANDLOCK, by, Layer.SUPERVISION)
    if means.account and "files" in means.landlock:
        return _enforced(Layer.ACCOUNT, Layer.LANDLOCK, Layer.SUPERVISION)
    if means.account:
        return _partly("the command lines of other processes can be read", Layer.ACCOUNT, Layer.SUPERVISION)
    if means.landlock_version:
        return _partly("this kernel's Landlock does not stop signals", Layer.LANDLOCK, Layer.SUPERVISION)
    return _open("neither a pid namespace with its own /proc, Landlock nor another account can be had")


def _pids(means: Means) -> Standing:
    if "pids" in means.groups:
        return _enforced(Layer.CGROUPS)
    if not means.probed.has(Layer.RLIMITS):
        return _open("neither control groups nor resource limits can be had")
    if means.account:
        return _enforced(Layer.RLIMITS, Layer.ACCOUNT)
    if means.probed.uid == 0:
        return _open("no control groups can be had, and resource limits do not count root's processes")
    if means.probed.pids_by_user and "user" in means.namespaces:
        return _enforced(Layer.RLIMITS, Layer.USER_NAMESPACE)
    if means.probed.pids_by_user and means.view == "bubblewrap":
        return _enforced(Layer.RLIMITS, Layer.BUBBLEWRAP)
    return _partly("the limit counts all processes of the user, as many as there were at the start", Layer.RLIMITS)


def _memory(means: Means) -> Standing:
    if "memory" in means.groups:
        return _enforced(Layer.CGROUPS)
    if means.probed.has(Layer.RLIMITS):
        reason = "without control groups, each process is limited, and their sum is only looked at ten times a second"
        return _partly(reason, Layer.RLIMITS, Layer.SUPERVISION)
    return _open("neither control groups nor resource limits can be had")


def _cpu(means: Means) -> Standing:
    limits = (Layer.RLIMITS,) if means.probed.has(Layer.RLIMITS) else ()
    if not _watched(means):
        return _partly("the program can end the process that watches it", *limits, Layer.SUPERVISION)
    return _enforced(*limits, Layer.SUPERVISION)


def _wall(means: Means) -> Standing:
    if not _watched(means):
        return _partly("the program can end the process that watches it", Layer.SUPERVISION)
    return _enforced(Layer.SUPERVISION)


def _disk(means: Means) -> Standing:
    private = means.view != "none" and means.policy.wants(Control.FILESYSTEM) and means.folders.work is None
    if private and means.view == "bubblewrap":
        return _partly("bubblewrap limits the size of files, not their number", Layer.BUBBLEWRAP)
    if private:
        return _enforced(Layer.MOUNT_NAMESPACE)
    if means.probed.has(Layer.RLIMITS):
        return _partly("each file is limited, their sum is not", Layer.RLIMITS)
    return _open("neither a private file system nor resource limits can be had")


def _syscalls(means: Means) -> Standing:
    return _enforced(Layer.SECCOMP) if means.seccomp else _open("seccomp cannot be had")


def _privileges(means: Means) -> Standing:
    if not means.drop:
        return _open("no_new_privs or the dropping of capabilities cannot be had")
    account = (Layer.ACCOUNT,) if means.account else ()
    return _enforced(Layer.NO_NEW_PRIVILEGES, Layer.CAPABILITIES, *account)


def _environment(_: Means) -> Standing:
    return _enforced(Layer.ENVIRONMENT)


def _ipc(means: Means) -> Standing:
    if not means.seccomp:
        if "ipc" not in means.namespaces:
            return _open("neither an ipc namespace nor seccomp can be had")
        return _partly("without seccomp, the user's keyrings are open", *means.made("ipc"))
    abstract = "net" in means.namespaces or means.landlock_version >= SCOPES_SINCE
    if not abstract and not means.policy.wants(Control.NETWORK):
        return _partly("abstract Unix sockets are reachable where the network is", Layer.SECCOMP)
    namespace = means.made("ipc") if "ipc" in means.namespaces else ()
    return _enforced(*namespace, Layer.SECCOMP)


def _watched(means: Means) -> bool:
    """Return whether the watching process is out of the program's reach."""
    return means.drop and (
        "pid" in means.namespaces
        or means.account
        or ("signals" in means.landlock and means.landlock_version >= SCOPES_SINCE)
    )


def _enforced(*layers: Layer) -> Standing:
    return Standing(state="enforced", layers=layers)


def _partly(reason: str, *layers: Layer) -> Standing:
    return Standing(state="partly", layers=layers, reason=reason)


def _open(reason: str) -> Standing:
    return Standing(state="open", reason=reason)


_RULES: Final[Mapping[Control, Callable[[Means], Standing]]] = {
    Control.NETWORK: _network,
    Control.FILESYSTEM: _filesystem,
    Control.PROCESSES: _processes,
    Control.PIDS: _pids,
    Control.MEMORY: _memory,
    Control.CPU: _cpu,
    Control.WALL: _wall,
    Control.DISK: _disk,
    Control.SYSCALLS: _syscalls,
    Control.PRIVILEGES: _privileges,
    Control.ENVIRONMENT: _environment,
    Control.IPC: _ipc,
}

_KEPT_BY_PRIVILEGE: Final = frozenset(Control) - {Control.ENVIRONMENT, Control.PRIVILEGES}
"""What root, or a program that may become root, can undo."""


def check(policy: Policy, report: Report) -> None:
    """Refuse a plan that lacks a required control.

    Raises:
        Unavailable: With the names of the controls, and why each cannot be had.
    """
    missing = [
        f"{control} ({standing.reason})"
        for control, standing in report.standings.items()
        if policy.demand(control) is Demand.REQUIRE and standing.state != "enforced"
    ]
    if missing:
        raise Unavailable(
            f"this machine cannot enforce what the sandbox requires: {'; '.join(missing)}; "
            "have it made possible, or set the control to 'prefer' where an unconfined run is acceptable"
        )
