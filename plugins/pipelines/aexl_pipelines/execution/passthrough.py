"""Pipelines without a file: the passthrough one, and texts that came with a request. Blocks for looks at the disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aexl_pipelines.disk import DiskFiles
from aexl_pipelines.journal.records import RunBegun
from aexl_pipelines.language.discovery import find_project
from aexl_pipelines.language.loading import Loaded, load_source
from aexl_pipelines.language.reader import Recorder
from aexl_pipelines.language.skills import SkillFinder, skill_folders
from aexl_pipelines.language.source import Source

PASSTHROUGH: Final = "(passthrough)"
"""What a pipeline is called that nobody has written: the human's prompt and the agent's answer."""

_TEXT: Final = 'version: "1"\npipeline:\n  - id: invocation\n    prompt: "{{ step.invocation.prompt }}"\n'


def load_passthrough(folder: Path) -> Loaded:
    """Return the pipeline that counts where there is none."""
    return load_source(Source(PASSTHROUGH, _TEXT), DiskFiles(folder, Path.home()))


def load_text(begun: RunBegun, known: Mapping[str, str]) -> Loaded:
    """Return the pipeline of a run that has no file, from the texts that it has kept."""
    folder = Path(begun.project)
    finder = SkillFinder(skill_folders(find_project(folder), Path.home()))
    source = Source(begun.file or PASSTHROUGH, known.get("", _TEXT), folder if begun.file else None)
    return load_source(source, Recorder(DiskFiles(folder, Path.home()), known), finder)
