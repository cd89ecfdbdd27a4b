"""What a sandbox is asked for, what it is made of, and what it says about itself.

A *control* is something a program must not be able to do, or use more of than a limit.
A *layer* is a means that the machine may have. Which layers hold which control is decided
by ``claims``, by pure functions over these records; the doing is in ``entering``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from aexl_runtime.sandbox.orders import Cause, Ending, Order

__all__ = [
    "DEFAULTS", "Cause", "Confinement", "Control", "Demand", "Ending", "Folders", "Layer", "Order", "Policy", "Probed",
    "Report", "Standing", "State", "View",
]  # fmt: skip

MIB: Final = 1024 * 1024


class Control(StrEnum):
    """What can be asked for.

    Attributes:
        NETWORK: No connection to anything outside: no sockets but those between its own processes.
        FILESYSTEM: Reads only the folders it was given and the system's programs; writes only its scratch folders.
        PROCESSES: Neither signals, traces, reads nor changes other processes; leaves none behind.
        PIDS: A limit on processes and threads at one time.
        MEMORY: A limit on memory, all its processes together.
        CPU: A limit on CPU time, all its processes together.
        WALL: A limit on time, after which all its processes are ended.
        DISK: A limit on what it writes, all files together.
        SYSCALLS: Only system calls that ordinary programs use.
        PRIVILEGES: No capabilities, no way to gain any; another user where it would be root.
        ENVIRONMENT: Only declared variables and descriptors.
        IPC: No shared memory, message queues, semaphores, keys or abstract sockets of others.
    """

    NETWORK = "network"
    FILESYSTEM = "filesystem"
    PROCESSES = "processes"
    PIDS = "pids"
    MEMORY = "memory"
    CPU = "cpu"
    WALL = "wall"
    DISK = "disk"
    SYSCALLS = "syscalls"
    PRIVILEGES = "privileges"
    ENVIRONMENT = "environment"
    IPC = "ipc"


class Demand(StrEnum):
    """How much a control matters: without a required one nothing runs; ``off`` leaves the program free."""

    REQUIRE = "require"
    PREFER = "prefer"
    OFF = "off"


class Layer(StrEnum):
    """A means of confinement. ``account`` is another user; ``supervision`` is our own process that watches."""

    BUBBLEWRAP = "bubblewrap"
    USER_NAMESPACE = "user namespace"
    MOUNT_NAMESPACE = "mount namespace"
    PID_NAMESPACE = "pid namespace"
    NET_NAMESPACE = "net namespace"
    IPC_NAMESPACE = "ipc namespace"
    LANDLOCK = "landlock"
    SECCOMP = "seccomp"
    RLIMITS = "rlimits"
    CGROUPS = "cgroups"
    NO_NEW_PRIVILEGES = "no_new_privs"
    CAPABILITIES = "capabilities"
    ACCOUNT = "account"
    ENVIRONMENT = "environment"
    SUPERVISION = "supervision"


View = Literal["auto", "namespaces", "bubblewrap", "none"]
"""Who makes the program's own file tree; ``auto`` takes namespaces of our own where all can be had, else bubblewrap."""

_REQUIRED: Final = (Control.NETWORK, Control.FILESYSTEM, Control.PRIVILEGES, Control.ENVIRONMENT)

DEFAULTS: Final = {control: Demand.REQUIRE if control in _REQUIRED else Demand.PREFER for control in Control}
"""What a policy demands where it says nothing."""


class Policy(NamedTuple):
    """What a program may do. Without arguments: the defaults, which suit somebody else's code.

    Attributes:
        demands: By control; what is left out is as in the defaults.
        memory_bytes: For all processes together.
        pids: Processes and threads at one time.
        cpu_seconds: For all processes together.
        wall_seconds: From the start to the end of everything.
        disk_bytes: For all scratch files together.
        file_bytes: For any one file.
        open_files: Descriptors in any one process.
        view: Who makes the file tree.
    """

    demands: Mapping[Control, Demand] = {}
    memory_bytes: int = 512 * MIB
    pids: int = 64
    cpu_seconds: float = 30.0
    wall_seconds: float = 30.0
    disk_bytes: int = 128 * MIB
    file_bytes: int = 64 * MIB
    open_files: int = 256
    view: View = "auto"

    def demand(self, control: Control) -> Demand:
        """Return how much ``control`` matters."""
        return self.demands.get(control, DEFAULTS[control])

    def wants(self, control: Control) -> bool:
        """Return whether ``control`` is not off."""
        return self.demand(control) is not Demand.OFF


class Folders(NamedTuple):
    """What a program sees of the machine's files, beside the system's programs and our own interpreter.

    Attributes:
        readable: Absolute paths, of files or folders, seen at the same paths and never writable: a snapshot.
        work: A folder of the machine that it may write; ``None`` for a private one that is gone afterwards.
            Where root confines, the program is another user, who must be allowed to write there.
    """

    readable: tuple[str, ...] = ()
    work: str | None = None


class Probed(NamedTuple):
    """What this machine lets this user do, as found out by trying.

    Attributes:
        problems: Why a layer cannot be had; a layer that is not in it can be.
        uid: The user who tried.
        landlock: Version of its interface, 0 for none.
        pids_by_user: RLIMIT_NPROC counts a user namespace's processes apart from the machine's.
        groups: Folder for new control groups, by controller (``memory``, ``pids``), and ``version``.
        bubblewrap: Path of the program.
        accounts: First and last number of users that nobody else is, for root to become; ``(0, 0)`` for none.
    """

    problems: Mapping[Layer, str] = {}
    uid: int = 0
    landlock: int = 0
    pids_by_user: bool = False
    groups: Mapping[str, str] = {}
    bubblewrap: str = ""
    accounts: tuple[int, int] = (0, 0)

    def has(self, layer: Layer) -> bool:
        """Return whether ``layer`` can be had."""
        return layer not in self.problems


State = Literal["enforced", "partly", "open", "off"]
"""``partly`` and ``open`` claim nothing; ``off`` was not asked for."""


class Standing(NamedTuple):
    """What became of one control: by which layers it is held, or why it is not, or not wholly."""

    state: State
    layers: tuple[Layer, ...] = ()
    reason: str = ""


class Report(NamedTuple):
    """What is and what is not enforced; goes into every result."""

    standings: Mapping[Control, Standing]

    def holds(self, control: Control) -> bool:
        """Return whether ``control`` is enforced, wholly."""
        return self.standings[control].state == "enforced"

    def json(self) -> dict[str, object]:
        """Return ``enforced`` (control to layers), ``not_enforced`` (control to reason) and ``off``."""
        held = {c.value: [layer.value for layer in s.layers] for c, s in self.standings.items() if self.holds(c)}
        lacking = {
            c.value: f"only in part: {s.reason}" if s.state == "partly" else s.reason
            for c, s in self.standings.items()
            if s.state in ("partly", "open")
        }
        off = [c.value for c, s in self.standings.items() if s.state == "off"]
        return {"enforced": held, "not_enforced": lacking, "off": off}


class Confinement(NamedTuple):
    """How to start a program in its sandbox.

    Attributes:
        argv: To be started instead of the program, as any process, with ``env`` and ``pass_fds``.
            It watches the program, ends its whole tree with it, and ends as the program did.
        env: The whole environment for ``argv``.
        pass_fds: Descriptors that must be inherited.
        order: What happens in the child; for ``enter`` in a forked worker.
        report: What is and is not enforced, once the program has started.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    pass_fds: tuple[int, ...]
    order: Order
    report: Report

    @property
    def separates(self) -> bool:
        """What one run in there leaves running is ended for the next, and it cannot change what that is forked from.

        The namespace alone does not do it: whoever is the same user changes another process's limits and priority.
        """
        return self.report.holds(Control.PROCESSES) and bool(self.order.program)
