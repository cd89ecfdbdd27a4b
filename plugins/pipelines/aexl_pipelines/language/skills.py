"""Skills: instructions in a folder with a ``SKILL.md``, for the model to read. Pure but for reading files.

The format is that of the Agent Skills standard: a front matter in YAML with
``name`` and ``description``, then Markdown. What stands in it goes to the model.
Nothing in it is run or filled in by us but ``$ARGUMENTS`` and ``$NAME``, once,
and what is put in for them is not looked at again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from aexl_pipelines.language.problems import Report, suggest
from aexl_pipelines.language.source import Fields, Scalar, Source

FILE: Final = "SKILL.md"
PROJECT_FOLDERS: Final = (
    ".aexl/skills",
    ".agents/skills",
    ".claude/skills",
    ".codex/skills",
    ".gemini/skills",
    ".opencode/skills",
    ".opencode/skill",
    ".cursor/skills",
    ".github/skills",
    ".ail/skills",
    "skills",
)
"""Where agents keep a project's skills, the first found wins."""
HOME_FOLDERS: Final = (
    ".aexl/skills",
    ".agents/skills",
    ".claude/skills",
    ".codex/skills",
    ".gemini/skills",
    ".config/opencode/skills",
    ".config/opencode/skill",
    ".cursor/skills",
    ".copilot/skills",
)
"""Where agents keep a person's skills."""

_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_MOST_TEXT: Final = 1 << 18
_MOST_FOLDERS: Final = 2_000
_KNOWN: Final = ("name", "description", "license", "compatibility", "metadata", "allowed-tools")
_PLACEHOLDER: Final = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class Skill(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A skill.

    Attributes:
        body: The instructions, in Markdown.
        folder: Where its other files are; ``None`` for one that comes with aexl.
        allowed_tools: Tools that the skill says it needs, in the agent's spelling.
    """

    name: str
    description: str
    body: str
    folder: str | None = None
    allowed_tools: tuple[str, ...] = ()


def render_skill(skill: Skill, arguments: Mapping[str, str], answer: str) -> str:
    """Return the text for the model.

    Args:
        arguments: The values of ``with:``, by name.
        answer: The last answer of the run: what the skill is applied to where ``with:`` does not say.
    """
    whole = arguments.get("arguments", answer if not arguments else "")
    listed = "\n".join(f"{name}: {value}" for name, value in arguments.items() if name != "arguments")
    values = {**{name.upper(): value for name, value in arguments.items()}, **arguments}
    values["ARGUMENTS"] = "\n".join(part for part in (whole, listed) if part)
    used: set[str] = set()

    def replace(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in values:
            return found[0]
        used.add(name.lower())
        return values[name]

    text = _PLACEHOLDER.sub(replace, skill.body).strip()
    if "arguments" not in used:
        rest = [whole] if whole else []
        rest += [f"{name}: {value}" for name, value in arguments.items() if name.lower() not in {*used, "arguments"}]
        text = "\n\n".join([text, *rest])
    if skill.folder is not None:
        text = f"The files of this skill are in {skill.folder}.\n\n{text}"
    return text


def read_skill(source: Source, report: Report) -> Skill | None:
    """Return the skill that a ``SKILL.md`` describes, or ``None`` after having reported what is wrong."""
    from aexl_pipelines.language.reading import read_yaml

    parts = re.match(r"﻿?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)(.*)", source.text, re.DOTALL)
    if parts is None:
        report.problem(source.place(), f"{FILE} has no front matter", "begin it with ---, name:, description:, ---")
        return None
    head = Source(source.name, "\n" + parts[1], source.folder, source.path)  # so that lines count as in the file
    fields = read_yaml(head, report)
    if not isinstance(fields, Fields):
        if fields is not None:
            report.problem(
                fields.place, "the front matter must be a mapping", "write name: and description: between two lines ---"
            )
        return None
    texts = {key.text: value.text for key, value in fields if isinstance(value, Scalar) and value.value is not None}
    _check_head(fields, texts, source, report)
    if not {"name", "description"} <= set(texts):
        return None
    folder = str(source.folder) if source.folder is not None else None
    tools = tuple(texts.get("allowed-tools", "").replace(",", " ").split())
    return Skill(
        name=texts["name"], description=texts["description"], body=parts[2], folder=folder, allowed_tools=tools
    )


def _check_head(fields: Fields, texts: Mapping[str, str], source: Source, report: Report) -> None:
    for name in ("name", "description"):
        if not texts.get(name, "").strip():
            report.problem(fields.place, f"the skill has no {name}", f"add {name}: to its front matter")
    name = texts.get("name", "")
    if name and (_NAME.fullmatch(name) is None or len(name) > 64):
        report.problem(
            fields.values["name"].place,
            f"the name {name[:80]!r} must be small letters, digits and single hyphens, at most 64",
            "write it like code-review",
        )
    elif name and source.folder is not None and source.folder.name != name:
        report.note(fields.values["name"].place, f"the skill {name!r} is in a folder named {source.folder.name!r}")
    if len(texts.get("description", "")) > 1024:
        report.problem(
            fields.values["description"].place, "the description has more than 1,024 characters", "shorten it"
        )
    for key, _ in fields:
        if key.text not in _KNOWN:
            report.note(key.place, f"{key.text[:60]!r} is not part of the Agent Skills standard")


class SkillFinder:
    """Finds skills by name.

    Args:
        folders: Folders with a folder for each skill in them, the first wins.
    """

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = folders

    def find(self, name: str) -> Path | None:
        """Return the folder of a skill."""
        for folder in self._folders:
            if (folder / name / FILE).is_file():
                return folder / name
        return None

    def all(self) -> Iterator[tuple[str, Path]]:
        """Yield names and folders of all skills, those that are found by name."""
        seen: set[str] = set()
        for folder in self._folders:
            for path in _folders_in(folder):
                if path.name not in seen and (path / FILE).is_file():
                    seen.add(path.name)
                    yield path.name, path

    def suggest(self, name: str, others: Sequence[str]) -> str:
        """Return a clause that names the nearest skill."""
        return suggest(name, [*others, *(known for known, _ in self.all())])


def _folders_in(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())[:_MOST_FOLDERS]
    except OSError:  # a folder that is not there, or not ours to read, has no skills for us
        return []


def skill_folders(project: Path, home: Path) -> tuple[Path, ...]:
    """Return where skills are looked for: the project's folders, then the person's."""
    return (*(project / name for name in PROJECT_FOLDERS), *(home / name for name in HOME_FOLDERS))
