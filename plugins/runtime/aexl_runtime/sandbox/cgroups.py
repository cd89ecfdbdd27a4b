"""Control groups, version 2 and 1: where new ones can be made, making one, and its end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_PREFIX: Final = "aexl-"
_ROOT: Final = Path("/sys/fs/cgroup")
_CONTROLLERS: Final = {"memory": "memory.max", "pids": "pids.max"}
_END_SECONDS: Final = 5.0


class Group:
    """New control groups, one in each folder that a plan names, with its settings.

    Args:
        settings: File name to value, by folder.
    """

    def __init__(self, settings: Mapping[str, Mapping[str, str]]) -> None:
        name = f"{_PREFIX}{os.getpid()}-{time.monotonic_ns():x}"
        self._settings = {Path(parent) / name: files for parent, files in settings.items()}

    def make(self) -> None:
        """Make the groups; those of processes of ours that are gone are removed first."""
        for folder, files in self._settings.items():
            _sweep(folder.parent)
            folder.mkdir()
            for name, value in files.items():
                (folder / name).write_text(value)
            swap = folder / "memory.memsw.limit_in_bytes"
            if "memory.limit_in_bytes" in files and swap.exists():
                swap.write_text(files["memory.limit_in_bytes"])

    def join(self) -> None:
        """Move this process, and so all its children to come, into the groups."""
        for folder in self._settings:
            (folder / "cgroup.procs").write_text("0")

    def killed_for_memory(self) -> bool:
        """Return whether the kernel ended one of its processes because of its limit."""
        return any(
            line.startswith("oom_kill ") and line != "oom_kill 0"
            for folder in self._settings
            for name in ("memory.events", "memory.oom_control")
            if (folder / name).exists()
            for line in (folder / name).read_text().splitlines()
        )

    def remove(self, *, ending: bool) -> None:
        """Remove the groups; one that is not empty is left, for ``make`` to remove another time.

        Args:
            ending: What is left in them is ended first.
        """
        if not ending:
            for folder in self._settings:
                _remove(folder)
            return
        deadline = time.monotonic() + _END_SECONDS
        for folder in self._settings:
            while folder.exists() and time.monotonic() < deadline:
                for pid in (folder / "cgroup.procs").read_text().split():
                    _kill(int(pid))
                if not _remove(folder):
                    time.sleep(0.002)  # a process that was killed leaves its group a moment later


def find_places() -> dict[str, str]:
    """Return the folder in which new groups can be made, by controller, and ``version``; tries each.

    Raises:
        OSError: If there is none.
    """
    own = _own_groups()
    if "" in own:
        mounted = _ROOT if (_ROOT / "cgroup.controllers").exists() else _ROOT / "unified"
        here = mounted / own[""].lstrip("/")
        for parent in (here, here.parent):
            if parent.is_relative_to(mounted) and _offers(parent, _CONTROLLERS):
                return {"version": "2", **dict.fromkeys(_CONTROLLERS, str(parent))}
    files = {"memory": "memory.limit_in_bytes", "pids": "pids.max"}
    found = {
        name: str(_ROOT / name / own[name].lstrip("/"))
        for name, file in files.items()
        if name in own and _offers(_ROOT / name / own[name].lstrip("/"), {name: file})
    }
    if not found:
        raise PermissionError("no folder of control groups can be written")
    return {"version": "1", **found}


def _own_groups() -> dict[str, str]:
    """Return this process's group by controller; version 2's has no name."""
    groups: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), path))
    return groups


def _offers(parent: Path, files: Mapping[str, str]) -> bool:
    """Return whether a new group in ``parent`` has the files of its controllers, and lets a process in."""
    folder = parent / f"{_PREFIX}{os.getpid()}-probe"
    try:
        enabled = parent / "cgroup.subtree_control"
        if enabled.exists():
            enabled.write_text(" ".join(f"+{name}" for name in files))
        folder.mkdir()
    except OSError:
        return False
    try:
        child = os.fork()
        if child == 0:
            _enter_or_exit(folder)
        entered = os.waitpid(child, 0)[1] == 0
        return entered and all((folder / file).exists() for file in files.values())
    finally:
        folder.rmdir()


def _enter_or_exit(folder: Path) -> None:
    try:
        (folder / "cgroup.procs").write_text("0")
        os._exit(0)
    finally:
        os._exit(1)


def _sweep(parent: Path) -> None:
    """Remove empty groups of processes that are gone."""
    for folder in parent.glob(f"{_PREFIX}*"):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            _remove(folder)


def _remove(folder: Path) -> bool:
    """Remove a group, unless something in it is still running."""
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
