-- Requests of ended invocations that somebody changed before running them anew: who, when, and what stood there before, so that the original is not lost.
CREATE TABLE queue_edits (
    sequence   INTEGER NOT NULL REFERENCES queue_items (sequence) ON DELETE CASCADE,
    number     INTEGER NOT NULL, -- 1, 2, 3 of the invocation
    edited_by  TEXT    NOT NULL, -- public id of the key
    edited_at  INTEGER NOT NULL,
    changes    TEXT    NOT NULL, -- what was changed: words with commas between them
    target     TEXT,             -- before; NULL = the inference route
    headers    TEXT    NOT NULL, -- before; JSON: [name, value, …]
    body_bytes INTEGER NOT NULL, -- before
    body       BLOB,             -- before; NULL = it was not changed
    PRIMARY KEY (sequence, number)
) STRICT;
