"""Which snapshot a word means, and what names a snapshot has."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from aexl.api import ObjectId
from aexl.errors import AexlError, Invalid, NotFound
from aexl_snapshots.records import DEFAULT_HEAD
from aexl_snapshots.repository import Repository
from aexl_snapshots.worktree.tree import WorkTree, refuse_empty, within


def names_of(repository: Repository) -> dict[ObjectId, list[str]]:
    """Return the names of snapshots: heads, tags, and where the remotes are."""
    names: dict[ObjectId, list[str]] = {}
    for name, snapshot in repository.heads().items():
        names.setdefault(snapshot, []).append(name)
    for name, snapshot in repository.tags().items():
        names.setdefault(snapshot, []).append(f"tag: {name}")
    for remote in repository.remotes():
        for name, snapshot in repository.tracked(remote).items():
            names.setdefault(snapshot, []).append(f"{remote}/{name}")
    return names


def resolve_or_head(repository: Repository, revision: str | None) -> ObjectId:
    """Return the snapshot that was named, or the last one.

    Raises:
        NotFound: If there is none.
    """
    if revision is None and repository.head(DEFAULT_HEAD) is None:
        raise NotFound("there is no snapshot yet; make one with 'aexl snapshot commit -m MESSAGE'")
    return repository.resolve(revision or DEFAULT_HEAD)


def choose(tree: WorkTree, what: Sequence[str], source: str | None) -> tuple[ObjectId | None, Sequence[str]]:
    """Tell a snapshot from paths: the first word is one unless it is a path; what could be both is refused."""
    if source is not None:
        return tree.repository.resolve(source), what
    first = what[0]
    refuse_empty(first)
    is_path = _is_path(tree, first)
    try:
        found = tree.repository.resolve(first)
    except (NotFound, Invalid) as error:
        if is_path:
            return None, what
        raise NotFound(f"{first} is neither a snapshot nor a path: {error}") from error
    if is_path:
        raise Invalid(f"{first} is a snapshot and a path; write --from {first}, or ./{first} for the path")
    return found, what[1:]


def _is_path(tree: WorkTree, text: str) -> bool:
    try:
        place = tree.locate(text, Path.cwd())
    except AexlError:
        return False
    return os.path.lexists(text) or any(within(path, [place]) for path in tree.index.entries)
