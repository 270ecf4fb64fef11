-- name: newest_block
SELECT max(upto) FROM search_block;

-- name: block_before
SELECT max(upto) FROM search_block WHERE upto < ?;

-- name: block_around
-- The block that a moment falls into, if it is not newer than all of them.
SELECT min(upto) FROM search_block WHERE upto >= ?;

-- name: candidates
-- The blocks that may hold what is searched, newest first.
SELECT rowid FROM search WHERE search MATCH :wanted AND rowid BETWEEN :low AND :high
UNION
SELECT upto FROM search_block WHERE stale AND upto BETWEEN :low AND :high
ORDER BY 1 DESC;

-- name: cut
-- Where a block of so many rows ends that begins behind one moment; nothing when there are not so many.
SELECT -age FROM notification INDEXED BY notification_in_order_archived
WHERE finished = 1 AND age < -:begin AND age >= -:horizon
ORDER BY age DESC LIMIT 1 OFFSET :rows;

-- name: add_block
INSERT OR REPLACE INTO search_block (upto) VALUES (?);

-- name: add_text
-- The text of a block: whatever a search looks at, each once.
INSERT INTO search (rowid, text)
WITH block AS MATERIALIZED (
    SELECT iif(description = '', message, description || coalesce(': ' || message, '')) AS text, id, by, component_id
    FROM notification INDEXED BY notification_in_order_archived
    WHERE finished = 1 AND age < -:begin AND age >= -:upto
)
SELECT :upto, group_concat(part, char(10)) FROM (
    SELECT text AS part FROM block UNION SELECT id FROM block UNION SELECT by FROM block
    UNION SELECT component_id FROM block
);

-- name: stale_block
SELECT min(upto) FROM search_block WHERE stale;

-- name: mark_stale
UPDATE search_block SET stale = 1 WHERE upto = (SELECT min(upto) FROM search_block WHERE upto >= ?);

-- name: remove_text
DELETE FROM search WHERE rowid = ?;

-- name: purge_blocks
DELETE FROM search_block;

-- name: purge_text
INSERT INTO search (search) VALUES ('delete-all');
