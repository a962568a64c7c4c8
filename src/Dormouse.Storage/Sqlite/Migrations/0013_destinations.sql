-- Where outcomes of queued invocations go. What is said here of an invocation goes before what its endpoint says.
ALTER TABLE queue_items ADD COLUMN on_success TEXT;
ALTER TABLE queue_items ADD COLUMN on_failure TEXT;
ALTER TABLE queue_items ADD COLUMN hops INTEGER NOT NULL DEFAULT 0;

CREATE TABLE destinations (
    tenant_id        TEXT    NOT NULL,
    name             TEXT    NOT NULL,
    url              TEXT    NOT NULL,
    form             TEXT    NOT NULL,
    secret           BLOB    NOT NULL,
    old_secret       BLOB,
    old_secret_until INTEGER,
    disabled_reason  TEXT,
    created_at       INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE destination_uses (
    endpoint_id BLOB NOT NULL PRIMARY KEY,
    on_success  TEXT,              -- name of a destination, or endpoint:NAME
    on_failure  TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
    number        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- a number is never used again
    item_sequence INTEGER NOT NULL REFERENCES queue_items (sequence) ON DELETE CASCADE,
    tenant_id     TEXT    NOT NULL,
    invocation_id BLOB    NOT NULL,
    endpoint_id   BLOB    NOT NULL,
    target        TEXT    NOT NULL,
    outcome       TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    next_at       INTEGER NOT NULL,
    state         TEXT    NOT NULL,
    attempts      INTEGER NOT NULL,
    status        INTEGER,
    reason        TEXT,
    ended_at      INTEGER
) STRICT;

CREATE INDEX deliveries_due ON deliveries (tenant_id, target, next_at, number) WHERE state = 'pending';
CREATE INDEX deliveries_item ON deliveries (item_sequence);
CREATE INDEX deliveries_listed ON deliveries (tenant_id, state, number);
