-- Which blocks of finished rows hold which three letters in a row. A block is 64 rows, or a few more, that follow each other
-- in the order of ts_display; what a search finds here are blocks, and their rows are looked at one by one. So the index is a
-- small part of the history, and costs nothing at a commit: blocks are added afterwards, in the background.
CREATE VIRTUAL TABLE search USING fts5 (
    text, content = '', contentless_delete = 1, detail = 'none', tokenize = 'trigram'
);

-- A block reaches from behind the one before it up to `upto`, which is also its rowid in `search`. Newer rows are in none.
CREATE TABLE search_block (
    upto INTEGER PRIMARY KEY,            -- ts_display of its newest row, ms
    stale INTEGER NOT NULL DEFAULT 0     -- rows came into it since it was made: to be looked at in any case
) STRICT;
