"""What the proxy takes from a request's headers, in one pass over them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from aexl.errors import Refused
from aexl_proxy.fields import refusal

LONGEST_KEY: Final = 255
"""Characters in an idempotency key; what payment services allow."""

# A token has done its work when the host knew whose it is: neither policies nor providers see it.
_DROPPED: Final = frozenset({b"authorization", b"x-api-key", b"x-goog-api-key", b"x-api-token", b"cookie"})
_NOTED: Final = frozenset({b"content-type", b"content-encoding", b"x-stainless-retry-count"})
_TAKEN: Final = frozenset({b"idempotency-key", b"x-aexl-execution-id", b"x-aexl-provider-key"})
_HIDDEN: Final = _DROPPED | _TAKEN
_KNOWN: Final = _HIDDEN | _NOTED

_MOST_RETRIES: Final = 9999


class Head(msgspec.Struct, frozen=True, gc=False):
    """A request's headers, read.

    Attributes:
        headers: What gates and providers may see: no credentials.
        key: The execution id that the caller chose.
    """

    headers: list[tuple[bytes, bytes]]
    key: str | None
    retry_count: int
    provider_key: str | None
    content_type: bytes | None
    content_encoding: bytes | None


def read_head(headers: Sequence[tuple[bytes, bytes]]) -> Head:
    """Read headers whose names are in lower case.

    Raises:
        Refused: If the execution id is not acceptable, or a header that counts comes twice and differs.
    """
    kept = list(headers)
    found: dict[bytes, bytes] = {}
    for pair in headers:
        name, value = pair
        if name not in _KNOWN:
            continue
        if name in _HIDDEN:
            kept.remove(pair)
        if name not in _DROPPED and found.setdefault(name, value) != value:
            raise refusal(f"the header {name.decode()} came twice with different values", code="invalid_header")
    get = found.get
    provider_key = get(b"x-aexl-provider-key")
    return Head(
        kept,
        _read_key(found),
        _read_retries(get(b"x-stainless-retry-count")),
        None if provider_key is None else _read_provider_key(provider_key),
        get(b"content-type"),
        get(b"content-encoding"),
    )


def check_json(head: Head) -> None:
    """Make sure that the body is JSON as it stands.

    Raises:
        Refused: 415 if it is something else, or compressed.
    """
    kind = head.content_type
    if kind != b"application/json" and not _is_json(kind):
        shown = "nothing" if kind is None else ascii(kind.decode("latin-1"))
        raise refusal(f"content-type must be application/json, not {shown}", code="unsupported_media_type", status=415)
    check_uncompressed(head)


def check_uncompressed(head: Head) -> None:
    """Make sure that the body is not compressed.

    Raises:
        Refused: 415 if it is.
    """
    coding = head.content_encoding
    if coding is not None and coding.lower() != b"identity":
        raise refusal(
            f"content-encoding {coding.decode('latin-1')!a} is not accepted; send the body uncompressed",
            code="unsupported_media_type",
            status=415,
        )


def _is_json(kind: bytes | None) -> bool:
    if kind is None:
        return False
    media_type, _, parameters = kind.lower().partition(b";")
    if media_type.strip() != b"application/json":
        return False
    for parameter in parameters.split(b";"):
        name, _, value = parameter.partition(b"=")
        if name.strip() == b"charset" and value.strip().strip(b'"') not in (b"utf-8", b"utf8"):
            return False
    return True


def _read_key(found: dict[bytes, bytes]) -> str | None:
    key = found.get(b"idempotency-key")
    other = found.get(b"x-aexl-execution-id")
    if key is None and other is None:
        return None
    if key is not None and other is not None and key != other:
        raise _bad_key("idempotency-key and x-aexl-execution-id differ; send one of them")
    name, value = (b"idempotency-key", key) if key is not None else (b"x-aexl-execution-id", other)
    assert value is not None
    if not 1 <= len(value) <= LONGEST_KEY:
        raise _bad_key(f"{name.decode()} must have 1 to {LONGEST_KEY} characters, not {len(value)}")
    text = value.decode("latin-1")
    if not (text.isascii() and text.isprintable()):
        raise _bad_key(f"{name.decode()} must be printable ASCII")
    return text


def _bad_key(reason: str) -> Refused:
    return refusal(reason, code="invalid_idempotency_key", param="idempotency-key")


def _read_retries(value: bytes | None) -> int:
    """Return what the SDK counted; what is no number is no retry."""
    if value is None or len(value) > 4 or not value.isdigit():
        return 0
    return min(int(value), _MOST_RETRIES)


def _read_provider_key(value: bytes) -> str:
    text = value.decode("latin-1")
    if not text or not (text.isascii() and text.isprintable()):
        raise refusal("x-aexl-provider-key must be a key in printable ASCII", code="invalid_header")
    return text
