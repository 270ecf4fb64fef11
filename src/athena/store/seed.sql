-- name: make_patterns
-- The content of the rows of a history, except their ids and times: :patterns finished ones, followed by :running
-- unfinished ones. Everything is derived from a row's number, by a multiplication that scatters (Knuth, The Art of
-- Computer Programming, section 6.4), so that two histories of the same size are the same. Words are cut out of one
-- string each, in which all have the same width: an array would be searched from its start for each row.
CREATE TEMP TABLE pattern AS
WITH RECURSIVE
    numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :patterns + :running),
    scattered AS (SELECT n, (n * 2654435761) % 4294967296 AS r FROM numbers),
    placed AS (
        SELECT n, r,
            n > :patterns AS going,
            r % 100 < 8 AS failed,
            n <= :patterns AND (r >> 7) % 20 = 0 AS noticed,
            4000 + (r >> 3) % 590000 AS took,
            3 + (r >> 11) % 9 AS steps
        FROM scattered
    )
SELECT
    iif(noticed, 'notification', 'webhook_tx') AS type,
    iif(noticed OR (r >> 5) % 33 <> 0, NULL, 'template') AS sub_type,
    iif(going, iif(r % 7 = 0, 'undoing', 'pending'), iif(failed, 'error', 'success')) AS status,
    iif(noticed, '', rtrim(substr(:works, 1 + (r >> 9) % :count_works * :width_works, :width_works))
        || ' ' || rtrim(substr(:things, 1 + (r >> 14) % :count_things * :width_things, :width_things))) AS description,
    iif(failed AND NOT going,
        rtrim(substr(:failures, 1 + (r >> 4) % :count_failures * :width_failures, :width_failures)),
        rtrim(substr(:steps, 1 + (r >> 6) % :count_steps * :width_steps, :width_steps))) AS message,
    rtrim(substr(:people, 1 + (r >> 12) % :count_people * :width_people, :width_people)) AS by,
    iif((r >> 2) % 10 < 7, 'component-' || ((r >> 8) % 200), NULL) AS component_id,
    iif(noticed, NULL, -took) AS begun,          -- ms after its last change; so are the next two
    iif(going, NULL, 0) AS ended,
    iif(going, -took, 0) AS shown,
    iif(noticed, NULL, iif(going OR failed, 1 + r % steps, steps)) AS on_step,
    iif(noticed, NULL, steps) AS total_steps,
    iif(noticed, NULL, 86400000) AS timeout_ms,
    iif(going, :now + 86400000, NULL) AS deadline,
    iif(noticed, NULL, '0123456789abcdef012345') AS opened,
    iif(noticed, '{}', NULL) AS details
FROM placed;

-- name: fill
-- Rows of a history that ends at :now and goes :days back: one for each pattern from :first to :last, after :before
-- others. Newest first, as in the order of the history, and with ascending ids: so the indexes of both grow at their
-- ends, which takes half the time of sorting them afterwards. Nothing can be refused here, and without OR FAIL each
-- page would be saved for a rollback before it is written.
INSERT OR FAIL INTO notification
SELECT
    'seed-' || substr(100000001 + :rows - n, 2), n, type, sub_type, status, description, message, by, component_id,
    changed + begun, changed + ended, changed + shown, on_step, total_steps, timeout_ms, deadline, 0,
    opened || (1000000000 + n), details, deadline
FROM (
    SELECT :before + rowid AS n, :now - (:rows - :before - rowid) * (:days * 86400000) / :rows AS changed, *
    FROM pattern WHERE rowid BETWEEN :first AND :last ORDER BY pattern.rowid DESC
);

-- name: fill_changes
-- The last change of each transaction among them, oldest first.
INSERT OR FAIL INTO change
SELECT n, NULL, changed, status, message, on_step, total_steps, 0
FROM (
    SELECT :before + rowid AS n, :now - (:rows - :before - rowid) * (:days * 86400000) / :rows AS changed, *
    FROM pattern WHERE rowid BETWEEN :first AND :last AND type = 'webhook_tx'
);

-- name: indexes
-- The indexes that are built at the end, since rows do not arrive in their order: sorting is faster than inserting
-- anywhere.
SELECT name, sql FROM sqlite_schema
WHERE name IN ('notification_by_seq', 'notification_by_component', 'notification_by_who');

-- name: make_minutes
CREATE TEMP TABLE minute (
    finished INTEGER, slot INTEGER, type TEXT, rows INTEGER, PRIMARY KEY (finished, slot, type)
) WITHOUT ROWID;

-- name: count_piece
-- Add the rows that `fill` writes with the same parameters to the minutes that they belong to.
INSERT INTO minute
SELECT status IN ('success', 'error'), -(displayed / 60000), type, count(*)
FROM (
    SELECT :now - (:rows - :before - rowid) * (:days * 86400000) / :rows + shown AS displayed, status, type
    FROM pattern WHERE rowid BETWEEN :first AND :last
)
GROUP BY 1, 2, 3
ON CONFLICT DO UPDATE SET rows = rows + excluded.rows;

-- name: minutes
SELECT 60000, finished, slot, 0, type, rows FROM minute;

-- name: insert_minute
INSERT INTO tally VALUES (?, ?, ?, ?, ?, ?);

-- name: count_hours
INSERT INTO tally
SELECT 3600000, finished, slot / 60, archived, type, sum(rows) FROM tally WHERE unit = 60000 GROUP BY 2, 3, 4, 5;

-- name: finish
UPDATE history SET seq = :rows, total = :rows,
    total_transactions = (SELECT sum(rows) FROM tally WHERE unit = 3600000 AND type = 'webhook_tx');
