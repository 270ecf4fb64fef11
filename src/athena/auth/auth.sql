-- name: keys
-- All keys, revoked ones too, oldest first.
SELECT id, name, role, fingerprint, created, expires, last_used, revoked FROM api_key ORDER BY created, id;

-- name: add_key
INSERT INTO api_key (id, name, role, fingerprint, created, expires) VALUES (?, ?, ?, ?, ?, ?);

-- name: revoke_key
-- Once revoked it stays so, and keeps the time when that was.
UPDATE api_key SET revoked = ? WHERE id = ? AND revoked IS NULL;

-- name: touch_key
UPDATE api_key SET last_used = ? WHERE id = ?;

-- name: sessions
-- Those that may still be good, each after the one that vouched for it.
SELECT fingerprint, id, name, role, key_id, created, last_used, expires, parent_id FROM session WHERE expires > ?
ORDER BY rowid;

-- name: add_session
INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: touch_session
UPDATE session SET last_used = ? WHERE fingerprint = ?;

-- name: remove_session
DELETE FROM session WHERE fingerprint = ?;

-- name: prune_sessions
DELETE FROM session WHERE expires <= ? OR last_used <= ?;

-- name: add_audit
INSERT INTO audit (ts, who, address, action, outcome, detail) VALUES (?, ?, ?, ?, ?, ?);

-- name: audit
-- The newest entries that fit, newest first.
SELECT ts, who, address, action, outcome, detail FROM audit WHERE ts >= ? ORDER BY number DESC LIMIT ?;
