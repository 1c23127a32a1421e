-- Description: What hangs on a message, its attachments and tool calls
--
-- An attachment is described here; its bytes stand in a file or behind an address. `position` keeps the
-- order in which a message carries them.
--
-- It touches no existing rows. Reverting it drops every attachment and tool call; the messages stay.

-- Up
CREATE TABLE attachments (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "attachments.id is not empty" CHECK (id <> ''),
  message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
  position INTEGER NOT NULL DEFAULT 0,
  name TEXT NOT NULL,
  mime_type TEXT NOT NULL DEFAULT 'application/octet-stream',
  size_bytes INTEGER
    CONSTRAINT "attachments.size_bytes is not negative" CHECK (size_bytes >= 0),
  sha256 TEXT
    CONSTRAINT "attachments.sha256 is 64 lower-case hexadecimal digits"
    CHECK (length(sha256) = 64 AND sha256 NOT GLOB '*[^0-9a-f]*'),
  storage_path TEXT,
  url TEXT,
  metadata TEXT
    CONSTRAINT "attachments.metadata is JSON" CHECK (json_valid(metadata)),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "attachments.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at)
) STRICT;

CREATE INDEX idx_attachments_message_id ON attachments (message_id, position);

-- `input` is what the model asked for and always JSON; `output` is whatever the tool gave back.
CREATE TABLE tool_calls (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "tool_calls.id is not empty" CHECK (id <> ''),
  message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
  position INTEGER NOT NULL DEFAULT 0,
  name TEXT NOT NULL,
  input TEXT NOT NULL DEFAULT '{}'
    CONSTRAINT "tool_calls.input is JSON" CHECK (json_valid(input)),
  output TEXT,
  status TEXT NOT NULL DEFAULT 'pending'
    CONSTRAINT "tool_calls.status is pending, running, success or error"
    CHECK (status IN ('pending', 'running', 'success', 'error')),
  error TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "tool_calls.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  started_at TEXT
    CONSTRAINT "tool_calls.started_at is RFC 3339 UTC with milliseconds"
    CHECK (length(started_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', started_at) IS started_at),
  completed_at TEXT
    CONSTRAINT "tool_calls.completed_at is RFC 3339 UTC with milliseconds"
    CHECK (length(completed_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', completed_at) IS completed_at),
  CONSTRAINT "tool_calls.completed_at is not before started_at" CHECK (completed_at >= started_at)
) STRICT;

CREATE INDEX idx_tool_calls_message_id ON tool_calls (message_id, position);

-- Down
DROP TABLE tool_calls;
DROP TABLE attachments;
