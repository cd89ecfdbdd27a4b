"""Pictures, documents and recordings: addresses that hold their bytes, and what a dialect without them gets instead."""

from __future__ import annotations

from typing import Final, Literal

from aexl_translation.pivot import Media, Part, Text
from aexl_translation.refusals import Untranslatable

SEPARATOR: Final = "\n\n"
"""Between texts that one dialect keeps apart and another joins; shorter than what kept them apart."""


def from_address(url: str, kind: Literal["image", "file", "audio"], *, name: str = "", detail: str = "") -> Media:
    """Return what an address leads to; a ``data:`` address holds its bytes."""
    if not url.startswith("data:"):
        return Media(kind, url=url, name=name, detail=detail)
    head, comma, data = url[5:].partition(",")
    if not comma or not head.endswith(";base64"):
        raise Untranslatable("a data: address must hold base64, as in data:image/png;base64,…", "url")
    return Media(kind, media_type=head[:-7].split(";")[0], data=data, name=name, detail=detail)


def address(media: Media) -> str:
    """Return an address that leads to it, or that holds it."""
    return media.url or f"data:{media.media_type or 'application/octet-stream'};base64,{media.data}"


def document_text(media: Media) -> str:
    """Return the words of a document that is plain text, its title before them."""
    return f"{media.name}\n{media.text}" if media.name else media.text


def joined(parts: list[Part] | list[Text] | list[Text | Media]) -> str:
    """Return the words of several parts as one text."""
    return SEPARATOR.join(text for part in parts if (text := words(part)))


def words(part: object) -> str:
    """Return the words of a part: of a text, or of a document that is plain text."""
    if isinstance(part, Text):
        return part.text
    if isinstance(part, Media):
        return document_text(part) if part.text else ""
    return ""


def unsayable(media: Media, dialect: str) -> Untranslatable:
    """Return the refusal of something that a dialect has no form for."""
    form = "an address" if media.url else media.media_type or "bytes"
    return Untranslatable(
        f"a part of the conversation ({media.kind}, given as {form}) cannot be translated: "
        f"the provider speaks {dialect}, which takes no such thing",
        "messages",
    )
