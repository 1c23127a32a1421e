-- Description: Tasks, what each of them waits for, and full-text search of them
--
-- A task blocks another one until it is closed or deleted; `ready_tasks` are the open ones that nothing
-- blocks. Read it with ORDER BY priority, created_at: idx_tasks_status_priority has that order, so that a
-- LIMIT reads no more than it needs.
--
-- `unknown` is the home of a status or type that this list does not have yet; `extra` keeps the word as its
-- source wrote it, and whatever else of the source has no column. Nothing is dropped for being new.
--
-- A pair of tasks may be linked in more than one way. Both ends cascade, so REPLACE on a task, which deletes
-- it first, would take its links: write a task over with ON CONFLICT (id) DO UPDATE.
--
-- The index holds no copy of the text, it reads `tasks` by `pk`, a number that is declared and so survives
-- every rebuild of the file. Such an index forgets an old text only when it is told that text, which is why
-- the triggers hand it the OLD values. REPLACE fires the delete trigger only where recursive_triggers is on.
--
-- It touches no existing rows. Reverting it drops every task, dependency and note of a deletion.

-- Up
CREATE TABLE tasks (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "tasks.id is not empty" CHECK (id <> ''),
  title TEXT NOT NULL,
  description TEXT NOT NULL,
  status TEXT NOT NULL
    CONSTRAINT "tasks.status is open, in_progress, blocked, closed, commit_pending or unknown"
    CHECK (status IN ('open', 'in_progress', 'blocked', 'closed', 'commit_pending', 'unknown')),
  priority INTEGER NOT NULL
    CONSTRAINT "tasks.priority is 0 to 4" CHECK (priority BETWEEN 0 AND 4),
  type TEXT NOT NULL
    CONSTRAINT "tasks.type is bug, feature, task, epic, chore or unknown"
    CHECK (type IN ('bug', 'feature', 'task', 'epic', 'chore', 'unknown')),
  assignee TEXT,
  close_reason TEXT,
  labels TEXT
    CONSTRAINT "tasks.labels is a JSON array" CHECK (json_valid(labels) AND json_type(labels) = 'array'),
  commits TEXT
    CONSTRAINT "tasks.commits is a JSON array" CHECK (json_valid(commits) AND json_type(commits) = 'array'),
  comments TEXT
    CONSTRAINT "tasks.comments is a JSON array" CHECK (json_valid(comments) AND json_type(comments) = 'array'),
  pending_commit TEXT
    CONSTRAINT "tasks.pending_commit is JSON" CHECK (json_valid(pending_commit)),
  design TEXT,
  acceptance_criteria TEXT,
  notes TEXT,
  estimated_minutes REAL
    CONSTRAINT "tasks.estimated_minutes is not negative" CHECK (estimated_minutes >= 0),
  source_repo TEXT,
  source_discovered_from TEXT,
  source_external_ref TEXT,
  extra TEXT
    CONSTRAINT "tasks.extra is a JSON object" CHECK (json_valid(extra) AND json_type(extra) = 'object'),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "tasks.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "tasks.updated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(updated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) IS updated_at),
  closed_at TEXT
    CONSTRAINT "tasks.closed_at is RFC 3339 UTC with milliseconds"
    CHECK (length(closed_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', closed_at) IS closed_at),
  deleted_at TEXT
    CONSTRAINT "tasks.deleted_at is RFC 3339 UTC with milliseconds"
    CHECK (length(deleted_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', deleted_at) IS deleted_at),
  CONSTRAINT "tasks.extra keeps the status where it is unknown"
  CHECK (status <> 'unknown' OR extra ->> '$.status' IS NOT NULL),
  CONSTRAINT "tasks.extra keeps the type where it is unknown"
  CHECK (type <> 'unknown' OR extra ->> '$.type' IS NOT NULL)
) STRICT;

CREATE INDEX idx_tasks_status ON tasks (status);
CREATE INDEX idx_tasks_priority ON tasks (priority);
CREATE INDEX idx_tasks_type ON tasks (type);
CREATE INDEX idx_tasks_assignee ON tasks (assignee);
CREATE INDEX idx_tasks_created_at ON tasks (created_at);
CREATE INDEX idx_tasks_status_priority ON tasks (status, priority, created_at);

CREATE TABLE task_dependencies (
  task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
  depends_on_task_id TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE
    CONSTRAINT "task_dependencies.depends_on_task_id is another task" CHECK (depends_on_task_id <> task_id),
  dependency_type TEXT NOT NULL
    CONSTRAINT "task_dependencies.dependency_type is blocks, related, parent-child, discovered-from or unknown"
    CHECK (dependency_type IN ('blocks', 'related', 'parent-child', 'discovered-from', 'unknown')),
  extra TEXT
    CONSTRAINT "task_dependencies.extra is a JSON object"
    CHECK (json_valid(extra) AND json_type(extra) = 'object'),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "task_dependencies.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  CONSTRAINT "task_dependencies.extra keeps the dependency_type where it is unknown"
  CHECK (dependency_type <> 'unknown' OR extra ->> '$.dependency_type' IS NOT NULL),
  PRIMARY KEY (task_id, depends_on_task_id, dependency_type)
) WITHOUT ROWID, STRICT;

CREATE INDEX idx_task_dependencies_depends_on ON task_dependencies (depends_on_task_id);

-- What is left of a task that was deleted for good, so that an older export cannot bring it back unseen.
CREATE TABLE task_deletions (
  task_id TEXT NOT NULL PRIMARY KEY
    CONSTRAINT "task_deletions.task_id is not empty" CHECK (task_id <> ''),
  deleted_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "task_deletions.deleted_at is RFC 3339 UTC with milliseconds"
    CHECK (length(deleted_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', deleted_at) IS deleted_at),
  deleted_by TEXT,
  reason TEXT
) WITHOUT ROWID, STRICT;

CREATE VIEW ready_tasks AS
SELECT
  t.pk, t.id, t.title, t.description, t.status, t.priority, t.type, t.assignee, t.close_reason, t.labels,
  t.commits, t.comments, t.pending_commit, t.design, t.acceptance_criteria, t.notes, t.estimated_minutes,
  t.source_repo, t.source_discovered_from, t.source_external_ref, t.extra, t.created_at, t.updated_at,
  t.closed_at, t.deleted_at
FROM tasks AS t
WHERE t.status = 'open'
  AND t.deleted_at IS NULL
  AND NOT EXISTS (
    SELECT 1
    FROM task_dependencies AS td
    JOIN tasks AS blocker ON blocker.id = td.depends_on_task_id
    WHERE td.task_id = t.id
      AND td.dependency_type IN ('blocks', 'parent-child')
      AND blocker.status <> 'closed'
      AND blocker.deleted_at IS NULL
  );

CREATE VIRTUAL TABLE tasks_fts USING fts5(
  id UNINDEXED,
  title,
  description,
  content='tasks',
  content_rowid='pk'
);

CREATE TRIGGER tasks_fts_insert AFTER INSERT ON tasks
BEGIN
  INSERT INTO tasks_fts (rowid, id, title, description) VALUES (new.pk, new.id, new.title, new.description);
END;

CREATE TRIGGER tasks_fts_update AFTER UPDATE OF pk, title, description ON tasks
BEGIN
  INSERT INTO tasks_fts (tasks_fts, rowid, id, title, description)
  VALUES ('delete', old.pk, old.id, old.title, old.description);
  INSERT INTO tasks_fts (rowid, id, title, description) VALUES (new.pk, new.id, new.title, new.description);
END;

CREATE TRIGGER tasks_fts_delete AFTER DELETE ON tasks
BEGIN
  INSERT INTO tasks_fts (tasks_fts, rowid, id, title, description)
  VALUES ('delete', old.pk, old.id, old.title, old.description);
END;

-- Both guards are needed: the first lets a program set the time itself, the second ends the recursion
-- when the row was last touched within this very millisecond.
CREATE TRIGGER tasks_touch_updated_at
AFTER UPDATE ON tasks
WHEN new.updated_at IS old.updated_at AND new.updated_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
BEGIN
  UPDATE tasks SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE pk = new.pk;
END;

-- Down
DROP TABLE tasks_fts;
DROP VIEW ready_tasks;
DROP TABLE task_deletions;
DROP TABLE task_dependencies;
DROP TABLE tasks;
