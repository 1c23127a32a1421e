-- Description: Groups of queue entries, the batches of a job, and who works on it
--
-- A group orders entries on the screen; an entry whose group goes stays, without one. A job asks for its
-- images in batches, each one request; an image knows the batch it came with and outlives it.
--
-- A worker that claims a job writes its name and goes on writing `heartbeat_at`; a job that is running with
-- an old one was left by a worker that died: UPDATE jobs SET status = 'pending', claimed_by = NULL WHERE
-- status = 'running' AND heartbeat_at < ?.
--
-- How far a job is, is counted in `job_progress` and stored nowhere.
--
-- Existing entries are in no group, existing jobs and images have no batch. Reverting it drops the groups, the
-- batches and the new columns; entries, jobs and images stay.

-- Up
CREATE TABLE queue_groups (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "queue_groups.id is not empty" CHECK (id <> ''),
  name TEXT NOT NULL
    CONSTRAINT "queue_groups.name is not empty" CHECK (name <> ''),
  is_collapsed INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "queue_groups.is_collapsed is 0 or 1" CHECK (is_collapsed IN (0, 1)),
  sort_order INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "queue_groups.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "queue_groups.updated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(updated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) IS updated_at)
) STRICT;

CREATE INDEX idx_queue_groups_sort_order ON queue_groups (sort_order);

ALTER TABLE queue_entries ADD COLUMN group_id TEXT REFERENCES queue_groups (id) ON DELETE SET NULL;

CREATE INDEX idx_queue_entries_group_id ON queue_entries (group_id, sort_order);

ALTER TABLE jobs ADD COLUMN claimed_by TEXT;
ALTER TABLE jobs ADD COLUMN heartbeat_at TEXT
  CONSTRAINT "jobs.heartbeat_at is RFC 3339 UTC with milliseconds"
  CHECK (length(heartbeat_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', heartbeat_at) IS heartbeat_at);
ALTER TABLE jobs ADD COLUMN consecutive_failures INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "jobs.consecutive_failures is not negative" CHECK (consecutive_failures >= 0);
ALTER TABLE jobs ADD COLUMN is_auto_paused INTEGER NOT NULL DEFAULT 0
  CONSTRAINT "jobs.is_auto_paused is 0 or 1" CHECK (is_auto_paused IN (0, 1));
ALTER TABLE jobs ADD COLUMN pause_reason TEXT;
ALTER TABLE jobs ADD COLUMN live_target_images INTEGER
  CONSTRAINT "jobs.live_target_images is positive" CHECK (live_target_images > 0);
ALTER TABLE jobs ADD COLUMN resolved_references TEXT
  CONSTRAINT "jobs.resolved_references is JSON" CHECK (json_valid(resolved_references));

CREATE INDEX idx_jobs_running ON jobs (heartbeat_at) WHERE status = 'running';

CREATE TABLE batches (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "batches.id is not empty" CHECK (id <> ''),
  job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
  batch_index INTEGER NOT NULL
    CONSTRAINT "batches.batch_index is not negative" CHECK (batch_index >= 0),
  status TEXT NOT NULL DEFAULT 'pending'
    CONSTRAINT "batches.status is pending, in_flight, completed or failed"
    CHECK (status IN ('pending', 'in_flight', 'completed', 'failed')),
  prompt_used TEXT NOT NULL,
  model_used TEXT NOT NULL,
  references_used TEXT NOT NULL DEFAULT '[]'
    CONSTRAINT "batches.references_used is a JSON array"
    CHECK (json_valid(references_used) AND json_type(references_used) = 'array'),
  error TEXT
    CONSTRAINT "batches.error is JSON" CHECK (json_valid(error)),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "batches.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  started_at TEXT
    CONSTRAINT "batches.started_at is RFC 3339 UTC with milliseconds"
    CHECK (length(started_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', started_at) IS started_at),
  completed_at TEXT
    CONSTRAINT "batches.completed_at is RFC 3339 UTC with milliseconds"
    CHECK (length(completed_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', completed_at) IS completed_at),
  CONSTRAINT "batches.completed_at is not before started_at" CHECK (completed_at >= started_at)
) STRICT;

CREATE UNIQUE INDEX idx_batches_job_id ON batches (job_id, batch_index);
CREATE INDEX idx_batches_status ON batches (status);

ALTER TABLE images ADD COLUMN batch_id TEXT REFERENCES batches (id) ON DELETE SET NULL;

CREATE INDEX idx_images_batch_id ON images (batch_id);

CREATE VIEW job_progress AS
SELECT
  j.id AS job_id,
  j.status,
  (SELECT count(*) FROM batches AS b WHERE b.job_id = j.id) AS total_batches,
  (SELECT count(*) FROM batches AS b WHERE b.job_id = j.id AND b.status = 'completed') AS successful_batches,
  (SELECT count(*) FROM batches AS b WHERE b.job_id = j.id AND b.status = 'failed') AS failed_batches,
  (SELECT count(*) FROM images AS i WHERE i.job_id = j.id) AS images,
  j.expected_images
FROM jobs AS j;

-- Both guards are needed: the first lets a program set the time itself, the second ends the recursion
-- when the row was last touched within this very millisecond.
CREATE TRIGGER queue_groups_touch_updated_at
AFTER UPDATE ON queue_groups
WHEN new.updated_at IS old.updated_at AND new.updated_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
BEGIN
  UPDATE queue_groups SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE pk = new.pk;
END;

-- Down
DROP VIEW job_progress;
DROP INDEX idx_images_batch_id;
ALTER TABLE images DROP COLUMN batch_id;
DROP TABLE batches;
DROP INDEX idx_jobs_running;
ALTER TABLE jobs DROP COLUMN resolved_references;
ALTER TABLE jobs DROP COLUMN live_target_images;
ALTER TABLE jobs DROP COLUMN pause_reason;
ALTER TABLE jobs DROP COLUMN is_auto_paused;
ALTER TABLE jobs DROP COLUMN consecutive_failures;
ALTER TABLE jobs DROP COLUMN heartbeat_at;
ALTER TABLE jobs DROP COLUMN claimed_by;
DROP INDEX idx_queue_entries_group_id;
ALTER TABLE queue_entries DROP COLUMN group_id;
DROP TABLE queue_groups;
