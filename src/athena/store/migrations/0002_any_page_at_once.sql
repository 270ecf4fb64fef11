-- What people ask for beside the plain order, each with the order behind it, so that a page is the first rows of a range.
-- Most rows have no component and no sub-type, and few are notices or errors: those that do not are in none of these.
CREATE INDEX notification_by_component ON notification (component_id, finished, age, id) WHERE component_id IS NOT NULL;
CREATE INDEX notification_by_who ON notification (by, finished, age, id) WHERE by <> '-';
CREATE INDEX notification_by_sub_type ON notification (sub_type, finished, age, id) WHERE sub_type IS NOT NULL;
CREATE INDEX notification_notices ON notification (finished, age, id) WHERE type = 'notification';
CREATE INDEX notification_errors ON notification (finished, age, id) WHERE status = 'error';

-- How many rows there are in each hour (unit 3600000 ms) and minute (60000) of the order: to find the five-millionth row
-- without passing over all before it. Kept in the same transaction as the rows.
CREATE TABLE tally (
    unit INTEGER NOT NULL,
    finished INTEGER NOT NULL,
    slot INTEGER NOT NULL,               -- -(ts_display / unit): newest first, as in the order
    archived INTEGER NOT NULL,
    type TEXT NOT NULL,
    rows INTEGER NOT NULL,
    PRIMARY KEY (unit, finished, slot, archived, type)
) STRICT, WITHOUT ROWID;

INSERT INTO tally
SELECT unit, finished, -(ts_display / unit), archived, type, count(*)
FROM notification, (SELECT 3600000 AS unit UNION ALL SELECT 60000)
GROUP BY 1, 2, 3, 4, 5;
