"""What an agent proposes: the patch or the whole file in its answer. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

import msgspec

from aexl.errors import Invalid

LONGEST: Final = 4 * 1024 * 1024
"""Characters of an answer."""

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*([^\s`]*)[^`\n]*")
_PATCH: Final = re.compile(r"^(diff --git |--- \S|@@ )", re.MULTILINE)
_FILE: Final = re.compile(r"^(pipeline|FROM)\s*:", re.MULTILINE)
_PATCH_WORDS: Final = {"diff", "patch", "udiff"}
_FILE_WORDS: Final = {"yaml", "yml"}

_HOW: Final = "answer with one unified diff of the pipeline file, or with the whole new file, in a fenced block"


class Answer(NamedTuple):
    """A patch of the pipeline file, or the whole file."""

    kind: Literal["patch", "file"]
    text: str


class _Block(NamedTuple):
    label: str
    text: str


def read_answer(answer: str) -> Answer:
    """Return what an answer proposes.

    It may be in fenced blocks among other text, a JSON object with ``patch`` or ``file``, or nothing else at all.
    Several patches are one.

    Raises:
        Invalid: If there is nothing, or it is not clear what.
    """
    if len(answer) > LONGEST:
        raise Invalid(f"the answer has {len(answer)} characters; a proposed change may have {LONGEST}")
    found = _from_json(answer)
    if found is not None:
        return found
    blocks = list(_blocks(answer)) or [_Block("", answer)]
    patches = [block.text for block in blocks if _is_patch(block)]
    files = [block.text for block in blocks if _is_file(block)]
    if patches and files:
        raise Invalid(f"the answer holds both a patch and a whole file; {_HOW}")
    if len(files) > 1:
        raise Invalid(f"the answer holds {len(files)} whole files; {_HOW}")
    if files:
        return Answer("file", files[0])
    if patches:
        return Answer("patch", "".join(text if text.endswith("\n") else f"{text}\n" for text in patches))
    raise Invalid(f"the answer proposes no change of the pipeline file; {_HOW}")


def _from_json(answer: str) -> Answer | None:
    try:
        given = msgspec.json.decode(answer, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    match given:
        case {"patch": str(text)}:
            return Answer("patch", text)
        case {"file": str(text)}:
            return Answer("file", text)
        case _:
            return None


def _blocks(answer: str) -> Iterator[_Block]:
    """Yield the fenced blocks; a fence is closed by one that is as long, so that a longer one may hold others."""
    fence = label = ""
    lines: list[str] = []
    for line in answer.split("\n"):
        found = _FENCE.fullmatch(line.rstrip("\r"))
        if not fence:
            if found is not None:
                fence, label, lines = found[1], found[2].lower(), []
        elif found is not None and not found[2] and found[1].startswith(fence):
            yield _Block(label, "".join(f"{each}\n" for each in lines))
            fence = ""
        else:
            lines.append(line)
    if fence:  # an answer that was cut, or forgot to close it: what it proposes is judged like any other
        yield _Block(label, "".join(f"{each}\n" for each in lines))


def _is_patch(block: _Block) -> bool:
    return block.label in _PATCH_WORDS or (block.label not in _FILE_WORDS and _PATCH.search(block.text) is not None)


def _is_file(block: _Block) -> bool:
    return not _is_patch(block) and block.label in {*_FILE_WORDS, ""} and _FILE.search(block.text) is not None
