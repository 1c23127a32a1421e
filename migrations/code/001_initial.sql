-- Description: Coding sessions and what was said and done in them
--
-- A session is one run of a coding assistant in one project. Its transcript is a numbered list of entries;
-- an entry that is inserted without a number gets the next one of its session.
--
-- It touches no existing rows. Reverting it drops every session and its transcript.

-- Up
CREATE TABLE sessions (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "sessions.id is not empty" CHECK (id <> ''),
  project_path TEXT NOT NULL,
  title TEXT,
  status TEXT NOT NULL DEFAULT 'starting'
    CONSTRAINT "sessions.status is starting, running, waiting_input, paused or stopped"
    CHECK (status IN ('starting', 'running', 'waiting_input', 'paused', 'stopped')),
  metadata TEXT
    CONSTRAINT "sessions.metadata is JSON" CHECK (json_valid(metadata)),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "sessions.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "sessions.updated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(updated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) IS updated_at)
) STRICT;

CREATE INDEX idx_sessions_status ON sessions (status);
CREATE INDEX idx_sessions_updated_at ON sessions (updated_at);
CREATE INDEX idx_sessions_project_path ON sessions (project_path);

CREATE TABLE transcript_entries (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "transcript_entries.id is not empty" CHECK (id <> ''),
  session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "transcript_entries.seq is not negative" CHECK (seq >= 0),
  type TEXT NOT NULL
    CONSTRAINT "transcript_entries.type is one of the seven kinds of entry"
    CHECK (type IN (
      'user_input', 'assistant_output', 'tool_call', 'tool_result', 'file_edit', 'compact_marker',
      'system_message'
    )),
  content TEXT NOT NULL,
  timestamp TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "transcript_entries.timestamp is RFC 3339 UTC with milliseconds"
    CHECK (length(timestamp) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', timestamp) IS timestamp),
  tool_call_data TEXT
    CONSTRAINT "transcript_entries.tool_call_data is JSON" CHECK (json_valid(tool_call_data)),
  file_edit_data TEXT
    CONSTRAINT "transcript_entries.file_edit_data is JSON" CHECK (json_valid(file_edit_data)),
  compact_data TEXT
    CONSTRAINT "transcript_entries.compact_data is JSON" CHECK (json_valid(compact_data)),
  is_compacted INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "transcript_entries.is_compacted is 0 or 1" CHECK (is_compacted IN (0, 1))
) STRICT;

CREATE UNIQUE INDEX idx_transcript_entries_session_id ON transcript_entries (session_id, seq);
CREATE INDEX idx_transcript_entries_type ON transcript_entries (session_id, type, seq);

CREATE TRIGGER transcript_entries_number
AFTER INSERT ON transcript_entries
WHEN new.seq = 0
BEGIN
  UPDATE transcript_entries
  SET seq = (SELECT max(seq) + 1 FROM transcript_entries WHERE session_id = new.session_id)
  WHERE pk = new.pk;
END;

-- Both guards are needed: the first lets a program set the time itself, the second ends the recursion
-- when the row was last touched within this very millisecond.
CREATE TRIGGER sessions_touch_updated_at
AFTER UPDATE ON sessions
WHEN new.updated_at IS old.updated_at AND new.updated_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
BEGIN
  UPDATE sessions SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE pk = new.pk;
END;

-- Down
DROP TABLE transcript_entries;
DROP TABLE sessions;
