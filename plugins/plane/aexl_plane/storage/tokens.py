"""Tokens that the database has. Every function works in the transaction that it is called in."""

from __future__ import annotations

import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import apsw
import msgspec

from aexl.errors import Conflict, Invalid, NotFound, Refused
from aexl_plane import tokens
from aexl_plane.names import Right, check_label
from aexl_plane.records import Caller, TokenRecord, User
from aexl_plane.storage.database import tell
from aexl_plane.storage.rows import columns, fetch, pack

LONGEST_TTL: Final = 10 * 366 * 86_400.0
"""Seconds."""


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


def revoke_token(connection: apsw.Connection, caller: Caller, id: str, *, confirmed: bool) -> None:
    """End a token at once: one's own, or any of the tenant for who may manage it.

    Args:
        confirmed: Also if it is the caller's last one that may manage the tenant.

    Raises:
        NotFound: If the caller sees no such token.
        Conflict: If it is, and that was not confirmed.
    """
    if id not in {token.id for token in list_tokens(connection, caller)}:
        raise NotFound(f"there is no live token {id[:80]!r}; 'aexl auth token list' shows them")
    if not confirmed:
        _keep_one(connection, caller, {id})
    _revoke(connection, caller, id)


def revoke_own(connection: apsw.Connection, caller: Caller, *, confirmed: bool) -> int:
    """End all tokens of the caller's user, of a service this one; return how many.

    Args:
        confirmed: Also if one of them may manage the tenant.

    Raises:
        Conflict: If one does, and that was not confirmed.
    """
    query = "SELECT id FROM tokens WHERE revoked IS NULL AND (user = ? OR id = ?)"
    ids = [str(row[0]) for row in connection.execute(query, (caller.user, caller.token))]
    if not confirmed:
        _keep_one(connection, caller, set(ids))
    for id in ids:
        _revoke(connection, caller, id)
    return len(ids)


def _keep_one(connection: apsw.Connection, caller: Caller, ending: AbstractSet[str]) -> None:
    """Refuse to end the caller's last token that may manage the whole tenant: none of their others makes a new one."""
    query = (
        "SELECT id FROM tokens WHERE revoked IS NULL AND (user = ? OR id = ?) AND (expires IS NULL OR expires > ?) "
        "AND workspace IS NULL AND project IS NULL AND scopes LIKE '%\"admin\"%'"
    )
    managing = {str(row[0]) for row in connection.execute(query, (caller.user, caller.token, time.time()))}
    if managing & ending and managing <= ending:
        raise Conflict(
            "this ends your last token that may admin the tenant, and only 'aexl auth tenant token', on the server's "
            "machine, makes another; confirm=true (on the command line --yes) ends it all the same"
        )


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
