"""A project's snapshots on this machine: objects, heads, tags, pins and remotes.

Ordinary synchronous code, for a worker thread (``trio.to_thread.run_sync``): every
method may read or write the disk. An instance may be used from several threads,
and several processes may have the same repository open.

A repository is a store like any other, in a folder, and a few files that are its own::

    .aexl/snapshots/
        format  packs/  heads/  tags/  pins/  gc/      as in every store
        remotes.json  remotes/<remote>/<head>          where it is pushed to, and what was there last
        kept/                                          what else is kept; see ``kept``
        unrecorded/                                    pushes that the ledger has not heard of
        tmp/  swap.lock  lock  indexes/  damaged/      unfinished files, locks, what may be removed
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Final, Self

import msgspec

from aexl.api import ObjectId, uuid7
from aexl.errors import Conflict, HeadMoved, Invalid, NotFound, Unavailable
from aexl_snapshots import history, kept, tidying
from aexl_snapshots.disk.directory import disk_errors
from aexl_snapshots.disk.files import Files, make_folder
from aexl_snapshots.layout import CURRENT_FORMAT, FORMAT_NAME, check_format
from aexl_snapshots.local_objects import LocalObjects
from aexl_snapshots.objects.ids import is_id
from aexl_snapshots.objects.snapshot import Snapshot
from aexl_snapshots.records import DEFAULT_HEAD, KINDS, Record, check_ref_name, is_ref_name, next_record, ref_name

PLACE: Final = Path(".aexl") / "snapshots"
"""Where a project keeps its repository."""

HEAD: Final = "HEAD"
"""What the default head is called besides."""

_TIDY_EVERY: Final = 16
_ATTEMPTS: Final = 100


class Repository(LocalObjects):
    """The snapshots of one project. Use ``open``, ``init`` or ``find``.

    Attributes:
        root: The project's folder.
    """

    def __init__(self, root: Path, *, path: Path | None = None, files: Files | None = None) -> None:
        super().__init__(path or root / PLACE, files)
        self.root = root
        self._tidy_at = tidying.MANY + 1

    @classmethod
    def init(cls, root: Path, *, path: Path | None = None, files: Files | None = None) -> Self:
        """Make a repository; one that is there is opened.

        Args:
            path: Where it is kept, if not in ``.aexl/snapshots`` of the project's folder.

        Raises:
            Unavailable: If the disk fails.
            Invalid: If one of another format is there.
        """
        repository = cls(root, path=path, files=files)
        with disk_errors(repository.path):
            make_folder(repository.directory.files, repository.path)
        repository.directory.put_if_absent(FORMAT_NAME, CURRENT_FORMAT)
        check_format(repository.directory.get(FORMAT_NAME), str(repository.path))
        return repository

    @classmethod
    def open(cls, root: Path, *, path: Path | None = None, files: Files | None = None) -> Self:
        """Open the repository of a project's folder.

        Raises:
            NotFound: If it has none.
            Invalid: If its format is not known.
        """
        repository = cls(root, path=path, files=files)
        try:
            found = repository.directory.get(FORMAT_NAME)
        except NotFound as error:
            raise NotFound(f"there are no snapshots in {root}; `aexl snapshot init` begins them") from error
        check_format(found, str(repository.path))
        return repository

    @classmethod
    def find(cls, start: Path) -> Self:
        """Open the repository of a folder or of the nearest one above it that has one.

        Raises:
            NotFound: If none has.
        """
        start = start.absolute()
        for folder in (start, *start.parents):
            if (folder / PLACE / FORMAT_NAME).is_file():
                return cls.open(folder)
        raise NotFound(f"there are no snapshots in {start} or a folder above it; `aexl snapshot init` begins them")

    def _after_writing(self) -> None:
        """Gather small packs when many have come since the last time."""
        if len(self.packs.packs) < self._tidy_at:
            return
        # What this is on the way of has succeeded: in use, or damaged, means another time, and gc and check say more.
        with suppress(Unavailable, Invalid), self.alone(wait=0):
            tidying.tidy(self)
            self._tidy_at = max(tidying.MANY, len(self.packs.packs)) + _TIDY_EVERY

    def record(self, name: str) -> tuple[Record, str] | None:
        """Return a record and its version, by its name in the store (``heads/main``); ``None`` if there is none."""
        try:
            data, version = self.directory.versioned(name)
        except NotFound:
            return None
        return Record.decode(data, name), version

    def _names(self, folder: str) -> list[str]:
        return [name.removeprefix(folder) for name in self.directory.list(folder)]

    def _targets(self, kind: str) -> dict[str, ObjectId]:
        found = {name: self.record(f"{kind}/{name}") for name in self._names(f"{kind}/")}
        return {name: each[0].snapshot for name, each in found.items() if each is not None}

    def heads(self) -> Mapping[str, ObjectId]:
        """Return where the heads point."""
        return self._targets("heads")

    def tags(self) -> Mapping[str, ObjectId]:
        """Return where the tags point."""
        return self._targets("tags")

    def pins(self) -> Mapping[str, ObjectId]:
        """Return what is kept from gc by name."""
        return self._targets("pins")

    def tracked(self, remote: str) -> Mapping[str, ObjectId]:
        """Return where the heads of a remote pointed when it was last asked."""
        return self._targets(f"remotes/{check_ref_name(remote)}")

    def head(self, name: str = DEFAULT_HEAD) -> ObjectId | None:
        """Return where a head points; ``None`` before its first snapshot."""
        found = self.record(ref_name("heads", name))
        return found[0].snapshot if found else None

    def move_head(self, snapshot: ObjectId, *, expected: ObjectId | None, name: str = DEFAULT_HEAD) -> None:
        """Let a head point to a snapshot; durable when this returns.

        Args:
            expected: Where it must point now; ``None`` if it must not exist.

        Raises:
            HeadMoved: If it points elsewhere; nothing has changed.
            NotFound: If the snapshot is not here.
        """
        self._set(ref_name("heads", name), snapshot, lambda now: now == expected)

    def tag(self, name: str, snapshot: ObjectId) -> None:
        """Give a snapshot a name for good.

        Raises:
            Conflict: If another snapshot has it, or it is the name of a head.
        """
        if name in (HEAD, DEFAULT_HEAD) or self.head(name) is not None:
            raise Conflict(f"{name} means a head, and cannot be a tag, too; choose another name")
        try:
            self._set(ref_name("tags", name), snapshot, lambda now: now in (None, snapshot))
        except HeadMoved as error:
            raise Conflict(f"the tag {name} is there already; delete it first if it shall be another") from error

    def untag(self, name: str) -> None:
        """Take a tag away.

        Raises:
            NotFound: If there is none of the name.
        """
        if self.record(ref_name("tags", name)) is None:
            raise NotFound(f"there is no tag {name}")
        self.directory.delete(ref_name("tags", name))

    def pin(self, name: str, snapshot: ObjectId) -> None:
        """Keep a snapshot from gc until ``unpin``; a pin of the same name is replaced."""
        self._set(ref_name("pins", name), snapshot, lambda _: True)

    def unpin(self, name: str) -> None:
        """Let gc have a snapshot; a pin that is not there is no error."""
        self.directory.delete(ref_name("pins", name))

    def track(self, remote: str, head: str, snapshot: ObjectId | None) -> None:
        """Remember where a remote's head points."""
        name = f"remotes/{check_ref_name(remote)}/{check_ref_name(head)}"
        if snapshot is None:
            self.directory.delete(name)
        else:
            self._set(name, snapshot, lambda _: True)

    def restore_record(self, name: str, snapshot: ObjectId) -> None:
        """Let a head, tag or pin that was damaged point to a snapshot again. Nobody else may write.

        Raises:
            NotFound: If the snapshot is not here.
        """
        self._set(name, snapshot, lambda _: True, anew=True)

    def list_packs_anew(self, without: Collection[ObjectId] = ()) -> None:
        """Let every record name the packs that are here now, but for some that will go. Nobody else may write."""
        for kind in KINDS:
            for name in self._names(f"{kind}/"):
                found = self.record(f"{kind}/{name}")
                if found is not None and self.has(found[0].snapshot):
                    self._set(f"{kind}/{name}", found[0].snapshot, lambda _: True, anew=True, without=without)

    def _set(
        self,
        name: str,
        snapshot: ObjectId,
        may: Callable[[ObjectId | None], bool],
        *,
        anew: bool = False,
        without: Collection[ObjectId] = (),
    ) -> None:
        with nullcontext() if anew else self.writing():  # whoever lists packs anew is alone already
            self.read_snapshot(snapshot)
            for _ in range(_ATTEMPTS):
                before, version = self.record(name) or (None, None)
                if not may(before.snapshot if before else None):
                    at = before.snapshot if before else "nothing"
                    raise HeadMoved(f"{name} points to {at} by now: somebody else has moved it; look, and try again")
                if before is not None and before.snapshot == snapshot and not anew:
                    return
                self.packs.refresh()
                packs = tuple((each.id, each.size) for each in self.packs.packs.values() if each.id not in without)
                record = next_record(before, snapshot, packs, uuid7(), int(time.time() * 1000))
                try:
                    self.directory.put_if_match(name, record.encode(), version)
                except HeadMoved:
                    continue  # perhaps only its packs were gathered: look again
                return
        raise Unavailable(f"{name} of {self.path} changes all the time; try again")

    def remotes(self) -> Mapping[str, str]:
        """Return the remotes' URLs by name."""
        return self._remotes()[0]

    def _remotes(self) -> tuple[dict[str, str], str | None]:
        try:
            data, version = self.directory.versioned("remotes.json")
            return msgspec.json.decode(data, type=dict[str, str]), version
        except NotFound:
            return {}, None
        except msgspec.DecodeError as error:
            raise Invalid(f"{self.path / 'remotes.json'} is damaged: {error}") from error

    def add_remote(self, name: str, url: str) -> None:
        """Remember a remote, which the caller has probed.

        Raises:
            Conflict: If the name is taken.
            Invalid: If it cannot be one.
        """
        remotes, version = self._remotes()
        if check_ref_name(name) in remotes:
            raise Conflict(f"there is a remote {name} already, {remotes[name]}")
        self._save_remotes({**remotes, name: url}, version)

    def remove_remote(self, name: str) -> None:
        """Forget a remote, and where its heads pointed.

        Raises:
            NotFound: If there is none of the name.
        """
        remotes, version = self._remotes()
        if name not in remotes:
            raise NotFound(f"there is no remote {name}; `aexl snapshot remote list` shows them")
        for head in self.tracked(name):
            self.track(name, head, None)
        self._save_remotes({each: url for each, url in remotes.items() if each != name}, version)

    def _save_remotes(self, remotes: Mapping[str, str], version: str | None) -> None:
        data = msgspec.json.format(msgspec.json.encode(remotes, order="sorted"), indent=2) + b"\n"
        self.directory.put_if_match("remotes.json", data, version)

    def resolve(self, name: str) -> ObjectId:
        """Return the snapshot that a word means.

        A head, a tag, ``REMOTE/HEAD``, an id, or the beginning of one (4 digits
        or more); ``~N`` after any of them goes N first parents back.

        Raises:
            NotFound: If it means none.
            Conflict: If it is the beginning of several ids.
        """
        base, mark, back = name.partition("~")
        if mark and not (back.isdecimal() or not back):
            raise Invalid(f"{name!r} is no snapshot: after ~ stands how many to go back")
        found = self._resolve(base)
        for _ in range(int(back or 1) if mark else 0):
            parents = self.read_snapshot(found).parents
            if not parents:
                raise NotFound(f"{name}: {found} is the first snapshot")
            found = parents[0]
        return found

    def _resolve(self, name: str) -> ObjectId:
        if name == HEAD:
            name = DEFAULT_HEAD
        for found in (self.heads(), self.tags()):
            if name in found:
                return found[name]
        remote, slash, head = name.partition("/")
        if slash and is_ref_name(remote) and head in (tracked := self.tracked(remote)):
            return tracked[head]
        if is_id(name):
            self.read_snapshot(ObjectId(name))
            return ObjectId(name)
        if len(name) >= 4 and all(c in "0123456789abcdef" for c in name):
            return self._by_prefix(name)
        raise NotFound(f"there is no head, tag or snapshot {name!r}; `aexl snapshot log` shows what there is")

    def unrecorded_roots(self) -> set[ObjectId]:
        """Return every snapshot that a remote's head pointed to when it was last asked, or that is kept under a name."""
        tracked = {snapshot for remote in self.remotes() for snapshot in self.tracked(remote).values()}
        return tracked | kept.roots(self)

    def roots(self) -> set[ObjectId]:
        """Return every snapshot that something points to."""
        return self.unrecorded_roots() | {snapshot for kind in KINDS for snapshot in self._targets(kind).values()}

    def _by_prefix(self, prefix: str) -> ObjectId:
        known = history.ancestors(self.read_snapshot, self.roots())
        found = [id for id in known if id.startswith(prefix)]
        if not found:
            raise NotFound(f"no snapshot's id begins with {prefix}")
        if len(found) > 1:
            raise Conflict(f"{prefix} begins {len(found)} ids: {', '.join(sorted(id[:16] for id in found)[:5])}")
        return found[0]

    def log(self, start: ObjectId) -> Iterator[tuple[ObjectId, Snapshot]]:
        """Yield a snapshot and those it was made from, each before its parents."""
        return history.log(self.read_snapshot, [start])

    def is_ancestor(self, old: ObjectId, new: ObjectId) -> bool:
        """Say whether ``new`` is ``old`` or was made from it."""
        return history.is_ancestor(self.read_snapshot, old, new)

    def merge_base(self, one: ObjectId, other: ObjectId) -> ObjectId | None:
        """Return the latest snapshot that both were made from, if any."""
        return history.merge_base(self.read_snapshot, one, other)
