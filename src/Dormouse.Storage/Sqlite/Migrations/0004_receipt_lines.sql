-- Which price a receipt has: on_demand, provisioned (an invocation on a provisioned instance) or provisioned_time (no invocation).
ALTER TABLE receipts ADD COLUMN line TEXT NOT NULL DEFAULT 'on_demand';

-- Totals have a line each.
CREATE TABLE usage_totals_by_line (
    tenant_id   TEXT    NOT NULL,
    endpoint_id BLOB    NOT NULL,
    hour        INTEGER NOT NULL,
    line        TEXT    NOT NULL,
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
    PRIMARY KEY (tenant_id, hour, endpoint_id, line)
) STRICT, WITHOUT ROWID;

INSERT INTO usage_totals_by_line
SELECT tenant_id, endpoint_id, hour, 'on_demand', invocations, cold_starts, failures, run_us, cpu_us, billed_ms, mib_us_high, mib_us_low, pico_high, pico_low
FROM usage_totals;

DROP TABLE usage_totals;
ALTER TABLE usage_totals_by_line RENAME TO usage_totals;
