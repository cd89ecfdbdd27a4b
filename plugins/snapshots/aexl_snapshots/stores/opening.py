"""From a remote's URL to its store."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from aexl.api import BlobStore, Host, Logins, Upstream
from aexl.errors import Invalid, NotFound
from aexl_snapshots.layout import FORMAT_NAME
from aexl_snapshots.options import SnapshotOptions
from aexl_snapshots.repository import PLACE
from aexl_snapshots.stores.probe import probe

Opener = Callable[[str], Awaitable[BlobStore]]


async def _open_bucket(url: str) -> BlobStore:
    from aexl_snapshots.stores.buckets import make_bucket

    store = make_bucket(url)
    await probe(store, url)
    return store


async def _open_folder(url: str) -> BlobStore:
    from aexl_snapshots.stores.folder import open_folder

    return await open_folder(url)


async def _open_plane(host: Host, url: str) -> BlobStore:
    from aexl_snapshots.stores.plane import PlaneStore, check_plane_url

    base = check_plane_url(url)
    token = os.environ.get(host.current.section(SnapshotOptions).token_env)
    logins = host.service(Logins) if token is None else None
    if logins is not None:
        token = await logins.token(base)
    store = PlaneStore(host.transport(Upstream(private=True, total=600.0)), base, token)
    try:
        await probe(store, url)
    except NotFound as error:
        raise NotFound(
            f"there is no store at {base}; a project's is at https://HOST/store/WORKSPACE/PROJECT"
        ) from error
    return store


def own_openers(host: Host) -> Mapping[str, Opener]:
    """Return how this plugin's kinds of store are opened and probed, by URL scheme."""
    plane = partial(_open_plane, host)
    return {
        "file": _open_folder,
        "s3": _open_bucket,
        "gs": _open_bucket,
        "az": _open_bucket,
        "http": plane,
        "https": plane,
    }


def normal_url(text: str, folder: Path) -> str:
    """Return what a person wrote as a URL: a path becomes ``file:``.

    Args:
        folder: What a relative path is relative to.

    Raises:
        Invalid: If it is empty, no URL, or has a password in it.
    """
    if not text:
        raise Invalid("a remote's URL is empty")
    if "://" not in text:
        return _folder_url(folder, text)
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise Invalid(f"{text!r} is no URL: {error}") from error
    if parts.username or parts.password:
        raise Invalid("a remote's URL may not hold a name or password: URLs are shown and logged")
    return text


def _folder_url(folder: Path, text: str) -> str:
    """Return the URL of a folder; of a project, as git has it, that of its snapshots."""
    try:
        path = (folder / Path(text).expanduser()).resolve()
    except RuntimeError as error:  # no such user, or links in a circle
        raise Invalid(f"{text!r} names no folder: {error}") from error
    inside = path / PLACE
    return (inside if os.path.isfile(inside / FORMAT_NAME) else path).as_uri()  # noqa: PTH113 - it never fails


async def open_store(openers: Mapping[str, Opener], url: str) -> BlobStore:
    """Open the store of a URL, with the openers that all plugins together offer.

    Raises:
        Invalid: If nobody offers its scheme.
        Unavailable: If it cannot be reached, or does not hold the conditions.
    """
    scheme = urlsplit(url).scheme
    if scheme not in openers:
        raise Invalid(f"{url!r}: no plugin keeps snapshots at {scheme}://; known are {', '.join(sorted(openers))}")
    return await openers[scheme](url)
