"""A ``multipart/form-data`` request that can be governed without being rewritten.

It is read as ``Body`` is: a field of text is a string, the parts keep their bytes,
and only a part that must change is written anew. What two readers could take for
different things (two parts of one name that governance reads, a name in an unusual
spelling, anything outside the parts) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from aexl.api.body import Body
from aexl.errors import Invalid

MOST_PARTS: Final = 256
"""Parts of one form; the endpoints that take forms know some twenty fields."""

LONGEST_TEXT: Final = 1 << 20
"""Bytes of one field that is no file."""

_LONGEST_HEAD: Final = 4096
_BOUNDARY: Final = re.compile(
    rb'(?i:boundary)=(?:"([0-9A-Za-z\'()+_,./:=? -]{1,70})"|([0-9A-Za-z\'+_.-]{1,70}))(?=;|$)'
)
_DISPOSITION: Final = re.compile(
    rb'form-data; ?name="([^"\\\x00-\x1f\x7f-\xff]{1,100})"'
    rb'(; ?filename="(?:[^"\\\x00-\x1f\x7f]|\\.)*")?(; ?filename\*=[^;"\x00-\x1f\x7f]+)?',
    re.IGNORECASE,
)


class Part(NamedTuple):
    """One part of a form; ``start`` and ``end`` are where its content stands in the data."""

    name: str
    is_file: bool
    start: int
    end: int


def is_form(content_type: bytes | None) -> bool:
    """Say whether a content type is that of a form."""
    return content_type is not None and content_type[:19].lower() == b"multipart/form-data"


class Form(Body):
    """A form, read as a ``Body``: its fields of text are strings, its files are ``files``.

    Args:
        data: The exact bytes of the request's body.
        content_type: The request's, with the boundary.

    Raises:
        Invalid: If ``data`` is no plain form; says what is wrong.
    """

    __slots__ = ("_mark", "files", "parts")

    def __init__(self, data: bytes, content_type: bytes) -> None:
        super().__init__(b"")
        self.data = data
        self._mark = b"--" + _read_boundary(content_type)
        self.parts = _split(data, self._mark)
        self.files = tuple(part.name for part in self.parts if part.is_file)
        fields: dict[str, list[str]] = {}
        for part in self.parts:
            if not part.is_file:
                fields.setdefault(part.name, []).append(_text(data, part))
        for name, values in fields.items():
            if len(values) > 1 and not name.endswith("[]"):
                raise Invalid(f"the form has {len(values)} fields {name!r}; send one")
            if name in self.files:
                raise Invalid(f"the form has {name!r} as a file and as a field; send one of them")
            self._raw[name] = msgspec.Raw(msgspec.json.encode(values if name.endswith("[]") else values[0]))

    def file(self, name: str) -> bytes | None:
        """Return the content of the first file of a field."""
        for part in self.parts:
            if part.is_file and part.name == name:
                return self.data[part.start : part.end]
        return None

    def as_json(self) -> bytes:
        """Return the fields of text as a JSON object."""
        return msgspec.json.encode({name: self.get(name) for name in self})

    def encode(self, changes: Mapping[str, object] | None = None) -> bytes:
        """Return the form as it is to be sent; see ``Body.encode``. A new value is written as text."""
        wanted = {name: value for name, value in (changes or {}).items() if self._differs(name, value)}
        if not wanted:
            return self.data
        pieces = []
        for part in self.parts:
            if part.name in wanted and not part.is_file:
                value = wanted.pop(part.name)
                if value is not None:
                    pieces.append(_field(self._mark, part.name, value))
            else:
                pieces.append(self._whole(part))
        pieces += [_field(self._mark, name, value) for name, value in wanted.items() if value is not None]
        return b"".join(pieces) + self._mark + b"--\r\n"

    def _differs(self, name: str, value: object) -> bool:
        return self.get(name) != value

    def _whole(self, part: Part) -> bytes:
        head = self.data.rfind(self._mark + b"\r\n", 0, part.start)
        return self.data[head : part.end + 2]


def _read_boundary(content_type: bytes) -> bytes:
    kind, _, parameters = content_type.partition(b";")
    found = _BOUNDARY.findall(parameters.strip())
    if kind.strip().lower() != b"multipart/form-data" or len(found) != 1:
        raise Invalid("the content-type must be multipart/form-data with one boundary")
    return bytes(found[0][0] or found[0][1])


def _split(data: bytes, mark: bytes) -> tuple[Part, ...]:
    """Return the parts of a form that has nothing outside them."""
    if not data.startswith(mark):
        raise Invalid("the form must begin with its boundary")
    parts: list[Part] = []
    at = len(mark)
    while data[at : at + 2] == b"\r\n":
        head_end = data.find(b"\r\n\r\n", at, at + _LONGEST_HEAD)
        if head_end < 0:
            raise Invalid("a part of the form has no end of its headers")
        start = head_end + 4
        end = data.find(b"\r\n" + mark, start)
        if end < 0:
            raise Invalid("the form does not end with its boundary")
        parts.append(Part(*_read_head(data[at + 2 : head_end]), start, end))
        if len(parts) > MOST_PARTS:
            raise Invalid(f"the form has more than {MOST_PARTS} parts")
        at = end + 2 + len(mark)
    if data[at:] not in (b"--\r\n", b"--"):
        raise Invalid("the form does not end with its boundary")
    if data.count(mark) != len(parts) + 1:  # another reader might take it for the end of a part
        raise Invalid("the form has its boundary within a part")
    return tuple(parts)


def _read_head(head: bytes) -> tuple[str, bool]:
    """Return a part's name, and whether it is a file."""
    found: re.Match[bytes] | None = None
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if not colon or b"\n" in line or b"\r" in line or name != name.strip():
            raise Invalid("a part of the form has a malformed header")
        kind = name.lower()
        if kind == b"content-disposition":
            if found is not None:
                raise Invalid("a part of the form has two content-dispositions")
            found = _DISPOSITION.fullmatch(value.strip())
            if found is None:
                raise Invalid('a part of the form must have a content-disposition such as form-data; name="model"')
        elif kind == b"content-transfer-encoding" and value.strip().lower() not in (b"binary", b"8bit", b"7bit"):
            raise Invalid("the parts of the form must not be encoded")
    if found is None:
        raise Invalid("a part of the form has no content-disposition")
    return found[1].decode(), found[2] is not None or found[3] is not None


def _text(data: bytes, part: Part) -> str:
    if part.end - part.start > LONGEST_TEXT:
        raise Invalid(f"the field {part.name!r} of the form is longer than {LONGEST_TEXT} bytes")
    try:
        return data[part.start : part.end].decode()
    except UnicodeDecodeError as error:
        raise Invalid(f"the field {part.name!r} of the form is not UTF-8") from error


def _field(mark: bytes, name: str, value: object) -> bytes:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return b'%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (mark, name.encode(), text.encode())
