"""Which layers a sandbox uses, of those that the machine has. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from aexl_runtime.sandbox.ports import Control, Folders, Layer, Policy, Probed

NAMESPACE: Final = {
    "mount": Layer.MOUNT_NAMESPACE,
    "pid": Layer.PID_NAMESPACE,
    "net": Layer.NET_NAMESPACE,
    "ipc": Layer.IPC_NAMESPACE,
}
"""The layer that a namespace is."""


class Means(NamedTuple):
    """What a plan uses, from which follows what it may claim.

    Attributes:
        view: As in ``Order``.
        namespaces: Those that are left for new ones.
        drop: Capabilities and ways to new ones are given up.
        account: The program runs as a user of its own.
        landlock: Parts that are used; ``landlock_version`` is the interface's.
        seccomp: A filter can be installed.
    """

    policy: Policy
    probed: Probed
    folders: Folders
    view: Literal["own", "bubblewrap", "none"]
    namespaces: tuple[str, ...]
    drop: bool
    account: bool
    landlock: tuple[str, ...]
    seccomp: bool

    @property
    def landlock_version(self) -> int:
        """The interface's version, 0 where it is not used."""
        return self.probed.landlock if self.probed.has(Layer.LANDLOCK) and self.landlock else 0

    @property
    def by(self) -> tuple[Layer, ...]:
        """Who makes the namespaces."""
        return (Layer.BUBBLEWRAP,) if self.view == "bubblewrap" else ()

    @property
    def groups(self) -> Mapping[str, str]:
        """Folders for new control groups by controller, empty where there are none."""
        return self.probed.groups if self.probed.has(Layer.CGROUPS) else {}

    def made(self, namespace: str) -> tuple[Layer, ...]:
        """Return the layers that stand for a namespace that is used."""
        return self.by or (NAMESPACE[namespace],)


def choose(policy: Policy, folders: Folders, probed: Probed, *, warm: bool, public: bool) -> Means:
    """Choose layers.

    Args:
        warm: The program runs in a fork of this process, where bubblewrap cannot be put around it.
        public: Every folder the program needs can be read by any user.
    """
    root = probed.uid == 0
    wanted = policy.wants
    dropped = probed.has(Layer.NO_NEW_PRIVILEGES) and probed.has(Layer.CAPABILITIES)
    drop = wanted(Control.PRIVILEGES) and dropped
    view = _view(policy, probed, warm=warm)
    namespaces = _namespaces(policy, probed, view)
    free = drop or root or "user" in namespaces  # what it takes to restrict oneself
    seccomp = probed.has(Layer.SECCOMP) and free
    return Means(
        policy=policy,
        probed=probed,
        folders=folders,
        view=view if wanted(Control.FILESYSTEM) or view == "bubblewrap" else "none",
        namespaces=namespaces,
        drop=drop,
        account=root and drop and probed.has(Layer.ACCOUNT) and public,
        landlock=_landlock(policy, namespaces) if probed.has(Layer.LANDLOCK) and free else (),
        seccomp=seccomp,
    )


def _view(policy: Policy, probed: Probed, *, warm: bool) -> Literal["own", "bubblewrap", "none"]:
    own = probed.has(Layer.MOUNT_NAMESPACE) and (probed.uid == 0 or probed.has(Layer.USER_NAMESPACE))
    separate = (Control.FILESYSTEM, Control.PROCESSES, Control.NETWORK, Control.IPC)
    bubblewrap = probed.has(Layer.BUBBLEWRAP) and not warm and any(policy.wants(control) for control in separate)
    complete = own and all(probed.has(layer) for layer in NAMESPACE.values())
    if policy.view in ("auto", "bubblewrap") and bubblewrap and not (policy.view == "auto" and complete):
        return "bubblewrap"
    return "own" if policy.view in ("auto", "namespaces") and own else "none"


def _namespaces(policy: Policy, probed: Probed, view: str) -> tuple[str, ...]:
    if policy.view == "none":
        return ()
    wanted = {
        "mount": policy.wants(Control.FILESYSTEM) or policy.wants(Control.PROCESSES),
        "pid": policy.wants(Control.PROCESSES),
        "net": policy.wants(Control.NETWORK),
        "ipc": policy.wants(Control.IPC),
    }
    if view == "bubblewrap":
        return tuple(name for name, want in wanted.items() if want)
    first = () if probed.uid == 0 else ("user",)
    if first and not probed.has(Layer.USER_NAMESPACE):
        return ()
    if view == "none":
        wanted["mount"] = False
    chosen = tuple(name for name, want in wanted.items() if want and probed.has(NAMESPACE[name]))
    by_user = policy.wants(Control.PIDS) and probed.pids_by_user
    return (*first, *chosen) if chosen or by_user else ()


def _landlock(policy: Policy, namespaces: tuple[str, ...]) -> tuple[str, ...]:
    own_network = "net" in namespaces
    return tuple(
        part
        for part, want in {
            "files": policy.wants(Control.FILESYSTEM),
            "tcp": policy.wants(Control.NETWORK) and not own_network,
            "signals": policy.wants(Control.PROCESSES),
            "abstract": (policy.wants(Control.IPC) or policy.wants(Control.NETWORK)) and not own_network,
        }.items()
        if want
    )


def filter_parts(means: Means) -> tuple[str, ...]:
    """Return the parts of the seccomp program."""
    if not means.seccomp:
        return ()
    wants = means.policy.wants
    private = means.view != "none" and "net" in means.namespaces
    return tuple(
        part
        for part, want in {
            "ipc": wants(Control.IPC),  # also in a namespace of its own, where it outlives who made it
            "keys": wants(Control.IPC),
            "metadata": wants(Control.FILESYSTEM) and means.view == "none",
            "network": wants(Control.NETWORK) and not private,
            "others": wants(Control.PROCESSES),
            "ordinary": wants(Control.SYSCALLS),
            "sockets": wants(Control.NETWORK) and private,
        }.items()
        if want
    )
