-- Description: When a message was liked
--
-- `messages.is_liked` says whether, a row here says since when. Both may be written: the triggers carry a
-- change of one to the other and stop there, because each of them looks first whether anything is left to
-- do. ON CONFLICT DO NOTHING holds whatever conflict clause the statement of the program has; an OR IGNORE
-- in a trigger would not.
--
-- Messages that are liked already get a row with the time of the message, the only one that is known.
-- Reverting it drops the times; which messages are liked stays.

-- Up
CREATE TABLE likes (
  pk INTEGER PRIMARY KEY,
  message_id TEXT NOT NULL UNIQUE REFERENCES messages (id) ON DELETE CASCADE,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "likes.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at)
) STRICT;

CREATE INDEX idx_likes_created_at ON likes (created_at);

INSERT INTO likes (message_id, created_at)
SELECT id, timestamp
FROM messages
WHERE is_liked = 1
ORDER BY timestamp, pk;

CREATE TRIGGER messages_like_on_insert AFTER INSERT ON messages
WHEN new.is_liked = 1
BEGIN
  INSERT INTO likes (message_id) VALUES (new.id) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER messages_like_on_update AFTER UPDATE OF is_liked ON messages
WHEN new.is_liked = 1 AND old.is_liked = 0
BEGIN
  INSERT INTO likes (message_id) VALUES (new.id) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER messages_unlike_on_update AFTER UPDATE OF is_liked ON messages
WHEN new.is_liked = 0 AND old.is_liked = 1
BEGIN
  DELETE FROM likes WHERE message_id = new.id;
END;

CREATE TRIGGER likes_like_message AFTER INSERT ON likes
BEGIN
  UPDATE messages SET is_liked = 1 WHERE id = new.message_id AND is_liked = 0;
END;

CREATE TRIGGER likes_unlike_message AFTER DELETE ON likes
BEGIN
  UPDATE messages SET is_liked = 0 WHERE id = old.message_id AND is_liked = 1;
END;

CREATE TRIGGER likes_move AFTER UPDATE OF message_id ON likes
WHEN new.message_id IS NOT old.message_id
BEGIN
  UPDATE messages SET is_liked = 0 WHERE id = old.message_id AND is_liked = 1;
  UPDATE messages SET is_liked = 1 WHERE id = new.message_id AND is_liked = 0;
END;

-- Down
DROP TRIGGER messages_unlike_on_update;
DROP TRIGGER messages_like_on_update;
DROP TRIGGER messages_like_on_insert;
DROP TABLE likes;
