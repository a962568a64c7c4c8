-- The same tables as on SQLite, with PostgreSQL's types. Times are microseconds since 1970 UTC, hashes 64 hexadecimal digits, flags 1 or 0.
-- Text sorts by its bytes, as everywhere in Dormouse, whatever the database's own order is.

-- Locked by the one transaction that writes; it holds no rows.
CREATE TABLE dormouse_writer (only_row smallint NOT NULL PRIMARY KEY);

CREATE TABLE endpoints (
    id               uuid             NOT NULL PRIMARY KEY,
    tenant_id        text COLLATE "C" NOT NULL,
    name             text COLLATE "C" NOT NULL,
    is_public        smallint         NOT NULL,
    is_unloaded      smallint         NOT NULL,
    traffic          text             NOT NULL, -- '3=90,4=10', empty when there is none
    previous_traffic text             NOT NULL,
    canary           text,                      -- JSON with schema_version: the endpoint's canary, or how its last one ended; null when there was none
    tags             text             NOT NULL DEFAULT '', -- names that address one revision each, as 'beta=4 stable=3'
    mirror           text,                      -- JSON with schema_version: where copies of the endpoint's invocations go; null when nowhere
    handover         text,                      -- JSON with schema_version: the endpoint's handover, or how its last one ended; null when there was none
    created_at       bigint           NOT NULL,
    UNIQUE (tenant_id, name)
);

-- Outlives its endpoint: usage reports name deleted endpoints.
CREATE TABLE endpoint_names (
    endpoint_id uuid             NOT NULL PRIMARY KEY,
    tenant_id   text COLLATE "C" NOT NULL,
    name        text COLLATE "C" NOT NULL
);

CREATE TABLE revisions (
    endpoint_id   uuid             NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
    number        bigint           NOT NULL,
    tenant_id     text COLLATE "C" NOT NULL,
    state         text COLLATE "C" NOT NULL,
    spec          text             NOT NULL, -- JSON with schema_version
    interface     text,
    failure       text,
    is_routed     smallint         NOT NULL, -- carries traffic, or is the newest while none does: what a starting server reads
    load_us       bigint,                    -- what verifying (or the first start) measured
    tag           text,                      -- what becomes of the revision once it is ready: the tag that it takes, and whether it takes traffic
    takes_traffic smallint         NOT NULL DEFAULT 1,
    created_at    bigint           NOT NULL,
    PRIMARY KEY (endpoint_id, number)
);

CREATE UNIQUE INDEX revisions_routed ON revisions (endpoint_id, number) WHERE is_routed = 1;
CREATE INDEX revisions_verifying ON revisions (endpoint_id, number) WHERE state = 'verifying';

CREATE TABLE revision_files (
    endpoint_id uuid             NOT NULL,
    number      bigint           NOT NULL,
    position    bigint           NOT NULL,
    tenant_id   text COLLATE "C" NOT NULL,
    path        text             NOT NULL,
    hash        text COLLATE "C" NOT NULL,
    size_bytes  bigint           NOT NULL,
    PRIMARY KEY (endpoint_id, number, position),
    FOREIGN KEY (endpoint_id, number) REFERENCES revisions (endpoint_id, number) ON DELETE CASCADE
);

CREATE INDEX revision_files_hash ON revision_files (hash);

-- Host and port of each revision's overflow address. Outlives its endpoint: a receipt's revision never changes, so this is the host that its invocation went to.
CREATE TABLE overflow_hosts (
    endpoint_id uuid   NOT NULL,
    number      bigint NOT NULL,
    host        text   NOT NULL,
    PRIMARY KEY (endpoint_id, number)
);

CREATE TABLE access_keys (
    id          text COLLATE "C" NOT NULL PRIMARY KEY,
    tenant_id   text COLLATE "C" NOT NULL,
    name        text             NOT NULL,
    scopes      bigint           NOT NULL,
    secret_hash bytea            NOT NULL,
    created_at  bigint           NOT NULL
);

-- Which tenant has sent which file; one physical copy serves all of them.
CREATE TABLE blobs (
    tenant_id  text COLLATE "C" NOT NULL,
    hash       text COLLATE "C" NOT NULL,
    size_bytes bigint           NOT NULL,
    created_at bigint           NOT NULL,
    PRIMARY KEY (tenant_id, hash)
);

CREATE INDEX blobs_hash ON blobs (hash);

CREATE TABLE derived_files (
    tenant_id    text COLLATE "C" NOT NULL,
    package_hash text COLLATE "C" NOT NULL, -- of the file it was made from
    key          text COLLATE "C" NOT NULL,
    path         text             NOT NULL,
    hash         text COLLATE "C" NOT NULL,
    size_bytes   bigint           NOT NULL,
    created_at   bigint           NOT NULL,
    PRIMARY KEY (tenant_id, package_hash, key)
);

CREATE INDEX derived_files_hash ON derived_files (hash);

CREATE TABLE receipts (
    server_id     uuid             NOT NULL,
    sequence      bigint           NOT NULL,
    tenant_id     text COLLATE "C" NOT NULL,
    invocation_id uuid             NOT NULL,
    endpoint_id   uuid             NOT NULL,
    revision      bigint           NOT NULL,
    instance      bigint           NOT NULL,
    started_at    bigint           NOT NULL,
    outcome       text             NOT NULL,
    status        bigint           NOT NULL,
    start_kind    text             NOT NULL,
    start_cause   text,
    rung          text,
    queue_us      bigint           NOT NULL,
    start_us      bigint           NOT NULL,
    load_us       bigint           NOT NULL,
    run_us        bigint           NOT NULL,
    cpu_us        bigint           NOT NULL,
    memory_mib    bigint           NOT NULL,
    metered_us    bigint           NOT NULL,
    billed_ms     bigint           NOT NULL,
    price_pico    bigint           NOT NULL,
    line          text COLLATE "C" NOT NULL, -- which price it has: on_demand, overflow, provisioned or provisioned_time
    is_mirror     smallint         NOT NULL, -- 1 = a copy, whose answer nobody got
    PRIMARY KEY (server_id, sequence)
);

CREATE INDEX receipts_invocation ON receipts (tenant_id, invocation_id);
CREATE INDEX receipts_recent ON receipts (tenant_id, started_at);
CREATE INDEX receipts_recent_of_endpoint ON receipts (tenant_id, endpoint_id, started_at);

-- Sums of receipts, written in their transaction. 128-bit sums are two integers: high × 2^64 + low, low taken as unsigned.
CREATE TABLE usage_totals (
    tenant_id   text COLLATE "C" NOT NULL,
    endpoint_id uuid             NOT NULL,
    hour        bigint           NOT NULL,
    line        text COLLATE "C" NOT NULL,
    invocations bigint           NOT NULL,
    cold_starts bigint           NOT NULL,
    failures    bigint           NOT NULL,
    run_us      bigint           NOT NULL,
    cpu_us      bigint           NOT NULL,
    billed_ms   bigint           NOT NULL,
    mib_us_high bigint           NOT NULL,
    mib_us_low  bigint           NOT NULL,
    pico_high   bigint           NOT NULL,
    pico_low    bigint           NOT NULL,
    PRIMARY KEY (tenant_id, hour, endpoint_id, line)
);

-- Queued invocations. 'sequence' is the order of acceptance. Bodies and answers have tables of their own, so that looking for work does not read them.
CREATE TABLE queue_items (
    sequence          bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    id                uuid             NOT NULL UNIQUE,
    tenant_id         text COLLATE "C" NOT NULL,
    endpoint_id       uuid             NOT NULL,
    method            text             NOT NULL,
    target            text,                      -- path and query on the instance; NULL = the inference route
    version           text,
    headers           text             NOT NULL, -- JSON: [name, value, …]
    body_bytes        bigint           NOT NULL,
    priority          bigint           NOT NULL, -- 1 high, 2 normal, 3 low
    group_key         text COLLATE "C",
    accepted_at       bigint           NOT NULL,
    not_before        bigint           NOT NULL,
    expires_at        bigint           NOT NULL,
    attempts          bigint           NOT NULL,
    attempts_max      bigint           NOT NULL,
    state             text COLLATE "C" NOT NULL,
    is_blocked        smallint         NOT NULL, -- it is not its turn: an earlier item of its group is queued, or one of them is leased
    fence             bigint           NOT NULL,
    lease_owner       uuid,
    lease_until       bigint,
    reason            text,
    ended_at          bigint,
    idempotency_key   text COLLATE "C",
    idempotency_hash  bytea,
    idempotency_until bigint
);

CREATE INDEX queue_items_due ON queue_items (endpoint_id, priority, not_before, sequence) WHERE state = 'queued' AND is_blocked = 0;
CREATE INDEX queue_items_leased ON queue_items (endpoint_id, group_key) WHERE state = 'leased';
CREATE INDEX queue_items_expiring ON queue_items (expires_at) WHERE state = 'queued';
CREATE INDEX queue_items_ended ON queue_items (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX queue_items_listed ON queue_items (tenant_id, state, sequence);
CREATE INDEX queue_items_group ON queue_items (endpoint_id, group_key, sequence) WHERE group_key IS NOT NULL AND state IN ('queued', 'leased');
CREATE UNIQUE INDEX queue_items_idempotency ON queue_items (endpoint_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE queue_bodies (
    sequence bigint NOT NULL PRIMARY KEY REFERENCES queue_items (sequence) ON DELETE CASCADE,
    body     bytea  NOT NULL
);

-- Pictures and tensors are hardly ever worth compressing a second time.
ALTER TABLE queue_bodies ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE queue_answers (
    sequence bigint NOT NULL PRIMARY KEY REFERENCES queue_items (sequence) ON DELETE CASCADE,
    status   bigint NOT NULL,
    headers  text   NOT NULL, -- JSON: [name, value, …]
    body     bytea  NOT NULL
);

ALTER TABLE queue_answers ALTER COLUMN body SET STORAGE EXTERNAL;

-- Items of each endpoint by state, written in the transaction that changes them: nobody counts a million rows.
CREATE TABLE queue_depths (
    endpoint_id uuid             NOT NULL PRIMARY KEY,
    tenant_id   text COLLATE "C" NOT NULL,
    queued      bigint           NOT NULL,
    leased      bigint           NOT NULL,
    dead        bigint           NOT NULL
);

-- Rewritten with every item: room on the page and an early vacuum keep the one row from growing a tail of dead ones.
ALTER TABLE queue_depths SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
