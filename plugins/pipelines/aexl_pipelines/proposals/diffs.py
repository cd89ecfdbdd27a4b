"""Reading a unified diff of one file, and applying it. Pure.

Models write diffs whose line numbers and counts are wrong. So a hunk is found by its
lines: where it says, or else in the only place where they stand.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Final, Literal, NamedTuple

from aexl.errors import Invalid

MOST_HUNKS: Final = 200

_PLACE: Final = re.compile(r"@@(?: -([0-9]{1,9})(?:,[0-9]{1,9})? \+[0-9]{1,9}(?:,[0-9]{1,9})? @@.*|.*)")
_FORBIDDEN: Final = (
    "old mode ",
    "new mode ",
    "new file mode ",
    "deleted file mode ",
    "rename ",
    "copy ",
    "Binary files ",
    "GIT binary patch",
)
_NO_END: Final = "\\"


class Line(NamedTuple):
    """A line of a hunk; ``ends`` is false for the last line of a file without a line end."""

    mark: Literal[" ", "+", "-"]
    text: str
    ends: bool = True


class Hunk(NamedTuple):
    """A part of a diff; ``start`` is the line that it says, counted from 1."""

    number: int
    start: int | None
    lines: tuple[Line, ...]


def read_diff(patch: str, names: Sequence[str]) -> list[Hunk]:
    """Return the hunks of a diff.

    Args:
        names: What the one file that may be changed is called; a name in the diff may be the end of one of these.

    Raises:
        Invalid: If it touches another file, does more than change lines, or is no diff.
    """
    hunks: list[Hunk] = []
    lines = patch.replace("\r\n", "\n").split("\n")
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith(_FORBIDDEN):
            raise Invalid(f"the patch does more than change lines of the pipeline file: {line[:100]!r}")
        if _is_head(lines, at):
            _check_name(line[4:], "a", names)
            _check_name(lines[at + 1][4:], "b", names)
            at += 2
        elif line.startswith("@@"):
            at = _read_hunk(lines, at, hunks)
        else:
            if line.startswith("diff --git "):
                _check_git_line(line, names)
            at += 1
    if not hunks:
        raise Invalid("the patch has no hunks ('@@ ... @@' and the lines below it)")
    return hunks


def _is_head(lines: Sequence[str], at: int) -> bool:
    return lines[at].startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ ")


def _check_git_line(line: str, names: Sequence[str]) -> None:
    for side in line.removeprefix("diff --git ").split(" "):
        _check_name(side, side[:1], names)


def _check_name(given: str, side: str, names: Sequence[str]) -> None:
    """Refuse a file that is not the one."""
    name = given.partition("\t")[0].strip().strip('"')
    for candidate in (name, name.removeprefix(f"{side}/")):
        parts = PurePosixPath(candidate).parts
        if parts and any(PurePosixPath(each).parts[-len(parts) :] == parts for each in names):
            return
    raise Invalid(f"the patch touches {name[:200]!r}; it may change nothing but {names[0]}")


def _read_hunk(lines: Sequence[str], at: int, hunks: list[Hunk]) -> int:
    """Read a hunk; return where the next thing stands."""
    if len(hunks) >= MOST_HUNKS:
        raise Invalid(f"the patch has more than {MOST_HUNKS} hunks")
    found = _PLACE.fullmatch(lines[at])
    start = int(found[1]) if found is not None and found[1] is not None else None
    body: list[Line] = []
    lost = 0
    at += 1
    while at < len(lines):
        line = lines[at]
        if line.startswith(("@@", "diff --git ")) or (_is_head(lines, at) and _begins_file(lines, at)):
            break
        if line.startswith(_NO_END):
            if body:
                body[-1] = body[-1]._replace(ends=False)
        elif line[:1] in {" ", "+", "-"}:
            body.append(Line(_mark(line), line[1:]))
            lost = 0
        elif not line:
            body.append(Line(" ", ""))  # a blank line whose space was lost on the way
            lost += 1
        else:
            break
        at += 1
    del body[len(body) - lost :]  # at the end it is rather none of the file's
    number = len(hunks) + 1
    if not any(line.mark != " " for line in body):
        raise Invalid(f"hunk {number} of the patch changes nothing")
    hunks.append(Hunk(number, start, tuple(body)))
    return at


def _begins_file(lines: Sequence[str], at: int) -> bool:
    """Tell a file's head from a removed line ``-- …`` followed by an added line ``++ …``."""
    return at + 2 < len(lines) and lines[at + 2].startswith("@@")


def _mark(line: str) -> Literal[" ", "+", "-"]:
    return "+" if line[0] == "+" else "-" if line[0] == "-" else " "


def apply_hunks(text: str, hunks: Sequence[Hunk]) -> str:
    """Return a text with the hunks applied, in their order; lines that they do not touch stay as they are.

    Raises:
        Invalid: If a hunk fits nowhere, or in several places and not where it says.
    """
    raw = _split(text)
    keys = [line.rstrip("\r\n") for line in raw]
    end = "\r\n" if raw and raw[0].endswith("\r\n") else "\n"
    made: list[str] = []
    done = shift = 0
    for hunk in hunks:
        at = _place(keys, hunk, done, shift)
        if hunk.start is not None:
            shift = at - _expected(hunk)
        made += raw[done:at]
        done = at
        for line in hunk.lines:
            if line.mark == "+":
                made.append(line.text + (end if line.ends else ""))
            else:
                if line.mark == " ":
                    made.append(raw[done])
                done += 1
    made += raw[done:]
    return "".join(line if line.endswith("\n") or n == len(made) - 1 else line + end for n, line in enumerate(made))


def _split(text: str) -> list[str]:
    lines = text.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _expected(hunk: Hunk) -> int:
    assert hunk.start is not None
    adds_only = all(line.mark == "+" for line in hunk.lines)
    return max(0, hunk.start if adds_only else hunk.start - 1)


def _place(keys: Sequence[str], hunk: Hunk, first: int, shift: int) -> int:
    wanted = [line.text for line in hunk.lines if line.mark != "+"]
    expected = None if hunk.start is None else _expected(hunk) + shift
    if not wanted:
        if expected is None or not first <= expected <= len(keys):
            raise Invalid(f"hunk {hunk.number} of the patch only adds lines, and does not say where; give it context")
        return expected
    for strip in (False, True):
        found = list(_find(keys, wanted, first, strip=strip))
        if expected in found:
            assert expected is not None
            return expected
        if len(found) == 1:
            return found[0]
        if found:
            raise Invalid(
                f"hunk {hunk.number} of the patch fits in {len(found)} places, the first in line {found[0] + 1}; "
                "give it more context"
            )
    raise Invalid(
        f"hunk {hunk.number} of the patch fits nowhere: the file has no lines {_show(wanted)}; "
        "make the patch from the file as it is now"
    )


def _find(keys: Sequence[str], wanted: Sequence[str], first: int, *, strip: bool) -> Iterator[int]:
    """Yield where lines stand; with ``strip``, spaces at their ends make no difference."""
    have = [key.rstrip() for key in keys] if strip else keys
    want = [line.rstrip() for line in wanted] if strip else list(wanted)
    for at in range(first, len(have) - len(want) + 1):
        if have[at] == want[0] and have[at : at + len(want)] == want:
            yield at


def _show(lines: Sequence[str]) -> str:
    shown = " / ".join(repr(line[:60]) for line in lines[:3])
    return shown + (" / ..." if len(lines) > 3 else "")


def make_diff(name: str, old: str, new: str) -> str:
    """Return a unified diff of two texts."""
    lines = difflib.unified_diff(_split(old), _split(new), f"a/{name}", f"b/{name}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
