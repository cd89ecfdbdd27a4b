"""Which names and paths a manifest may hold, and which of them are the same to some file system. Pure.

A manifest may be written by anybody and is materialised on any system, so a name
must mean one thing everywhere: no way out of the tree, no control folder in any
spelling that a file system takes for it, nothing that a terminal would act on.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

MAX_NAME: Final = 255
"""Bytes of one name; what common file systems hold."""

MAX_PATH: Final = 4096
"""Bytes of a whole path."""

MAX_DEPTH: Final = 128
"""Folders in one path, the file itself counted."""

_CONTROL_FOLDERS: Final = frozenset({".git", ".aexl"})
_SHORT: Final = re.compile(r"(?:git|aexl|gi[0-9a-f]{4}|ae[0-9a-f]{4})~[0-9]+", re.ASCII)
"""How NTFS abbreviates them: ``GIT~1``, and with a hash in it when that is taken."""

_PLAIN_NAME: Final = r"[A-Za-z0-9_\-+@=,()\[\]{}#%^!$&';][A-Za-z0-9_.\-+@=,()\[\]{}#%^!$&'; ]*"
_PLAIN: Final = re.compile(_PLAIN_NAME, re.ASCII)
"""Names that need no further look, except at the abbreviations, which have a tilde."""

_PLAIN_PATH: Final = re.compile(f"{_PLAIN_NAME}(?:/{_PLAIN_NAME})*", re.ASCII)


@lru_cache(maxsize=65536)
def explain_name(name: str) -> str | None:
    """Return why one name of a path cannot be kept, as the end of a sentence; ``None`` if it can.

    Args:
        name: A name without slashes, as the file system tells it (undecodable bytes as surrogates).
    """
    if _PLAIN.fullmatch(name) and len(name) <= MAX_NAME:
        return None
    if name in {"", ".", ".."}:
        return "has an empty name, . or .. in it"
    for character in name:
        reason = _explain_character(character)
        if reason is not None:
            return reason
    if unicodedata.normalize("NFC", name) != name:
        return "is not in Unicode's composed form (NFC); rename it"
    if len(name.encode()) > MAX_NAME:
        return f"has a name of more than {MAX_NAME} bytes"
    if _is_control(name):
        return "is a control folder's name (.git, .aexl), or a spelling that some file systems take for it"
    return None


def _explain_character(character: str) -> str | None:
    if character in "/\\:":
        return f"has a {character!r} in its name, which separates names on some systems"
    category = unicodedata.category(character)
    if category == "Cs":
        return "has a name that is not UTF-8"
    if category in {"Cc", "Zl", "Zp"}:
        return f"has the control character U+{ord(character):04X} in its name"
    return None


def _is_control(name: str) -> bool:
    """Compare as the most forgiving file systems do: case, invisible characters, trailing dots and spaces."""
    visible = "".join(c for c in name if unicodedata.category(c) != "Cf" and not 0xFE00 <= ord(c) <= 0xFE0F)
    folded = unicodedata.normalize("NFKC", visible).casefold().rstrip(". ")
    return folded in _CONTROL_FOLDERS or _SHORT.fullmatch(folded) is not None


def fold_name(name: str) -> str:
    """Return what two names or paths share that differ in case or normalisation only (Unicode D145)."""
    return name.lower() if name.isascii() else _fold(name)


@lru_cache(maxsize=65536)
def _fold(name: str) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def explain_path(path: str) -> str | None:
    """Return why a path cannot be kept, as the end of a sentence; ``None`` if it can."""
    if len(path) <= MAX_NAME and _PLAIN_PATH.fullmatch(path):
        return None  # neither are its names too long, nor can it be too deep
    names = path.split("/")
    if len(names) > MAX_DEPTH:
        return f"is more than {MAX_DEPTH} folders deep"
    if path.startswith("/"):
        return "begins with a slash; paths are relative to the tree"
    for name in names:
        reason = explain_name(name)
        if reason is not None:
            return reason
    if len(path) * 4 > MAX_PATH and len(path.encode()) > MAX_PATH:
        return f"is longer than {MAX_PATH} bytes"
    return None


def printable(path: str) -> str:
    """Return a path as a terminal can show it: control characters and undecodable bytes escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in path)
