"""From the command line to a loaded pipeline."""

from __future__ import annotations

from pathlib import Path

from aexl.api import Session
from aexl.errors import NotFound
from aexl_pipelines.cli.fetching import Fetcher
from aexl_pipelines.disk import DiskFiles
from aexl_pipelines.language.discovery import choose, find_project
from aexl_pipelines.language.loading import Loaded, load_file
from aexl_pipelines.language.skills import SkillFinder, skill_folders


def find(session: Session, given: str | None) -> Path:
    """Return the file that ``--pipeline`` means.

    Raises:
        NotFound: If there is none.
    """
    path = choose(given, Path.cwd(), session.home)
    if path is None:
        raise NotFound("there is no pipeline here: begin one with 'aexl pipeline init', or name one with --pipeline")
    return path


def load(session: Session, path: Path) -> Loaded:
    """Return what a file says, or all that is wrong with it."""
    fetcher = Fetcher(session)
    files = DiskFiles(Path.cwd(), Path.home(), fetcher.fetch, fetcher.snapshot)
    folders = (session.home / "skills", *skill_folders(find_project(path.parent), Path.home()))
    return load_file(path, files, SkillFinder(folders))
