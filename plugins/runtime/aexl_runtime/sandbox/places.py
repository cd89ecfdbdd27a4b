"""Where new control groups can be made, version 2 and 1: found out by making one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aexl_runtime.sandbox.cgroups import PREFIX

_ROOT: Final = Path("/sys/fs/cgroup")
_CONTROLLERS: Final = {"memory": "memory.max", "pids": "pids.max"}


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
    folder = parent / f"{PREFIX}{os.getpid()}-probe"
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
