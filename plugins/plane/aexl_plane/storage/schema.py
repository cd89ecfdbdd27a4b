"""The tables, as scripts from each version of the schema to the next."""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x6165786C
"""Marks the file as aexl's, for tools that look at SQLite files."""

_FIRST: Final = """
CREATE TABLE tenants (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created REAL NOT NULL) STRICT;
CREATE TABLE users (
    id TEXT PRIMARY KEY, tenant TEXT NOT NULL REFERENCES tenants, email TEXT NOT NULL, scopes TEXT NOT NULL,
    created REAL NOT NULL, removed REAL
) STRICT;
CREATE UNIQUE INDEX users_by_email ON users (tenant, email) WHERE removed IS NULL;
CREATE TABLE workspaces (
    id TEXT PRIMARY KEY, tenant TEXT NOT NULL REFERENCES tenants, slug TEXT NOT NULL, name TEXT NOT NULL,
    created REAL NOT NULL, UNIQUE (tenant, slug)
) STRICT;
CREATE TABLE projects (
    id TEXT PRIMARY KEY, workspace TEXT NOT NULL REFERENCES workspaces, slug TEXT NOT NULL, name TEXT NOT NULL,
    created REAL NOT NULL, UNIQUE (workspace, slug)
) STRICT;
CREATE TABLE tokens (
    id TEXT PRIMARY KEY, tenant TEXT NOT NULL REFERENCES tenants, user TEXT REFERENCES users, name TEXT NOT NULL,
    digest TEXT NOT NULL, scopes TEXT NOT NULL, workspace TEXT REFERENCES workspaces,
    project TEXT REFERENCES projects, created REAL NOT NULL, expires REAL, revoked REAL
) STRICT;
CREATE INDEX tokens_by_tenant ON tokens (tenant);
CREATE TABLE heads (project TEXT PRIMARY KEY REFERENCES projects, snapshot TEXT NOT NULL) STRICT;
CREATE TABLE files (
    project TEXT NOT NULL REFERENCES projects, path TEXT NOT NULL, version INTEGER NOT NULL, sha256 TEXT,
    size INTEGER NOT NULL, content_type TEXT NOT NULL, changed REAL NOT NULL, PRIMARY KEY (project, path)
) STRICT, WITHOUT ROWID;
CREATE TABLE uploads (
    id TEXT PRIMARY KEY, project TEXT NOT NULL REFERENCES projects, path TEXT NOT NULL, expected INTEGER NOT NULL,
    sha256 TEXT NOT NULL, size INTEGER NOT NULL, content_type TEXT NOT NULL, expires REAL NOT NULL,
    version INTEGER, snapshot TEXT
) STRICT;
CREATE INDEX uploads_by_project ON uploads (project);
CREATE INDEX uploads_by_end ON uploads (expires);
CREATE TABLE connections (
    id TEXT PRIMARY KEY, project TEXT NOT NULL REFERENCES projects, provider TEXT NOT NULL, name TEXT NOT NULL,
    allowed TEXT NOT NULL, granted TEXT NOT NULL, metadata TEXT NOT NULL, created REAL NOT NULL
) STRICT;
CREATE INDEX connections_by_project ON connections (project);
CREATE TABLE messages (
    project TEXT NOT NULL REFERENCES projects, thread TEXT NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL,
    written REAL NOT NULL, expires REAL, PRIMARY KEY (project, thread, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE states (
    project TEXT NOT NULL REFERENCES projects, thread TEXT NOT NULL, body TEXT NOT NULL, written REAL NOT NULL,
    expires REAL, PRIMARY KEY (project, thread)
) STRICT, WITHOUT ROWID;
CREATE TABLE checkpoints (
    project TEXT NOT NULL REFERENCES projects, thread TEXT NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL,
    body TEXT NOT NULL, written REAL NOT NULL, expires REAL, PRIMARY KEY (project, thread, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE recalled (
    project TEXT NOT NULL REFERENCES projects, namespace TEXT NOT NULL, key TEXT NOT NULL, id TEXT NOT NULL,
    body TEXT NOT NULL, written REAL NOT NULL, expires REAL, PRIMARY KEY (project, namespace, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, subject TEXT NOT NULL,
    data TEXT NOT NULL) STRICT;
"""

_SECOND: Final = """
CREATE TABLE environments (
    project TEXT NOT NULL REFERENCES projects, name TEXT NOT NULL, approval INTEGER NOT NULL, runtimes TEXT NOT NULL,
    deployment TEXT, canary TEXT, changed REAL NOT NULL, PRIMARY KEY (project, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE deployments (
    id TEXT PRIMARY KEY, project TEXT NOT NULL REFERENCES projects, environment TEXT NOT NULL, snapshot TEXT NOT NULL,
    runtime TEXT NOT NULL, described TEXT NOT NULL, weight INTEGER NOT NULL, status TEXT NOT NULL,
    cause TEXT NOT NULL, follows TEXT, replaces TEXT, by TEXT NOT NULL, asker TEXT NOT NULL, reason TEXT NOT NULL,
    created REAL NOT NULL, decided REAL, decided_by TEXT
) STRICT;
CREATE INDEX deployments_by_place ON deployments (project, environment, created);
CREATE INDEX deployments_waiting ON deployments (project, environment) WHERE status = 'waiting';
CREATE TABLE executions (
    id TEXT PRIMARY KEY, project TEXT NOT NULL REFERENCES projects, environment TEXT, deployment TEXT,
    snapshot TEXT NOT NULL, runtime TEXT NOT NULL, action TEXT NOT NULL, kind TEXT NOT NULL, handler TEXT NOT NULL,
    mode TEXT NOT NULL, status TEXT NOT NULL, http_status INTEGER, code TEXT, replays TEXT, key TEXT,
    digest TEXT NOT NULL, agent TEXT, by TEXT NOT NULL, created REAL NOT NULL, started REAL, ended REAL
) STRICT;
CREATE INDEX executions_by_project ON executions (project, created);
CREATE UNIQUE INDEX executions_by_key ON executions (project, key) WHERE key IS NOT NULL;
CREATE INDEX executions_running ON executions (status) WHERE ended IS NULL;
CREATE INDEX executions_by_time ON executions (created);
CREATE TABLE payloads (
    execution TEXT PRIMARY KEY REFERENCES executions, request TEXT, answer TEXT, expires REAL NOT NULL
) STRICT;
CREATE INDEX payloads_by_end ON payloads (expires);
ALTER TABLE connections ADD COLUMN integration TEXT NOT NULL DEFAULT '';
CREATE TABLE actions (
    connection TEXT NOT NULL, key TEXT NOT NULL, digest TEXT NOT NULL, answer TEXT, expires REAL NOT NULL,
    PRIMARY KEY (connection, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX actions_by_end ON actions (expires);
"""

MIGRATIONS: Final = (_FIRST, _SECOND)
