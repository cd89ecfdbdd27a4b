"""The tables, and how an older ledger gets them. Each migration is one transaction."""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x6165786C  # "aexl"

V1: Final = """
CREATE TABLE streams (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;
INSERT INTO streams VALUES (1, 'main');

CREATE TABLE events (
    stream INTEGER NOT NULL,
    seq INTEGER NOT NULL CHECK (seq > 0),
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    body BLOB NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX one_end ON events (subject)
    WHERE kind IN ('execution.committed', 'execution.released', 'execution.denied');
CREATE INDEX corrections ON events (subject, seq) WHERE kind = 'execution.corrected';

CREATE TABLE agents (
    name TEXT PRIMARY KEY,
    parent TEXT,
    state TEXT NOT NULL CHECK (state IN ('ready', 'paused', 'quarantined', 'frozen', 'decommissioned')),
    reason TEXT,
    budget INTEGER CHECK (budget BETWEEN 0 AND 9007199254740992),
    timezone TEXT NOT NULL,
    limits TEXT NOT NULL,
    created INTEGER NOT NULL,
    spent INTEGER NOT NULL CHECK (spent >= 0),
    reserved INTEGER NOT NULL CHECK (reserved BETWEEN 0 AND 9007199254740992),
    last_active INTEGER,
    deleted INTEGER NOT NULL CHECK (deleted IN (0, 1)),
    day_budget INTEGER CHECK (day_budget BETWEEN 0 AND 9007199254740992),
    day_start INTEGER,
    day_end INTEGER,
    day_spent INTEGER CHECK (day_spent >= 0),
    month_budget INTEGER CHECK (month_budget BETWEEN 0 AND 9007199254740992),
    month_start INTEGER,
    month_end INTEGER,
    month_spent INTEGER CHECK (month_spent >= 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    agent TEXT NOT NULL,
    digest TEXT NOT NULL CHECK (length(digest) = 64),
    scope TEXT NOT NULL CHECK (scope IN ('read', 'execute', 'admin')),
    labels TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER,
    revoked INTEGER NOT NULL CHECK (revoked IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE executions (
    id TEXT PRIMARY KEY,
    agent TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('dispatched', 'committed', 'released', 'denied')),
    hold INTEGER NOT NULL CHECK (hold BETWEEN 0 AND 9007199254740992),
    began INTEGER NOT NULL,
    cost INTEGER CHECK (cost BETWEEN 0 AND 9007199254740992),
    ended INTEGER,
    corrected INTEGER CHECK (corrected BETWEEN 0 AND 9007199254740992),
    upstream_id TEXT,
    CHECK ((ended IS NULL) = (state = 'dispatched')),
    CHECK ((cost IS NULL) = (ended IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX executions_of_agents ON executions (agent, id);
CREATE INDEX executions_open ON executions (id) WHERE ended IS NULL;
CREATE INDEX executions_corrected ON executions (id) WHERE corrected IS NOT NULL;
CREATE INDEX executions_upstream ON executions (upstream_id) WHERE upstream_id IS NOT NULL;

CREATE TABLE claims (
    agent TEXT NOT NULL,
    key BLOB NOT NULL,
    execution TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    expires INTEGER NOT NULL,
    done INTEGER NOT NULL CHECK (done IN (0, 1)),
    PRIMARY KEY (agent, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX claims_by_age ON claims (expires);

CREATE TABLE answers (
    execution TEXT PRIMARY KEY,
    expires INTEGER NOT NULL,
    size INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE INDEX answers_by_age ON answers (expires, execution, size);
"""

V2: Final = """
CREATE INDEX attempts ON events (subject, seq) WHERE kind = 'execution.attempted';
"""

V3: Final = """
DROP INDEX one_end;
CREATE UNIQUE INDEX one_end ON events (subject)
    WHERE kind = 'execution.committed' OR kind = 'execution.released' OR kind = 'execution.denied';
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql,
    'state IN (''dispatched'', ''committed'', ''released'', ''denied'')',
    'state = ''dispatched'' OR state = ''committed'' OR state = ''released'' OR state = ''denied'''
) WHERE name = 'executions';
UPDATE sqlite_schema SET sql = replace(sql,
    'state IN (''ready'', ''paused'', ''quarantined'', ''frozen'', ''decommissioned'')',
    'state = ''ready'' OR state = ''paused'' OR state = ''quarantined'' OR state = ''frozen'' OR state = ''decommissioned'''
) WHERE name = 'agents';
PRAGMA writable_schema = RESET;
"""
"""The same rules in other words: for each row that it checks against an ``IN`` of more than two values, SQLite makes a
table of these values, which was a tenth of the work of a batch. It allows to edit a check's text in place
(https://www.sqlite.org/lang_altertable.html, section 8); the new index tells other connections to read the schema again."""

MIGRATIONS: Final = (V1, V2, V3)
"""The script that leads from each version to the next; the version is ``PRAGMA user_version``."""
