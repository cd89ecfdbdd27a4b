"""The language, written down from its own tables: for people, and shorter for models. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import get_args

from aexl_pipelines.language.builtin_skills import BUILT_IN
from aexl_pipelines.language.chapters import CHAPTERS
from aexl_pipelines.language.discovery import DEFAULT_NAMES
from aexl_pipelines.language.expressions.tree import Named
from aexl_pipelines.language.model import StepAction
from aexl_pipelines.language.records import Key, Record
from aexl_pipelines.language.schema import pipeline_schema
from aexl_pipelines.language.skills import HOME_FOLDERS, PROJECT_FOLDERS
from aexl_pipelines.language.variables import VARIABLES
from aexl_pipelines.language.vocabulary.files import RECORDS


def specification(part: str = "prose") -> str:
    """Return a part of the description: ``prose`` (Markdown), ``compact``, ``core``, ``runner`` or ``schema``.

    ail's section names (``s05``, ``r02``) are taken: they give the whole, or for ``r`` the part on runners.
    """
    match part:
        case "schema":
            return json.dumps(pipeline_schema(), indent=2, ensure_ascii=False) + "\n"
        case "compact":
            return _compact(core=False)
        case "core":
            return _compact(core=True)
        case "runner":
            return f"# Runners\n\n{CHAPTERS['Runners']}\n"
        case _ if part.startswith("r") and part[1:].isdigit():
            return specification("runner")
        case _:
            return _prose()


def sections() -> list[str]:
    """Return the titles of the description's sections."""
    return [*CHAPTERS, *(record.title for record in RECORDS), "Names"]


def section(title: str) -> str | None:
    """Return one section by its title."""
    for name, text in CHAPTERS.items():
        if name.lower() == title.lower():
            return f"## {name}\n\n{_filled(text)}\n"
    for record in RECORDS:
        if record.title.lower() == title.lower():
            return "\n".join(table_of(record)) + "\n"
    return "\n".join(_names()) + "\n" if title.lower() == "names" else None


def _prose() -> str:
    lines = ["# Pipelines", ""]
    lines += [CHAPTERS["Pipelines"], ""]
    for title, text in CHAPTERS.items():
        if title not in {"Pipelines", "In short"}:
            lines += [f"## {title}", "", _filled(text), ""]
    lines += [*_names(), "", "## All keys", ""]
    lines += ["Keys marked *aexl* are additions to ail's language.", ""]
    for record in RECORDS:
        lines += [*table_of(record), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _filled(text: str) -> str:
    """Put the lists that the code has into a chapter."""
    lists = {
        "discovery": ", ".join(f"`{name}`" for name in DEFAULT_NAMES),
        "project_skills": ", ".join(f"`{name}`" for name in PROJECT_FOLDERS),
        "home_skills": ", ".join(f"`~/{name}`" for name in HOME_FOLDERS),
        "skills": "\n".join(f"- `{name}`: {skill.description}" for name, skill in BUILT_IN.items()),
        "named": ", ".join(f"`{name}`" for name in get_args(Named)),
        "actions": ", ".join(f"`{name}`" for name in get_args(StepAction)),
    }
    return re.sub(r"\{\[(\w+)\]\}", lambda found: lists[found[1]], text)


def _names() -> Iterator[str]:
    yield "## Names"
    yield ""
    yield "What `{{ … }}` and expressions may name. Upper case stands for your own words."
    yield ""
    yield "| name | value |"
    yield "|---|---|"
    for name, text in VARIABLES.items():
        yield f"| `{name}` | {text} |"


def table_of(record: Record, *, marked: bool = True) -> Iterator[str]:
    """Yield the lines of a table's part of the description."""
    yield f"### {record.title}"
    yield ""
    if record.text:
        yield record.text
        yield ""
    yield "| key | value | meaning |"
    yield "|---|---|---|"
    for key in record.keys:
        yield f"| `{key.name}`{' *aexl*' if marked and key.of == 'aexl' else ''} | {_words(key)} | {key.text.replace('|', '&#124;')} |"
    if record.open:
        names = ", ".join(f"`{name}*`" if name.endswith("-") else f"`{name}`" for name in record.open)
        yield f"| {names} | anything | Kept as it is. |"


def _words(key: Key) -> str:
    words = key.value.words.replace("|", "&#124;")
    return f"{words}; required" if key.required else words


def _compact(*, core: bool) -> str:
    """Write for a model: every key in a line, no tables; ``core`` leaves out what few files need."""
    lines = [CHAPTERS["In short"], ""]
    for record in RECORDS:
        keys = [key for key in record.keys if not core or key.of == "ail"]
        lines.append(f"{record.title}: {record.text}".rstrip(": "))
        lines += [f"  {key.name}: {key.value.words}. {key.text}" for key in keys]
        lines.append("")
    lines.append("names in {{ }} and in if:")
    lines += [f"  {name}: {text}" for name, text in VARIABLES.items()]
    return "\n".join(lines) + "\n"
