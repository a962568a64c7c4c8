-- Requests of ended invocations that somebody changed before running them anew: who, when, and what stood there before, so that the original is not lost.
CREATE TABLE queue_edits (
    sequence   bigint           NOT NULL REFERENCES queue_items (sequence) ON DELETE CASCADE,
    number     bigint           NOT NULL, -- 1, 2, 3 of the invocation
    edited_by  text COLLATE "C" NOT NULL, -- public id of the key
    edited_at  bigint           NOT NULL,
    changes    text             NOT NULL, -- what was changed: words with commas between them
    target     text,                      -- before; NULL = the inference route
    headers    text             NOT NULL, -- before; JSON: [name, value, …]
    body_bytes bigint           NOT NULL, -- before
    body       bytea,                     -- before; NULL = it was not changed
    PRIMARY KEY (sequence, number)
);
