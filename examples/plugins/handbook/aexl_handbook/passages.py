"""The notes, cut into passages, and the passage that answers a question best."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from aexl_handbook._trigrams import similarity
from aexl_handbook.synonyms import Synonyms

KINDS: Final = frozenset({".md", ".txt"})
MOST_BYTES: Final = 4 * 1024 * 1024
"""A folder with more text than this is refused: a question reads all of it."""


class Passage(msgspec.Struct, frozen=True):
    """A paragraph, the file it stands in, and the heading above it."""

    file: str
    heading: str
    text: str


def read_passages(folder: Path) -> list[Passage]:
    """Return the passages of every note below a folder, in the order of their paths.

    Raises:
        OSError: If the folder or a note cannot be read, or there is more than ``MOST_BYTES``.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    notes = sorted(path for path in folder.rglob("*") if path.suffix in KINDS and path.is_file())
    size = sum(path.stat().st_size for path in notes)
    if size > MOST_BYTES:
        raise OSError(f"{folder} has {size} bytes of notes; {MOST_BYTES} are the most")
    return [
        passage
        for path in notes
        for passage in _cut(path.relative_to(folder).as_posix(), path.read_text("utf-8", "replace"))
    ]


def _cut(file: str, text: str) -> Iterator[Passage]:
    heading = ""
    for block in text.split("\n\n"):
        lines = block.strip().splitlines()
        while lines and lines[0].startswith("#"):
            heading = lines.pop(0).lstrip("# ")
        if lines:
            yield Passage(file, heading, "\n".join(lines))


def find_best(question: str, passages: Iterable[Passage], synonyms: Synonyms, least: float) -> Passage | None:
    """Return the passage most like the question, or ``None`` if none is alike by ``least`` (0.0 to 1.0)."""
    asked = synonyms.fold(question)
    best, found = least, None
    for passage in passages:
        alike = similarity(asked, synonyms.fold(f"{passage.heading} {passage.text}"))
        if alike >= best:
            best, found = alike, passage
    return found
