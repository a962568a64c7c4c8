-- Queued invocations. 'sequence' is the order of acceptance. Bodies and answers have tables of their own, so that looking for work does not read them.
CREATE TABLE queue_items (
    sequence          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- a number is never used again
    id                BLOB    NOT NULL UNIQUE,
    tenant_id         TEXT    NOT NULL,
    endpoint_id       BLOB    NOT NULL,
    method            TEXT    NOT NULL,
    target            TEXT,              -- path and query on the instance; NULL = the inference route
    version           TEXT,
    headers           TEXT    NOT NULL, -- JSON: [name, value, …]
    body_bytes        INTEGER NOT NULL,
    priority          INTEGER NOT NULL, -- 1 high, 2 normal, 3 low
    group_key         TEXT,
    accepted_at       INTEGER NOT NULL,
    not_before        INTEGER NOT NULL,
    expires_at        INTEGER NOT NULL,
    attempts          INTEGER NOT NULL,
    attempts_max      INTEGER NOT NULL,
    state             TEXT    NOT NULL,
    is_blocked        INTEGER NOT NULL, -- it is not its turn: an earlier item of its group is queued, or one of them is leased
    fence             INTEGER NOT NULL,
    lease_owner       BLOB,
    lease_until       INTEGER,
    reason            TEXT,
    ended_at          INTEGER,
    idempotency_key   TEXT,
    idempotency_hash  BLOB,
    idempotency_until INTEGER
) STRICT;

CREATE INDEX queue_items_due ON queue_items (endpoint_id, priority, not_before, sequence) WHERE state = 'queued' AND is_blocked = 0;
CREATE INDEX queue_items_leased ON queue_items (endpoint_id, group_key) WHERE state = 'leased';
CREATE INDEX queue_items_expiring ON queue_items (expires_at) WHERE state = 'queued';
CREATE INDEX queue_items_ended ON queue_items (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX queue_items_listed ON queue_items (tenant_id, state, sequence);
CREATE INDEX queue_items_group ON queue_items (endpoint_id, group_key, sequence) WHERE group_key IS NOT NULL AND state IN ('queued', 'leased');
CREATE UNIQUE INDEX queue_items_idempotency ON queue_items (endpoint_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE queue_bodies (
    sequence INTEGER NOT NULL PRIMARY KEY REFERENCES queue_items (sequence) ON DELETE CASCADE,
    body     BLOB    NOT NULL
) STRICT;

CREATE TABLE queue_answers (
    sequence INTEGER NOT NULL PRIMARY KEY REFERENCES queue_items (sequence) ON DELETE CASCADE,
    status   INTEGER NOT NULL,
    headers  TEXT    NOT NULL, -- JSON: [name, value, …]
    body     BLOB    NOT NULL
) STRICT;

-- Items of each endpoint by state, written in the transaction that changes them: nobody counts a million rows.
CREATE TABLE queue_depths (
    endpoint_id BLOB    NOT NULL PRIMARY KEY,
    tenant_id   TEXT    NOT NULL,
    queued      INTEGER NOT NULL,
    leased      INTEGER NOT NULL,
    dead        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
