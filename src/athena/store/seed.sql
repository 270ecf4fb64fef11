-- name: fill
-- Rows :first to :last of a history that ends at :now and goes :days back, oldest first. Everything follows from a row's
-- number, by a multiplication that scatters (Knuth, The Art of Computer Programming, section 6.4), so that a history of
-- the same size is the same history. The last :running transactions are still going on. Words are cut out of one string
-- each, in which all have the same width: an array would be searched from its start for each row.
INSERT INTO notification
WITH RECURSIVE
    numbers (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n < :last),
    scattered AS (SELECT n, (n * 2654435761) % 4294967296 AS r FROM numbers),
    placed AS (
        SELECT n, r,
            :now - (:rows - n) * (:days * 86400000) / :rows - 600000 AS started,
            n > :rows - :running AS going,
            r % 100 < 8 AS failed,
            n <= :rows - :running AND (r >> 7) % 20 = 0 AS noticed,
            4000 + (r >> 3) % 590000 AS took,
            3 + (r >> 11) % 9 AS steps
        FROM scattered
    )
SELECT
    'seed-' || substr('00000000' || n, -8), n,
    iif(noticed, 'notification', 'webhook_tx'),
    iif(noticed OR (r >> 5) % 33 <> 0, NULL, 'template'),
    iif(going, iif(r % 7 = 0, 'undoing', 'pending'), iif(failed, 'error', 'success')),
    iif(noticed, '', rtrim(substr(:works, 1 + (r >> 9) % :count_works * :width_works, :width_works))
        || ' ' || rtrim(substr(:things, 1 + (r >> 14) % :count_things * :width_things, :width_things))),
    iif(failed AND NOT going,
        rtrim(substr(:failures, 1 + (r >> 4) % :count_failures * :width_failures, :width_failures)),
        rtrim(substr(:steps, 1 + (r >> 6) % :count_steps * :width_steps, :width_steps))),
    rtrim(substr(:people, 1 + (r >> 12) % :count_people * :width_people, :width_people)),
    iif((r >> 2) % 10 < 7, 'component-' || ((r >> 8) % 200), NULL),
    iif(noticed, NULL, started),
    iif(noticed OR going, NULL, started + took),
    iif(going, started, started + took),
    iif(noticed, NULL, iif(going OR failed, 1 + r % steps, steps)),
    iif(noticed, NULL, steps),
    iif(noticed, NULL, 86400000),
    iif(going, :now + 86400000, NULL),
    0,
    iif(noticed, NULL, substr('0123456789abcdef0123456789abcdef' || r, -32)),
    iif(noticed, '{}', NULL)
FROM placed;

-- name: fill_changes
INSERT INTO change
SELECT seq, NULL, ts_display, status, message, on_step, total_steps, 0
FROM notification WHERE rowid BETWEEN :first AND :last AND type = 'webhook_tx';

-- name: indexes
-- What is made at the end, all at once: sorting is faster than inserting in any order.
SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = 'notification';

-- name: count_minutes
INSERT INTO tally
SELECT 60000, finished, -(ts_display / 60000), archived, type, count(*) FROM notification GROUP BY 2, 3, 4, 5;

-- name: count_hours
INSERT INTO tally
SELECT 3600000, finished, slot / 60, archived, type, sum(rows) FROM tally WHERE unit = 60000 GROUP BY 2, 3, 4, 5;

-- name: finish
UPDATE history SET seq = :rows, total = :rows,
    total_transactions = (SELECT sum(rows) FROM tally WHERE unit = 3600000 AND type = 'webhook_tx');
