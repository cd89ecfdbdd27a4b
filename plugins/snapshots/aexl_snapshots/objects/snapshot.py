"""A snapshot: a manifest with its history, signed by its author. Pure.

One JSON object in canonical form (sorted keys, no spaces, UTF-8, only what must
be escaped is), so that one snapshot has one id. The signature is Ed25519 over a
domain and the same object without its signature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from aexl.api import ObjectId
from aexl.errors import Invalid
from aexl_snapshots.objects.ids import object_id, parse_id

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FORMAT: Final = "aexl-snapshot 1"
DOMAIN: Final = b"aexl-snapshot-signature 1\n"
MAX_BYTES: Final = 1024 * 1024
MAX_PARENTS: Final = 16
MAX_AUTHOR: Final = 256
MAX_MESSAGE: Final = 64 * 1024
MAX_METADATA: Final = 256
MAX_TIME: Final = 2**53
"""The largest time, in milliseconds; what every JSON reader takes as a whole number."""


class Signature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who signed, and what. Both in lower-case hexadecimal digits.

    Attributes:
        key: The public key, 32 bytes.
        value: The signature, 64 bytes.
    """

    key: str
    value: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=False):
    """A state of a project.

    Attributes:
        manifest: Its files.
        parents: What it was made from, at most 16; the first is the one it follows.
        author: One line that says who.
        message: Why; may have several lines.
        time: Milliseconds since 1970, UTC, by the author's clock.
        metadata: What else is known of it (entry point, runtime, contract report), texts by name.
        signature: Of its author.
    """

    manifest: ObjectId
    parents: tuple[ObjectId, ...] = ()
    author: str = ""
    message: str = ""
    time: int = 0
    metadata: Mapping[str, str] = {}
    signature: Signature | None = None
    format: str = FORMAT

    @property
    def id(self) -> ObjectId:
        """The snapshot's name: the id of its encoding."""
        return object_id(self.encode())

    def encode(self) -> bytes:
        """Return the canonical bytes.

        Raises:
            Invalid: If a value is not acceptable.
        """
        check_snapshot(self)
        try:
            encoded = msgspec.json.encode(self, order="sorted")
        except UnicodeEncodeError as error:
            raise Invalid("a text of the snapshot is not valid Unicode") from error
        if len(encoded) > MAX_BYTES:
            raise Invalid(f"a snapshot may have {MAX_BYTES} bytes, not {len(encoded)}")
        return encoded

    @classmethod
    def decode(cls, data: bytes) -> Snapshot:
        """Read the canonical bytes, and nothing else.

        Raises:
            Invalid: If they are not; says what is wrong.
        """
        if len(data) > MAX_BYTES:
            raise Invalid(f"a snapshot may have {MAX_BYTES} bytes, not {len(data)}")
        try:
            snapshot = msgspec.json.decode(data, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Invalid(f"this is not a snapshot: {error}") from error
        if snapshot.encode() != data:
            raise Invalid("the snapshot is not in its canonical form")
        return snapshot

    def _signed_bytes(self) -> bytes:
        return DOMAIN + msgspec.structs.replace(self, signature=None).encode()

    def sign(self, key: Ed25519PrivateKey) -> Snapshot:
        """Return the snapshot with a signature.

        Raises:
            Invalid: If a value is not acceptable.
        """
        signature = Signature(key=key.public_key().public_bytes_raw().hex(), value=key.sign(self._signed_bytes()).hex())
        return msgspec.structs.replace(self, signature=signature)

    def verify(self, trusted: Sequence[str] = ()) -> str | None:
        """Check the signature; return the public key of who signed, ``None`` if nobody did.

        Args:
            trusted: Public keys in hexadecimal digits; if any are given, one of them must have signed.

        Raises:
            Invalid: If the signature is wrong, or not of one of ``trusted``.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        signature = self.signature
        if signature is not None:
            try:
                public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signature.key))
                public.verify(bytes.fromhex(signature.value), self._signed_bytes())
            except (InvalidSignature, ValueError) as error:
                raise Invalid(f"the signature of snapshot {self.id} by {signature.key} is wrong") from error
        if trusted and (signature is None or signature.key not in trusted):
            by = f"signed by {signature.key}" if signature else "not signed"
            raise Invalid(f"snapshot {self.id} is {by}, which is nobody that `[snapshots] trusted` names")
        return signature.key if signature else None


def check_snapshot(snapshot: Snapshot) -> None:
    """Hold a snapshot to the format's limits.

    Raises:
        Invalid: If a value is not acceptable.
    """
    if snapshot.format != FORMAT:
        raise Invalid(f"this snapshot's format is {snapshot.format[:80]!r}; this version of aexl reads {FORMAT!r}")
    parse_id(snapshot.manifest, "manifest")
    for parent in snapshot.parents:
        parse_id(parent, "parent snapshot")
    if len(snapshot.parents) > MAX_PARENTS or len(set(snapshot.parents)) != len(snapshot.parents):
        raise Invalid(f"a snapshot has at most {MAX_PARENTS} different parents, not {list(snapshot.parents)}")
    _check_text("author", snapshot.author, MAX_AUTHOR, lines=False)
    _check_text("message", snapshot.message, MAX_MESSAGE, lines=True)
    if not 0 <= snapshot.time <= MAX_TIME:
        raise Invalid(f"a snapshot's time is between 0 and {MAX_TIME} ms, not {snapshot.time}")
    if len(snapshot.metadata) > MAX_METADATA:
        raise Invalid(f"a snapshot has at most {MAX_METADATA} metadata entries, not {len(snapshot.metadata)}")
    for name in snapshot.metadata:
        _check_text("metadata name", name, 100, lines=False)
    if snapshot.signature is not None:
        _check_hex("key", snapshot.signature.key, 64)
        _check_hex("value", snapshot.signature.value, 128)


def _check_text(what: str, text: str, most: int, *, lines: bool) -> None:
    if len(text) > most:
        raise Invalid(f"a snapshot's {what} has at most {most} characters, not {len(text)}")
    bad = next((c for c in text if ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) < 0xE000), None)
    if bad is not None and not (lines and all(c in "\n\t" for c in text if ord(c) < 32) and ord(bad) < 32):
        raise Invalid(f"a snapshot's {what} may not have the character U+{ord(bad):04X}")


def _check_hex(what: str, text: str, digits: int) -> None:
    if len(text) != digits or any(c not in "0123456789abcdef" for c in text):
        raise Invalid(f"a signature's {what} has {digits} lower-case hexadecimal digits, not {text[:140]!r}")
