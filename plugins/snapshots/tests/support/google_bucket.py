"""A bucket of Google's XML interface on loopback, in memory, as far as snapshots need one.

It holds ``x-goog-if-generation-match``, as the real one does, and fails a request
that has a condition which only other object stores know.
"""

from __future__ import annotations

import hashlib
import html
import itertools
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

DATE = "Thu, 01 Jan 2026 00:00:00 GMT"


class GoogleBucket:
    """A server with one bucket; a context that serves while it is open."""

    def __init__(self):
        self.blobs = {}
        self.refused = []
        self.lock = threading.Lock()
        self.generations = itertools.count(1_700_000_000_000_000)
        handler = type("Handler", (_Handler,), {"bucket": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self):
        """A key that asks nobody for a token: without one, a client asks the machine that it runs on."""
        key = {"gcs_base_url": self.endpoint, "disable_oauth": True, "client_email": "", "private_key": ""}
        return {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps({**key, "private_key_id": ""})}

    @property
    def url(self):
        return f"gs://bucket/some/prefix?endpoint={quote(self.endpoint, safe='')}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @property
    def _key(self):
        return unquote(urlsplit(self.path).path).removeprefix("/bucket/")

    def _head(self, data, generation):
        tag = hashlib.sha256(data).hexdigest()[:32]
        return {"ETag": f'"{tag}"', "x_goog_generation": str(generation), "Last_Modified": DATE}

    def do_PUT(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["If-Match"] or self.headers["If-None-Match"]:
            self.bucket.refused.append(f"{self.path}: a condition that writes do not have here")
            return self._answer(400)
        with self.bucket.lock:
            there = self.bucket.blobs.get(self._key, (b"", 0))[1]
            wanted = self.headers["x-goog-if-generation-match"]
            if wanted is not None and int(wanted) != there:
                return self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            made = self.bucket.blobs[self._key] = data, next(self.bucket.generations)
        return self._answer(200, **self._head(*made))

    def do_GET(self):
        query = parse_qs(urlsplit(self.path).query)
        if "list-type" in query:
            return self._list(query)
        found = self.bucket.blobs.get(self._key)
        if found is None:
            return self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        data, head = found[0], self._head(*found)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers["Range"] or "")
        if asked is None:
            return self._answer(200, data, **head)
        first, last = int(asked[1]), min(int(asked[2] or len(data)), len(data) - 1)
        if first > last:
            return self._answer(416, b"<Error><Code>InvalidRange</Code></Error>")
        return self._answer(206, data[first : last + 1], Content_Range=f"bytes {first}-{last}/{len(data)}", **head)

    def do_HEAD(self):
        self.do_GET()

    def _list(self, query):
        """A page has a hundred keys, so that short lists have several."""
        prefix, after = query.get("prefix", [""])[0], query.get("continuation-token", [""])[0]
        keys = sorted(key for key in self.bucket.blobs if key.startswith(prefix) and key > after)
        more = len(keys) > 100
        rows = "".join(
            f"<Contents><Key>{html.escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>x</ETag><Size>{len(self.bucket.blobs[key][0])}</Size></Contents>"
            for key in keys[:100]
        )
        token = f"<NextContinuationToken>{html.escape(keys[99])}</NextContinuationToken>" if more else ""
        body = f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>"
        self._answer(200, body.encode(), Content_Type="application/xml")

    def do_DELETE(self):
        self._answer(204 if self.bucket.blobs.pop(self._key, None) else 404)

    def log_message(self, *_):
        """Say nothing."""
