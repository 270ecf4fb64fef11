-- What callers were told about requests that carried an Idempotency-Key, so that the same request sent again is told the
-- same and changes nothing. Written in the transaction of what it speaks of, and kept for a day.
CREATE TABLE receipt (
    key BLOB NOT NULL UNIQUE,            -- who asked, and the key: a hash, 16 bytes
    request BLOB NOT NULL,               -- what was asked with it: a hash, 16 bytes
    answer BLOB NOT NULL,                -- the body of the answer
    ts INTEGER NOT NULL                  -- of the commit, ms
) STRICT;

CREATE INDEX receipt_by_ts ON receipt (ts);
