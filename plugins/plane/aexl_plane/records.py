"""What the plane knows of people, projects and files. Times are Unix seconds, sizes bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from aexl_plane.names import Right, covers


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """Who shares nothing with anybody else on this server."""

    id: str
    name: str
    created: float


class Workspace(msgspec.Struct, frozen=True, kw_only=True):
    """A group of projects."""

    id: str
    tenant: str
    slug: str
    name: str
    created: float


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """Files, their history and an application's memory; ``id`` is the name of its repository too."""

    id: str
    workspace: str
    slug: str
    name: str
    created: float


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person, by address; ``scopes`` is the most that any token of theirs may do."""

    id: str
    email: str
    scopes: tuple[Right, ...]
    created: float


class TokenRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A live token without its secret; of a user, or of a service where ``user`` is ``None``.

    ``workspace`` and ``project`` are ids: where they are given, the token reaches nothing else.
    """

    id: str
    name: str
    user: str | None
    scopes: tuple[Right, ...]
    workspace: str | None
    project: str | None
    created: float
    expires: float | None


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, by one token, as it stood when the request came in."""

    token: str
    name: str
    tenant: str
    tenant_name: str
    user: str | None
    email: str | None
    rights: frozenset[Right]
    workspace: str | None
    project: str | None
    expires: float | None

    @property
    def who(self) -> str:
        """The user's address, or the service's name."""
        return self.email or self.name

    def may(self, needed: Right) -> bool:
        """Say whether the token reaches so far."""
        return covers(self.rights, needed)


class FileRow(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a project as its head has it.

    Attributes:
        version: From 1; each change of the content, also by a push, is one more. A path that was deleted
            and comes back goes on counting, so that no version ever means two contents.
    """

    path: str
    version: int
    sha256: str
    size: int
    content_type: str
    changed: float


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a client has announced; ``version`` and ``snapshot`` once it is committed."""

    id: str
    project: str
    path: str
    expected: int
    sha256: str
    size: int
    content_type: str
    expires: float
    version: int | None
    snapshot: str | None


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """An integration of a project: what it may be asked to do, and nothing of its credentials."""

    id: str
    project: str
    provider: str
    name: str
    allowed: tuple[str, ...]
    granted: tuple[str, ...]
    metadata: Mapping[str, Any]
    created: float
