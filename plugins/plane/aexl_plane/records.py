"""What the plane knows of people, projects and files. Times are Unix seconds, sizes bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

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
    """An integration of a project: what it may be asked to do, and nothing of its credentials.

    Attributes:
        integration: Which of the server's integrations does the work; empty for none.
    """

    id: str
    project: str
    provider: str
    name: str
    allowed: tuple[str, ...]
    granted: tuple[str, ...]
    metadata: Mapping[str, Any]
    created: float
    integration: str = ""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Where a project runs: ``dev``, ``staging``, ``prod``, or another name.

    Attributes:
        approval: A deployment waits until somebody else approves it.
        runtimes: Names of the interpreters that may run it, ``builtin`` for the built-in one; empty for any.
        deployment: The one that serves; ``None`` before the first.
        canary: The one that takes a part of the requests beside it.
        changed: 0 where nobody has touched it: it has the defaults.
    """

    project: str
    name: str
    approval: bool
    runtimes: tuple[str, ...]
    deployment: str | None
    canary: str | None
    changed: float


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot that an environment was, is or shall be pointed at.

    Attributes:
        runtime: The interpreter's name; empty for the built-in one.
        described: What the snapshot declares, as ``Handlers.describe`` said when it was validated.
        weight: Percent of requests; less than 100 makes it a canary beside the one that serves.
        status: ``waiting`` for approval, ``active``, ``replaced``, ``rejected``.
        cause: ``deploy``, ``promote`` or ``rollback``.
        follows: The deployment that it was promoted from, or rolled back to.
        replaces: The one that served when it became active.
        by: Who asked for it, as people read it; ``asker`` is the user's id, or the id of a service's token.
        reason: What was said with it, or with the decision on it.
        decided: When it became active, or was rejected.
        decided_by: Who approved or rejected it; ``None`` where nobody had to.
    """

    id: str
    project: str
    environment: str
    snapshot: str
    runtime: str
    described: Mapping[str, Any]
    weight: int
    status: Literal["waiting", "active", "replaced", "rejected"]
    cause: Literal["deploy", "promote", "rollback"]
    follows: str | None
    replaces: str | None
    by: str
    asker: str
    reason: str
    created: float
    decided: float | None
    decided_by: str | None


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a handler, without its payload, which lies apart and expires.

    Attributes:
        runtime: The interpreter's name; empty for the built-in one.
        mode: ``async`` where nobody waits for the answer.
        status: ``queued``, ``running``, ``ok``, ``failed``, ``cancelled``, or ``lost`` where the server ended under it.
        code: Of the error, if it failed.
        replays: The execution whose request this was run with again.
        key: The client's idempotency key.
        digest: SHA-256 of what was asked.
        agent: Who pays for its models; ``None`` where the workers' configuration says it.
    """

    id: str
    project: str
    environment: str | None
    deployment: str | None
    snapshot: str
    runtime: str
    action: str
    kind: str
    handler: str
    mode: Literal["sync", "async"]
    status: Literal["queued", "running", "ok", "failed", "cancelled", "lost"]
    http_status: int | None
    code: str | None
    replays: str | None
    key: str | None
    digest: str
    agent: str | None
    by: str
    created: float
    started: float | None
    ended: float | None
