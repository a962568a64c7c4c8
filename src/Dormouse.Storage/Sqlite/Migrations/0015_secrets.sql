-- Secrets of tenants. 'value' is sealed (src/Dormouse.Storage/Sealing); 'key_id' says with which key.
CREATE TABLE secrets (
    tenant_id TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    value     BLOB    NOT NULL,
    key_id    TEXT    NOT NULL,
    set_at    INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, name)
) STRICT, WITHOUT ROWID;

-- Which keys have sealed something in this database: a server that has none of them seals nothing here.
CREATE TABLE sealing_keys (
    key_id        TEXT    NOT NULL PRIMARY KEY,
    first_used_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
