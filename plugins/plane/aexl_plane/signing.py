"""Signed URLs: who holds one may do one thing, with one blob, until a time. Pure.

A URL's path names the blob; its query has what else is signed. The signature is
HMAC-SHA256 over all of it, method included, so that none of it can be changed, and a
URL to fetch is none to send.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import quote, urlencode

import msgspec

from aexl.errors import Refused

PREFIX: Final = "/v1/blobs"
_DOMAIN: Final = b"aexl-signed-url 1\n"
_NUMBER: Final = re.compile(r"[0-9]{1,15}", re.ASCII)


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a URL allows.

    Attributes:
        blob: The id of an upload, or of the project whose file is fetched.
        sha256: The hash that the content has, or must have.
        size: Bytes, exactly.
        content_type: What it is sent, or will be fetched, as.
        expires: Unix seconds.
    """

    method: Literal["GET", "PUT"]
    blob: str
    sha256: str
    size: int
    content_type: str
    expires: int


def sign_url(key: bytes, base: str, grant: Grant) -> str:
    """Return a URL.

    Args:
        base: Scheme and host, and what stands before our paths.
    """
    query = {
        "expires": grant.expires,
        "size": grant.size,
        "type": grant.content_type,
        "signature": _signature(key, grant),
    }
    return f"{base}{PREFIX}/{quote(grant.blob)}/{grant.sha256}?{urlencode(query)}"


def read_url(key: bytes, method: str, blob: str, sha256: str, query: Mapping[str, str], now: float) -> Grant:
    """Return what a request's URL allows.

    Raises:
        Refused: 403 if it is not as it was signed, or its time has run out.
    """
    expires, size, kind = query.get("expires", ""), query.get("size", ""), query.get("type", "")
    signature = query.get("signature", "")
    sound = _NUMBER.fullmatch(expires) and _NUMBER.fullmatch(size) and set(query) == _NAMES
    if not sound or method not in ("GET", "HEAD", "PUT"):
        raise _tampered()
    grant = Grant(
        method="PUT" if method == "PUT" else "GET",
        blob=blob,
        sha256=sha256,
        size=int(size),
        content_type=kind,
        expires=int(expires),
    )
    if not hmac.compare_digest(signature.encode("utf-8", "replace"), _signature(key, grant).encode()):
        raise _tampered()
    if now >= grant.expires:
        raise Refused("the signed URL has expired; sign it again", code="signature_expired", status=403)
    return grant


_NAMES: Final = {"expires", "size", "type", "signature"}


def _signature(key: bytes, grant: Grant) -> str:
    mac = hmac.digest(key, _DOMAIN + msgspec.json.encode(grant), hashlib.sha256)
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


def _tampered() -> Refused:
    return Refused("the URL is not as this server has signed it", code="signature_invalid", status=403)
