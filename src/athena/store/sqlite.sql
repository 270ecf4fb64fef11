-- name: position
-- Where the history stands.
SELECT epoch, seq, total, total_transactions FROM history;

-- name: load
-- The present state of one row.
SELECT id, seq, type, sub_type, status, description, message, by, component_id, ts_started, ts_completed, ts_display,
       on_step, total_steps, timeout_ms, deadline, archived, opened, details
FROM notification WHERE id = ?;

-- name: insert
-- A new row. It is to be looked at by its deadline.
INSERT INTO notification VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?16);

-- name: progress
-- The new state of a row that keeps its place in the history. SQLite renews every index whose columns an UPDATE names,
-- also when they stay the same; this one spares those that hold the order, and when to look at the row: its deadline is no
-- earlier than it was.
UPDATE notification SET seq = ?, description = ?, message = ?, on_step = ?, total_steps = ?, timeout_ms = ?, deadline = ?
WHERE id = ?;

-- name: update
-- The new state of any row, also of one whose deadline is earlier now. What never changes after the insert is left alone.
UPDATE notification SET seq = ?, status = ?, description = ?, message = ?, ts_completed = ?, ts_display = ?,
    on_step = ?, total_steps = ?, timeout_ms = ?, deadline = ?10, look_at = ?10, archived = ?
WHERE id = ?;

-- name: insert_change
-- Remember a visible change of a transaction.
INSERT INTO change VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: keep_receipt
-- In the place of one that is too old, if there is one.
INSERT OR REPLACE INTO receipt VALUES (?, ?, ?, ?);

-- name: advance
-- Move the position and the totals, in the same transaction as the rows they speak of.
UPDATE history SET seq = ?, total = total + ?, total_transactions = total_transactions + ?;

-- name: probe
-- A page in the log and a sync, for nothing. An UPDATE would do neither: SQLite writes no page that stays the same, but
-- for its header. The id of a history in use is 0; only copies have another (backup.py).
PRAGMA application_id = 0;

-- name: purge_notifications
DELETE FROM notification;

-- name: purge_changes
DELETE FROM change;

-- name: new_epoch
-- After a purge: positions of the old history are unknown from here on.
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
-- Latest states of what changed after a position, as one JSON array.
SELECT json_group_array(json_array(
    id, seq, type, sub_type, status, description, message, by, component_id, ts_started, ts_completed, ts_display,
    on_step, total_steps, timeout_ms, deadline, json(iif(archived, 'true', 'false')), opened, details) ORDER BY seq)
FROM (SELECT * FROM notification WHERE seq > ? ORDER BY seq LIMIT ?);

-- name: retired
-- Up to where rows may be gone because they were too old.
SELECT retired FROM history;

-- name: deadlines
-- The active transactions that are to be looked at first, as one JSON array.
SELECT json_group_array(json_array(id, deadline, look_at) ORDER BY look_at, id)
FROM (SELECT id, deadline, look_at FROM notification WHERE look_at IS NOT NULL ORDER BY look_at LIMIT ?);

-- name: due
-- The active transactions whose time is up, as one JSON array of ids. Passes over those that are looked at too early.
SELECT json_group_array(id)
FROM (SELECT id FROM notification WHERE look_at <= ?1 AND deadline <= ?1 ORDER BY look_at LIMIT ?2);

-- name: postpone
-- Look at those that have more time than was thought when it is up.
UPDATE notification SET look_at = deadline WHERE rowid IN (
    SELECT rowid FROM notification WHERE look_at <= ? AND deadline > look_at ORDER BY look_at LIMIT ?
);

-- name: count_rows
-- Add to the tally of one slot.
INSERT INTO tally VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET rows = rows + excluded.rows;

-- name: purge_tally
DELETE FROM tally;
