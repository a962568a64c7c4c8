-- What feeds queues. 'mark' says up to where a source was read; it moves in the transaction that queues what was fired.
CREATE TABLE triggers (
    id              BLOB    NOT NULL PRIMARY KEY,
    tenant_id       TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    kind            TEXT    NOT NULL,
    endpoint        TEXT    NOT NULL, -- by name
    source          TEXT    NOT NULL, -- JSON: [name, value, …]
    filter          TEXT,
    input           TEXT,
    batch_size      INTEGER NOT NULL,
    batch_window    INTEGER NOT NULL, -- µs
    is_paused       INTEGER NOT NULL,
    mark            TEXT,
    fired           INTEGER NOT NULL,
    last_invocation BLOB,
    last_fired_at   INTEGER,
    last_error      TEXT,
    last_error_at   INTEGER,
    created_at      INTEGER NOT NULL,
    UNIQUE (tenant_id, name)
) STRICT, WITHOUT ROWID;
