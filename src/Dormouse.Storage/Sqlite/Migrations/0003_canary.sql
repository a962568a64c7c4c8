-- JSON with schema_version: the endpoint's canary, or how its last one ended; null when there was none.
ALTER TABLE endpoints ADD COLUMN canary TEXT;
