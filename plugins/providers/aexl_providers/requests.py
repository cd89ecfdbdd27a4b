"""What is sent to a provider: the caller's request with what governance must change, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

import httpx

from aexl.api import Call, Headers, Target
from aexl.errors import Invalid, ProviderFailed
from aexl_providers.table import ProviderTable

_DROPPED: Final = frozenset(
    {
        # Of this connection (RFC 9110, section 7.6.1).
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"expect",
        # Ours to set.
        b"host",
        b"content-length",
        b"accept-encoding",
        # The caller's way of saying who it is to aexl.
        b"authorization",
        b"x-api-key",
        b"x-goog-api-key",
        b"x-api-token",
        b"cookie",
        # About a web page's origin, which is no business of the provider.
        b"origin",
        b"referer",
    }
)
_ANTHROPIC_VERSION: Final = b"2023-06-01"
_JSON: Final = (b"content-type", b"application/json")
_MAX_URLS: Final = 64


class Outgoing(NamedTuple):
    """A request as it is to be sent; ``host`` and what frames the body are the transport's to add."""

    method: str
    url: httpx.URL
    headers: Headers
    body: bytes


class RequestBuilder:
    """Builds the requests of one provider; whatever they share is built once.

    Args:
        name: The provider's name.
        dialect: ``openai`` or ``anthropic``.
        base_url: Where the API begins.
        table: The provider's checked table.
    """

    def __init__(self, name: str, dialect: str, base_url: str, table: ProviderTable) -> None:
        self._name = name
        self._anthropic = dialect == "anthropic"
        self._base = httpx.URL(base_url.rstrip("/"))
        self._prefix = self._base.raw_path.rstrip(b"/")
        self._urls: dict[str, httpx.URL] = {}
        own = [(header.lower().encode(), value.encode()) for header, value in table.headers.items()]
        self._first: Headers = [(b"accept-encoding", b"identity"), *own]
        self._dropped = _DROPPED | {header for header, _ in own}
        self._stream_usage = table.stream_usage and not self._anthropic
        self._limit_key = table.output_limit_key

    def build(self, call: Call, target: Target, key: str | None) -> tuple[Outgoing, bool]:
        """Return the request, and whether it asks for a usage that the caller did not ask for.

        Raises:
            ProviderFailed: If the path or the body cannot be sent.
        """
        if not call.body.data:
            return self._request(call, key, b""), False
        changes: dict[str, object] = {"model": target.model} if "model" in call.body or call.model else {}
        if target.output_limit is not None:
            changes[self._key_of_limit(call)] = target.output_limit
        injected = self._stream_usage and call.stream and call.surface in ("chat", "completions")
        if injected:
            options = self._stream_options(call)
            injected = options is not None
            if options is not None:
                changes["stream_options"] = options
        try:
            data = call.body.encode(changes)
        except Invalid as error:
            raise self._unsendable(str(error)) from error
        return self._request(call, key, data), injected

    def _key_of_limit(self, call: Call) -> str:
        if self._limit_key and call.surface == "chat" and call.output_key not in call.body:
            return self._limit_key
        return call.output_key

    def _stream_options(self, call: Call) -> Mapping[str, object] | None:
        """Return the caller's options with the usage asked for; ``None`` if the caller asks itself."""
        raw = call.body.raw("stream_options")
        if raw is None or raw == b"null":
            return {"include_usage": True}
        options = call.body.get("stream_options")
        if not isinstance(options, dict) or options.get("include_usage") is True:
            return None  # a wrong type is for the provider to refuse
        return {**options, "include_usage": True}

    def _request(self, call: Call, key: str | None, data: bytes) -> Outgoing:
        headers = list(self._first)
        if key is not None:
            headers.append(
                (b"x-api-key", key.encode()) if self._anthropic else (b"authorization", b"Bearer " + key.encode())
            )
        dropped = self._dropped
        headers += [
            header for header in call.headers if header[0] not in dropped and not header[0].startswith(b"x-aexl-")
        ]
        names = {name for name, _ in headers}
        if data and b"content-type" not in names:
            headers.append(_JSON)
        if self._anthropic and b"anthropic-version" not in names:
            headers.append((b"anthropic-version", _ANTHROPIC_VERSION))
        return Outgoing(call.method, self._url(call), headers, data)

    def _url(self, call: Call) -> httpx.URL:
        where = f"{call.path}?{call.query}" if call.query else call.path
        url = self._urls.get(where)
        if url is None:
            if not call.path.startswith("/") or any(part in (".", "..") for part in call.path.split("/")):
                raise self._unsendable(f"the path {call.path!r} is not one of an API")
            raw = self._prefix + quote(call.path, safe="/:@!$&'()*+,;=~%").encode()
            if call.query:
                raw += b"?" + quote(call.query, safe="/:@!$&'()*+,;=~%?").encode()
            url = self._base.copy_with(raw_path=raw)
            if call.surface != "stored" and len(self._urls) < _MAX_URLS:
                self._urls[where] = url
        return url

    def _unsendable(self, why: str) -> ProviderFailed:
        return ProviderFailed(
            f"the call cannot be sent to {self._name!r}: {why}", code="unsendable", status=502, charged="no"
        )
