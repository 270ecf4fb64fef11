-- API keys. The secret itself is nowhere.
CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    fingerprint BLOB NOT NULL,   -- SHA-256 of the secret
    created INTEGER NOT NULL,    -- all times: UTC Unix ms
    expires INTEGER,
    last_used INTEGER,           -- to the minute
    revoked INTEGER
) STRICT;

-- Sessions of browsers and of embedded pages.
CREATE TABLE session (
    fingerprint BLOB PRIMARY KEY,
    id TEXT NOT NULL,            -- to speak of it: proves nothing
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    key_id TEXT,                 -- the key that vouched for it: it ends with that
    created INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT;

-- What was done and refused. Only ever added to.
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    ts INTEGER NOT NULL,
    who TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit BEGIN
    SELECT raise(ABORT, 'the audit log is only added to');
END;

CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit BEGIN
    SELECT raise(ABORT, 'the audit log is only added to');
END;

CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number) BEGIN
    SELECT raise(ABORT, 'the audit log is only added to');
END;
