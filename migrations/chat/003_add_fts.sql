-- Description: Full-text search of messages
--
-- The index holds no copy of the text, it reads `messages` by `pk`; so it may name only columns that
-- `messages` has, and everything else about a hit comes from a join on `rowid`. Such an index forgets an
-- old text only when it is told that text, which is why the triggers hand it the OLD values. REPLACE fires
-- the delete trigger only where recursive_triggers is on.
--
-- Messages that are already there are indexed. Reverting it drops the index; no message is lost.

-- Up
CREATE VIRTUAL TABLE messages_fts USING fts5(
  content,
  content='messages',
  content_rowid='pk',
  tokenize='porter unicode61'
);

CREATE TRIGGER messages_ai AFTER INSERT ON messages
BEGIN
  INSERT INTO messages_fts (rowid, content) VALUES (new.pk, new.content);
END;

CREATE TRIGGER messages_ad AFTER DELETE ON messages
BEGIN
  INSERT INTO messages_fts (messages_fts, rowid, content) VALUES ('delete', old.pk, old.content);
END;

CREATE TRIGGER messages_au AFTER UPDATE OF pk, content ON messages
BEGIN
  INSERT INTO messages_fts (messages_fts, rowid, content) VALUES ('delete', old.pk, old.content);
  INSERT INTO messages_fts (rowid, content) VALUES (new.pk, new.content);
END;

INSERT INTO messages_fts (messages_fts) VALUES ('rebuild');

-- Down
DROP TRIGGER messages_au;
DROP TRIGGER messages_ad;
DROP TRIGGER messages_ai;
DROP TABLE messages_fts;
