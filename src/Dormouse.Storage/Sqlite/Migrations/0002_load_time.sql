-- What verifying (or the first start) measured; null in revisions of before.
ALTER TABLE revisions ADD COLUMN load_us INTEGER;
