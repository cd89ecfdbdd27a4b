"""File operations that fail on demand, end the process, or forget what was not synced."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

from aexl_snapshots.disk.files import RealFiles


class Killed(BaseException):
    """The process has ended here; nothing of it runs any more."""


class FaultyFiles(RealFiles):
    """Calls ``before`` with each operation and the path's last word; what it raises happens instead.

    After ``Killed`` every operation raises it, so that clean-up does nothing, as in
    a process that is gone; and a write that was under way is torn.
    """

    def __init__(self, before: Callable[[str, str], None]) -> None:
        self._before = before
        self._dead = False

    def _ask(self, what: str, name: str) -> None:
        if self._dead:
            raise Killed
        try:
            self._before(what, name)
        except Killed:
            self._dead = True
            raise

    def create(self, path):
        self._ask("create", path.name)
        return super().create(path)

    def write(self, descriptor, data):
        try:
            self._ask("write", "")
        except BaseException:
            if len(data) > 1:
                os.write(descriptor, data[: len(data) // 2])
            raise
        super().write(descriptor, data)

    def fsync(self, descriptor):
        self._ask("fsync", "")
        super().fsync(descriptor)

    def fsync_folder(self, path):
        self._ask("fsync_folder", path.name)
        super().fsync_folder(path)

    def rename(self, source, target):
        self._ask("rename", target.name)
        super().rename(source, target)

    def link(self, source, target):
        self._ask("link", target.name)
        super().link(source, target)

    def unlink(self, path):
        self._ask("unlink", path.name)
        super().unlink(path)

    def mkdir(self, path):
        self._ask("mkdir", path.name)
        super().mkdir(path)


class Count:
    """Counts operations."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, what: str, name: str) -> None:
        self.seen += 1


class FailAt:
    """Fails at the ``number``-th operation; ``once``, or from then on."""

    def __init__(self, number: int, error: Callable[[], BaseException], *, once: bool = True) -> None:
        self._number = number
        self._error = error
        self._once = once
        self.seen = 0

    def __call__(self, what: str, name: str) -> None:
        self.seen += 1
        if self.seen == self._number or (self.seen > self._number and not self._once):
            raise self._error()


class _Inode:
    def __init__(self) -> None:
        self.data = b""
        self.synced = b""


class ForgetfulFiles(RealFiles):
    """Remembers what is durable, and builds the disks that a power cut could have left.

    Names are durable when their folder was synced, bytes when their file was. What
    was not synced is there or not, each by itself, and bytes may be torn.
    """

    def __init__(self) -> None:
        self._durable: dict[Path, _Inode] = {}
        self._current: dict[Path, _Inode] = {}
        self._open: dict[int, _Inode] = {}
        self.states: list[tuple[dict[Path, tuple[bytes, bytes]], dict[Path, tuple[bytes, bytes]]]] = []

    def _note(self) -> None:
        def copy(names):
            return {path: (inode.synced, inode.data) for path, inode in names.items()}

        self.states.append((copy(self._durable), copy(self._current)))

    def create(self, path):
        descriptor = super().create(path)
        self._open[descriptor] = self._current[path] = _Inode()
        self._note()
        return descriptor

    def write(self, descriptor, data):
        super().write(descriptor, data)
        self._open[descriptor].data += bytes(data)
        self._note()

    def fsync(self, descriptor):
        self._open[descriptor].synced = self._open[descriptor].data
        self._note()

    def fsync_folder(self, path):
        self._durable = {each: inode for each, inode in self._durable.items() if each.parent != path}
        self._durable |= {each: inode for each, inode in self._current.items() if each.parent == path}
        self._note()

    def rename(self, source, target):
        super().rename(source, target)
        self._current[target] = self._current.pop(source)
        self._note()

    def link(self, source, target):
        super().link(source, target)
        self._current[target] = self._current[source]
        self._note()

    def unlink(self, path):
        super().unlink(path)
        self._current.pop(path, None)
        self._note()

    def survivors(self, at: int, seed: random.Random, root: Path, target: Path) -> None:
        """Write the files below ``root`` that a power cut after operation ``at`` could have left to ``target``."""
        durable, current = self.states[at]
        for path in sorted(durable.keys() | current.keys()):
            choices = [each[path] for each in (durable, current) if path in each]
            kept = seed.choice([durable.get(path), current.get(path)])
            if kept is None and (path not in durable or path not in current):
                continue
            synced, data = kept or choices[0]
            content = (
                synced if synced == data else seed.choice([synced, data, data[: len(data) // 2], bytes(len(data))])
            )
            place = target / path.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
