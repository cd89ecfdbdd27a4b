"""Reading values that several dialects write alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, cast, get_args

from aexl_translation.fields.rules import Check
from aexl_translation.pivot import Citation, Effort, Format
from aexl_translation.refusals import Untranslatable, as_flag, as_object, as_text, show, wrong

EFFORTS: Final = get_args(Effort)
_MODES: Final = ("auto", "none", "required")


def read_effort(value: object, param: str) -> Effort:
    """Return an effort of thinking."""
    if value in EFFORTS:
        return cast("Effort", value)
    raise wrong(value, f"one of {', '.join(EFFORTS)}", param)


def read_mode(value: object, param: str) -> Literal["auto", "none", "required"]:
    """Return a mode of tool choice."""
    if value in _MODES:
        return value
    raise wrong(value, "auto, none or required", param)


def unknown_type(kind: object, where: str, reasons: Mapping[str, str]) -> Untranslatable:
    """Return the refusal of a type of part, item or tool, with its reason where there is one."""
    reason = reasons.get(kind) if isinstance(kind, str) else None
    why = reason or "no other dialect has such a thing"
    return Untranslatable(
        f"{where}type is {show(kind)}, which cannot be translated: {why}; remove it, "
        f"or use a model whose provider speaks this dialect itself",
        f"{where}type",
    )


def read_breakpoint(part: Mapping[str, object], check: Check, where: str) -> str:
    """Return how long the prompt up to a part may be cached, if the part says so."""
    mark = part.get("prompt_cache_breakpoint")
    if mark is None:
        return ""
    found = as_object(mark, f"{where}prompt_cache_breakpoint")
    check("breakpoint", found, f"{where}prompt_cache_breakpoint.")
    return as_text(found.get("ttl"), f"{where}prompt_cache_breakpoint.ttl") or "5m"


def read_citation(page: Mapping[str, object]) -> Citation | None:
    """Return the web page that an annotation names; ``None`` if it names none."""
    url, title, start, end = (page.get(name) for name in ("url", "title", "start_index", "end_index"))
    if not isinstance(url, str):
        return None
    return Citation(
        url,
        title if isinstance(title, str) else "",
        start if isinstance(start, int) else 0,
        end if isinstance(end, int) else 0,
    )


def read_schema(form: Mapping[str, object], where: str) -> Format:
    """Return the format that a schema with its name and strictness demands."""
    return Format(
        "schema",
        as_text(form.get("name"), f"{where}.name"),
        as_text(form.get("description"), f"{where}.description"),
        form.get("schema"),
        as_flag(form.get("strict"), f"{where}.strict"),
    )
