-- Description: Snapshots of a project, taken in the course of a session
--
-- One row is one moment to which the project's files can be taken back: the session, the entry after
-- which it was taken, and why. The files of a snapshot and their contents get tables of their own that
-- refer to this one.
--
-- It touches no existing rows. Reverting it drops every snapshot; sessions and transcripts stay.

-- Up
CREATE TABLE snapshots (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "snapshots.id is not empty" CHECK (id <> ''),
  session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
  transcript_entry_id TEXT REFERENCES transcript_entries (id) ON DELETE SET NULL,
  description TEXT NOT NULL DEFAULT '',
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "snapshots.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at)
) STRICT;

CREATE INDEX idx_snapshots_session_id ON snapshots (session_id, created_at);
CREATE INDEX idx_snapshots_transcript_entry_id ON snapshots (transcript_entry_id);

-- Down
DROP TABLE snapshots;
