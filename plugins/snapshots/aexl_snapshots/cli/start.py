"""``aexl snapshot init``."""

from __future__ import annotations

from pathlib import Path

import typer

from aexl.api import Session
from aexl_snapshots.cli.progress import Bar
from aexl_snapshots.cli.root import app
from aexl_snapshots.cli.surroundings import JSON, say
from aexl_snapshots.cli.views import count_files
from aexl_snapshots.exchange.aiel import FOLDER as AIEL
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
            {"root": str(root), "created": not existed, "ignore_file": ignore, "aiel": origin, "staged": staged}
        )
    say(f"{'Snapshots were begun already' if existed else 'Began snapshots'} in {root}.")
    if ignore:
        say(f"Wrote {FILE_NAME}: .git/, .aexl/, __pycache__/, .env and files named like keys are left out.")
    else:
        say(f"{FILE_NAME} stays as it is; .git/, .aexl/, .env and files named like keys are left out by default.")
    if project is not None:
        for name, value in project.origin.items():
            say(f"{name}: {value}")
        say(f"Took over {count_files(staged)} from {AIEL}/ and staged them; {AIEL}/ itself was not changed.")
    return say("Next: aexl snapshot add . && aexl snapshot commit -m 'first'")


def _write_ignore_file(root: Path, project: AielProject | None) -> bool:
    """Write the ignore file unless there is one; what other ignore files of the root say is taken over."""
    path = root / FILE_NAME
    if path.exists() or path.is_symlink():
        return False
    text = _HEADER + DEFAULT_RULES
    git = root / ".gitignore"
    if git.is_file() and not git.is_symlink():
        text += f"\n# From .gitignore:\n{git.read_text(encoding='utf-8', errors='surrogateescape').strip()}\n"
    if project is not None:
        text += f"\n# From .aielignore:\n{AIEL}/\n{project.ignore}"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    return True


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
        places = [path for path in wanted if explain_path(path) is None and folders.look_below(path)]
    if not places:
        return 0
    with Bar() as bar:
        return len(stage_files(tree, places, Adding(skip=True), bar.meter).changes)
