-- Description: Full-text search of transcripts
--
-- The index holds no copy of the text, it reads `transcript_entries` by `pk`; everything but the text of a
-- hit comes from a join on `rowid`. The triggers hand it the OLD text to forget; REPLACE fires the delete
-- trigger only where recursive_triggers is on.
--
-- Entries that are already there are indexed. Reverting it drops the index; no entry is lost.

-- Up
CREATE VIRTUAL TABLE transcript_fts USING fts5(
  content,
  content='transcript_entries',
  content_rowid='pk',
  tokenize='porter unicode61'
);

CREATE TRIGGER transcript_entries_ai AFTER INSERT ON transcript_entries
BEGIN
  INSERT INTO transcript_fts (rowid, content) VALUES (new.pk, new.content);
END;

CREATE TRIGGER transcript_entries_ad AFTER DELETE ON transcript_entries
BEGIN
  INSERT INTO transcript_fts (transcript_fts, rowid, content) VALUES ('delete', old.pk, old.content);
END;

CREATE TRIGGER transcript_entries_au AFTER UPDATE OF pk, content ON transcript_entries
BEGIN
  INSERT INTO transcript_fts (transcript_fts, rowid, content) VALUES ('delete', old.pk, old.content);
  INSERT INTO transcript_fts (rowid, content) VALUES (new.pk, new.content);
END;

INSERT INTO transcript_fts (transcript_fts) VALUES ('rebuild');

-- Down
DROP TRIGGER transcript_entries_au;
DROP TRIGGER transcript_entries_ad;
DROP TRIGGER transcript_entries_ai;
DROP TABLE transcript_fts;
