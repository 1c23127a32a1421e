-- Description: The register of artifacts that the application made
--
-- An artifact is described here; its bytes stand in a file. `chat_id` and `message_id` point into the chat
-- database, so no foreign key can hold them: NULL and '' are no link, and dangling ones are found by a
-- check across the files.
--
-- It touches no existing rows. Reverting it drops the register; the files stay where they are.

-- Up
CREATE TABLE artifacts (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "artifacts.id is not empty" CHECK (id <> ''),
  name TEXT NOT NULL,
  kind TEXT NOT NULL DEFAULT 'file'
    CONSTRAINT "artifacts.kind is not empty" CHECK (kind <> ''),
  mime_type TEXT NOT NULL DEFAULT 'application/octet-stream',
  size_bytes INTEGER
    CONSTRAINT "artifacts.size_bytes is not negative" CHECK (size_bytes >= 0),
  sha256 TEXT
    CONSTRAINT "artifacts.sha256 is 64 lower-case hexadecimal digits"
    CHECK (length(sha256) = 64 AND sha256 NOT GLOB '*[^0-9a-f]*'),
  storage_path TEXT,
  chat_id TEXT,
  message_id TEXT,
  metadata TEXT
    CONSTRAINT "artifacts.metadata is JSON" CHECK (json_valid(metadata)),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "artifacts.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "artifacts.updated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(updated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) IS updated_at)
) STRICT;

CREATE INDEX idx_artifacts_kind ON artifacts (kind, created_at);
CREATE INDEX idx_artifacts_created_at ON artifacts (created_at);
CREATE INDEX idx_artifacts_chat_id ON artifacts (chat_id);
CREATE INDEX idx_artifacts_message_id ON artifacts (message_id);

-- Both guards are needed: the first lets a program set the time itself, the second ends the recursion
-- when the row was last touched within this very millisecond.
CREATE TRIGGER artifacts_touch_updated_at
AFTER UPDATE ON artifacts
WHEN new.updated_at IS old.updated_at AND new.updated_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
BEGIN
  UPDATE artifacts SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE pk = new.pk;
END;

-- Down
DROP TABLE artifacts;
