-- JSON with schema_version: the endpoint's handover, or how its last one ended; null when there was none.
ALTER TABLE endpoints ADD COLUMN handover TEXT;
