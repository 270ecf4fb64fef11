-- The session that vouched for this one, if one did: it ends with that, also over a restart.
ALTER TABLE session ADD COLUMN parent_id TEXT;
