-- Host and port of each revision's overflow address. Outlives its endpoint: a receipt's revision never changes, so this is the host that its invocation went to.
CREATE TABLE overflow_hosts (
    endpoint_id BLOB    NOT NULL,
    number      INTEGER NOT NULL,
    host        TEXT    NOT NULL,
    PRIMARY KEY (endpoint_id, number)
) STRICT, WITHOUT ROWID;

-- Of the revisions that are there: what stands between '//' and the next '/'.
INSERT INTO overflow_hosts
SELECT endpoint_id, number, substr(rest, 1, instr(rest || '/', '/') - 1)
FROM (
    SELECT endpoint_id, number, substr(url, instr(url, '//') + 2) AS rest
    FROM (SELECT endpoint_id, number, json_extract(spec, '$.overflow.url') AS url FROM revisions)
    WHERE url IS NOT NULL);
