-- How the clock was set by which `deadline`, `ts_started` and their like were written. One row. What the columns mean:
-- athena.clock.Anchor.
CREATE TABLE clock (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    boot TEXT NOT NULL,                  -- the run of the machine that `origin` belongs to; empty where none is known
    origin INTEGER NOT NULL,             -- ns
    jumped INTEGER NOT NULL              -- ms
) STRICT;

INSERT INTO clock VALUES (1, '', 0, 0);
