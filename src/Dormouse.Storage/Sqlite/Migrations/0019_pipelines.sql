-- Runs of pipelines, and the invocations that they consist of.
CREATE TABLE pipeline_runs (
    id          BLOB    NOT NULL PRIMARY KEY, -- of the invocation
    tenant_id   TEXT    NOT NULL,
    endpoint_id BLOB    NOT NULL,
    revision    INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    run_us      INTEGER NOT NULL,
    status      INTEGER              -- null = it is queued
) STRICT, WITHOUT ROWID;

CREATE TABLE pipeline_parts (
    run_id        BLOB    NOT NULL,
    key           TEXT    NOT NULL, -- of the call
    attempt       INTEGER NOT NULL,
    number        INTEGER NOT NULL, -- their order
    endpoint      TEXT    NOT NULL,
    invocation_id BLOB    NOT NULL,
    status        INTEGER NOT NULL,
    detail        TEXT,
    PRIMARY KEY (run_id, key, attempt)
) STRICT, WITHOUT ROWID;

-- What a queued run goes on with when its server is lost. Gone with its item, or when that succeeds.
CREATE TABLE pipeline_outcomes (
    run_id       BLOB    NOT NULL,
    key          TEXT    NOT NULL,
    content_type TEXT,
    body         BLOB,              -- null = the call failed, and the run went on
    status       INTEGER NOT NULL,
    detail       TEXT,
    is_retryable INTEGER NOT NULL,
    PRIMARY KEY (run_id, key)
) STRICT;

-- Revisions of the pipelines of a queued run, by the prefix of their calls' keys.
CREATE TABLE pipeline_revisions (
    run_id   BLOB    NOT NULL,
    prefix   TEXT    NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (run_id, prefix)
) STRICT, WITHOUT ROWID;
