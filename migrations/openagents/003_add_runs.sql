-- Description: Episodes, sessions, what they used, and their logs
--
-- `unknown` is the home of a status or level that the lists do not have yet, with the word of the source in
-- `extra`; `success` is what real runs write where the plan said `completed`.
--
-- An idempotency key counts a request once, however often it is sent; rows without one are all kept.
-- Logs and usage name their run, session and task and are no children of them: they may come first, and
-- they stay.
--
-- It touches no existing rows. Reverting it drops every episode, session, usage row and log line.

-- Up
CREATE TABLE episodes (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "episodes.id is not empty" CHECK (id <> ''),
  run_id TEXT NOT NULL,
  iteration INTEGER NOT NULL
    CONSTRAINT "episodes.iteration is not negative" CHECK (iteration >= 0),
  model TEXT NOT NULL,
  suite_version TEXT NOT NULL,
  started_at TEXT NOT NULL
    CONSTRAINT "episodes.started_at is RFC 3339 UTC with milliseconds"
    CHECK (length(started_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', started_at) IS started_at),
  finished_at TEXT
    CONSTRAINT "episodes.finished_at is RFC 3339 UTC with milliseconds"
    CHECK (length(finished_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', finished_at) IS finished_at),
  duration_ms INTEGER
    CONSTRAINT "episodes.duration_ms is not negative" CHECK (duration_ms >= 0),
  status TEXT NOT NULL
    CONSTRAINT "episodes.status is running, completed, success, failed, timeout, error or unknown"
    CHECK (status IN ('running', 'completed', 'success', 'failed', 'timeout', 'error', 'unknown')),
  total_tests INTEGER
    CONSTRAINT "episodes.total_tests is not negative" CHECK (total_tests >= 0),
  passed_tests INTEGER
    CONSTRAINT "episodes.passed_tests is not negative" CHECK (passed_tests >= 0),
  failed_tests INTEGER
    CONSTRAINT "episodes.failed_tests is not negative" CHECK (failed_tests >= 0),
  timeout_tests INTEGER
    CONSTRAINT "episodes.timeout_tests is not negative" CHECK (timeout_tests >= 0),
  error_tests INTEGER
    CONSTRAINT "episodes.error_tests is not negative" CHECK (error_tests >= 0),
  pass_rate REAL
    CONSTRAINT "episodes.pass_rate is 0 to 1" CHECK (pass_rate BETWEEN 0.0 AND 1.0),
  avg_turns REAL
    CONSTRAINT "episodes.avg_turns is not negative" CHECK (avg_turns >= 0),
  avg_tokens REAL
    CONSTRAINT "episodes.avg_tokens is not negative" CHECK (avg_tokens >= 0),
  summary TEXT
    CONSTRAINT "episodes.summary is JSON" CHECK (json_valid(summary)),
  baseline_comparison TEXT
    CONSTRAINT "episodes.baseline_comparison is JSON" CHECK (json_valid(baseline_comparison)),
  results_path TEXT,
  extra TEXT
    CONSTRAINT "episodes.extra is a JSON object" CHECK (json_valid(extra) AND json_type(extra) = 'object'),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "episodes.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  CONSTRAINT "episodes.extra keeps the status where it is unknown"
  CHECK (status <> 'unknown' OR extra ->> '$.status' IS NOT NULL)
) STRICT;

CREATE INDEX idx_episodes_run_id ON episodes (run_id);
CREATE INDEX idx_episodes_model ON episodes (model, status, started_at);
CREATE INDEX idx_episodes_status ON episodes (status, pass_rate, total_tests);
CREATE INDEX idx_episodes_pass_rate ON episodes (pass_rate);
CREATE INDEX idx_episodes_started_at ON episodes (started_at);

CREATE TABLE usage_logs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  session_id TEXT NOT NULL,
  project_id TEXT NOT NULL,
  agent TEXT NOT NULL,
  input_tokens INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "usage_logs.input_tokens is not negative" CHECK (input_tokens >= 0),
  output_tokens INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "usage_logs.output_tokens is not negative" CHECK (output_tokens >= 0),
  cache_read_tokens INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "usage_logs.cache_read_tokens is not negative" CHECK (cache_read_tokens >= 0),
  cache_creation_tokens INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "usage_logs.cache_creation_tokens is not negative" CHECK (cache_creation_tokens >= 0),
  total_cost_usd REAL NOT NULL DEFAULT 0.0
    CONSTRAINT "usage_logs.total_cost_usd is not negative" CHECK (total_cost_usd >= 0),
  subtasks INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "usage_logs.subtasks is not negative" CHECK (subtasks >= 0),
  duration_ms INTEGER
    CONSTRAINT "usage_logs.duration_ms is not negative" CHECK (duration_ms >= 0),
  idempotency_key TEXT,
  timestamp TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "usage_logs.timestamp is RFC 3339 UTC with milliseconds"
    CHECK (length(timestamp) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', timestamp) IS timestamp)
) STRICT;

CREATE INDEX idx_usage_session_id ON usage_logs (session_id);
CREATE INDEX idx_usage_project_id ON usage_logs (project_id);
CREATE INDEX idx_usage_agent ON usage_logs (agent);
CREATE INDEX idx_usage_timestamp ON usage_logs (timestamp);
CREATE INDEX idx_usage_cost ON usage_logs (total_cost_usd);
CREATE UNIQUE INDEX idx_usage_idempotency_key ON usage_logs (idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE sessions (
  pk INTEGER PRIMARY KEY,
  session_id TEXT NOT NULL UNIQUE
    CONSTRAINT "sessions.session_id is not empty" CHECK (session_id <> ''),
  project_id TEXT NOT NULL,
  user_id TEXT,
  agent_name TEXT NOT NULL,
  status TEXT NOT NULL
    CONSTRAINT "sessions.status is active, completed, failed, abandoned or unknown"
    CHECK (status IN ('active', 'completed', 'failed', 'abandoned', 'unknown')),
  started_at TEXT NOT NULL
    CONSTRAINT "sessions.started_at is RFC 3339 UTC with milliseconds"
    CHECK (length(started_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', started_at) IS started_at),
  ended_at TEXT
    CONSTRAINT "sessions.ended_at is RFC 3339 UTC with milliseconds"
    CHECK (length(ended_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', ended_at) IS ended_at),
  duration_ms INTEGER
    CONSTRAINT "sessions.duration_ms is not negative" CHECK (duration_ms >= 0),
  message_count INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "sessions.message_count is not negative" CHECK (message_count >= 0),
  turn_count INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "sessions.turn_count is not negative" CHECK (turn_count >= 0),
  total_tokens INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "sessions.total_tokens is not negative" CHECK (total_tokens >= 0),
  total_cost_usd REAL NOT NULL DEFAULT 0.0
    CONSTRAINT "sessions.total_cost_usd is not negative" CHECK (total_cost_usd >= 0),
  log_path TEXT,
  extra TEXT
    CONSTRAINT "sessions.extra is a JSON object" CHECK (json_valid(extra) AND json_type(extra) = 'object'),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "sessions.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "sessions.updated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(updated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) IS updated_at),
  CONSTRAINT "sessions.extra keeps the status where it is unknown"
  CHECK (status <> 'unknown' OR extra ->> '$.status' IS NOT NULL)
) STRICT;

CREATE INDEX idx_sessions_project_id ON sessions (project_id);
CREATE INDEX idx_sessions_user_id ON sessions (user_id);
CREATE INDEX idx_sessions_agent ON sessions (agent_name);
CREATE INDEX idx_sessions_status ON sessions (status, started_at);
CREATE INDEX idx_sessions_started_at ON sessions (started_at);

CREATE TABLE run_logs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  run_id TEXT NOT NULL,
  session_id TEXT,
  level TEXT NOT NULL
    CONSTRAINT "run_logs.level is debug, info, warn, error, fatal or unknown"
    CHECK (level IN ('debug', 'info', 'warn', 'error', 'fatal', 'unknown')),
  message TEXT NOT NULL,
  component TEXT,
  task_id TEXT,
  metadata TEXT
    CONSTRAINT "run_logs.metadata is JSON" CHECK (json_valid(metadata)),
  extra TEXT
    CONSTRAINT "run_logs.extra is a JSON object" CHECK (json_valid(extra) AND json_type(extra) = 'object'),
  timestamp TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "run_logs.timestamp is RFC 3339 UTC with milliseconds"
    CHECK (length(timestamp) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', timestamp) IS timestamp),
  CONSTRAINT "run_logs.extra keeps the level where it is unknown"
  CHECK (level <> 'unknown' OR extra ->> '$.level' IS NOT NULL)
) STRICT;

CREATE INDEX idx_runlogs_run_id ON run_logs (run_id, timestamp);
CREATE INDEX idx_runlogs_session_id ON run_logs (session_id);
CREATE INDEX idx_runlogs_level ON run_logs (level);
CREATE INDEX idx_runlogs_component ON run_logs (component, level, timestamp);
CREATE INDEX idx_runlogs_timestamp ON run_logs (timestamp);

CREATE VIRTUAL TABLE run_logs_fts USING fts5(
  message,
  component UNINDEXED,
  content='run_logs',
  content_rowid='id'
);

CREATE TRIGGER run_logs_fts_insert AFTER INSERT ON run_logs
BEGIN
  INSERT INTO run_logs_fts (rowid, message, component) VALUES (new.id, new.message, new.component);
END;

CREATE TRIGGER run_logs_fts_update AFTER UPDATE OF id, message ON run_logs
BEGIN
  INSERT INTO run_logs_fts (run_logs_fts, rowid, message, component)
  VALUES ('delete', old.id, old.message, old.component);
  INSERT INTO run_logs_fts (rowid, message, component) VALUES (new.id, new.message, new.component);
END;

CREATE TRIGGER run_logs_fts_delete AFTER DELETE ON run_logs
BEGIN
  INSERT INTO run_logs_fts (run_logs_fts, rowid, message, component)
  VALUES ('delete', old.id, old.message, old.component);
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
DROP TABLE run_logs_fts;
DROP TABLE run_logs;
DROP TABLE sessions;
DROP TABLE usage_logs;
DROP TABLE episodes;
