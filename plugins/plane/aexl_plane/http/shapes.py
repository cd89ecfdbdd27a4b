"""What is asked and answered about people, places, files, snapshots and integrations. Times are ISO 8601."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from aexl.api import FileChange, format_usd
from aexl_plane.integrations.live import Live
from aexl_plane.integrations.records import Done, Offered
from aexl_plane.names import EMAIL, LABEL, RIGHTS, SLUG, Right
from aexl_plane.records import Caller, Connection, FileRow, Project, TokenRecord, User, Workspace
from aexl_plane.stamps import stamp
from aexl_plane.storage.people import LONGEST_TTL

# Said in the schema only: what is wrong with one is said better where it is used.
Slug = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": SLUG})]
Label = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": LABEL})]
Email = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": EMAIL})]
Scope = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(RIGHTS)})]
Scopes = Annotated[tuple[Scope, ...], msgspec.Meta(extra_json_schema={"minItems": 1})]
Seconds = Annotated[float, msgspec.Meta(extra_json_schema={"exclusiveMinimum": 0, "maximum": LONGEST_TTL})]
Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class NewPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace or project to make; the slug is its name too, if none is given."""

    slug: Slug
    name: Label | None = None


class PlaceShape(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace or project."""

    id: str
    slug: str
    name: str
    created: str


class ProjectShape(PlaceShape, frozen=True, kw_only=True):
    """A project, and the workspace that it is in."""

    workspace: PlaceShape


class WorkspaceList(msgspec.Struct, frozen=True, kw_only=True):
    """The workspaces that the token reaches."""

    workspaces: Sequence[PlaceShape]


class ProjectList(msgspec.Struct, frozen=True, kw_only=True):
    """The projects of a workspace that the token reaches."""

    projects: Sequence[PlaceShape]


class NamedPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A project as the account lists it."""

    id: str
    slug: str
    name: str


class NamedWorkspace(NamedPlace, frozen=True, kw_only=True):
    """A workspace as the account lists it, with its projects."""

    projects: Sequence[NamedPlace]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and what they reach.

    Attributes:
        id: The user's, or the token's of a service.
        email: Of the user; a service's name.
    """

    id: str
    user_id: str | None
    email: str
    service: bool
    token_id: str
    tenant_id: str
    tenant_name: str
    scopes: Sequence[Right]
    workspaces: Sequence[NamedWorkspace]


class NewUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user to make, with a first token."""

    email: Email
    scopes: Scopes = ("read", "write", "execute")
    ttl_seconds: Seconds | None = None


class UserShape(msgspec.Struct, frozen=True, kw_only=True):
    """A user; ``scopes`` is the most that any token of theirs may do."""

    id: str
    email: str
    scopes: Sequence[Right]
    created: str


class MadeUser(UserShape, frozen=True, kw_only=True):
    """A user with their first token, which is told once."""

    token: str


class UserList(msgspec.Struct, frozen=True, kw_only=True):
    """The tenant's users."""

    users: Sequence[UserShape]


class RemovedUser(msgspec.Struct, frozen=True, kw_only=True):
    """A user who was removed; their tokens have ended."""

    removed: UserShape


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token to make: of the caller's own user, or with ``service`` of nobody's."""

    name: Label
    scopes: Scopes
    service: bool = False
    workspace: str | None = None
    project: str | None = None
    ttl_seconds: Seconds | None = None


class TokenShape(msgspec.Struct, frozen=True, kw_only=True):
    """A live token without its secret; of a service where ``user`` is null.

    Attributes:
        workspace: An id, as ``project``: where one is given, the token reaches nothing else.
    """

    id: str
    name: str
    user: str | None
    scopes: Sequence[Right]
    workspace: str | None
    project: str | None
    created: str
    expires: str | None


class MadeToken(TokenShape, frozen=True, kw_only=True):
    """A new token, which is told once."""

    token: str


class TokenList(msgspec.Struct, frozen=True, kw_only=True):
    """Live tokens."""

    tokens: Sequence[TokenShape]


class RevokedTokens(msgspec.Struct, frozen=True, kw_only=True):
    """Ids of tokens that have ended."""

    revoked: Sequence[str]


class RevokedOwn(msgspec.Struct, frozen=True, kw_only=True):
    """How many tokens have ended."""

    revoked: int


class FileShape(msgspec.Struct, frozen=True, kw_only=True):
    """A present file."""

    path: str
    version: int
    sha256: str
    size_bytes: int
    content_type: str
    updated_at: str


class FileList(msgspec.Struct, frozen=True, kw_only=True):
    """The present files; ``snapshot`` is null before the first one."""

    snapshot: str | None
    files: Sequence[FileShape]


class SnapshotFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a snapshot."""

    path: str
    sha256: str
    size_bytes: int
    executable: bool


class SnapshotFiles(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot's files, by path."""

    snapshot: str
    files: Sequence[SnapshotFile]


class SnapshotShape(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot."""

    id: str
    parents: Sequence[str]
    author: str
    message: str
    time: str
    metadata: Mapping[str, Any]


class SnapshotLog(msgspec.Struct, frozen=True, kw_only=True):
    """The latest snapshots, each before those it was made from."""

    head: str | None
    snapshots: Sequence[SnapshotShape]


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """The snapshot that restoring another one has made."""

    snapshot: str
    restored: str


class SnapshotDiff(msgspec.Struct, frozen=True, kw_only=True, rename={"old": "from", "new": "to"}):
    """What differs between two snapshots."""

    old: str
    new: str
    changes: Sequence[FileChange]


class Nothing(msgspec.Struct, frozen=True, kw_only=True):
    """An empty object; what else it has is not read."""


class NewConnection(msgspec.Struct, frozen=True, kw_only=True):
    """An integration to add to a project.

    Attributes:
        integration: Which of the server's does the work; none, and it cannot be used.
        provider: Needed only where ``integration`` is left out.
        allowed_actions: What may be granted; all that the server's integration can do, if left out.
        granted_actions: What may be run.
    """

    name: Label
    integration: str = ""
    provider: str = ""
    allowed_actions: tuple[str, ...] | None = None
    granted_actions: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = {}


class MadeConnection(msgspec.Struct, frozen=True, kw_only=True):
    """An integration that was added."""

    connection_id: str
    provider: str


class RemovedConnection(msgspec.Struct, frozen=True, kw_only=True):
    """The id of an integration that was removed."""

    removed: str


class ConnectorShape(msgspec.Struct, frozen=True, kw_only=True):
    """What does the work; version 0 where nothing does."""

    id: str
    version: str


class AuthShape(msgspec.Struct, frozen=True, kw_only=True):
    """Who has the credential: the server, or nobody."""

    method: Literal["none", "server"]


class ConnectionShape(msgspec.Struct, frozen=True, kw_only=True):
    """An integration of a project.

    Attributes:
        status_reason: Why it is unavailable.
        granted_actions: What may be run: granted to it, and allowed by the server's owner.
    """

    connection_id: str
    workspace_id: str
    project_id: str
    provider: str
    integration: str
    connector: ConnectorShape
    resource_type: str
    display_name: str
    status: Literal["active", "unavailable"]
    status_reason: str | None
    capabilities: Sequence[str]
    allowed_actions: Sequence[str]
    granted_actions: Sequence[str]
    auth: AuthShape
    metadata: Mapping[str, Any]


class ConnectionList(msgspec.Struct, frozen=True, kw_only=True):
    """A project's integrations, oldest first."""

    integrations: Sequence[ConnectionShape]


class OfferedList(msgspec.Struct, frozen=True, kw_only=True):
    """The server's integrations that projects of this tenant may be connected to."""

    offered: Sequence[Offered]


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a check has found."""

    data: Mapping[str, Any]


class ActionParams(msgspec.Struct, frozen=True, kw_only=True):
    """An action's parameters, as its provider wants them."""

    params: Mapping[str, Any] = {}


class ActionDone(msgspec.Struct, frozen=True, kw_only=True):
    """What an action gave.

    Attributes:
        call: Its id in the ledger.
        execution: The governed call that it cost, if it did; ``cost_usd`` says how much.
    """

    call: str
    result: Any
    execution: str | None
    cost_usd: str | None
    milliseconds: int


def place_shape(place: Workspace | Project) -> PlaceShape:
    """Return a workspace or project."""
    return PlaceShape(id=place.id, slug=place.slug, name=place.name, created=stamp(place.created))


def named_place(place: Workspace | Project) -> NamedPlace:
    """Return a workspace or project as the account lists it."""
    return NamedPlace(id=place.id, slug=place.slug, name=place.name)


def user_shape(user: User) -> UserShape:
    """Return a user."""
    return UserShape(id=user.id, email=user.email, scopes=user.scopes, created=stamp(user.created))


def token_fields(token: TokenRecord) -> dict[str, Any]:
    """Return what there is to tell of a token."""
    return {
        "id": token.id,
        "name": token.name,
        "user": token.user,
        "scopes": token.scopes,
        "workspace": token.workspace,
        "project": token.project,
        "created": stamp(token.created),
        "expires": None if token.expires is None else stamp(token.expires),
    }


def account(caller: Caller, scopes: Sequence[Right], workspaces: Sequence[NamedWorkspace]) -> Account:
    """Return a caller; a service's id is its token's."""
    return Account(
        id=caller.user or caller.token,
        user_id=caller.user,
        email=caller.who,
        service=caller.user is None,
        token_id=caller.token,
        tenant_id=caller.tenant,
        tenant_name=caller.tenant_name,
        scopes=scopes,
        workspaces=workspaces,
    )


def file_shape(row: FileRow) -> FileShape:
    """Return a present file."""
    return FileShape(
        path=row.path,
        version=row.version,
        sha256=row.sha256,
        size_bytes=row.size,
        content_type=row.content_type,
        updated_at=stamp(row.changed),
    )


def connection_shape(connection: Connection, workspace: str, live: Live | None, why: str) -> ConnectionShape:
    """Return an integration.

    Args:
        live: What does the work; ``None`` where nothing does, and ``why``.
    """
    allowed, granted = set(connection.allowed), set(connection.granted)
    if live is not None:
        allowed, granted = allowed & set(live.actions), granted & set(live.actions)
    return ConnectionShape(
        connection_id=connection.id,
        workspace_id=workspace,
        project_id=connection.project,
        provider=connection.provider,
        integration=connection.integration,
        connector=ConnectorShape(id=connection.provider, version=live.kind.version if live else "0"),
        resource_type=connection.provider,
        display_name=connection.name,
        status="active" if live else "unavailable",
        status_reason=why or None,
        capabilities=sorted({action.partition(".")[0] for action in allowed}),
        allowed_actions=sorted(allowed),
        granted_actions=sorted(granted),
        auth=AuthShape(method="server" if live is not None and live.section.credential else "none"),
        metadata=connection.metadata,
    )


def action_done(done: Done) -> ActionDone:
    """Return what an action gave."""
    return ActionDone(
        call=done.call,
        result=done.result,
        execution=done.execution,
        cost_usd=None if done.cost is None else format_usd(done.cost),
        milliseconds=done.milliseconds,
    )
