"""A bucket of an object store: ``s3://bucket/prefix``, ``gs://…``, ``az://…``, through obstore.

Credentials come from where the provider's own tools take them (environment,
metadata server). For other servers that speak as one of them does,
``?endpoint=http://host:port`` says where, and for S3 ``&region=`` which region is
signed for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import trio

from aexl.errors import HeadMoved, Invalid, NotFound, Unavailable
from aexl_snapshots.disk.directory import check_name

if TYPE_CHECKING:
    from obstore import GetOptions, PutMode
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

T = TypeVar("T")

_OPTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "s3": {"endpoint": "aws_endpoint", "region": "aws_region"},
    "gs": {"endpoint": "google_base_url"},
    "az": {"endpoint": "azure_endpoint"},
}
"""What a URL may say after ``?``, and what obstore calls it."""

_CREDENTIALS: Final[Mapping[str, str]] = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_METADATA: Final = ("169.254.169.254", "metadata.google.internal")
"""Where machines of these providers are told who they are."""

_THREADS: Final = 16
_CONFLICTS: Final = 20
_PAUSE: Final = 0.01
_RETRY: Final[RetryConfig] = {
    "max_retries": 8,
    "retry_timeout": timedelta(seconds=90),
    "backoff": {"init_backoff": timedelta(seconds=0.05), "max_backoff": timedelta(seconds=5), "base": 2},
}


class BucketStore:
    """A ``BlobStore`` in a bucket; its work is done in threads.

    Requests that an overloaded server refuses are repeated for up to 90 seconds. A
    cancelled call returns at once; the request may still arrive.

    Args:
        where: The URL, for errors.
        condition: What a conditional write names: the entity tag, or, with Google, the generation.
    """

    def __init__(self, store: ObjectStore, where: str, condition: Literal["e_tag", "version"] = "e_tag") -> None:
        self._store = store
        self._condition: Literal["e_tag", "version"] = condition
        self._where = where
        self._limit = trio.CapacityLimiter(_THREADS)

    async def _run(self, work: Callable[[], T]) -> T:
        return await trio.to_thread.run_sync(work, limiter=self._limit, abandon_on_cancel=True)

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError as error:
            raise NotFound(f"there is no {name} in {self._where}") from error
        except (BaseError, OSError) as error:
            raise Unavailable(f"{self._where}: {_explain(error, urlsplit(self._where).scheme)}") from error

    async def get(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
        check_name(name)
        if start == 0 and length is None:
            return (await self.get_versioned(name))[0]
        return await self._run(partial(self._get_range, name, start, length))

    def _get_range(self, name: str, start: int, length: int | None) -> bytes:
        """Ask for what exists of a range: a server has an error for one that begins behind the end."""
        import obstore
        from obstore.exceptions import BaseError

        with self._errors(name):
            if length != 0:
                try:
                    wanted: GetOptions = {"range": {"offset": start} if length is None else (start, start + length)}
                    return bytes(obstore.get(self._store, name, options=wanted).bytes())
                except FileNotFoundError:
                    raise
                except BaseError:
                    if start < obstore.head(self._store, name)["size"]:
                        raise
            obstore.head(self._store, name)
            return b""

    async def get_versioned(self, name: str) -> tuple[bytes, str]:
        return await self._run(partial(self._get_versioned, check_name(name)))

    def _get_versioned(self, name: str) -> tuple[bytes, str]:
        import obstore

        with self._errors(name):
            found = obstore.get(self._store, name)
            return bytes(found.bytes()), self._version(name, found.meta[self._condition])

    def _version(self, name: str, version: str | None) -> str:
        if not version:
            raise Unavailable(
                f"{self._where} does not say which version of {name} it has, so heads cannot be kept there"
            )
        return version

    async def put_if_absent(self, name: str, data: bytes) -> bool:
        return await self._run(partial(self._swap, check_name(name), data, None)) is not None

    async def put_if_match(self, name: str, data: bytes, *, version: str | None) -> str:
        later = await self._run(partial(self._swap, check_name(name), data, version))
        if later is None:
            raise HeadMoved(f"{name} in {self._where} is no longer what it was; read it again")
        return later

    def _swap(self, name: str, data: bytes, version: str | None) -> str | None:
        """Replace one version, or none; return the new one, ``None`` if another one is there.

        A server may refuse one of two conditional writes at once although neither
        has happened (409), and obstore tells that as it tells a version that is not
        there; so what is there is looked at, and if it is as expected, tried again.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._errors(name):
            for attempt in range(_CONFLICTS):
                try:
                    mode = self._mode(version)
                    put = obstore.put(self._store, name, data, mode=mode, use_multipart=False)
                    return self._version(name, put[self._condition])
                except (AlreadyExistsError, PreconditionError, FileNotFoundError) as error:
                    if version is None and isinstance(error, FileNotFoundError):  # nothing else can be missing
                        raise NotFound(f"{self._where}: there is no such bucket; make it first") from error
                    if self._look(name) != version:
                        return None
                time.sleep(_PAUSE * (attempt + 1))  # in a thread of its own
        raise Unavailable(f"{self._where} refuses to write {name} again and again; try later")

    def _mode(self, version: str | None) -> PutMode:
        if version is None:
            return "create"
        return {"version": version} if self._condition == "version" else {"e_tag": version}

    def _look(self, name: str) -> str | None:
        """Return the version that is there, if any."""
        import obstore

        try:
            return obstore.head(self._store, name)[self._condition]
        except FileNotFoundError:
            return None

    async def list(self, prefix: str) -> Sequence[str]:
        return await self._run(partial(self._list, prefix))

    def _list(self, prefix: str) -> Sequence[str]:
        import obstore

        folder = prefix.rpartition("/")[0]  # a store lists whole words only
        with self._errors(prefix):
            batches = obstore.list(self._store, folder or None, chunk_size=1000)
            return sorted(each["path"] for batch in batches for each in batch if each["path"].startswith(prefix))

    async def delete(self, name: str) -> None:
        await self._run(partial(self._delete, check_name(name)))

    def _delete(self, name: str) -> None:
        import obstore

        with self._errors(name):
            try:
                obstore.delete(self._store, name)
            except FileNotFoundError:
                return


def _explain(error: BaseException, scheme: str) -> str:
    """Return what is wrong; who has no credentials has asked the machine for some, which is all that the error tells."""
    line = _first_line(error)
    if any(host in line for host in _METADATA):
        return f"no credentials were found; set {_CREDENTIALS[scheme]} ({line})"
    return line


def _first_line(error: BaseException) -> str:
    return str(error).split("\n")[0][:500]


def _environment_endpoint(scheme: str) -> str:
    """Return where the environment says that the server is, as Amazon's own tools read it; obstore asks there."""
    names = ("AWS_ENDPOINT", "AWS_ENDPOINT_URL") if scheme == "s3" else ()
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def make_bucket(url: str) -> BucketStore:
    """Return the store of a URL; nothing is asked of the server yet.

    Raises:
        Invalid: If the URL cannot be used.
        Unavailable: If obstore is not installed.
    """
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError as error:
        raise Unavailable("object stores need the extra `objects`; run: pip install 'aexl[objects]'") from error
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    known = _OPTIONS[parts.scheme]
    if options.keys() - known.keys() or not parts.netloc or parts.fragment:
        raise Invalid(
            f"{url!r}: write {parts.scheme}://BUCKET/PREFIX; for another server with ?endpoint=URL, and for s3 &region=NAME"
        )
    endpoint = options.get("endpoint") or _environment_endpoint(parts.scheme)
    client: ClientConfig = {"timeout": "300s", "connect_timeout": "10s", "allow_http": endpoint.startswith("http://")}
    config = {known[key]: value for key, value in options.items()}
    plain = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    try:
        store = from_url(plain, client_options=client, retry_config=_RETRY, config=config or None)  # type: ignore[arg-type]  # the scheme decides at run time
    except (BaseError, ValueError) as error:
        raise Invalid(f"{url!r} cannot be used: {_first_line(error)}") from error
    return BucketStore(store, plain, "version" if parts.scheme == "gs" else "e_tag")
