"""What every command needs: the tree around it, who works in it, and the ledger if there is one."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import typer

from aexl.api import Host, Receipt, Session
from aexl.errors import AexlError
from aexl_snapshots.options import TABLE, SnapshotOptions
from aexl_snapshots.repository import Repository
from aexl_snapshots.worktree.committing import Author
from aexl_snapshots.worktree.tree import WorkTree

# Any: Typer's options stand in for values of another type.
JSON: Final[Any] = typer.Option(False, "--json", help="Print JSON.")
PATHS: Final[Any] = typer.Argument(help="Files or folders.", metavar="PATH...")
REVISION_HELP: Final = "A snapshot: an id or its beginning, a tag, main, REMOTE/main; ~N goes N back."


def open_repository() -> Repository:
    """Return the repository of the current folder, or of the nearest one above it that has one.

    Raises:
        NotFound: If none has.
    """
    return Repository.find(Path.cwd())


def open_tree() -> WorkTree:
    """Return the files beside that repository; reads the index, and the last snapshot where there is none.

    Raises:
        NotFound: If there is no repository.
        Unavailable: If the index is damaged.
    """
    return WorkTree(open_repository())


def locate(tree: WorkTree, paths: Sequence[str]) -> list[str]:
    """Return paths that a person gave, relative to the tree's root."""
    here = Path.cwd()
    return [tree.locate(path, here) for path in paths]


def author_of(session: Session, given: str | None = None) -> Author:
    """Return who works here: as told, as configured, or the user and machine."""
    name = given or os.environ.get("AEXL_AUTHOR") or session.section(TABLE, SnapshotOptions).author or _user()
    return Author(name, session.home)


def _user() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename}"


def record(session: Session, append: Callable[[Host], Awaitable[Receipt | None]], *, hint: str = "") -> None:
    """Put events into the ledger, where one is there; say so if that fails: what they tell of has happened.

    Args:
        hint: What is said then besides.
    """
    if not has_ledger(session):
        return
    try:
        session.run(append)
    except AexlError as error:
        say_aside(f"done, but not recorded in the ledger: {error}{hint}")


def record_event(
    session: Session, event: Literal["push", "tag", "untag", "restore", "gc"], subject: str, **data: str | int
) -> None:
    """Record ``snapshots.<event>``."""
    from aexl_snapshots import events

    record(session, lambda host: events.record(host, event, subject, data))


def has_ledger(session: Session) -> bool:
    """Say whether there is a ledger, or a server that may have one: a command does not begin one by itself."""
    return session.running() is not None or (session.home / "ledger.db").exists()


def say(text: str = "") -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")


def say_aside(text: str) -> None:
    """Print a line for a person, beside what a program reads."""
    sys.stderr.write(f"aexl: {text}\n")
