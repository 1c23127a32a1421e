-- Description: Plans, their phases, and the small tasks that these are made of
--
-- A plan is carried out in phases, a phase in tasks of at most ten minutes. Deleting a plan takes its phases
-- and their tasks; a task whose parent goes stays, without a parent.
--
-- Ids are whatever text the program uses; nothing limits them to the length of a UUID without dashes.
--
-- It touches no existing rows. Reverting it drops every plan, phase and task.

-- Up
CREATE TABLE intervention_plans (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "intervention_plans.id is not empty" CHECK (id <> ''),
  title TEXT NOT NULL,
  description TEXT,
  objectives TEXT NOT NULL
    CONSTRAINT "intervention_plans.objectives is a JSON array"
    CHECK (json_valid(objectives) AND json_type(objectives) = 'array'),
  technical_specs TEXT
    CONSTRAINT "intervention_plans.technical_specs is JSON" CHECK (json_valid(technical_specs)),
  expected_outcome TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'draft'
    CONSTRAINT "intervention_plans.status is draft, active, completed, paused, archived or cancelled"
    CHECK (status IN ('draft', 'active', 'completed', 'paused', 'archived', 'cancelled')),
  priority INTEGER NOT NULL DEFAULT 5
    CONSTRAINT "intervention_plans.priority is 1 to 10" CHECK (priority BETWEEN 1 AND 10),
  estimated_hours REAL
    CONSTRAINT "intervention_plans.estimated_hours is not negative" CHECK (estimated_hours >= 0),
  actual_hours REAL
    CONSTRAINT "intervention_plans.actual_hours is not negative" CHECK (actual_hours >= 0),
  tags TEXT
    CONSTRAINT "intervention_plans.tags is a JSON array" CHECK (json_valid(tags) AND json_type(tags) = 'array'),
  metadata TEXT
    CONSTRAINT "intervention_plans.metadata is JSON" CHECK (json_valid(metadata)),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "intervention_plans.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "intervention_plans.updated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(updated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) IS updated_at),
  completed_at TEXT
    CONSTRAINT "intervention_plans.completed_at is RFC 3339 UTC with milliseconds"
    CHECK (length(completed_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', completed_at) IS completed_at)
) STRICT;

CREATE INDEX idx_intervention_plans_status ON intervention_plans (status);
CREATE INDEX idx_intervention_plans_priority ON intervention_plans (priority DESC);
CREATE INDEX idx_intervention_plans_created_at ON intervention_plans (created_at DESC);

CREATE TABLE phases (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "phases.id is not empty" CHECK (id <> ''),
  plan_id TEXT NOT NULL REFERENCES intervention_plans (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  description TEXT,
  sequence_order INTEGER NOT NULL,
  is_parallel INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "phases.is_parallel is 0 or 1" CHECK (is_parallel IN (0, 1)),
  dependencies TEXT
    CONSTRAINT "phases.dependencies is a JSON array"
    CHECK (json_valid(dependencies) AND json_type(dependencies) = 'array'),
  status TEXT NOT NULL DEFAULT 'pending'
    CONSTRAINT "phases.status is pending, active, completed, blocked or skipped"
    CHECK (status IN ('pending', 'active', 'completed', 'blocked', 'skipped')),
  estimated_minutes INTEGER
    CONSTRAINT "phases.estimated_minutes is not negative" CHECK (estimated_minutes >= 0),
  actual_minutes INTEGER
    CONSTRAINT "phases.actual_minutes is not negative" CHECK (actual_minutes >= 0),
  blocking_reason TEXT,
  completion_criteria TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "phases.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  started_at TEXT
    CONSTRAINT "phases.started_at is RFC 3339 UTC with milliseconds"
    CHECK (length(started_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', started_at) IS started_at),
  completed_at TEXT
    CONSTRAINT "phases.completed_at is RFC 3339 UTC with milliseconds"
    CHECK (length(completed_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', completed_at) IS completed_at)
) STRICT;

CREATE INDEX idx_phases_plan_id ON phases (plan_id);
CREATE INDEX idx_phases_status ON phases (status);
CREATE INDEX idx_phases_sequence_order ON phases (plan_id, sequence_order);

CREATE TABLE micro_tasks (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "micro_tasks.id is not empty" CHECK (id <> ''),
  phase_id TEXT NOT NULL REFERENCES phases (id) ON DELETE CASCADE,
  title TEXT NOT NULL,
  description TEXT NOT NULL,
  max_duration_minutes INTEGER NOT NULL DEFAULT 10
    CONSTRAINT "micro_tasks.max_duration_minutes is 1 to 10" CHECK (max_duration_minutes BETWEEN 1 AND 10),
  max_context_tokens INTEGER
    CONSTRAINT "micro_tasks.max_context_tokens is not negative" CHECK (max_context_tokens >= 0),
  assigned_agent TEXT,
  task_type TEXT
    CONSTRAINT "micro_tasks.task_type is analysis, coding, documentation, testing, review or research"
    CHECK (task_type IN ('analysis', 'coding', 'documentation', 'testing', 'review', 'research')),
  status TEXT NOT NULL DEFAULT 'pending'
    CONSTRAINT "micro_tasks.status is pending, active, completed, failed or skipped"
    CHECK (status IN ('pending', 'active', 'completed', 'failed', 'skipped')),
  priority INTEGER NOT NULL DEFAULT 5
    CONSTRAINT "micro_tasks.priority is 1 to 10" CHECK (priority BETWEEN 1 AND 10),
  input_files TEXT
    CONSTRAINT "micro_tasks.input_files is a JSON array"
    CHECK (json_valid(input_files) AND json_type(input_files) = 'array'),
  output_files TEXT
    CONSTRAINT "micro_tasks.output_files is a JSON array"
    CHECK (json_valid(output_files) AND json_type(output_files) = 'array'),
  generated_code TEXT,
  documentation TEXT,
  error_log TEXT,
  actual_duration_minutes REAL
    CONSTRAINT "micro_tasks.actual_duration_minutes is not negative" CHECK (actual_duration_minutes >= 0),
  context_tokens_used INTEGER
    CONSTRAINT "micro_tasks.context_tokens_used is not negative" CHECK (context_tokens_used >= 0),
  retry_count INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "micro_tasks.retry_count is not negative" CHECK (retry_count >= 0),
  parent_task_id TEXT REFERENCES micro_tasks (id) ON DELETE SET NULL
    CONSTRAINT "micro_tasks.parent_task_id is another task" CHECK (parent_task_id <> id),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "micro_tasks.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  started_at TEXT
    CONSTRAINT "micro_tasks.started_at is RFC 3339 UTC with milliseconds"
    CHECK (length(started_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', started_at) IS started_at),
  completed_at TEXT
    CONSTRAINT "micro_tasks.completed_at is RFC 3339 UTC with milliseconds"
    CHECK (length(completed_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', completed_at) IS completed_at),
  last_retry_at TEXT
    CONSTRAINT "micro_tasks.last_retry_at is RFC 3339 UTC with milliseconds"
    CHECK (length(last_retry_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', last_retry_at) IS last_retry_at)
) STRICT;

CREATE INDEX idx_micro_tasks_phase_id ON micro_tasks (phase_id);
CREATE INDEX idx_micro_tasks_status ON micro_tasks (status);
CREATE INDEX idx_micro_tasks_assigned_agent ON micro_tasks (assigned_agent);
CREATE INDEX idx_micro_tasks_priority ON micro_tasks (priority DESC);
CREATE INDEX idx_micro_tasks_parent_task_id ON micro_tasks (parent_task_id);

-- Both guards are needed: the first lets a program set the time itself, the second ends the recursion
-- when the row was last touched within this very millisecond.
CREATE TRIGGER intervention_plans_touch_updated_at
AFTER UPDATE ON intervention_plans
WHEN new.updated_at IS old.updated_at AND new.updated_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
BEGIN
  UPDATE intervention_plans SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE pk = new.pk;
END;

-- Down
DROP TABLE micro_tasks;
DROP TABLE phases;
DROP TABLE intervention_plans;
