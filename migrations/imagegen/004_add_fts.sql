-- Description: Full-text search of images by prompt and notes
--
-- The index holds no copy of the text, it reads `images` by `pk`; everything else about a hit comes from a
-- join on `rowid`. The triggers hand it the OLD text to forget; REPLACE fires the delete trigger only where
-- recursive_triggers is on.
--
-- Images that are already there are indexed. Reverting it drops the index; no image is lost.

-- Up
CREATE VIRTUAL TABLE images_fts USING fts5(
  prompt,
  notes,
  content='images',
  content_rowid='pk',
  tokenize='porter unicode61'
);

CREATE TRIGGER images_fts_insert AFTER INSERT ON images
BEGIN
  INSERT INTO images_fts (rowid, prompt, notes) VALUES (new.pk, new.prompt, new.notes);
END;

CREATE TRIGGER images_fts_update AFTER UPDATE OF pk, prompt, notes ON images
BEGIN
  INSERT INTO images_fts (images_fts, rowid, prompt, notes) VALUES ('delete', old.pk, old.prompt, old.notes);
  INSERT INTO images_fts (rowid, prompt, notes) VALUES (new.pk, new.prompt, new.notes);
END;

CREATE TRIGGER images_fts_delete AFTER DELETE ON images
BEGIN
  INSERT INTO images_fts (images_fts, rowid, prompt, notes) VALUES ('delete', old.pk, old.prompt, old.notes);
END;

INSERT INTO images_fts (images_fts) VALUES ('rebuild');

-- Down
DROP TRIGGER images_fts_delete;
DROP TRIGGER images_fts_update;
DROP TRIGGER images_fts_insert;
DROP TABLE images_fts;
