-- Up to where rows may be gone because they were too old: the highest position of one that was. Who comes back from before
-- it may have missed the end of something that is not there any more, and has to start anew.
ALTER TABLE history ADD COLUMN retired INTEGER NOT NULL DEFAULT 0;
