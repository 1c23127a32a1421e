-- Description: The image queue, its jobs and the images they made
--
-- A queue entry says what to make, a job is one run of it, an image is what came out. Deleting an entry
-- takes its jobs with it; images outlive both, since their files stay on disk.
--
-- A worker claims the next job in one statement: UPDATE jobs SET status = 'running' WHERE id = (SELECT id
-- FROM jobs WHERE status = 'pending' ORDER BY created_at, pk LIMIT 1) RETURNING id. The word 'pending' has
-- to stand in the SQL; a bound value cannot use the partial index.
--
-- It touches no existing rows. Reverting it drops the queue, the jobs and what is known of the images.

-- Up
CREATE TABLE queue_entries (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "queue_entries.id is not empty" CHECK (id <> ''),
  is_enabled INTEGER NOT NULL DEFAULT 1
    CONSTRAINT "queue_entries.is_enabled is 0 or 1" CHECK (is_enabled IN (0, 1)),
  sort_order INTEGER NOT NULL DEFAULT 0,
  prompt_type TEXT NOT NULL DEFAULT 'inline'
    CONSTRAINT "queue_entries.prompt_type is library, inline or wildcard"
    CHECK (prompt_type IN ('library', 'inline', 'wildcard')),
  prompt_value TEXT NOT NULL,
  model TEXT NOT NULL,
  style TEXT,
  resolution_width INTEGER
    CONSTRAINT "queue_entries.resolution_width is positive" CHECK (resolution_width > 0),
  resolution_height INTEGER
    CONSTRAINT "queue_entries.resolution_height is positive" CHECK (resolution_height > 0),
  resolution_preset TEXT,
  aspect_ratio TEXT,
  images_per_batch INTEGER NOT NULL DEFAULT 1
    CONSTRAINT "queue_entries.images_per_batch is positive" CHECK (images_per_batch > 0),
  batch_count INTEGER NOT NULL DEFAULT 1
    CONSTRAINT "queue_entries.batch_count is positive" CHECK (batch_count > 0),
  reference_patterns TEXT NOT NULL DEFAULT '[]'
    CONSTRAINT "queue_entries.reference_patterns is a JSON array"
    CHECK (json_valid(reference_patterns) AND json_type(reference_patterns) = 'array'),
  ext_params TEXT NOT NULL DEFAULT '{}'
    CONSTRAINT "queue_entries.ext_params is a JSON object"
    CHECK (json_valid(ext_params) AND json_type(ext_params) = 'object'),
  execution_mode TEXT NOT NULL DEFAULT 'fixed'
    CONSTRAINT "queue_entries.execution_mode is fixed or target"
    CHECK (execution_mode IN ('fixed', 'target')),
  target_images INTEGER
    CONSTRAINT "queue_entries.target_images is positive" CHECK (target_images > 0),
  tolerance INTEGER
    CONSTRAINT "queue_entries.tolerance is not negative" CHECK (tolerance >= 0),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "queue_entries.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "queue_entries.updated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(updated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) IS updated_at),
  CONSTRAINT "queue_entries.resolution_width and resolution_height come together"
    CHECK ((resolution_width IS NULL) = (resolution_height IS NULL)),
  CONSTRAINT "queue_entries.target_images is set where execution_mode is target"
    CHECK (execution_mode <> 'target' OR target_images IS NOT NULL)
) STRICT;

CREATE INDEX idx_queue_entries_enabled ON queue_entries (sort_order) WHERE is_enabled = 1;

CREATE TABLE jobs (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "jobs.id is not empty" CHECK (id <> ''),
  queue_entry_id TEXT NOT NULL REFERENCES queue_entries (id) ON DELETE CASCADE,
  status TEXT NOT NULL DEFAULT 'pending'
    CONSTRAINT "jobs.status is pending, running, paused, completed, failed or cancelled"
    CHECK (status IN ('pending', 'running', 'paused', 'completed', 'failed', 'cancelled')),
  attempts INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "jobs.attempts is not negative" CHECK (attempts >= 0),
  expected_images INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "jobs.expected_images is not negative" CHECK (expected_images >= 0),
  total_images INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "jobs.total_images is not negative" CHECK (total_images >= 0),
  last_error TEXT
    CONSTRAINT "jobs.last_error is JSON" CHECK (json_valid(last_error)),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "jobs.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  started_at TEXT
    CONSTRAINT "jobs.started_at is RFC 3339 UTC with milliseconds"
    CHECK (length(started_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', started_at) IS started_at),
  finished_at TEXT
    CONSTRAINT "jobs.finished_at is RFC 3339 UTC with milliseconds"
    CHECK (length(finished_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', finished_at) IS finished_at),
  CONSTRAINT "jobs.finished_at is not before started_at" CHECK (finished_at >= started_at)
) STRICT;

CREATE INDEX idx_jobs_pending ON jobs (created_at) WHERE status = 'pending';
CREATE INDEX idx_jobs_queue_entry_id ON jobs (queue_entry_id);
CREATE INDEX idx_jobs_created_at ON jobs (created_at);

CREATE TABLE images (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "images.id is not empty" CHECK (id <> ''),
  job_id TEXT REFERENCES jobs (id) ON DELETE SET NULL,
  path TEXT NOT NULL UNIQUE
    CONSTRAINT "images.path is not empty" CHECK (path <> ''),
  size_bytes INTEGER
    CONSTRAINT "images.size_bytes is not negative" CHECK (size_bytes >= 0),
  width INTEGER
    CONSTRAINT "images.width is positive" CHECK (width > 0),
  height INTEGER
    CONSTRAINT "images.height is positive" CHECK (height > 0),
  model TEXT NOT NULL,
  prompt TEXT NOT NULL,
  reference_paths TEXT NOT NULL DEFAULT '[]'
    CONSTRAINT "images.reference_paths is a JSON array"
    CHECK (json_valid(reference_paths) AND json_type(reference_paths) = 'array'),
  is_favorite INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "images.is_favorite is 0 or 1" CHECK (is_favorite IN (0, 1)),
  rating INTEGER
    CONSTRAINT "images.rating is 1 to 5" CHECK (rating BETWEEN 1 AND 5),
  tags TEXT NOT NULL DEFAULT '[]'
    CONSTRAINT "images.tags is a JSON array" CHECK (json_valid(tags) AND json_type(tags) = 'array'),
  notes TEXT,
  metadata TEXT
    CONSTRAINT "images.metadata is JSON" CHECK (json_valid(metadata)),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "images.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at)
) STRICT;

CREATE INDEX idx_images_job_id ON images (job_id);
CREATE INDEX idx_images_created_at ON images (created_at);
CREATE INDEX idx_images_favorite ON images (created_at) WHERE is_favorite = 1;

-- Both guards are needed: the first lets a program set the time itself, the second ends the recursion
-- when the row was last touched within this very millisecond.
CREATE TRIGGER queue_entries_touch_updated_at
AFTER UPDATE ON queue_entries
WHEN new.updated_at IS old.updated_at AND new.updated_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
BEGIN
  UPDATE queue_entries SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE pk = new.pk;
END;

-- Down
DROP TABLE images;
DROP TABLE jobs;
DROP TABLE queue_entries;
