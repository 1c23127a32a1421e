-- Description: What the lists of chats and of branches show
--
-- The list of chats reads titles by the time of the last change; with the index below it reads nothing else.
--
-- The list of branches has one row for each: the branch that it leaves, which is the one of its fork message
-- and NULL for the main line; how many messages it has of its own; and the last of them, from which a walk by
-- `parent_id` leads through the fork to the root.
--
-- It touches no rows. Reverting it drops the index and the view.

-- Up
CREATE INDEX idx_chats_updated_covering ON chats (updated_at, id, title);

CREATE VIEW branch_overview AS
SELECT
  b.id,
  b.chat_id,
  b.name,
  b.fork_message_id,
  (
    SELECT f.branch_id
    FROM messages AS f
    WHERE f.id = b.fork_message_id
  ) AS parent_branch_id,
  (
    SELECT count(*)
    FROM messages AS m
    WHERE m.branch_id = b.id AND m.chat_id = b.chat_id
  ) AS message_count,
  (
    SELECT m.id
    FROM messages AS m
    WHERE m.branch_id = b.id AND m.chat_id = b.chat_id
    ORDER BY m.timestamp DESC, m.pk DESC
    LIMIT 1
  ) AS last_message_id,
  b.created_at
FROM branches AS b;

-- Down
DROP VIEW branch_overview;
DROP INDEX idx_chats_updated_covering;
