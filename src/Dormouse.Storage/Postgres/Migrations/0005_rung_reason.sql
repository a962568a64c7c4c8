-- Why a cold start took no better rung of the ladder: the embedded store's step 17.
ALTER TABLE receipts ADD COLUMN rung_reason text;
