"""What a pipeline takes from elsewhere: pinned files of the web, and snapshots. Both are kept by their hash."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aexl.api import ObjectId, Session, Snapshots
from aexl.errors import Invalid, NotFound, Unavailable

if TYPE_CHECKING:
    import httpx

LARGEST: Final = 1 << 20
"""Bytes, as of any pipeline file."""
_MOST_MOVES: Final = 5
_SECONDS: Final = 30.0


class Fetcher:
    """Gets files, once: what has been fetched lies in ``cache`` of the home, and is checked each time."""

    def __init__(self, session: Session, open_client: Callable[[], httpx.Client] | None = None) -> None:
        self._session = session
        self._cache = session.home / "cache"
        self._open_client = open_client or _open_client

    def fetch(self, url: str, sha256: str) -> str:
        """Return the text behind an ``https`` address.

        Raises:
            Unavailable: If it cannot be had.
            Invalid: If its bytes have another hash, are too many, or are not UTF-8.
        """
        path = self._cache / "pipelines" / sha256
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != sha256:
            data = self._download(url)
            found = hashlib.sha256(data).hexdigest()
            if found != sha256:
                raise Invalid(f"{url} has the hash {found}, not {sha256}; look at what changed before you pin it anew")
            _keep(path, data)
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise Invalid(f"{url} is not UTF-8 (byte {error.start})") from error

    def snapshot(self, id: str) -> Path:
        """Return a folder with a snapshot's files: one of the project's own, or of the host's own store.

        Raises:
            NotFound: If there is no such snapshot.
            Unavailable: If nobody keeps snapshots.
        """
        wanted = ObjectId(id)
        own, captured = self._cache / "snapshots" / "own" / id, self._cache / "snapshots" / "captured" / id
        for folder in (own, captured):
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if own.is_dir():
            return own

        async def work(snapshots: Snapshots) -> Path:
            try:
                await snapshots.extract(str(Path.cwd()), wanted, str(own))
            except NotFound:
                await snapshots.materialize(wanted, str(captured), True)
                return captured
            return own

        try:
            return self._session.ask(Snapshots, work)
        except NotFound as error:
            raise NotFound(
                f"there is no snapshot {id[:12]} of this project ('aexl snapshot log'), nor one that a run has made"
            ) from error

    def _download(self, url: str) -> bytes:
        import httpx

        try:
            with self._open_client() as client:
                for _ in range(_MOST_MOVES + 1):
                    if not url.startswith("https://"):
                        raise Invalid(f"{url} is not https")
                    with client.stream("GET", url) as answer:
                        if answer.has_redirect_location:
                            url = str(answer.url.join(answer.headers["location"]))
                            continue
                        answer.raise_for_status()
                        return _read(url, answer)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"{url} cannot be fetched: {error}") from error
        raise Unavailable(f"{url} leads on and on")


def _open_client() -> httpx.Client:
    import httpx

    return httpx.Client(timeout=_SECONDS)


def _read(url: str, answer: httpx.Response) -> bytes:
    data = bytearray()
    for chunk in answer.iter_bytes():
        data += chunk
        if len(data) > LARGEST:
            raise Invalid(f"{url} has more than {LARGEST} bytes")
    return bytes(data)


def _keep(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    Path(name).replace(path)
