-- Which blocks hold which three letters in a row of an id. Apart from all other text, since a look at the ids of a block is
-- a look at an index, twenty times cheaper than one at its rows, and digits alone find many blocks. Blocks that were made
-- before this table have their ids in `search`.
CREATE VIRTUAL TABLE search_id USING fts5 (
    ids, content = '', contentless_delete = 1, detail = 'none', tokenize = 'trigram'
);

-- Each search asks for the blocks that are stale, and so does whoever makes the next: most of the time there are none.
CREATE INDEX search_block_stale ON search_block (upto) WHERE stale;
