-- name: position
-- Where the history stands.
SELECT epoch, seq, total, total_transactions FROM history;

-- name: load
-- The present state of one row.
SELECT id, seq, type, sub_type, status, description, message, by, component_id, ts_started, ts_completed, ts_display,
       on_step, total_steps, timeout_ms, deadline, archived, opened, details
FROM notification WHERE id = ?;

-- name: insert
-- A new row.
INSERT INTO notification VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: progress
-- The new state of a row that keeps its place in the history. SQLite renews every index whose columns an UPDATE names,
-- also when they stay the same; this one spares those that hold the order.
UPDATE notification SET seq = ?, description = ?, message = ?, on_step = ?, total_steps = ?, timeout_ms = ?, deadline = ?
WHERE id = ?;

-- name: update
-- The new state of any row. What never changes after the insert is left alone.
UPDATE notification SET seq = ?, status = ?, description = ?, message = ?, ts_completed = ?, ts_display = ?,
    on_step = ?, total_steps = ?, timeout_ms = ?, deadline = ?, archived = ?
WHERE id = ?;

-- name: insert_change
-- Remember a visible change of a transaction.
INSERT INTO change VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- name: advance
-- Move the position and the totals, in the same transaction as the rows they speak of.
UPDATE history SET seq = ?, total = total + ?, total_transactions = total_transactions + ?;

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

-- name: deadlines
-- The active transactions whose time is up first, as one JSON array.
SELECT json_group_array(json_array(id, deadline) ORDER BY deadline, id)
FROM (SELECT id, deadline FROM notification WHERE deadline IS NOT NULL ORDER BY deadline, id LIMIT ?);

-- name: page
-- One page of the everyday history, as one JSON array.
SELECT json_group_array(json_array(
    id, seq, type, sub_type, status, description, message, by, component_id, ts_started, ts_completed, ts_display,
    on_step, total_steps, timeout_ms, deadline, json(iif(archived, 'true', 'false')), opened, details)
    ORDER BY finished, age, id)
FROM (
    SELECT * FROM notification
    WHERE archived = 0 AND {filters}
    ORDER BY finished, age, id LIMIT :limit OFFSET :skip
);

-- name: page_with_archived
-- The same, archived rows included.
SELECT json_group_array(json_array(
    id, seq, type, sub_type, status, description, message, by, component_id, ts_started, ts_completed, ts_display,
    on_step, total_steps, timeout_ms, deadline, json(iif(archived, 'true', 'false')), opened, details)
    ORDER BY finished, age, id)
FROM (
    SELECT * FROM notification
    WHERE {filters}
    ORDER BY finished, age, id LIMIT :limit OFFSET :skip
);

-- name: filter_component_id
component_id = :component_id;

-- name: filter_status
status IN (SELECT value FROM json_each(:status));

-- name: filter_type
type IN (SELECT value FROM json_each(:type));

-- name: filter_sub_type
sub_type = :sub_type;

-- name: filter_by
by = :by;

-- name: filter_search
-- What people read, and the names. The parameter is a LIKE pattern whose special characters are escaped.
(iif(description = '', message, description || coalesce(': ' || message, '')) LIKE :search ESCAPE '\'
    OR id LIKE :search ESCAPE '\' OR by LIKE :search ESCAPE '\' OR component_id LIKE :search ESCAPE '\');

-- name: filter_from_ts
ts_display >= :from_ts;

-- name: filter_to_ts
ts_display <= :to_ts;

-- name: filter_after
-- Everything behind one place in the order.
(finished, age, id) > (:after_finished, -:after_ts_display, :after_id);
