"""What is asked and answered about people, their tokens, workspaces and projects. Times are ISO 8601."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from aexl_plane.names import EMAIL, LABEL, RIGHTS, SLUG, Right
from aexl_plane.records import Caller, Project, TokenRecord, User, Workspace
from aexl_plane.stamps import stamp
from aexl_plane.storage.tokens import LONGEST_TTL

# Said in the schema only: what is wrong with one is said better where it is used.
Slug = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": SLUG})]
Label = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": LABEL})]
Email = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": EMAIL})]
Scope = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(RIGHTS)})]
Scopes = Annotated[tuple[Scope, ...], msgspec.Meta(extra_json_schema={"minItems": 1})]
Seconds = Annotated[float, msgspec.Meta(extra_json_schema={"exclusiveMinimum": 0, "maximum": LONGEST_TTL})]
Hash = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class NewPlace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class NewUser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class NewToken(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
