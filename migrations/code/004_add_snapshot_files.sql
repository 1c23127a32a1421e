-- Description: The files of a snapshot, and their contents by hash
--
-- A snapshot lists paths, each with the hash of its content; a content that many snapshots share is kept
-- once. A file without a hash was not there at that moment, so going back deletes it.
--
-- Contents are named by the SHA-256 of their bytes and never change. They stand in `content`, or in a file at
-- `storage_path`; `encoding` says how they are packed, 'identity' being not at all. One that a snapshot needs
-- cannot be deleted. Nobody counts references: `unreferenced_objects` finds what no snapshot needs any more,
-- and a count could be wrong.
--
-- The view `restore_points` shows each snapshot with the number and size of its files.
--
-- It touches no existing rows: snapshots have no files yet. Reverting it drops the lists of files and every
-- content that stands in the database; the snapshots stay.

-- Up
CREATE TABLE snapshot_objects (
  pk INTEGER PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE
    CONSTRAINT "snapshot_objects.hash is 64 lower-case hexadecimal digits"
    CHECK (length(hash) = 64 AND hash NOT GLOB '*[^0-9a-f]*'),
  size_bytes INTEGER NOT NULL
    CONSTRAINT "snapshot_objects.size_bytes is not negative" CHECK (size_bytes >= 0),
  encoding TEXT NOT NULL DEFAULT 'identity'
    CONSTRAINT "snapshot_objects.encoding is not empty" CHECK (encoding <> ''),
  content BLOB,
  storage_path TEXT
    CONSTRAINT "snapshot_objects.storage_path is not empty" CHECK (storage_path <> ''),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "snapshot_objects.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  CONSTRAINT "snapshot_objects.content or storage_path has the bytes"
  CHECK (content IS NOT NULL OR storage_path IS NOT NULL),
  CONSTRAINT "snapshot_objects.content is as long as size_bytes says"
  CHECK (encoding <> 'identity' OR length(content) = size_bytes)
) STRICT;

CREATE TABLE snapshot_files (
  snapshot_id TEXT NOT NULL REFERENCES snapshots (id) ON DELETE CASCADE,
  path TEXT NOT NULL
    CONSTRAINT "snapshot_files.path is not empty" CHECK (path <> ''),
  object_hash TEXT REFERENCES snapshot_objects (hash),
  mode INTEGER NOT NULL DEFAULT 420
    CONSTRAINT "snapshot_files.mode is 0 to 4095" CHECK (mode BETWEEN 0 AND 4095),
  PRIMARY KEY (snapshot_id, path)
) WITHOUT ROWID, STRICT;

CREATE INDEX idx_snapshot_files_object_hash ON snapshot_files (object_hash);

CREATE VIEW restore_points AS
SELECT
  s.id,
  s.session_id,
  s.description,
  s.created_at AS timestamp,
  s.transcript_entry_id,
  (
    SELECT coalesce(sum(o.size_bytes), 0)
    FROM snapshot_files AS f
    JOIN snapshot_objects AS o ON o.hash = f.object_hash
    WHERE f.snapshot_id = s.id
  ) AS total_size,
  (
    SELECT count(*)
    FROM snapshot_files AS f
    WHERE f.snapshot_id = s.id
  ) AS file_count
FROM snapshots AS s;

CREATE VIEW unreferenced_objects AS
SELECT o.hash, o.size_bytes, o.storage_path, o.created_at
FROM snapshot_objects AS o
WHERE NOT EXISTS (
  SELECT 1
  FROM snapshot_files AS f
  WHERE f.object_hash = o.hash
);

-- Down
DROP VIEW unreferenced_objects;
DROP VIEW restore_points;
DROP TABLE snapshot_files;
DROP TABLE snapshot_objects;
