"""Pushes that the ledger has not heard of: noted before a head is swapped, forgotten when their event stands.

A push that ends in between leaves its note. The next push or pull that asks the
same store finds out whether the swap landed, and the event is recorded then. A
note is locked as long as the process that works on it is alive.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from aexl.api import BlobStore
from aexl.errors import Invalid
from aexl_snapshots.disk.directory import disk_errors
from aexl_snapshots.layout import UNRECORDED
from aexl_snapshots.loops import in_thread
from aexl_snapshots.records import REMEMBERED, Record, Swap
from aexl_snapshots.repository import Repository
from aexl_snapshots.stores.objects import read_record

_FOLDER: Final = f"{UNRECORDED}/"


class Note(Swap, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A swap that the ledger shall hear of.

    Attributes:
        url: The store's.
        home: Whose ledger.
    """

    url: str
    home: str


def landed(repository: Repository, note: Note, now: Record | None) -> bool | None:
    """Say whether a swap landed; ``None`` as long as it cannot be known, or still may.

    Args:
        now: What the store has under the note's name.
    """
    if now is None:
        return False if note.replaces else None
    if now.holds_push(note.push):
        return True
    if now.push == note.replaces:
        return None  # its process is gone, and a request may still be on its way
    if len(now.past) < REMEMBERED or now.holds_push(note.replaces):
        return False
    if not repository.has(now.snapshot):  # more came since than a record remembers; with its history here, that tells
        return None
    return repository.is_ancestor(note.after, now.snapshot)


class Unrecorded:
    """The notes of one store in a repository; a context, which lets go of those that stay.

    Args:
        url: The store's.
        home: ``AEXL_HOME``, whose ledger shall hear of it.
    """

    def __init__(self, repository: Repository, url: str, home: Path) -> None:
        self._repository = repository
        self._directory = repository.directory
        self._url = url
        self._home = os.path.realpath(home)
        self._held: dict[str, tuple[Note, int]] = {}
        self._undecided: list[Note] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for _, descriptor in self._held.values():
            os.close(descriptor)

    def write(self, swap: Swap) -> None:
        """Note a swap that is about to be tried; durable. For a worker thread.

        Raises:
            Unavailable: If the disk fails.
        """
        note = Note(**msgspec.structs.asdict(swap), url=self._url, home=self._home)
        path, descriptor = self._directory.start_file()
        try:
            with disk_errors(path):
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # before it has a name
                self._directory.files.write(descriptor, msgspec.json.encode(note, order="sorted"))
                self._directory.files.fsync(descriptor)
            self._directory.adopt(path, _FOLDER + note.push)
        except BaseException:
            os.close(descriptor)
            self._directory.discard(path)
            raise
        self._let_go(note.push)
        self._held[note.push] = note, descriptor

    def of(self, push: str) -> Note | None:
        """Return the note of a push of this process, if it has one."""
        found = self._held.get(push)
        return found[0] if found else None

    async def find_landed(self, store: BlobStore) -> list[Note]:
        """Return what earlier processes left behind and has landed; what cannot land any more is forgotten.

        Raises:
            Unavailable: If the store cannot be reached.
            Invalid: If a note or a record is damaged; names it.
        """
        self._undecided = await in_thread(self._take)
        there: dict[str, Record | None] = {}
        for name in {note.name for note in self._undecided}:
            found = await read_record(store, name, self._url)
            there[name] = found[0] if found else None
        return await in_thread(self._judge, there)

    @property
    def is_undecided(self) -> bool:
        """Whether there are such of which nothing can be known before the store has changed."""
        return bool(self._undecided)

    def _judge(self, there: Mapping[str, Record | None]) -> list[Note]:
        ended: list[Note] = []
        undecided: list[Note] = []
        for note in self._undecided:
            is_there = landed(self._repository, note, there[note.name])
            if is_there is None:
                undecided.append(note)
                self._let_go(note.push)
            elif is_there and (note.name, note.after) not in {(each.name, each.after) for each in ended}:
                ended.append(note)
            else:
                self.forget(note)
        self._undecided = undecided
        return ended

    def _take(self) -> list[Note]:
        names = [name.removeprefix(_FOLDER) for name in self._directory.list(_FOLDER)]
        return [note for name in names if name not in self._held and (note := self._lock(name)) is not None]

    def _lock(self, push: str) -> Note | None:
        """Return a note that nobody else works on, locked; ``None`` if it is another's."""
        path = self._directory.path(_FOLDER + push)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            note = self._read_locked(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        if note is None:
            os.close(descriptor)
        else:
            self._held[push] = note, descriptor
        return note

    def _read_locked(self, descriptor: int, path: Path) -> Note | None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        if not os.fstat(descriptor).st_nlink:  # forgotten a moment ago
            return None
        note = _decode(path)
        return note if (note.url, note.home) == (self._url, self._home) else None

    def forget(self, note: Note) -> None:
        """Remove a note: its event stands, or it has none. For a worker thread."""
        self._directory.delete(_FOLDER + note.push)
        self._let_go(note.push)

    def _let_go(self, push: str) -> None:
        held = self._held.pop(push, None)
        if held is not None:
            os.close(held[1])


def _decode(path: Path) -> Note:
    try:
        with disk_errors(path):
            return msgspec.json.decode(path.read_bytes(), type=Note)
    except msgspec.DecodeError as error:
        raise Invalid(f"{path} is damaged ({error}); delete it: a push may be missing in the ledger then") from error
