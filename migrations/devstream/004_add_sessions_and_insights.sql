-- Description: Work sessions, injected context, insights and measurements
--
-- An injection is history: it keeps its session from being deleted, and outlives the task it was for. A
-- session outlives its plan in the same way.
--
-- It touches no existing rows. Reverting it drops every session, injection, insight and measurement.

-- Up
CREATE TABLE work_sessions (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "work_sessions.id is not empty" CHECK (id <> ''),
  plan_id TEXT REFERENCES intervention_plans (id) ON DELETE SET NULL,
  user_id TEXT,
  session_name TEXT,
  context_window_size INTEGER
    CONSTRAINT "work_sessions.context_window_size is not negative" CHECK (context_window_size >= 0),
  tokens_used INTEGER
    CONSTRAINT "work_sessions.tokens_used is not negative" CHECK (tokens_used >= 0),
  status TEXT NOT NULL DEFAULT 'active'
    CONSTRAINT "work_sessions.status is active, paused, completed or archived"
    CHECK (status IN ('active', 'paused', 'completed', 'archived')),
  context_summary TEXT,
  active_tasks TEXT
    CONSTRAINT "work_sessions.active_tasks is a JSON array"
    CHECK (json_valid(active_tasks) AND json_type(active_tasks) = 'array'),
  completed_tasks TEXT
    CONSTRAINT "work_sessions.completed_tasks is a JSON array"
    CHECK (json_valid(completed_tasks) AND json_type(completed_tasks) = 'array'),
  started_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "work_sessions.started_at is RFC 3339 UTC with milliseconds"
    CHECK (length(started_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', started_at) IS started_at),
  last_activity_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "work_sessions.last_activity_at is RFC 3339 UTC with milliseconds"
    CHECK (length(last_activity_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', last_activity_at) IS last_activity_at),
  ended_at TEXT
    CONSTRAINT "work_sessions.ended_at is RFC 3339 UTC with milliseconds"
    CHECK (length(ended_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', ended_at) IS ended_at)
) STRICT;

CREATE INDEX idx_work_sessions_plan_id ON work_sessions (plan_id);
CREATE INDEX idx_work_sessions_status ON work_sessions (status);
CREATE INDEX idx_work_sessions_started_at ON work_sessions (started_at DESC);

CREATE TABLE context_injections (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "context_injections.id is not empty" CHECK (id <> ''),
  session_id TEXT NOT NULL REFERENCES work_sessions (id),
  task_id TEXT REFERENCES micro_tasks (id) ON DELETE SET NULL,
  injected_memory_ids TEXT
    CONSTRAINT "context_injections.injected_memory_ids is a JSON array"
    CHECK (json_valid(injected_memory_ids) AND json_type(injected_memory_ids) = 'array'),
  injection_trigger TEXT,
  relevance_threshold REAL,
  tokens_injected INTEGER
    CONSTRAINT "context_injections.tokens_injected is not negative" CHECK (tokens_injected >= 0),
  effectiveness_score REAL
    CONSTRAINT "context_injections.effectiveness_score is 0 to 1"
    CHECK (effectiveness_score BETWEEN 0.0 AND 1.0),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "context_injections.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at)
) STRICT;

CREATE INDEX idx_context_injections_session_id ON context_injections (session_id);
CREATE INDEX idx_context_injections_task_id ON context_injections (task_id);
CREATE INDEX idx_context_injections_created_at ON context_injections (created_at DESC);

CREATE TABLE learning_insights (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "learning_insights.id is not empty" CHECK (id <> ''),
  insight_type TEXT NOT NULL
    CONSTRAINT "learning_insights.insight_type is pattern, best_practice or anti_pattern"
    CHECK (insight_type IN ('pattern', 'best_practice', 'anti_pattern')),
  title TEXT NOT NULL,
  description TEXT NOT NULL,
  confidence_score REAL
    CONSTRAINT "learning_insights.confidence_score is 0 to 1" CHECK (confidence_score BETWEEN 0.0 AND 1.0),
  supporting_evidence TEXT
    CONSTRAINT "learning_insights.supporting_evidence is a JSON array"
    CHECK (json_valid(supporting_evidence) AND json_type(supporting_evidence) = 'array'),
  tags TEXT
    CONSTRAINT "learning_insights.tags is a JSON array" CHECK (json_valid(tags) AND json_type(tags) = 'array'),
  is_validated INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "learning_insights.is_validated is 0 or 1" CHECK (is_validated IN (0, 1)),
  validation_feedback TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "learning_insights.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  validated_at TEXT
    CONSTRAINT "learning_insights.validated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(validated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', validated_at) IS validated_at)
) STRICT;

CREATE INDEX idx_learning_insights_insight_type ON learning_insights (insight_type);
CREATE INDEX idx_learning_insights_is_validated ON learning_insights (is_validated);
CREATE INDEX idx_learning_insights_confidence_score ON learning_insights (confidence_score DESC);

CREATE TABLE performance_metrics (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "performance_metrics.id is not empty" CHECK (id <> ''),
  metric_type TEXT NOT NULL,
  entity_type TEXT NOT NULL,
  entity_id TEXT NOT NULL,
  metric_value REAL NOT NULL,
  metric_unit TEXT,
  context TEXT
    CONSTRAINT "performance_metrics.context is JSON" CHECK (json_valid(context)),
  recorded_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "performance_metrics.recorded_at is RFC 3339 UTC with milliseconds"
    CHECK (length(recorded_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', recorded_at) IS recorded_at)
) STRICT;

CREATE INDEX idx_performance_metrics_entity_type ON performance_metrics (entity_type);
CREATE INDEX idx_performance_metrics_entity_id ON performance_metrics (entity_id);
CREATE INDEX idx_performance_metrics_recorded_at ON performance_metrics (recorded_at DESC);

-- Down
DROP TABLE performance_metrics;
DROP TABLE learning_insights;
DROP TABLE context_injections;
DROP TABLE work_sessions;
