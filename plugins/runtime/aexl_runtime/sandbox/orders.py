"""What a child does to itself, and what is said of its end: the records that are read where every millisecond counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple


class Order(NamedTuple):
    """What a child does to itself before the program starts; plain values, so that it can be passed on as JSON.

    Attributes:
        namespaces: Of ``user``, ``mount``, ``pid``, ``net``, ``ipc``.
        view: The child makes a file tree of its own (``own``), bubblewrap does, or it keeps the machine's (``none``).
        shared: The namespaces that bubblewrap does not leave.
        whole_tree: Bubblewrap shows the machine's files as they are.
        fresh_proc: Without a view: ``/proc`` of the new pid namespace is laid over the machine's.
        readable: Paths to be seen.
        work: A folder of the machine to write in, or ``None`` for a private one.
        account: User and group to become, or ``None`` to stay.
        drop: Capabilities and the way to new ones are given up.
        landlock: Of ``files``, ``tcp``, ``signals``, ``abstract``; empty for none.
        landlock_version: The version of its interface to be used.
        program: The seccomp program, as hexadecimal digits; empty for none.
        limits: Resource limits by name, without ``RLIMIT_``.
        more_pids: Processes beside those that the user has now, where a limit counts all of them; or ``None``.
        groups: Settings of new control groups: file name to value, by folder in which the group is made.
        scratch_bytes: Size of the private file system, or ``None`` where scratch files lie on the machine's disk.
        end_all: What the program leaves running is ended with it; at a limit it always is.
        wall_seconds: ``None`` for no limit; so the others.
        cpu_seconds: For all processes.
        memory_bytes: For all processes; looked at only where no control group does it.
        env: The program's whole environment but for ``HOME``, ``TMPDIR`` and ``AEXL_WORK``.
        keep_env: ``env`` is added to what there is instead, and open descriptors stay open.
        keep_fds: Descriptors that stay open beside 0, 1 and 2.
        ending_fd: Where the ending is written as JSON, or ``None``.
        bubblewrap: Path of the program.
        inner: The words that start our own launcher, to take the last steps inside bubblewrap.
        hidden_env: Names of variables that only our own launcher needs.
    """

    namespaces: tuple[str, ...] = ()
    view: Literal["own", "bubblewrap", "none"] = "none"
    shared: tuple[str, ...] = ()
    whole_tree: bool = False
    fresh_proc: bool = False
    readable: tuple[str, ...] = ()
    work: str | None = None
    account: int | None = None
    drop: bool = True
    landlock: tuple[str, ...] = ()
    landlock_version: int = 0
    program: str = ""
    limits: Mapping[str, int] = {}
    more_pids: int | None = None
    groups: Mapping[str, Mapping[str, str]] = {}
    scratch_bytes: int | None = None
    end_all: bool = True
    wall_seconds: float | None = None
    cpu_seconds: float | None = None
    memory_bytes: int | None = None
    env: Mapping[str, str] = {}
    keep_env: bool = False
    keep_fds: tuple[int, ...] = ()
    ending_fd: int | None = None
    bubblewrap: str = ""
    inner: tuple[str, ...] = ()
    hidden_env: tuple[str, ...] = ()

    @property
    def private_files(self) -> bool:
        """``/tmp`` is a file system of the program's own, and nothing else can be written."""
        return self.view != "none" and not self.whole_tree and self.work is None


Cause = Literal["exit", "signal", "wall", "cpu", "memory", "refused", "abandoned"]


class Ending(NamedTuple):
    """How a confined program ended.

    Attributes:
        cause: ``exit`` and ``signal`` are the program's own; ``wall``, ``cpu`` and ``memory`` are limits;
            ``refused``: a layer failed at the start and the program did not run; ``abandoned``: who started it is gone.
        status: Exit status, or the signal's number.
        detail: Why it was refused.
        wall_seconds: From the start to the end.
        cpu_seconds: Of all its processes, as far as they were seen.
    """

    cause: Cause
    status: int
    detail: str = ""
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
