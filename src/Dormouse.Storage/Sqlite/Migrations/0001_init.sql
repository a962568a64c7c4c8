-- Times are microseconds since 1970 UTC, ids are 16 bytes in big-endian order, hashes 64 hexadecimal digits.
PRAGMA application_id = 0x446F726D;

CREATE TABLE server (
    only_row   INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    server_id  BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE endpoints (
    id               BLOB    NOT NULL PRIMARY KEY,
    tenant_id        TEXT    NOT NULL,
    name             TEXT    NOT NULL,
    is_public        INTEGER NOT NULL,
    is_unloaded      INTEGER NOT NULL,
    traffic          TEXT    NOT NULL, -- '3=90,4=10', empty when there is none
    previous_traffic TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    UNIQUE (tenant_id, name)
) STRICT, WITHOUT ROWID;

-- Outlives its endpoint: usage reports name deleted endpoints.
CREATE TABLE endpoint_names (
    endpoint_id BLOB NOT NULL PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    name        TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE revisions (
    endpoint_id BLOB    NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    tenant_id   TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    spec        TEXT    NOT NULL, -- JSON with schema_version
    interface   TEXT,
    failure     TEXT,
    is_routed   INTEGER NOT NULL, -- carries traffic, or is the newest while none does: what a starting server reads
    created_at  INTEGER NOT NULL,
    UNIQUE (endpoint_id, number)
) STRICT;

CREATE UNIQUE INDEX revisions_routed ON revisions (endpoint_id, number) WHERE is_routed = 1;

CREATE INDEX revisions_verifying ON revisions (endpoint_id, number) WHERE state = 'verifying';

CREATE TABLE revision_files (
    endpoint_id BLOB    NOT NULL,
    number      INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    tenant_id   TEXT    NOT NULL,
    path        TEXT    NOT NULL,
    hash        TEXT    NOT NULL,
    size_bytes  INTEGER NOT NULL,
    PRIMARY KEY (endpoint_id, number, position),
    FOREIGN KEY (endpoint_id, number) REFERENCES revisions (endpoint_id, number) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX revision_files_hash ON revision_files (hash);

CREATE TABLE access_keys (
    id          TEXT    NOT NULL PRIMARY KEY,
    tenant_id   TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    scopes      INTEGER NOT NULL,
    secret_hash BLOB    NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which tenant has sent which file; one physical copy serves all of them.
CREATE TABLE blobs (
    tenant_id  TEXT    NOT NULL,
    hash       TEXT    NOT NULL,
    size_bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, hash)
) STRICT, WITHOUT ROWID;

CREATE INDEX blobs_hash ON blobs (hash);

CREATE TABLE derived_files (
    tenant_id    TEXT    NOT NULL,
    package_hash TEXT    NOT NULL, -- of the file it was made from
    key          TEXT    NOT NULL,
    path         TEXT    NOT NULL,
    hash         TEXT    NOT NULL,
    size_bytes   INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, package_hash, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX derived_files_hash ON derived_files (hash);

CREATE TABLE receipts (
    server_id     BLOB    NOT NULL,
    sequence      INTEGER NOT NULL,
    tenant_id     TEXT    NOT NULL,
    invocation_id BLOB    NOT NULL,
    endpoint_id   BLOB    NOT NULL,
    revision      INTEGER NOT NULL,
    instance      INTEGER NOT NULL,
    started_at    INTEGER NOT NULL,
    outcome       TEXT    NOT NULL,
    status        INTEGER NOT NULL,
    start_kind    TEXT    NOT NULL,
    start_cause   TEXT,
    rung          TEXT,
    queue_us      INTEGER NOT NULL,
    start_us      INTEGER NOT NULL,
    load_us       INTEGER NOT NULL,
    run_us        INTEGER NOT NULL,
    cpu_us        INTEGER NOT NULL,
    memory_mib    INTEGER NOT NULL,
    metered_us    INTEGER NOT NULL,
    billed_ms     INTEGER NOT NULL,
    price_pico    INTEGER NOT NULL,
    PRIMARY KEY (server_id, sequence)
) STRICT, WITHOUT ROWID;

CREATE INDEX receipts_invocation ON receipts (tenant_id, invocation_id);
CREATE INDEX receipts_recent ON receipts (tenant_id, started_at);
CREATE INDEX receipts_recent_of_endpoint ON receipts (tenant_id, endpoint_id, started_at);

-- Sums of receipts, written in their transaction. 128-bit sums are two integers: high × 2^64 + low, low taken as unsigned.
CREATE TABLE usage_totals (
    tenant_id   TEXT    NOT NULL,
    endpoint_id BLOB    NOT NULL,
    hour        INTEGER NOT NULL,
    invocations INTEGER NOT NULL,
    cold_starts INTEGER NOT NULL,
    failures    INTEGER NOT NULL,
    run_us      INTEGER NOT NULL,
    cpu_us      INTEGER NOT NULL,
    billed_ms   INTEGER NOT NULL,
    mib_us_high INTEGER NOT NULL,
    mib_us_low  INTEGER NOT NULL,
    pico_high   INTEGER NOT NULL,
    pico_low    INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, hour, endpoint_id)
) STRICT, WITHOUT ROWID;
