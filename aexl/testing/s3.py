"""A strict S3 server on loopback, in memory: what it accepts, the real one accepts.

It checks the signature (Signature Version 4, in headers, of the whole body),
checksums and dates, holds ``If-Match`` and ``If-None-Match``, and fails by a seed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
import re
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Literal, Self
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape

ACCESS_KEY: Final = "AKIATESTTESTTESTTEST"
SECRET_KEY: Final = "strict/secret+key"
REGION: Final = "eu-test-1"
BUCKET: Final = "snapshots"

Fault = Literal["503", "500", "409", "reset before", "reset after"]
FAULTS: Final[Sequence[Fault]] = ("503", "500", "409", "reset before", "reset after")

_SKEW: Final = 900
_PAGE: Final = 1000
_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)


class StrictS3:
    """A server with one bucket; a context that serves while it is open.

    Args:
        seed: Of what goes wrong.
        faults: Share of requests that go wrong.
        kinds: How: ``503`` (slow down), ``500``, ``reset before`` anything happens or
            ``reset after`` it has, ``409`` (two conditional writes at once).
        holds_conditions: ``False`` for a server that ignores ``If-Match`` and
            ``If-None-Match``, as some do.

    Attributes:
        objects: What it holds, by key.
        requests: Method and path of each request.
        refused: Why requests were refused as malformed or unsigned.
    """

    def __init__(
        self, *, seed: int = 0, faults: float = 0.0, kinds: Sequence[Fault] = FAULTS, holds_conditions: bool = True
    ) -> None:
        self.objects: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.refused: list[str] = []
        self.holds_conditions = holds_conditions
        self.faults = faults
        self._kinds = tuple(kinds)
        self._random = random.Random(seed)
        self.lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.s3 = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables with which clients sign."""
        return {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}

    def url(self, prefix: str = "store") -> str:
        """Return a remote's URL in the bucket."""
        return f"s3://{BUCKET}/{prefix}?endpoint={quote(self.endpoint, safe='')}&region={REGION}"

    def fault(self, *, conditional: bool) -> Fault | None:
        """Return what goes wrong with a request, if anything does."""
        with self.lock:
            if self._random.random() >= self.faults:
                return None
            kinds = [kind for kind in self._kinds if conditional or kind != "409"]
            return self._random.choice(kinds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    s3: StrictS3

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that go away are what some tests are about."""


class _Refusal(Exception):
    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.status = status
        self.code = code


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        s3 = self.server.s3
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        s3.requests.append(f"{self.command} {unquote(parts.path)}")
        try:
            headers = {name.lower(): value for name, value in self.headers.items()}
            _check_signature(self.command, parts.path, parts.query, headers, body)
            _check_sums(headers, body)
            conditional = "if-match" in self.headers or "if-none-match" in self.headers
            fault = s3.fault(conditional=conditional and self.command == "PUT")
            if fault == "reset before":
                self._reset()
                return
            if fault in ("503", "500", "409"):
                codes = {"503": "SlowDown", "500": "InternalError", "409": "ConditionalRequestConflict"}
                raise _Refusal(int(fault), codes[fault])
            with s3.lock:
                status, answered, answer = self._act(parts.path, dict(parse_qsl(parts.query, True)), body)
            if fault == "reset after":
                self._reset()
                return
        except _Refusal as refusal:
            if refusal.status in (400, 403):
                s3.refused.append(f"{self.command} {self.path}: {refusal}")
            text = f"<?xml version='1.0'?><Error><Code>{refusal.code}</Code><Message>{escape(str(refusal))}</Message></Error>"
            status, answered, answer = refusal.status, {"content-type": "application/xml"}, text.encode()
        self._send(status, answered, answer)

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = _handle  # noqa: N815 - the library's names

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _send(self, status: int, headers: Mapping[str, str], answer: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204 and "content-length" not in headers:
            self.send_header("content-length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD" and status != 204:
            self.wfile.write(answer)

    def _act(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        if bucket != BUCKET:
            raise _Refusal(404, "NoSuchBucket", bucket)
        if not key:
            return self._act_on_bucket(query, body)
        match self.command:
            case "PUT":
                return self._put(key, body)
            case "DELETE":
                self.server.s3.objects.pop(key, None)
                return 204, {}, b""
            case "GET" | "HEAD":
                return self._get(key)
            case _:
                raise _Refusal(405, "MethodNotAllowed")

    def _act_on_bucket(self, query: Mapping[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        objects = self.server.s3.objects
        if self.command == "POST" and "delete" in query:
            keys = [unquote(key) for key in re.findall(r"<Key>(.*?)</Key>", body.decode())]
            for key in keys:
                objects.pop(key, None)
            deleted = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in keys)
            return 200, {"content-type": "application/xml"}, f"<DeleteResult>{deleted}</DeleteResult>".encode()
        if self.command != "GET" or query.get("list-type") != "2":
            raise _Refusal(405, "MethodNotAllowed")
        prefix, after = query.get("prefix", ""), query.get("continuation-token", query.get("start-after", ""))
        size = min(_PAGE, int(query.get("max-keys", _PAGE)))
        keys = [key for key in sorted(objects) if key.startswith(prefix) and key > after]
        page, more = keys[:size], len(keys) > size
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{escape(_etag(objects[key]))}</ETag><Size>{len(objects[key])}</Size></Contents>"
            for key in page
        )
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        text = (
            f"<?xml version='1.0'?><ListBucketResult><Name>{BUCKET}</Name><Prefix>{escape(prefix)}</Prefix>"
            f"<KeyCount>{len(page)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>"
        )
        return 200, {"content-type": "application/xml"}, text.encode()

    def _put(self, key: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        s3 = self.server.s3
        found = s3.objects.get(key)
        if s3.holds_conditions:
            if self.headers.get("if-none-match") == "*" and found is not None:
                raise _Refusal(412, "PreconditionFailed")
            if (wanted := self.headers.get("if-match")) is not None:
                if found is None:
                    raise _Refusal(404, "NoSuchKey", key)
                if wanted.strip('"') != _etag(found).strip('"'):
                    raise _Refusal(412, "PreconditionFailed")
        s3.objects[key] = body
        return 200, {"etag": _etag(body)}, b""

    def _get(self, key: str) -> tuple[int, dict[str, str], bytes]:
        found = self.server.s3.objects.get(key)
        if found is None:
            raise _Refusal(404, "NoSuchKey", key)
        headers = {"etag": _etag(found), "last-modified": formatdate(0, usegmt=True), "accept-ranges": "bytes"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        if wanted:
            start, end = int(wanted[1]), min(int(wanted[2] or len(found) - 1), len(found) - 1)
            if start >= len(found):
                raise _Refusal(416, "InvalidRange")
            headers["content-range"] = f"bytes {start}-{end}/{len(found)}"
            return 206, headers, found[start : end + 1]
        return 200, {**headers, "content-length": str(len(found))}, found


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


def _check_sums(headers: Mapping[str, str], body: bytes) -> None:
    sums: Mapping[str, Callable[[], bytes]] = {
        "content-md5": lambda: hashlib.md5(body, usedforsecurity=False).digest(),
        "x-amz-checksum-sha256": lambda: hashlib.sha256(body).digest(),
        "x-amz-checksum-sha1": lambda: hashlib.sha1(body, usedforsecurity=False).digest(),
        "x-amz-checksum-crc32": lambda: struct.pack(">I", zlib.crc32(body)),
    }
    for name, digest in sums.items():
        if (said := headers.get(name)) is not None and base64.b64decode(said) != digest():
            raise _Refusal(400, "BadDigest", f"{name} does not match")


def _check_signature(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes) -> None:
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if found is None:
        raise _Refusal(403, "AccessDenied", "the request is not signed in its headers")
    access, day, region, signed, signature = found.groups()
    stamp, digest = headers.get("x-amz-date", ""), headers.get("x-amz-content-sha256", "")
    if access != ACCESS_KEY or region != REGION:
        raise _Refusal(403, "InvalidAccessKeyId", f"{access} in {region}")
    try:
        when = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise _Refusal(403, "AccessDenied", "x-amz-date is missing") from None
    if abs((datetime.now(UTC) - when).total_seconds()) > _SKEW or not stamp.startswith(day):
        raise _Refusal(403, "RequestTimeTooSkewed", stamp)
    if hashlib.sha256(body).hexdigest() != digest:
        raise _Refusal(400, "XAmzContentSHA256Mismatch", digest)
    names = signed.split(";")
    if "host" not in names or any(name.startswith("x-amz-") and name not in names for name in headers):
        raise _Refusal(403, "AccessDenied", f"these headers must be signed: host, x-amz-*; were: {signed}")
    canonical = "\n".join(
        [
            method,
            quote(unquote(path), safe="/-_.~"),
            "&".join(
                sorted(
                    f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}"
                    for k, v in parse_qsl(query, keep_blank_values=True)
                )
            ),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in names),
            "",
            signed,
            digest,
        ]
    )
    scope = f"{day}/{region}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{SECRET_KEY}".encode()
    for word in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    if not hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), signature):
        raise _Refusal(403, "SignatureDoesNotMatch")
