"""Tenants, users and tokens. Every function works in the transaction that it is called in."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import apsw
import msgspec

from aexl.errors import Conflict, Invalid, NotFound, Refused
from aexl_plane import tokens
from aexl_plane.names import Right, check_email, check_label, new_id
from aexl_plane.records import Caller, Tenant, TokenRecord, User
from aexl_plane.storage.database import tell
from aexl_plane.storage.rows import columns, fetch, fetch_one, number, pack

LONGEST_TTL: Final = 10 * 366 * 86_400.0
"""Seconds."""


def create_tenant(connection: apsw.Connection, name: str) -> Tenant:
    """Make a tenant.

    Raises:
        Conflict: If the name is taken.
    """
    tenant = Tenant(id=new_id("tn"), name=check_label(name, "a tenant's name"), created=time.time())
    if connection.execute("SELECT 1 FROM tenants WHERE name = ?", (name,)).fetchone():
        raise Conflict(f"there is a tenant {name!r} already")
    connection.execute("INSERT INTO tenants VALUES (?, ?, ?)", (tenant.id, tenant.name, tenant.created))
    tell(connection, "tenant_created", tenant.id, {"name": name})
    return tenant


def list_tenants(connection: apsw.Connection) -> Sequence[Tenant]:
    """Return all tenants of the server, by age."""
    return fetch(connection, Tenant, f"SELECT {columns(Tenant)} FROM tenants ORDER BY created")


def create_user(connection: apsw.Connection, tenant: str, email: str, rights: frozenset[Right]) -> User:
    """Make a user of a tenant.

    Raises:
        Conflict: If the tenant has one of that address.
    """
    user = User(id=new_id("us"), email=check_email(email), scopes=tuple(sorted(rights)), created=time.time())
    query = "SELECT 1 FROM users WHERE tenant = ? AND email = ? AND removed IS NULL"
    if connection.execute(query, (tenant, email)).fetchone():
        raise Conflict(f"there is a user {email} already")
    connection.execute(
        "INSERT INTO users VALUES (?, ?, ?, ?, ?, NULL)", (user.id, tenant, email, pack(rights), user.created)
    )
    tell(connection, "user_created", user.id, {"tenant": tenant, "email": email, "scopes": " ".join(user.scopes)})
    return user


def list_users(connection: apsw.Connection, tenant: str) -> Sequence[User]:
    """Return a tenant's users, by address."""
    query = f"SELECT {columns(User)} FROM users WHERE tenant = ? AND removed IS NULL ORDER BY email"
    return fetch(connection, User, query, (tenant,))


def find_user(connection: apsw.Connection, tenant: str, name: str) -> User:
    """Return a tenant's user by id or address.

    Raises:
        NotFound: If there is none.
    """
    query = f"SELECT {columns(User)} FROM users WHERE tenant = ? AND (id = ? OR email = ?) AND removed IS NULL"
    found = fetch_one(connection, User, query, (tenant, name, name))
    if found is None:
        raise NotFound(f"there is no user {name[:80]}; 'aexl auth user list' shows them")
    return found


def count_deciders(connection: apsw.Connection, project: str, asker: str) -> int:
    """Return how many users of a project's tenant may decide on what somebody has asked for, beside them."""
    query = (
        "SELECT count(*) FROM users u JOIN workspaces w ON w.tenant = u.tenant JOIN projects p ON p.workspace = w.id "
        "WHERE p.id = ? AND u.removed IS NULL AND u.id <> ? AND u.scopes LIKE '%\"admin\"%'"
    )
    return number(connection, query, (project, asker))


def remove_user(connection: apsw.Connection, caller: Caller, name: str) -> User:
    """Remove a user, and end their tokens at once.

    Raises:
        NotFound: If there is none.
        Conflict: If it is the last one who may manage the tenant.
    """
    user = find_user(connection, caller.tenant, name)
    others = [each for each in list_users(connection, caller.tenant) if each.id != user.id and "admin" in each.scopes]
    if "admin" in user.scopes and not others:
        raise Conflict(f"{user.email} is the last user with the scope admin: make another one first")
    now = time.time()
    connection.execute("UPDATE users SET removed = ? WHERE id = ?", (now, user.id))
    connection.execute("UPDATE tokens SET revoked = ? WHERE user = ? AND revoked IS NULL", (now, user.id))
    tell(connection, "user_removed", user.id, {"tenant": caller.tenant, "email": user.email, "by": caller.who})
    return user


def mint_token(
    connection: apsw.Connection,
    tenant: str,
    *,
    name: str,
    user: User | None,
    rights: frozenset[Right],
    workspace: str | None = None,
    project: str | None = None,
    ttl: float | None = None,
    latest: float | None = None,
) -> tuple[TokenRecord, str]:
    """Make a token; return its record, and the token, which is not kept.

    Args:
        user: Whose it is; ``None`` for a service.
        ttl: Seconds until it ends; ``None`` for no end.
        latest: When it ends at the latest, in Unix seconds.
    """
    if ttl is not None and not 0 < ttl <= LONGEST_TTL:
        raise Invalid(f"a token's time to live must be above 0 and at most ten years, not {ttl!r} seconds")
    minted, now = tokens.mint(), time.time()
    ends = [end for end in (None if ttl is None else now + ttl, latest) if end is not None]
    record = TokenRecord(
        id=minted.id,
        name=check_label(name, "a token's name"),
        user=user.id if user else None,
        scopes=tuple(sorted(rights)),
        workspace=workspace,
        project=project,
        created=now,
        expires=min(ends, default=None),
    )
    connection.execute(
        "INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
        (
            record.id,
            tenant,
            record.user,
            name,
            minted.digest,
            pack(rights),
            workspace,
            project,
            record.created,
            record.expires,
        ),
    )
    data = {"tenant": tenant, "name": name, "user": record.user or "", "scopes": " ".join(record.scopes)}
    tell(connection, "token_minted", record.id, data)
    return record, minted.text


def list_tokens(connection: apsw.Connection, caller: Caller) -> Sequence[TokenRecord]:
    """Return the tenant's live tokens, oldest first: all to who may manage it, else the caller's own."""
    query = (
        f"SELECT {columns(TokenRecord)} FROM tokens WHERE tenant = ? AND revoked IS NULL AND (? OR user = ? OR id = ?) "
        "ORDER BY created"
    )
    return fetch(connection, TokenRecord, query, (caller.tenant, caller.may("admin"), caller.user, caller.token))


def revoke_token(connection: apsw.Connection, caller: Caller, id: str) -> None:
    """End a token at once: one's own, or any of the tenant for who may manage it.

    Raises:
        NotFound: If the caller sees no such token.
    """
    if id not in {token.id for token in list_tokens(connection, caller)}:
        raise NotFound(f"there is no live token {id[:80]!r}; 'aexl auth token list' shows them")
    _revoke(connection, caller, id)


def revoke_own(connection: apsw.Connection, caller: Caller) -> int:
    """End all tokens of the caller's user, of a service this one; return how many."""
    query = "SELECT id FROM tokens WHERE revoked IS NULL AND (user = ? OR id = ?)"
    ids = [str(row[0]) for row in connection.execute(query, (caller.user, caller.token))]
    for id in ids:
        _revoke(connection, caller, id)
    return len(ids)


def _revoke(connection: apsw.Connection, caller: Caller, id: str) -> None:
    connection.execute("UPDATE tokens SET revoked = ? WHERE id = ?", (time.time(), id))
    tell(connection, "token_revoked", id, {"tenant": caller.tenant, "by": caller.who})


def authenticate(connection: apsw.Connection, token: str) -> Caller:
    """Return whose token this is.

    Raises:
        Refused: 401 if it is malformed, unknown, revoked or expired.
    """
    id, digest = tokens.take_apart(token)
    row = connection.execute(
        "SELECT t.digest, t.name, t.tenant, n.name, t.user, u.email, t.scopes, u.scopes, t.workspace, t.project, "
        "t.expires FROM tokens t JOIN tenants n ON n.id = t.tenant LEFT JOIN users u ON u.id = t.user "
        "WHERE t.id = ? AND t.revoked IS NULL AND u.removed IS NULL",
        (id,),
    ).fetchone()
    if row is None or not tokens.matches(digest, row[0]):
        raise tokens.unknown_token()
    _, name, tenant, tenant_name, user, email, scopes, most, workspace, project, expires = row
    if expires is not None and expires <= time.time():
        raise Refused("the token has expired; make a new one", code="expired_token", status=401)
    return Caller(
        token=id,
        name=name,
        tenant=tenant,
        tenant_name=tenant_name,
        user=user,
        email=email,
        rights=_effective(scopes, most),
        workspace=workspace,
        project=project,
        expires=expires,
    )


def _effective(scopes: str, most: str | None) -> frozenset[Right]:
    held: frozenset[Right] = msgspec.json.decode(scopes, type=frozenset[Right])
    if most is None:
        return held
    limit: frozenset[Right] = msgspec.json.decode(most, type=frozenset[Right])
    return held if "admin" in limit else (limit if "admin" in held else held & limit)
