-- Names that address one revision each, as 'beta=4 stable=3'.
ALTER TABLE endpoints ADD COLUMN tags TEXT NOT NULL DEFAULT '';
-- What becomes of a revision once it is ready: the tag that it takes, and whether it takes traffic.
ALTER TABLE revisions ADD COLUMN tag TEXT;
ALTER TABLE revisions ADD COLUMN takes_traffic INTEGER NOT NULL DEFAULT 1;
