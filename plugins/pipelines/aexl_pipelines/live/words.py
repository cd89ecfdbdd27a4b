"""How people read numbers, names and what agents say. Pure."""

from __future__ import annotations

import re
from typing import Final

from aexl_pipelines.journal.records import RunStatus, StepStatus
from aexl_pipelines.language.answers import whole_text

_ESCAPES: Final = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # colours and movements
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links and other strings
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]"  # the rest of what steers a terminal; not the tab and the line feed
    r"|[\u202a-\u202e\u2066-\u2069]"  # what turns the order of letters around
)

MARKS: Final[dict[StepStatus, tuple[str, str, str]]] = {
    "completed": ("✓", "ok", "green"),
    "skipped": ("-", "--", "dim"),
    "failed": ("✗", "FAILED", "red"),
    "timeout": ("✗", "TIMEOUT", "red"),
    "cancelled": ("✗", "CANCELLED", "red"),
    "rejected": ("✗", "REJECTED", "red"),
}
"""A sign, the same without signs, and a colour."""

RUN_WORDS: Final[dict[RunStatus, str]] = {
    "completed": "completed",
    "failed": "failed",
    "aborted": "aborted, as the pipeline says",
    "rejected": "rejected at a gate",
    "timeout": "out of time",
    "denied": "stopped by a budget or a policy",
    "cancelled": "cancelled",
}


def clean(text: str) -> str:
    """Return a text without anything that steers a terminal: what agents say is shown, and never obeyed."""
    return whole_text(_ESCAPES.sub("", text.replace("\r\n", "\n")).expandtabs(4))


def without_signs(text: str) -> str:
    """Return a text of ours for a terminal that may have no more than ASCII."""
    return text.replace("…", "...").replace("·", "-")


def first_line(text: str, most: int = 200) -> str:
    """Return the first line that says something, cut."""
    line = next((each.strip() for each in clean(text).split("\n") if each.strip()), "")
    return line if len(line) <= most else f"{line[: most - 1]}…"


def duration(seconds: float) -> str:
    """Return a time as people say it: ``0.4 s``, ``12 s``, ``3:05``, ``1:02:03``."""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def dollars(nanos: int | None) -> str:
    """Return money at a glance: USD with four decimals, and no amount that is none; exact ones are in the ledger."""
    if nanos is None:
        return ""
    if 0 < nanos < 50_000:
        return "<0.0001"
    tenths = (nanos + 50_000) // 100_000
    return f"{tenths // 10_000}.{tenths % 10_000:04}"


def files(count: int) -> str:
    """Return how many files, in words; nothing for none."""
    return "" if not count else "1 file" if count == 1 else f"{count} files"


def place(address: str) -> str:
    """Return a step's address as people read it: ``loop, turn 2 > fix``."""
    parts = []
    for part in address.split("::"):
        name, mark, turn = part.partition("#")
        parts.append(f"{name} {turn}" if mark else name)
    return " > ".join(parts)
