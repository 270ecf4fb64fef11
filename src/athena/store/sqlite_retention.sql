-- name: oldest
-- Finished rows whose display time and arrival are both before a moment, oldest first, as one JSON array.
SELECT json_group_array(json_array(id, seq, type, archived, ts_display)) FROM (
    SELECT id, seq, type, archived, ts_display FROM notification INDEXED BY notification_in_order_archived
    WHERE finished = 1 AND age > -:before AND coalesce(ts_completed, 0) < :before
    ORDER BY age DESC, id LIMIT :limit
);

-- name: oldest_left
-- The display time of the oldest finished row that is left; no row if there is none.
SELECT -age FROM notification INDEXED BY notification_in_order_archived WHERE finished = 1 ORDER BY age DESC LIMIT 1;

-- name: remove_changes
-- Remove the last changes of transactions, given as a JSON array of seqs, and all the changes before them.
WITH RECURSIVE back (seq) AS (
    SELECT value FROM json_each(?)
    UNION ALL
    SELECT change.previous FROM back JOIN change USING (seq) WHERE change.previous IS NOT NULL
)
DELETE FROM change WHERE seq IN (SELECT seq FROM back);

-- name: remove_rows
DELETE FROM notification WHERE id IN (SELECT value FROM json_each(?));

-- name: remove_empty_slots
DELETE FROM tally WHERE rows = 0 AND unit = ? AND finished = 1 AND slot >= ?;

-- name: fewer
UPDATE history SET total = total - ?, total_transactions = total_transactions - ?, retired = max(retired, ?);
