"""Control groups, version 2 and 1: making one, and its end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from typing import Final

PREFIX: Final = "aexl-"
_END_SECONDS: Final = 5.0


class Group:
    """New control groups, one in each folder that a plan names, with its settings.

    Args:
        settings: File name to value, by folder.
    """

    def __init__(self, settings: Mapping[str, Mapping[str, str]]) -> None:
        name = f"{PREFIX}{os.getpid()}-{time.monotonic_ns():x}"
        self._settings = {f"{parent}/{name}": files for parent, files in settings.items()}

    def make(self) -> None:
        """Make the groups; those of processes of ours that are gone are removed first."""
        for folder, files in self._settings.items():
            _sweep(os.path.dirname(folder))
            os.mkdir(folder)
            for name, value in files.items():
                _write(f"{folder}/{name}", value)
            swap = f"{folder}/memory.memsw.limit_in_bytes"
            if "memory.limit_in_bytes" in files and os.path.exists(swap):
                _write(swap, files["memory.limit_in_bytes"])

    def take(self, pid: int) -> None:
        """Move a process, and so all its children to come, into the groups; the kernel takes its time, 10 ms or so."""
        for folder in self._settings:
            _write(f"{folder}/cgroup.procs", str(pid))

    def killed_for_memory(self) -> bool:
        """Return whether the kernel ended one of its processes because of its limit."""
        return any(
            line.startswith("oom_kill ") and line != "oom_kill 0"
            for folder in self._settings
            for name in ("memory.events", "memory.oom_control")
            if os.path.exists(f"{folder}/{name}")
            for line in _read(f"{folder}/{name}").splitlines()
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
            while os.path.exists(folder) and time.monotonic() < deadline:
                for pid in _read(f"{folder}/cgroup.procs").split():
                    _kill(int(pid))
                if not _remove(folder):
                    time.sleep(0.002)  # a process that was killed leaves its group a moment later


def _sweep(parent: str) -> None:
    """Remove empty groups of processes that are gone."""
    for name in os.listdir(parent):
        if name.startswith(PREFIX):
            pid = name.removeprefix(PREFIX).split("-")[0]
            if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
                _remove(f"{parent}/{name}")


def _remove(folder: str) -> bool:
    """Remove a group, unless something in it is still running."""
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
