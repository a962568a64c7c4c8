-- What servers on this database tell each other. Both tables are PostgreSQL's alone, and no backup holds them.

-- What was changed that servers keep in memory. Numbers have no gaps; the newest 10,000 are kept. Whoever has missed older ones reads everything again.
CREATE TABLE dormouse_changes (
    number    bigint           NOT NULL PRIMARY KEY,
    kind      text COLLATE "C" NOT NULL, -- endpoint, key or trigger
    subject   text COLLATE "C" NOT NULL, -- its id
    server_id uuid             NOT NULL  -- who changed it
);

-- The server that does what only one may do, until this time of the database's clock.
CREATE TABLE dormouse_owner (
    only_row  smallint NOT NULL PRIMARY KEY CHECK (only_row = 1),
    server_id uuid     NOT NULL,
    until     bigint   NOT NULL
);
