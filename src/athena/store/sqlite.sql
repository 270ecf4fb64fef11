-- name: position
-- The history's position and totals.
SELECT epoch, seq, total, total_transactions FROM history;

-- name: load
-- The current state of one row.
SELECT id, seq, type, sub_type, status, description, message, by, component_id, ts_started, ts_completed, ts_display,
       on_step, total_steps, timeout_ms, deadline, archived, opened, details
FROM notification WHERE id = ?;

-- name: insert
-- A new row. It is to be checked at its deadline.
INSERT INTO notification VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?16);

-- name: progress
-- The new state of a row that keeps its place in the history. SQLite updates every index whose columns an UPDATE names,
-- even if they stay the same; this one leaves out those that hold the order, and when to check the row: its deadline is
-- no earlier than it was.
UPDATE notification SET seq = ?, description = ?, message = ?, on_step = ?, total_steps = ?, timeout_ms = ?, deadline = ?
WHERE id = ?;

-- name: update
-- The new state of any row, including one whose deadline is earlier now. Columns that never change after the insert are
-- left out.
UPDATE notification SET seq = ?, status = ?, description = ?, message = ?, ts_completed = ?, ts_display = ?,
    on_step = ?, total_steps = ?, timeout_ms = ?, deadline = ?10, look_at = ?10, archived = ?
WHERE id = ?;

-- name: insert_change
-- Store a visible change of a transaction.
INSERT INTO change VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: keep_receipt
-- Replaces an expired one, if there is one.
INSERT OR REPLACE INTO receipt VALUES (?, ?, ?, ?);

-- name: advance
-- Advance the position and the totals, in the same transaction as the rows they count.
UPDATE history SET seq = ?, total = total + ?, total_transactions = total_transactions + ?;

-- name: probe
-- Writes a page to the WAL and syncs it, without changing anything. An UPDATE would do neither: SQLite writes no page
-- that stays the same, except for the header. The id of a history in use is 0; only copies have another (backup.py).
PRAGMA application_id = 0;

-- name: purge_notifications
DELETE FROM notification;

-- name: purge_changes
DELETE FROM change;

-- name: new_epoch
-- After a purge: positions of the old history are unknown from now on.
UPDATE history SET epoch = lower(hex(randomblob(4))), seq = seq + 1, total = 0, total_transactions = 0;

-- name: changes
-- All visible changes of one transaction, as one JSON array.
WITH RECURSIVE back (seq) AS (
    SELECT seq FROM notification WHERE id = ?
    UNION ALL
    SELECT change.previous FROM back JOIN change USING (seq) WHERE change.previous IS NOT NULL
)
SELECT json_group_array(json_array(ts, status, message, on_step, total_steps) ORDER BY seq)
FROM back JOIN change USING (seq) WHERE NOT archived;

-- name: changed_since
-- The latest states of rows that changed after a position, as one JSON array.
SELECT json_group_array(json_array(
    id, seq, type, sub_type, status, description, message, by, component_id, ts_started, ts_completed, ts_display,
    on_step, total_steps, timeout_ms, deadline, json(iif(archived, 'true', 'false')), opened, details) ORDER BY seq)
FROM (SELECT * FROM notification WHERE seq > ? ORDER BY seq LIMIT ?);

-- name: retired
-- The highest seq of a row that was removed because it was too old.
SELECT retired FROM history;

-- name: deadlines
-- The active transactions that are to be checked first, as one JSON array.
SELECT json_group_array(json_array(id, deadline, look_at) ORDER BY look_at, id)
FROM (SELECT id, deadline, look_at FROM notification WHERE look_at IS NOT NULL ORDER BY look_at LIMIT ?);

-- name: due
-- The active transactions whose time is up, as one JSON array of ids. Skips those that are checked too early.
SELECT json_group_array(id)
FROM (SELECT id FROM notification WHERE look_at <= ?1 AND deadline <= ?1 ORDER BY look_at LIMIT ?2);

-- name: postpone
-- Postpone the check of those that have time beyond it until their deadlines.
UPDATE notification SET look_at = deadline WHERE rowid IN (
    SELECT rowid FROM notification WHERE look_at <= ? AND deadline > look_at ORDER BY look_at LIMIT ?
);

-- name: count_rows
-- Add to the tally of one slot.
INSERT INTO tally VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET rows = rows + excluded.rows;

-- name: purge_tally
DELETE FROM tally;
