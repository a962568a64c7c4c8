-- Runs of pipelines: the embedded store's step 19.
CREATE TABLE pipeline_runs (
    id          uuid             NOT NULL PRIMARY KEY, -- of the invocation
    tenant_id   text COLLATE "C" NOT NULL,
    endpoint_id uuid             NOT NULL,
    revision    bigint           NOT NULL,
    started_at  bigint           NOT NULL,
    run_us      bigint           NOT NULL,
    status      bigint                                 -- null = it is queued
);

CREATE TABLE pipeline_parts (
    run_id        uuid             NOT NULL,
    key           text COLLATE "C" NOT NULL, -- of the call
    attempt       bigint           NOT NULL,
    number        bigint           NOT NULL, -- their order
    endpoint      text             NOT NULL,
    invocation_id uuid             NOT NULL,
    status        bigint           NOT NULL,
    detail        text,
    PRIMARY KEY (run_id, key, attempt)
);

-- What a queued run goes on with when its server is lost. Gone with its item, or when that succeeds.
CREATE TABLE pipeline_outcomes (
    run_id       uuid             NOT NULL,
    key          text COLLATE "C" NOT NULL,
    content_type text,
    body         bytea,                      -- null = the call failed, and the run went on
    status       bigint           NOT NULL,
    detail       text,
    is_retryable smallint         NOT NULL,
    PRIMARY KEY (run_id, key)
);

-- Revisions of the pipelines of a queued run, by the prefix of their calls' keys.
CREATE TABLE pipeline_revisions (
    run_id   uuid             NOT NULL,
    prefix   text COLLATE "C" NOT NULL,
    revision bigint           NOT NULL,
    PRIMARY KEY (run_id, prefix)
);
