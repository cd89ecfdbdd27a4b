"""Making files what they were before a run or a step, without losing what was done since.

An undo captures the files first, so that it can be undone itself. It awaits nothing
but the role's methods, so that it works in a command beside a running server.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

import msgspec

from aexl.api import FileChange, ObjectId, Snapshots
from aexl.errors import Conflict
from aexl_pipelines.trees.keeping import owner
from aexl_pipelines.trees.spans import Span

Later = Literal["refuse", "keep", "lose"]
"""What becomes of changes that are later than the run or step."""

SHOWN: Final = 20
"""Files that a refusal names."""


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """What an undo did, or would do.

    Attributes:
        saved: The snapshot of the files as they were, which takes the undo back; ``None`` where nothing was written.
        restored: The snapshot that the files are now.
        changes: What the undo changed, from then to now.
        later: What had been changed since the run or step.
    """

    run: str
    step: str | None
    project: str
    saved: ObjectId | None
    restored: ObjectId
    changes: tuple[FileChange, ...] = ()
    later: tuple[FileChange, ...] = ()


async def undo(
    snapshots: Snapshots, span: Span, later: Later = "refuse", *, remember: Callable[[Undone], None]
) -> Undone:
    """Put the files back as they were before a run or step.

    Args:
        remember: Told before any file is written, and not at all where there is nothing to write. May raise.
        later: Changes made since: ``refuse`` stops at them, ``keep`` takes back only what the run or step itself
            changed, ``lose`` puts everything back.

    Raises:
        Invalid: If there are no snapshots to go back to.
        Conflict: If changes would be lost; names the files, and nothing has changed.
        NotFound: If the snapshots, or the folder, are gone.
    """
    before = span.first_snapshot()
    folder = str(span.project)
    saved = await snapshots.capture(folder, f"before the undo of {span.name}")
    since = () if span.after is None else tuple(await snapshots.diff(span.after, saved))
    target = await _target(snapshots, span, (before, saved), since, later)
    changes = tuple(await snapshots.diff(saved, target))
    done = Undone(
        run=span.run, step=span.step, project=folder, saved=saved, restored=target, changes=changes, later=since
    )
    if not changes:
        return msgspec.structs.replace(done, saved=None)
    await snapshots.keep(owner(span.run), [saved, target])
    remember(done)
    await _write(snapshots, target, folder, later)
    return done


async def _write(snapshots: Snapshots, target: ObjectId, folder: str, later: Later) -> None:
    """Write the files; what came into the way since the capture, or no snapshot can hold, goes only where it may be lost."""
    try:
        await snapshots.materialize(target, folder, False)
    except Conflict as error:
        if later != "lose":
            raise Conflict(f"{error}\n--force removes what is in the way") from error
        await snapshots.materialize(target, folder, True)


async def foresee(snapshots: Snapshots, span: Span, later: Later = "refuse") -> Undone:
    """Return what ``undo`` would do, and raise what it would raise; writes and stores nothing.

    What ``keep`` takes back is told without looking whether it goes together with later changes.
    """
    before, folder = span.first_snapshot(), str(span.project)
    since = () if span.after is None else tuple(await snapshots.changed_since(span.after, folder))
    forward = tuple(await snapshots.changed_since(before, folder))
    if later == "refuse":
        _refuse(span, since, forward)
    if later == "keep" and span.after is not None:
        forward = tuple(await snapshots.diff(before, span.after))
    return Undone(
        run=span.run,
        step=span.step,
        project=folder,
        saved=None,
        restored=before,
        changes=tuple(backwards(change) for change in forward),
        later=since,
    )


async def _target(
    snapshots: Snapshots, span: Span, between: tuple[ObjectId, ObjectId], since: Sequence[FileChange], later: Later
) -> ObjectId:
    """Return what the files shall be."""
    before, saved = between
    match later:
        case "lose":
            return before
        case "refuse":
            _refuse(span, since, await snapshots.diff(before, saved))
            return before
        case "keep":
            if span.after is None:
                raise Conflict(
                    f"{span.name} has no end, so nobody knows what came after it; --force puts everything back"
                )
            if not since:
                return before
            merged = await snapshots.merge(span.after, saved, before)
            if merged.conflicts:
                names = _names([conflict.path for conflict in merged.conflicts])
                raise Conflict(f"nothing was changed: {span.name} and later edits changed the same places of\n{names}")
            return merged.snapshot


def _refuse(span: Span, since: Sequence[FileChange], all_changes: Sequence[FileChange]) -> None:
    """Stop where changes would be lost.

    Raises:
        Conflict: Names the files.
    """
    if not all_changes:
        return
    if span.after is None:
        names = _names([change.path for change in all_changes])
        raise Conflict(
            f"nothing was changed: {span.name} has no end, so nobody knows who made these changes; "
            f"--force puts them all back:\n{names}"
        )
    if since:
        names = _names([change.path for change in since])
        raise Conflict(
            f"nothing was changed, because changes made after {span.name} would be lost; --keep-edits takes back only "
            f"what it changed itself, --force puts everything back:\n{names}"
        )


def _names(paths: Sequence[str]) -> str:
    lines = [f"  {path}" for path in paths[:SHOWN]]
    return "\n".join([*lines, f"  and {len(paths) - SHOWN} more"] if len(paths) > SHOWN else lines)


def backwards(change: FileChange) -> FileChange:
    """Return what takes a change back."""
    kinds: dict[str, Literal["added", "removed", "modified", "mode", "renamed"]] = {
        "added": "removed",
        "removed": "added",
    }
    return FileChange(
        kind=kinds.get(change.kind, change.kind),
        path=change.old_path or change.path,
        old_path=change.path if change.old_path else None,
        old_size=change.new_size,
        new_size=change.old_size,
    )
