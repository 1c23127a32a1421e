-- Description: Chats and their messages, a tree that can branch
--
-- The tables that every conversation needs. A message points at the message it answers, so a chat is a
-- tree; a branch is a name for a line of that tree, and `branch_id IS NULL` is the main line. Nothing is
-- copied when a chat is forked: a branch says after which message it leaves, and its own messages follow.
--
-- `pk` is the number that full-text and vector indexes are keyed by. A rowid that is not declared may
-- change when the file is rebuilt; a declared one never does. Programs use `id`.
--
-- Parent and branch are bound together with `chat_id`, so no message hangs on one of another chat.
-- These links refuse instead of cascading: replacing or deleting a message cannot take a subtree with
-- it. Only deleting the chat takes everything. REPLACE on a chat is such a deletion; write it over with
-- ON CONFLICT (id) DO UPDATE.
--
-- It touches no existing rows. Reverting it drops every chat, branch and message.

-- Up
CREATE TABLE chats (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "chats.id is not empty" CHECK (id <> ''),
  title TEXT NOT NULL,
  prompt_id TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "chats.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "chats.updated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(updated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) IS updated_at)
) STRICT;

CREATE INDEX idx_chats_updated_at ON chats (updated_at);

-- A branch without a fork message leaves before the first message of its chat.
CREATE TABLE branches (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "branches.id is not empty" CHECK (id <> ''),
  chat_id TEXT NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
  fork_message_id TEXT,
  name TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "branches.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  FOREIGN KEY (fork_message_id, chat_id) REFERENCES messages (id, chat_id)
) STRICT;

-- Unique, because messages refer to a branch together with its chat.
CREATE UNIQUE INDEX idx_branches_chat_id ON branches (chat_id, id);
CREATE INDEX idx_branches_fork_message_id ON branches (fork_message_id, chat_id);

CREATE TABLE messages (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "messages.id is not empty" CHECK (id <> ''),
  chat_id TEXT NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
  role TEXT NOT NULL
    CONSTRAINT "messages.role is user, assistant or system" CHECK (role IN ('user', 'assistant', 'system')),
  content TEXT NOT NULL,
  model TEXT,
  token_count INTEGER
    CONSTRAINT "messages.token_count is not negative" CHECK (token_count >= 0),
  generation_time INTEGER -- milliseconds
    CONSTRAINT "messages.generation_time is not negative" CHECK (generation_time >= 0),
  timestamp TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "messages.timestamp is RFC 3339 UTC with milliseconds"
    CHECK (length(timestamp) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', timestamp) IS timestamp),
  branch_id TEXT,
  parent_id TEXT
    CONSTRAINT "messages.parent_id is another message" CHECK (parent_id <> id),
  is_liked INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "messages.is_liked is 0 or 1" CHECK (is_liked IN (0, 1)),
  FOREIGN KEY (branch_id, chat_id) REFERENCES branches (id, chat_id),
  FOREIGN KEY (parent_id, chat_id) REFERENCES messages (id, chat_id)
) STRICT;

-- Unique, because replies and branches refer to a message together with its chat.
CREATE UNIQUE INDEX idx_messages_chat_id ON messages (chat_id, id);
CREATE INDEX idx_messages_timestamp ON messages (timestamp);
CREATE INDEX idx_messages_chat_timestamp ON messages (chat_id, timestamp);
CREATE INDEX idx_messages_branch_id ON messages (branch_id, chat_id, timestamp);
CREATE INDEX idx_messages_parent_id ON messages (parent_id, chat_id);
CREATE INDEX idx_messages_liked ON messages (timestamp) WHERE is_liked = 1;

-- A circle of parents would have no root to walk to. Only a message that has replies can close one: when
-- it is replaced, or gets another parent, or another message takes its id. Everything else pays one look
-- into an index, so writing a long thread once more does not walk it for every row.
CREATE TRIGGER messages_refuse_circle_on_insert
AFTER INSERT ON messages
WHEN new.parent_id IS NOT NULL AND EXISTS (SELECT 1 FROM messages WHERE parent_id = new.id)
BEGIN
  SELECT RAISE(ABORT, 'messages.parent_id would make a message its own ancestor')
  WHERE new.id IN (
    WITH RECURSIVE ancestors (id) AS (
      SELECT new.parent_id
      UNION
      SELECT m.parent_id FROM ancestors AS a JOIN messages AS m ON m.id = a.id WHERE m.parent_id IS NOT NULL
    )
    SELECT id FROM ancestors
  );
END;

CREATE TRIGGER messages_refuse_circle_on_update
AFTER UPDATE OF id, parent_id ON messages
WHEN (new.id IS NOT old.id OR new.parent_id IS NOT old.parent_id)
  AND EXISTS (SELECT 1 FROM messages WHERE parent_id = new.id)
BEGIN
  SELECT RAISE(ABORT, 'messages.parent_id would make a message its own ancestor')
  WHERE new.id IN (
    WITH RECURSIVE ancestors (id) AS (
      SELECT new.parent_id
      UNION
      SELECT m.parent_id FROM ancestors AS a JOIN messages AS m ON m.id = a.id WHERE m.parent_id IS NOT NULL
    )
    SELECT id FROM ancestors
  );
END;

-- Both guards are needed: the first lets a program set the time itself, the second ends the recursion
-- when the row was last touched within this very millisecond.
CREATE TRIGGER chats_touch_updated_at
AFTER UPDATE ON chats
WHEN new.updated_at IS old.updated_at AND new.updated_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
BEGIN
  UPDATE chats SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE pk = new.pk;
END;

-- Down
-- Messages and branches refer to each other: the links are cut first, so that neither drop is refused.
UPDATE branches SET fork_message_id = NULL WHERE fork_message_id IS NOT NULL;
DROP TABLE messages;
DROP TABLE branches;
DROP TABLE chats;
