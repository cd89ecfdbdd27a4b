"""A JSON request body that can be governed without being rewritten.

The top level is decoded into raw values, so that what goes upstream keeps every
value byte for byte, a duplicated key gone. What policy reads deeper is encoded
again from what was read: nothing can mean one thing to us and another to the
provider.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from aexl.errors import Invalid

_DECODER: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ENCODER: Final = msgspec.json.Encoder()
_NESTED: Final = (dict, list)


class Body:
    """One JSON object, read lazily.

    Not to be changed after it was made; ``encode`` makes new bytes.

    Args:
        data: The exact bytes of the request's body.

    Raises:
        Invalid: If ``data`` is not one strict JSON object in UTF-8: NaN, trailing
            data, unpaired surrogates and the like are errors.
    """

    __slots__ = ("_inner", "_raw", "_read", "data")

    files: tuple[str, ...] = ()
    """Names of the fields that hold a file; only a form has any."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._read: dict[str, object] = {}
        self._inner: dict[str, Body] | None = None
        if not data:
            self._raw: dict[str, msgspec.Raw] = {}
            return
        try:
            data.decode()
            self._raw = _DECODER.decode(data)
        except UnicodeDecodeError as error:
            raise Invalid(f"the body is not UTF-8: byte {error.start} is 0x{data[error.start]:02x}") from error
        except msgspec.ValidationError as error:
            raise Invalid("the body must be a JSON object") from error
        except msgspec.DecodeError as error:
            raise Invalid(f"the body is not valid JSON: {error}") from error
        except RecursionError as error:
            raise Invalid("the body is nested too deeply") from error

    def __contains__(self, key: str) -> bool:
        return key in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def raw(self, key: str) -> bytes | None:
        """Return the exact bytes of a value, or ``None`` when the key is absent."""
        value = self._raw.get(key)
        return None if value is None else bytes(value)

    def get(self, key: str, default: object = None) -> object:
        """Return a decoded value; from now on ``encode`` writes what was read here.

        Raises:
            Invalid: If the value cannot be decoded exactly (a number out of range, nesting too deep).
        """
        raw = self._raw.get(key)
        if raw is None:
            return default
        if key in self._read:
            return self._read[key]
        try:
            value = msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Invalid(f"{key!r} cannot be read: {error}") from error
        self._read[key] = value
        return value

    def inner(self, key: str) -> Body | None:
        """Return an object below the top level, to be read in the same way; absent and null are ``None``.

        ``encode`` writes it as that object does: its values keep their bytes, a duplicated key gone.

        Raises:
            Invalid: If the value is no object.
        """
        if self._inner is not None and key in self._inner:
            return self._inner[key]
        raw = self.raw(key)
        if raw is None or raw == b"null":
            return None
        try:
            found = Body(raw)
        except Invalid as error:
            raise Invalid(f"{key!r} must be an object") from error
        if self._inner is None:
            self._inner = {}
        self._inner[key] = found
        return found

    def has(self, path: str) -> bool:
        """Say whether there is a value at a path such as ``generationConfig.maxOutputTokens``; one dot at most."""
        key, dot, rest = path.partition(".")
        if not dot:
            return key in self._raw
        found = self.inner(key)
        return found is not None and rest in found

    def change(self, path: str, value: object) -> tuple[str, object]:
        """Return what ``encode`` must change so that ``value`` stands at a path such as ``has`` takes."""
        key, dot, rest = path.partition(".")
        if not dot:
            return key, value
        read = self._read.get(key)
        if isinstance(read, dict):
            return key, {**read, rest: value}
        found = self.inner(key) or Body(b"")
        return key, msgspec.Raw(found.encode({rest: value}))

    def as_json(self) -> bytes:
        """Return what a policy may see: the body as it is to be sent; nothing where there is no body."""
        return self.encode() if self.data else b""

    def encode(self, changes: Mapping[str, object] | None = None) -> bytes:
        """Return the body as it is to be sent.

        Args:
            changes: Values to set, in place where the key exists, else at the end;
                ``None`` as a value removes the key.
        """
        parts: dict[str, object] = dict(self._raw)
        if self._inner is not None:
            for key, inner in self._inner.items():
                parts[key] = msgspec.Raw(inner.encode())
        for key, value in self._read.items():
            if isinstance(value, _NESTED):
                parts[key] = value
        for key, value in (changes or {}).items():
            if value is None:
                parts.pop(key, None)
            else:
                parts[key] = value
        try:
            return _ENCODER.encode(parts)
        except OverflowError as error:
            raise Invalid("the body has a whole number of more than 64 bits") from error
