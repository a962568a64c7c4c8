-- JSON with schema_version: where copies of the endpoint's invocations go; null when nowhere.
ALTER TABLE endpoints ADD COLUMN mirror TEXT;
-- 1 = a copy, whose answer nobody got.
ALTER TABLE receipts ADD COLUMN is_mirror INTEGER NOT NULL DEFAULT 0;
