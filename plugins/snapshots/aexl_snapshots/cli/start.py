"""``aexl snapshot init``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import typer

from aexl.api import Session
from aexl_snapshots.cli.progress import Bar
from aexl_snapshots.cli.root import app
from aexl_snapshots.cli.surroundings import JSON, say, say_aside
from aexl_snapshots.cli.views import count_files
from aexl_snapshots.disk.directory import disk_errors
from aexl_snapshots.exchange.aiel import FOLDER as AIEL
from aexl_snapshots.exchange.aiel import IGNORE_FILE as AIEL_IGNORE
from aexl_snapshots.exchange.aiel import AielProject, read_aiel
from aexl_snapshots.exchange.origin import write_origin
from aexl_snapshots.objects.names import explain_path
from aexl_snapshots.repository import PLACE, Repository
from aexl_snapshots.worktree.credentials import DEFAULT_RULES
from aexl_snapshots.worktree.folders import CONTROL, Folders
from aexl_snapshots.worktree.ignore import FILE_NAME
from aexl_snapshots.worktree.staging import Adding, stage_files
from aexl_snapshots.worktree.tree import WorkTree

_HEADER = """\
# What snapshots leave out, in the syntax of .gitignore. The lines of this first part count without
# this file too; to take one back, write it with a ! in front of it, further down.
"""


@app.command(epilog="Examples: aexl snapshot init  ·  aexl snapshot init --from-aiel")
def init(
    ctx: typer.Context,
    from_aiel: bool = typer.Option(False, "--from-aiel", help="Take over the project of an .aiel folder."),
    as_json: bool = JSON,
) -> None:
    """Begin snapshots of this folder, and write an ignore file that leaves secrets out."""
    session: Session = ctx.obj
    root = Path.cwd()
    project = read_aiel(root) if from_aiel else None
    existed = (root / PLACE).is_dir()
    repository = Repository.init(root)
    _hide_from_git(root)
    ignore = _write_ignore_file(root, project)
    staged = _take_over(WorkTree(repository), project) if project is not None else 0
    if as_json:
        origin = project.origin if project is not None else None
        return session.json(
            {
                "root": str(root),
                "created": not existed,
                "ignore_file": ignore is not None,
                "aiel": origin,
                "staged": staged,
            }
        )
    say(f"{'Snapshots were begun already' if existed else 'Began snapshots'} in {root}.")
    if ignore == "extended":
        say(f"Added what {AIEL_IGNORE} says to {FILE_NAME}.")
    elif ignore:
        say(f"Wrote {FILE_NAME}: .git/, .aexl/, __pycache__/, .env and files named like keys are left out.")
    else:
        say(f"{FILE_NAME} stays as it is; .git/, .aexl/, .env and files named like keys are left out by default.")
    if project is not None:
        for name, value in project.origin.items():
            say(f"{name}: {value}")
        say(f"Took over {count_files(staged)} from {AIEL}/ and staged them; {AIEL}/ itself was not changed.")
    return say("Next: aexl snapshot add . && aexl snapshot commit -m 'first'")


def _write_ignore_file(root: Path, project: AielProject | None) -> Literal["written", "extended"] | None:
    """Write the ignore file, with what other ignore files of the root say; to one that is there, what is new is added."""
    path = root / FILE_NAME
    theirs = f"\n# From {AIEL_IGNORE}:\n{AIEL}/\n{project.ignore}" if project is not None else ""
    with disk_errors(path):
        if not path.exists() and not path.is_symlink():
            _write(path, "w", _HEADER + DEFAULT_RULES + _ignored_by_git(root) + theirs)
            return "written"
        if not path.is_file() or path.is_symlink() or theirs in _read(path):
            return None
        _write(path, "a", theirs)
        return "extended"


def _ignored_by_git(root: Path) -> str:
    path = root / ".gitignore"
    with disk_errors(path):
        return f"\n# From .gitignore:\n{_read(path).strip()}\n" if path.is_file() and not path.is_symlink() else ""


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def _write(path: Path, mode: Literal["w", "a"], text: str) -> None:
    with path.open(mode, encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)


def _hide_from_git(root: Path) -> None:
    """Keep the repository out of git, and leave what else a project keeps in the folder to it."""
    path = root / CONTROL / ".gitignore"
    if not path.exists():
        path.write_text("/snapshots/\n/index*\n/origin.json\n")


def _take_over(tree: WorkTree, project: AielProject) -> int:
    """Stage what the other program tracked or had staged, as it is here now; remember workspace and project."""
    write_origin(tree.root, project.origin)
    wanted = sorted({*project.tracked, *project.added} - set(project.removed))
    with Folders(tree.root) as folders:
        there = [path for path in wanted if explain_path(path) is None and folders.look_below(path)]
    kept = tree.scan().files
    places = [path for path in there if path in kept]
    for path in sorted(set(there) - set(places)):
        say_aside(f"left out {path}: it is ignored; 'aexl snapshot add --force' adds it all the same")
    if not places:
        return 0
    with Bar() as bar:
        return len(stage_files(tree, places, Adding(skip=True), bar.meter).changes)
