-- Secrets of tenants: the embedded store's step 15.
CREATE TABLE secrets (
    tenant_id text COLLATE "C" NOT NULL,
    name      text COLLATE "C" NOT NULL,
    value     bytea            NOT NULL, -- sealed (src/Dormouse.Storage/Sealing)
    key_id    text COLLATE "C" NOT NULL,
    set_at    bigint           NOT NULL,
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE sealing_keys (
    key_id        text COLLATE "C" NOT NULL PRIMARY KEY,
    first_used_at bigint           NOT NULL
);
