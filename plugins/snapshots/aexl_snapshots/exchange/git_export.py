"""Snapshots as a git repository: every commit, tag and head, in one pack."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from aexl.api import ObjectId
from aexl_snapshots import history
from aexl_snapshots.disk.directory import disk_errors, refuse_full
from aexl_snapshots.exchange.gitpack import PackWriter, make_repository, write_refs
from aexl_snapshots.objects.manifest import Entry
from aexl_snapshots.objects.snapshot import Snapshot
from aexl_snapshots.progress import Meter
from aexl_snapshots.records import DEFAULT_HEAD
from aexl_snapshots.repository import Repository

_PERSON = re.compile(r"(?P<name>[^<>]*?)\s*<(?P<mail>[^<>\s]*)>")


def export_git(repository: Repository, folder: Path, heads: Mapping[str, ObjectId], meter: Meter) -> int:
    """Write a bare git repository with some heads, all tags of what they reach, and their history.

    Args:
        folder: Made; must not exist, or be empty.

    Returns:
        How many commits it has.

    Raises:
        Conflict: If the folder is not empty.
        Unavailable: If it cannot be written.
    """
    refuse_full(folder)
    branch = DEFAULT_HEAD if DEFAULT_HEAD in heads or not heads else next(iter(heads))
    with disk_errors(folder):
        try:
            return _export(repository, folder, heads, branch, meter)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _export(repository: Repository, folder: Path, heads: Mapping[str, ObjectId], branch: str, meter: Meter) -> int:
    exporter = _Exporter(repository, PackWriter(make_repository(folder, branch)), meter)
    known = list(history.log(repository.read_snapshot, heads.values()))
    for made, snapshot in reversed(known):
        exporter.add(made, snapshot)
    exporter.finish()
    commits = exporter.commits
    tags = {name: made for name, made in repository.tags().items() if made in commits}
    write_refs(folder, [(f"heads/{name}", commits[made]) for name, made in heads.items()])
    write_refs(folder, [(f"tags/{name}", commits[made]) for name, made in tags.items()])
    return len(commits)


class _Exporter:
    """Adds snapshots, parents first; a file or folder that several have is written once."""

    def __init__(self, repository: Repository, pack: PackWriter, meter: Meter) -> None:
        self._repository = repository
        self._pack = pack
        self._meter = meter
        self._blobs: dict[ObjectId, str] = {}
        self.commits: dict[ObjectId, str] = {}

    def add(self, id: ObjectId, snapshot: Snapshot) -> None:
        manifest = self._repository.read_manifest(snapshot.manifest)
        tree = self._pack.add_tree({entry.path: (entry.mode == "exec", self._blob(entry)) for entry in manifest})
        who = f"{_person(snapshot.author)} {snapshot.time // 1000} +0000"
        lines = [f"tree {tree}", *(f"parent {self.commits[parent]}" for parent in snapshot.parents)]
        message = snapshot.message.rstrip("\n") + "\n"
        text = "\n".join([*lines, f"author {who}", f"committer {who}", "", message])
        self.commits[id] = self._pack.add("commit", text.encode())

    def _blob(self, entry: Entry) -> str:
        if entry.id not in self._blobs:
            self._blobs[entry.id] = self._pack.add("blob", b"".join(self._repository.stream(entry.id)))
            self._meter.add(entry.size)
        return self._blobs[entry.id]

    def finish(self) -> None:
        self._pack.finish()


def _person(author: str) -> str:
    """Return an author as git writes one: a name, and an address in angle brackets."""
    found = _PERSON.fullmatch(author)
    name = (found["name"] if found else author).strip(" .,:;<>\"\\'")
    mail = found["mail"] if found else ""
    return f"{re.sub('[<>]', '', name) or 'unknown'} <{mail}>"
