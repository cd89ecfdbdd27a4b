"""A text in the person's own editor."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from aexl.errors import Invalid, NotFound


def find_editor(environ: Mapping[str, str]) -> list[str]:
    """Return the words that start the editor: ``VISUAL``, ``EDITOR``, or ``vi``.

    Raises:
        NotFound: If it is not installed.
    """
    words = shlex.split(environ.get("VISUAL") or environ.get("EDITOR") or "vi")
    if not words or shutil.which(words[0], path=environ.get("PATH")) is None:
        raise NotFound(f"there is no editor {' '.join(words)!r}; set EDITOR, or use --text or --file")
    return words


@contextmanager
def text_file(text: str, suffix: str = ".md") -> Iterator[Path]:
    """Lend a file of this user's own that has a text; it is gone afterwards."""
    descriptor, name = tempfile.mkstemp(prefix="aexl-gate-", suffix=suffix)
    path = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        yield path
    finally:
        path.unlink(missing_ok=True)


def read_edited(path: Path, editor: Sequence[str], status: int) -> str:
    """Return what an editor has left.

    Raises:
        Invalid: If it failed, or left no text.
    """
    if status != 0:
        raise Invalid(f"the editor {' '.join(editor)!r} ended with {status}; nothing was decided")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"what the editor left cannot be read: {error}") from error
