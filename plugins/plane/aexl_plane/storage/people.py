"""Tenants and users. Every function works in the transaction that it is called in."""

from __future__ import annotations

import time
from collections.abc import Sequence

import apsw

from aexl.errors import Conflict, NotFound
from aexl_plane.names import Right, check_email, check_label, new_id
from aexl_plane.records import Caller, Tenant, User
from aexl_plane.storage.database import tell
from aexl_plane.storage.rows import columns, fetch, fetch_one, number, pack


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


def find_tenant(connection: apsw.Connection, name: str) -> Tenant:
    """Return a tenant by its name or id.

    Raises:
        NotFound: If there is none.
    """
    found = fetch_one(connection, Tenant, f"SELECT {columns(Tenant)} FROM tenants WHERE ? IN (id, name)", (name,))
    if found is None:
        raise NotFound(f"there is no tenant {name[:80]!r}; 'aexl auth tenant list' shows them")
    return found


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


def find_owner(connection: apsw.Connection, tenant: Tenant, email: str | None) -> User:
    """Return a user who may manage a tenant: the one of an address, else the first.

    Raises:
        NotFound: If there is none.
    """
    query = (
        f"SELECT {columns(User)} FROM users WHERE tenant = ? AND removed IS NULL AND scopes LIKE '%\"admin\"%' "
        "ORDER BY created, rowid"
    )
    owners = fetch(connection, User, query, (tenant.id,))
    found = next((each for each in owners if email in (None, each.email)), None)
    if found is None:
        there = ", ".join(each.email for each in owners)
        raise NotFound(f"{str(email)[:80]!r} is nobody who may admin the tenant {tenant.name}; there are {there}")
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
