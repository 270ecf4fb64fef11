-- name: newest_block
SELECT max(upto) FROM search_block;

-- name: block_before
SELECT max(upto) FROM search_block WHERE upto < ?;

-- name: block_around
-- The block that a moment falls into, unless it is newer than all of them.
SELECT min(upto) FROM search_block WHERE upto >= ?;

-- name: candidates
-- The blocks that contain the searched text, newest first: where each ends and where the one before it ended. Those
-- whose ids may contain it are checked in an index only, those whose texts may, row by row up to the first match. A
-- block may occur twice.
WITH candidate (upto, whole) AS (
    SELECT rowid, 1 FROM search WHERE search MATCH :wanted AND rowid BETWEEN :low AND :high
    UNION ALL
    SELECT rowid, 0 FROM search_id WHERE search_id MATCH :wanted AND rowid BETWEEN :low AND :high
    UNION ALL
    SELECT upto, 1 FROM search_block WHERE stale AND upto BETWEEN :low AND :high
    ORDER BY 1 DESC
),
block (begin, upto, whole) AS (
    SELECT coalesce((SELECT max(upto) FROM search_block WHERE upto < candidate.upto), :ever), upto, whole FROM candidate
)
SELECT begin, upto FROM block WHERE iif(whole,
    EXISTS (
        SELECT 1 FROM notification INDEXED BY notification_in_order_archived
        WHERE finished = 1 AND age < -begin AND age >= -upto AND {matches}
    ),
    EXISTS (
        SELECT 1 FROM notification INDEXED BY notification_in_order_archived
        WHERE finished = 1 AND age < -begin AND age >= -upto AND id LIKE :search ESCAPE '\'
    ));

-- name: cut
-- The end of the block that begins after one moment and has one row more than :rows; no row if there are not as many.
SELECT -age FROM notification INDEXED BY notification_in_order_archived
WHERE finished = 1 AND age < -:begin AND age >= -:horizon
ORDER BY age DESC LIMIT 1 OFFSET :rows;

-- name: add_block
INSERT OR REPLACE INTO search_block (upto) VALUES (?);

-- name: add_text
-- The text of a block: everything that a search looks at except the ids, each once.
INSERT INTO search (rowid, text)
WITH block AS MATERIALIZED (
    SELECT iif(description = '', message, description || coalesce(': ' || message, '')) AS text, by, component_id
    FROM notification INDEXED BY notification_in_order_archived
    WHERE finished = 1 AND age < -:begin AND age >= -:upto
)
SELECT :upto, group_concat(part, char(10)) FROM (
    SELECT text AS part FROM block UNION SELECT by FROM block UNION SELECT component_id FROM block
);

-- name: add_ids
-- The ids of a block.
INSERT INTO search_id (rowid, ids)
SELECT :upto, group_concat(id, char(10)) FROM notification INDEXED BY notification_in_order_archived
WHERE finished = 1 AND age < -:begin AND age >= -:upto;

-- name: stale_block
SELECT min(upto) FROM search_block WHERE stale;

-- name: mark_stale
UPDATE search_block SET stale = 1 WHERE upto = (SELECT min(upto) FROM search_block WHERE upto >= ?);

-- name: remove_text
DELETE FROM search WHERE rowid = ?;

-- name: remove_ids
DELETE FROM search_id WHERE rowid = ?;

-- name: remove_block
DELETE FROM search_block WHERE upto = ?;

-- name: blocks_before
SELECT upto FROM search_block WHERE upto < ?;

-- name: purge_blocks
DELETE FROM search_block;

-- name: purge_text
INSERT INTO search (search) VALUES ('delete-all');

-- name: purge_ids
INSERT INTO search_id (search_id) VALUES ('delete-all');

-- name: matches
-- Whether a row matches: in what people read, or in the names. The parameter is a LIKE pattern whose special characters
-- are escaped.
(iif(description = '', message, description || coalesce(': ' || message, '')) LIKE :search ESCAPE '\'
    OR id LIKE :search ESCAPE '\' OR by LIKE :search ESCAPE '\' OR component_id LIKE :search ESCAPE '\');
