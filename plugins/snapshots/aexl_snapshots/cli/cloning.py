"""``aexl snapshot clone``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import typer

from aexl.api import ObjectId, Session
from aexl_snapshots.cli.ending import tidied_when_ended
from aexl_snapshots.cli.progress import Bar
from aexl_snapshots.cli.reach import DEFAULT_REMOTE
from aexl_snapshots.cli.root import app
from aexl_snapshots.cli.surroundings import JSON, say
from aexl_snapshots.cli.views import count_files, short
from aexl_snapshots.disk.directory import disk_errors, refuse_full
from aexl_snapshots.progress import Meter
from aexl_snapshots.records import DEFAULT_HEAD
from aexl_snapshots.repository import Repository
from aexl_snapshots.worktree.applying import populate
from aexl_snapshots.worktree.fresh import unfinished_folder
from aexl_snapshots.worktree.tree import WorkTree

_AT_HAND: Final = 64 * 1024 * 1024
"""Raw bytes of files that are kept from when they were checked until they are written."""


@app.command(epilog="Examples: aexl snapshot clone /mnt/backup/app app  ·  aexl snapshot clone s3://bucket/app app")
def clone(
    ctx: typer.Context,
    url: str = typer.Argument(help="A folder, file://, s3://, gs://, az:// or https:// of an aexl.", metavar="URL"),
    folder: str = typer.Argument(help="The new folder.", metavar="DIR"),
    as_json: bool = JSON,
) -> None:
    """Fetch all snapshots of a remote into a new folder, and its latest files."""
    from aexl_snapshots.stores.opening import normal_url

    session: Session = ctx.obj
    target = Path(folder).absolute()
    address = normal_url(url, Path.cwd())
    refuse_full(target)
    with tidied_when_ended(), disk_errors(target), unfinished_folder(target) as folder_now, Bar() as bar:
        head, files = _clone_into(session, folder_now, address, bar.meter)
    if as_json:
        return session.json({"url": address, "folder": str(target), "head": head, "files": files})
    at = f"at {short(head)}, {count_files(files)}" if head else "which has no snapshot yet"
    return say(f"Cloned {address} into {folder}, {at}.")


def _clone_into(session: Session, folder: Path, url: str, meter: Meter) -> tuple[ObjectId | None, int]:
    from aexl_snapshots.cli import sending

    repository = Repository.init(folder)
    repository.packs.expect(_AT_HAND)
    fetched = sending.receive(session, repository, DEFAULT_REMOTE, url, meter)
    repository.add_remote(DEFAULT_REMOTE, url)
    head = fetched.heads.get(DEFAULT_HEAD)
    tree = WorkTree(repository)
    if head is not None:
        populate(tree, head, meter)
    return head, len(tree.index.entries)
