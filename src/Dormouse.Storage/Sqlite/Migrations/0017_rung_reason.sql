-- Why a cold start took no better rung of the ladder; null when it took the best, or there was no start.
ALTER TABLE receipts ADD COLUMN rung_reason TEXT;
