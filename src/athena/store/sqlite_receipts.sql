-- name: find
-- The receipt for a key, unless it is from before a moment.
SELECT request, answer FROM receipt WHERE key = ? AND ts > ?;

-- name: forget
-- Delete the oldest ones, up to a moment.
DELETE FROM receipt WHERE rowid IN (SELECT rowid FROM receipt WHERE ts <= ? ORDER BY ts LIMIT ?);
