"""That a snapshot is here with all it needs, each as its id says, before anything points to it. For a worker thread."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from aexl.api import ObjectId
from aexl.errors import AexlError, Invalid
from aexl_snapshots import history
from aexl_snapshots.objects import pack
from aexl_snapshots.repository import Repository


def proven_snapshots(repository: Repository) -> set[ObjectId]:
    """Return the snapshots that something of this repository points to, and what they were made from."""
    return set(history.ancestors(repository.read_snapshot, repository.roots()))


class Proof:
    """Checks snapshots and all they were made from, up to what is proven already.

    The bytes of objects in one frame have been checked when they came; those in
    parts are put together here and checked as a whole.

    Args:
        where: Whose fault it is, for errors.
        snapshots: Those that are here with all they need.
        objects: Objects in parts whose bytes have been checked.
        trusted: Public keys; if any are given, each of the new snapshots must be signed by one of them.
    """

    def __init__(
        self,
        repository: Repository,
        where: str,
        snapshots: AbstractSet[ObjectId],
        objects: AbstractSet[ObjectId],
        trusted: Sequence[str],
    ) -> None:
        self._repository = repository
        self._where = where
        self._trusted = trusted
        self._snapshots = set(snapshots)
        self._objects = set(objects)
        self._manifests: set[ObjectId] = set()

    def accept(self, snapshot: ObjectId) -> None:
        """Check one.

        Raises:
            Invalid: If an object is missing, damaged, or has another size than its manifest says.
        """
        waiting = [snapshot]
        while waiting:
            each = waiting.pop()
            if each in self._snapshots:
                continue
            self._snapshots.add(each)
            try:
                found = self._repository.read_snapshot(each)
                found.verify(self._trusted)
                self._accept_manifest(found.manifest)
            except AexlError as error:
                raise Invalid(f"snapshot {each} at {self._where} cannot be taken: {error}") from error
            waiting.extend(found.parents)

    def _accept_manifest(self, manifest: ObjectId) -> None:
        if manifest in self._manifests:
            return
        self._manifests.add(manifest)
        packs = self._repository.packs
        for entry in self._repository.read_manifest(manifest):
            row = packs.locate(entry.id)[1]
            if row.size != entry.size:
                raise Invalid(f"{entry.path} should have {entry.size} bytes, and the object {entry.id} has {row.size}")
            if row.kind == pack.PARTS and entry.id not in self._objects:
                for _ in packs.stream(entry.id):
                    pass  # it ends with an error if the whole is not what its id says
                self._objects.add(entry.id)
