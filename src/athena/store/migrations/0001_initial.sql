-- Where the history stands. One row.
CREATE TABLE history (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    epoch TEXT NOT NULL,                 -- names the history that seq counts in
    seq INTEGER NOT NULL,                -- position of the newest change; gapless, in commit order
    total INTEGER NOT NULL,              -- rows in notification, kept rather than counted
    total_transactions INTEGER NOT NULL  -- of them, transactions
) STRICT;

INSERT INTO history VALUES (1, lower(hex(randomblob(4))), 0, 0, 0);

-- The latest state of each notification. The first 19 columns are athena.domain.model.Notification, in its order.
CREATE TABLE notification (
    id TEXT NOT NULL UNIQUE,
    seq INTEGER NOT NULL,
    type TEXT NOT NULL,
    sub_type TEXT,
    status TEXT NOT NULL,
    description TEXT NOT NULL,
    message TEXT,
    by TEXT NOT NULL,
    component_id TEXT,
    ts_started INTEGER,
    ts_completed INTEGER,
    ts_display INTEGER NOT NULL,
    on_step INTEGER,
    total_steps INTEGER,
    timeout_ms INTEGER,
    deadline INTEGER,                    -- only while active
    archived INTEGER NOT NULL,
    opened TEXT,
    details TEXT,
    -- The order of the history: ascending by (finished, age, id).
    finished INTEGER NOT NULL AS (status IN ('success', 'error')) VIRTUAL,
    age INTEGER NOT NULL AS (-ts_display) VIRTUAL
) STRICT;

CREATE UNIQUE INDEX notification_by_seq ON notification (seq);
CREATE INDEX notification_in_order ON notification (finished, age, id) WHERE archived = 0;
CREATE INDEX notification_in_order_archived ON notification (finished, age, id);
CREATE INDEX notification_by_deadline ON notification (deadline, id) WHERE deadline IS NOT NULL;

-- Every visible change of a transaction, in the order of commits: written at the end, wherever its transaction is. Each
-- names the one before it of the same transaction, and notification.seq is the last: a list, read from its end.
CREATE TABLE change (
    seq INTEGER PRIMARY KEY,
    previous INTEGER,
    ts INTEGER NOT NULL,
    status TEXT NOT NULL,
    message TEXT,
    on_step INTEGER,
    total_steps INTEGER,
    archived INTEGER NOT NULL            -- it was archived by this one, which is no step to show
) STRICT;
