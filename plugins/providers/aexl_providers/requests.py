"""What is sent to a provider: the caller's request with what governance must change, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import httpx

from aexl.api import Call, Headers, Target
from aexl.errors import Invalid, ProviderFailed
from aexl_providers.gemini import rename_models
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
_KEY_HEADERS: Final[Mapping[str, tuple[bytes, bytes]]] = {
    "openai": (b"authorization", b"Bearer "),
    "anthropic": (b"x-api-key", b""),
    "gemini": (b"x-goog-api-key", b""),
}
_ANTHROPIC_VERSION: Final = b"2023-06-01"
_JSON: Final = (b"content-type", b"application/json")
_MAX_URLS: Final = 64


class RequestBuilder:
    """Builds the requests of one provider; whatever they share is built once.

    Args:
        name: The provider's name.
        dialect: ``openai``, ``anthropic`` or ``gemini``.
        base_url: Where the API begins.
        table: The provider's checked table.
        variable: The environment variable that should have the provider's key; empty where none is needed.
        key: The key.
    """

    def __init__(
        self, name: str, dialect: str, base_url: str, table: ProviderTable, variable: str, key: str | None
    ) -> None:
        self.name = name
        self._anthropic = dialect == "anthropic"
        self._gemini = dialect == "gemini"
        self._key_header = _KEY_HEADERS[dialect]
        self._missing = variable if key is None else ""
        self._base = httpx.URL(base_url.rstrip("/"))
        self._prefix = self._base.raw_path.rstrip(b"/")
        self._urls: dict[str, httpx.URL] = {}
        own = [(header.lower().encode(), value.encode()) for header, value in table.headers.items()]
        self._keyless: Headers = [(b"accept-encoding", b"identity"), *own]
        self._keyed = self._keyless if key is None else self._with_key(key)
        self._dropped = _DROPPED | {header for header, _ in own}
        self._stream_usage = table.stream_usage and dialect == "openai"
        self._limit_key = table.output_limit_key

    def build(self, call: Call, target: Target) -> tuple[httpx.URL, Headers, bytes, bool]:
        """Return where to send a call, with which headers and body, and whether that asks for a usage the caller did not.

        ``host`` and what frames the body are the transport's to add.

        Raises:
            ProviderFailed: If there is no key, or the path or the body cannot be sent.
        """
        path, data, injected = call.path, b"", False
        if call.body.data and self._gemini:
            path, data = self._build_gemini(call, target)
        elif call.body.data:
            data, injected = self._build_body(call, target)
        return self._url(call, path), self._headers(call, data), data, injected

    def _build_body(self, call: Call, target: Target) -> tuple[bytes, bool]:
        changes: dict[str, object] = {"model": target.model} if call.model or "model" in call.body else {}
        if target.output_limit is not None:
            changes[self._key_of_limit(call)] = target.output_limit
        injected = self._stream_usage and call.stream and call.surface in ("chat", "completions")
        if injected:
            options = self._stream_options(call)
            injected = options is not None
            if options is not None:
                changes["stream_options"] = options
        try:
            return call.body.encode(changes), injected
        except Invalid as error:
            raise self._unsendable(str(error)) from error

    def _build_gemini(self, call: Call, target: Target) -> tuple[str, bytes]:
        """Return a path with the model in it, and a body, which perhaps has it once more."""
        name = target.model if target.model.startswith(("models/", "tunedModels/")) else f"models/{target.model}"
        changes: dict[str, object] = {}
        try:
            if "model" in call.body:
                changes["model"] = name
            if call.surface == "gemini_embeddings" and "requests" in call.body:
                changes["requests"] = rename_models(call.body.get("requests"), name)
            if target.output_limit is not None:
                where, value = call.body.change(call.output_key, target.output_limit)
                changes[where] = value
            data = call.body.encode(changes)
        except Invalid as error:
            raise self._unsendable(str(error)) from error
        method = call.path.rpartition(":")[2]
        return f"/{quote(name, safe='/:@+,')}:{method}", data

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

    def _headers(self, call: Call, data: bytes) -> Headers:
        if self._missing and not call.provider_key:
            raise self._keyless_call()
        dropped = self._dropped
        headers = [
            *(self._with_key(call.provider_key) if call.provider_key else self._keyed),
            *[header for header in call.headers if header[0] not in dropped and header[0][:7] != b"x-aexl-"],
        ]
        names = dict(headers)
        if data and b"content-type" not in names:
            headers.append(_JSON)
        if self._anthropic and b"anthropic-version" not in names:
            headers.append((b"anthropic-version", _ANTHROPIC_VERSION))
        return headers

    def _with_key(self, key: str) -> Headers:
        name, before = self._key_header
        return [*self._keyless, (name, before + key.encode())]

    def _url(self, call: Call, path: str) -> httpx.URL:
        where = f"{path}?{call.query}" if call.query else path
        url = self._urls.get(where)
        if url is None:
            if not path.startswith("/") or any(part in (".", "..") for part in path.split("/")):
                raise self._unsendable(f"the path {path!r} is not one of an API")
            if path.startswith("/models/") and not self._gemini:
                raise self._unsendable(f"{path!r} is a path of Gemini's API, which this provider does not speak")
            raw = self._prefix + quote(path, safe="/:@!$&'()*+,;=~%").encode()
            if call.query:
                raw += b"?" + quote(call.query, safe="/:@!$&'()*+,;=~%?").encode()
            url = self._base.copy_with(raw_path=raw)
            if call.surface != "stored" and len(self._urls) < _MAX_URLS:
                self._urls[where] = url
        return url

    def _keyless_call(self) -> ProviderFailed:
        return ProviderFailed(
            f"the provider {self.name!r} has no key: set {self._missing} in the environment of the server "
            f"or in the .env file of its home, and reload",
            code="provider_key_missing",
            status=502,
            charged="no",
            lasting=True,
        )

    def _unsendable(self, why: str) -> ProviderFailed:
        return ProviderFailed(
            f"the call cannot be sent to {self.name!r}: {why}",
            code="unsendable",
            status=502,
            charged="no",
            lasting=True,
        )
