"""A whole new file from a model has lost the old one's comments: put them back where their lines still are. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aexl_pipelines.language.problems import Report
from aexl_pipelines.language.reading import read_yaml
from aexl_pipelines.language.source import Source, as_json

MOST_LINES: Final = 5000
"""Of a file whose comments are looked for: to compare takes the square of it at worst."""

_HEADER: Final = re.compile(r"[|>][-+0-9]*")
_COMMENT: Final = re.compile(r"(?:^|[ \t]+)#.*$")


@dataclass(slots=True)
class _Line:
    """A line that is more than a comment, with the comments above it and behind it."""

    code: str
    behind: str = ""
    above: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Text:
    lines: list[_Line] = field(default_factory=list)
    end: list[str] = field(default_factory=list)

    def comments(self) -> set[str]:
        return {each.strip() for line in self.lines for each in line.above} | {each.strip() for each in self.end}

    def write(self) -> str:
        found = [part for line in self.lines for part in (*line.above, line.code + line.behind)] + self.end
        return "\n".join(found)


def keep_comments(old: str, new: str) -> str:
    """Return ``new`` with the comments of ``old`` that it has lost and whose lines it still has; it means the same."""
    if "#" not in old or max(old.count("\n"), new.count("\n")) > MOST_LINES:
        return new
    before, after = _read(old), _read(new)
    if before is None or after is None:
        return new
    _carry_over(before, after)
    made = after.write()
    return made if _meaning(made) == _meaning(new) else new


def _meaning(text: str) -> object:
    report = Report()
    tree = read_yaml(Source("proposal", text), report)
    return None if tree is None or report.problems else as_json(tree)


def _carry_over(before: _Text, after: _Text) -> None:
    known = after.comments()
    codes = [line.code.strip() for line in before.lines], [line.code.strip() for line in after.lines]
    for what, i, iend, j, jend in difflib.SequenceMatcher(None, *codes).get_opcodes():
        if what == "equal" or (what == "replace" and iend - i == jend - j):
            for old, new in zip(before.lines[i:iend], after.lines[j:jend], strict=True):
                if what == "equal" or _key(old) == _key(new):
                    new.behind = new.behind or old.behind
                _put_above(new, old.above, known)
        elif what == "replace":
            _put_above(after.lines[j], [each for old in before.lines[i:iend] for each in old.above], known)
    lost = [each for each in before.end if each.strip() and each.strip() not in known]
    while lost and after.end and not after.end[-1]:
        after.end.pop()
    after.end += [*lost, ""] if lost else []


def _key(line: _Line) -> str:
    return line.code.strip().partition(":")[0]


def _put_above(line: _Line, comments: Sequence[str], known: set[str]) -> None:
    lost = [each for each in comments if each.strip() and each.strip() not in known]
    indent = line.code[: len(line.code) - len(line.code.lstrip())]
    line.above += [indent + each.strip() for each in lost]


def _read(text: str) -> _Text | None:
    """Return a text's lines with their comments; ``None`` for what is not YAML."""
    rows = text.split("\n")
    scanned = _scan(text)
    if scanned is None:
        return None
    inside, ends = scanned
    found = _Text()
    above: list[str] = []
    for number, row in enumerate(rows):
        if number in inside:
            found.lines.append(_Line(row, above=above))
            above = []
            continue
        comment = _COMMENT.search(row, ends.get(number, 0)) if number in ends else _COMMENT.match(row)
        if number not in ends:
            above.append(row)
        else:
            cut = comment.start() if comment is not None else len(row)
            found.lines.append(_Line(row[:cut], row[cut:], above))
            above = []
    found.end = above
    return found


def _scan(text: str) -> tuple[set[int], dict[int, int]] | None:
    """Return the lines that are within a text of several lines, and the column where each other line's last token ends."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    inside: set[int] = set()
    ends: dict[int, int] = {}
    try:
        tokens: list[Any] = list(YAML(typ="safe", pure=True).scan(text))
    except (YAMLError, ValueError, AttributeError, IndexError, TypeError, AssertionError, RecursionError):
        return None  # what is not YAML at all makes the library stumble in these ways
    rows = text.split("\n")
    for token in tokens:
        start, end = token.start_mark, token.end_mark
        if type(token).__name__ in {"BlockEndToken", "StreamEndToken", "StreamStartToken", "BlockMappingStartToken"}:
            continue
        if (start.line, start.column) == (end.line, end.column):
            continue
        last = end.line - 1 if end.column == 0 and end.line > start.line else end.line
        inside.update(range(start.line + 1, last + 1))
        if last > start.line:
            header = _HEADER.match(rows[start.line], start.column)
            ends[start.line] = header.end() if header else len(rows[start.line])
        else:
            ends[last] = max(ends.get(last, 0), end.column)
    return inside, ends
