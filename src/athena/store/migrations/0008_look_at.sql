-- When to look whether the time of an active transaction is up: at its deadline or before. An edit moves the deadline and
-- leaves this alone, so that it renews no index; whoever looks too early moves it (athena.workers.expiry).
ALTER TABLE notification ADD COLUMN look_at INTEGER;

UPDATE notification SET look_at = deadline WHERE deadline IS NOT NULL;
DROP INDEX notification_by_deadline;
CREATE INDEX notification_to_look_at ON notification (look_at) WHERE look_at IS NOT NULL;
