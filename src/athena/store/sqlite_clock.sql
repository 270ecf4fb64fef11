-- name: read
-- How the clock is set, and when the newest step of a transaction was stored.
SELECT boot, origin, jumped, coalesce((SELECT ts FROM change ORDER BY seq DESC LIMIT 1), 0) FROM clock;

-- name: set
UPDATE clock SET boot = ?, origin = ?, jumped = ?;

-- name: to_move
-- All deadlines if the clock was moved; otherwise only those that are further away than their own timeout.
SELECT rowid FROM notification
WHERE look_at IS NOT NULL AND (:shift <> 0 OR deadline > :now + timeout_ms);

-- name: move
UPDATE notification
SET deadline = min(deadline + :shift, :now + timeout_ms), look_at = min(deadline + :shift, :now + timeout_ms)
WHERE rowid = :row;

-- name: receipts
SELECT min(rowid), max(rowid) FROM receipt;

-- name: move_receipts
UPDATE receipt SET ts = ts + :shift WHERE rowid BETWEEN :first AND :last;
