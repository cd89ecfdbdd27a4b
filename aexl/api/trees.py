"""What changed between two states of a project's files, as ``Snapshots`` tells it."""

from __future__ import annotations

from typing import Literal

import msgspec

from aexl.api.work import ObjectId


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """One file that is not the same in two trees. Sizes in bytes; ``None`` on the side that has no such file.

    Attributes:
        kind: ``mode`` where only the executable bit differs; ``renamed`` where the content is the same under another path.
        path: The path in the newer tree; of a removed file, in the older one.
        old_path: The path in the older tree, where the kind is ``renamed``.
    """

    kind: Literal["added", "removed", "modified", "mode", "renamed"]
    path: str
    old_path: str | None = None
    old_size: int | None = None
    new_size: int | None = None


class MergeConflict(msgspec.Struct, frozen=True, kw_only=True):
    """A file that both sides changed in ways that do not go together; ``reason`` says how."""

    path: str
    reason: str


class MergedSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What a merge made.

    Attributes:
        snapshot: Holds what both sides changed. Where they conflict, a text holds both versions between markers,
            and of any other file ``ours`` was kept.
        conflicts: By path; empty where the merge is clean.
    """

    snapshot: ObjectId
    conflicts: tuple[MergeConflict, ...]
