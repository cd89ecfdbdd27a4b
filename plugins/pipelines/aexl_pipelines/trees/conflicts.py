"""A merge in conflict as a text that a person can answer, and the answers.

The text has a part for each file, under a line ``=== PATH``. What stands below it is
what the file will hold; ``=== PATH: ours`` or ``=== PATH: theirs`` takes one side instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from aexl.api import MergedSnapshot, Snapshots
from aexl.errors import Invalid
from aexl_pipelines.execution.ports import Question
from aexl_pipelines.journal.records import Verdict

Side = Literal["ours", "theirs"]
SIDES: Final[tuple[Side, ...]] = ("ours", "theirs")

Choices = Mapping[str, Side | bytes]
"""Which side counts for a path in conflict, or what its file holds."""

LARGEST_SHOWN: Final = 64 * 1024
"""Bytes of a file; of a larger one, one side is chosen."""
MOST_SHOWN: Final = 50
"""Files whose text is shown."""

_HEAD: Final = "=== "
_MARKERS: Final = ("<<<<<<< ours", ">>>>>>> theirs")
_EXPLANATION: Final = """\
# 'ours' is what is in the project's files, 'theirs' is the branch that joins. Write 'ours' or 'theirs' alone to take
# one side of every file. Or, below, behind a name: '=== NAME: theirs'. Or edit the text between the markers.
"""


async def ask(snapshots: Snapshots, merged: MergedSnapshot) -> Question:
    """Return the question that the conflicts of a merge put."""
    paths = [conflict.path for conflict in merged.conflicts]
    parts = [_EXPLANATION]
    for number, conflict in enumerate(merged.conflicts):
        data = await _read(snapshots, merged, conflict.path) if number < MOST_SHOWN else None
        if data is None:
            parts.append(f"{_HEAD}{conflict.path}: ours\n")
        else:
            parts.append(f"{_HEAD}{conflict.path}\n{data}{'' if data.endswith(chr(10)) or not data else chr(10)}")
    shown = ", ".join(paths[:10]) + (f" and {len(paths) - 10} more" if len(paths) > 10 else "")
    text = (
        f"A branch and the project's files changed the same {'file' if len(paths) == 1 else 'files'}: {shown}. "
        "Approve keeps the project's side of what is in conflict, edit chooses or writes it, reject takes nothing of the "
        "branch. Ignored files and .git are outside of both."
    )
    reasons = {conflict.path: conflict.reason for conflict in merged.conflicts}
    return Question(text=text, content="".join(parts), detail={"paths": paths, "reasons": reasons})


async def _read(snapshots: Snapshots, merged: MergedSnapshot, path: str) -> str | None:
    """Return the text of a file in which both sides stand between markers."""
    try:
        data = await snapshots.read(merged.snapshot, path, LARGEST_SHOWN)
        return None if data is None or b"\0" in data else data.decode()
    except (Invalid, UnicodeDecodeError):  # too large, or no text that could be given back as it was
        return None


def read_choices(verdict: Verdict, paths: Sequence[str]) -> Choices:
    """Return what an answer says of each path in conflict.

    Raises:
        Invalid: If the answer is a rejection, or an edit that leaves something open.
    """
    match verdict.choice:
        case "approve":
            return dict.fromkeys(paths, "ours")
        case "reject":
            raise Invalid("a rejected merge is not written")
        case "edit":
            return _read_edit(verdict.text or "", paths)


def _read_edit(text: str, paths: Sequence[str]) -> Choices:
    for side in SIDES:
        if text.strip() == side:
            return dict.fromkeys(paths, side)
    heads = {f"{_HEAD}{path}": path for path in paths}
    choices = _read_parts(text, heads) if any(_split(line)[0] in heads for line in _lines(text)) else _read_list(text)
    unknown = [path for path in choices if path not in paths]
    missing = [path for path in paths if path not in choices]
    if unknown:
        raise Invalid(f"{unknown[0]!r} is no file in conflict; they are {', '.join(paths[:10])}")
    if missing:
        raise Invalid(f"the answer says nothing of {', '.join(missing[:10])}; write 'ours' or 'theirs' for each file")
    return choices


def _lines(text: str) -> list[str]:
    return text.split("\n")


def _split(line: str) -> tuple[str, Side | None]:
    """Return a line without the side at its end, and that side."""
    for side in SIDES:
        if line.rstrip().endswith(f": {side}"):
            return line.rstrip().removesuffix(f": {side}"), side
    return line.rstrip("\r"), None


def _read_list(text: str) -> dict[str, Side | bytes]:
    """Read lines of ``PATH: side``."""
    choices: dict[str, Side | bytes] = {}
    for line in _lines(text):
        if not line.strip() or line.startswith("#"):
            continue
        path, side = _split(line.strip().removeprefix(_HEAD))
        if side is None:
            raise Invalid(f"{line[:100]!r} is not understood; write 'ours', 'theirs', or lines such as 'NAME: theirs'")
        choices[path] = side
    return choices


def _read_parts(text: str, heads: Mapping[str, str]) -> dict[str, Side | bytes]:
    choices: dict[str, Side | bytes] = {}
    path: str | None = None
    body: list[str] = []

    def finish() -> None:
        if path is not None and path not in choices:
            choices[path] = _contents(path, body)

    for line in _lines(text):
        head, side = _split(line)
        if head not in heads:
            body.append(line)
            continue
        finish()
        path, body = heads[head], []
        if path in choices:
            raise Invalid(f"{path} stands there twice; keep one part of each file")
        if side is not None:
            choices[path] = side
    finish()
    return choices


def _contents(path: str, lines: Sequence[str]) -> bytes:
    for line in lines:
        if line.startswith(_MARKERS):
            raise Invalid(
                f"{path} still has the marker {line[:20]!r}; edit what is between the markers, and remove them"
            )
    text = "\n".join(lines)
    return (text if text.endswith("\n") or not text else f"{text}\n").encode()
