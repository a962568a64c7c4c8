-- Batch jobs. What lies between a job's input and its results is its window: items that were given to the queue, or cannot be, and have no line in the results yet.
CREATE TABLE batches (
    number        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- a number is never used again
    id            BLOB    NOT NULL UNIQUE,
    tenant_id     TEXT    NOT NULL,
    endpoint_id   BLOB    NOT NULL,
    endpoint_name TEXT    NOT NULL,
    version       TEXT,
    owner         BLOB    NOT NULL, -- server that has the results
    place         TEXT    NOT NULL,
    location      TEXT    NOT NULL, -- hash of an uploaded file, or a path
    stamp         TEXT,
    input_name    TEXT    NOT NULL,
    format        TEXT    NOT NULL,
    input_bytes   INTEGER NOT NULL,
    concurrency   INTEGER NOT NULL,
    budget        TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    reason        TEXT,
    created_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    mark          TEXT,
    read_bytes    INTEGER NOT NULL,
    is_read       INTEGER NOT NULL,
    fed           INTEGER NOT NULL,
    skipped       INTEGER NOT NULL,
    succeeded     INTEGER NOT NULL,
    failures      INTEGER NOT NULL,
    results_bytes INTEGER NOT NULL,
    pico_high     INTEGER NOT NULL,
    pico_low      INTEGER NOT NULL,
    attempts      INTEGER NOT NULL
) STRICT;

CREATE INDEX batches_listed ON batches (tenant_id, number);
CREATE INDEX batches_uploaded ON batches (location) WHERE place = 'uploaded';

CREATE TABLE batch_items (
    batch_id      BLOB    NOT NULL,
    number        INTEGER NOT NULL,
    name          TEXT    NOT NULL,
    invocation_id BLOB,              -- null = it cannot be sent, and why follows
    body_bytes    INTEGER NOT NULL,
    fault_code    TEXT,
    fault_detail  TEXT,
    PRIMARY KEY (batch_id, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX batch_items_invocation ON batch_items (invocation_id) WHERE invocation_id IS NOT NULL;
