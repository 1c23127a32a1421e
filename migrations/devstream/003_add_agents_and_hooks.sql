-- Description: Agents, hooks, and what the hooks did
--
-- A hook that has been executed is switched off, not deleted: its executions are kept for analysis and
-- refuse to lose it.
--
-- It touches no existing rows. Reverting it drops every agent, hook and execution.

-- Up
CREATE TABLE agents (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "agents.id is not empty" CHECK (id <> ''),
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  description TEXT,
  capabilities TEXT NOT NULL
    CONSTRAINT "agents.capabilities is JSON" CHECK (json_valid(capabilities)),
  triggers TEXT
    CONSTRAINT "agents.triggers is JSON" CHECK (json_valid(triggers)),
  config TEXT
    CONSTRAINT "agents.config is JSON" CHECK (json_valid(config)),
  is_active INTEGER NOT NULL DEFAULT 1
    CONSTRAINT "agents.is_active is 0 or 1" CHECK (is_active IN (0, 1)),
  success_rate REAL
    CONSTRAINT "agents.success_rate is 0 to 1" CHECK (success_rate BETWEEN 0.0 AND 1.0),
  total_tasks INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "agents.total_tasks is not negative" CHECK (total_tasks >= 0),
  successful_tasks INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "agents.successful_tasks is not negative" CHECK (successful_tasks >= 0),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "agents.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "agents.updated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(updated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) IS updated_at)
) STRICT;

CREATE INDEX idx_agents_is_active ON agents (is_active);
CREATE INDEX idx_agents_success_rate ON agents (success_rate DESC);

CREATE TABLE hooks (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "hooks.id is not empty" CHECK (id <> ''),
  name TEXT NOT NULL,
  event_type TEXT NOT NULL,
  trigger_condition TEXT,
  action_type TEXT NOT NULL,
  action_config TEXT
    CONSTRAINT "hooks.action_config is JSON" CHECK (json_valid(action_config)),
  is_active INTEGER NOT NULL DEFAULT 1
    CONSTRAINT "hooks.is_active is 0 or 1" CHECK (is_active IN (0, 1)),
  execution_order INTEGER NOT NULL DEFAULT 0,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "hooks.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at)
) STRICT;

CREATE INDEX idx_hooks_event_type ON hooks (event_type, is_active, execution_order);
CREATE INDEX idx_hooks_is_active ON hooks (is_active);
CREATE INDEX idx_hooks_execution_order ON hooks (execution_order);

CREATE TABLE hook_executions (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "hook_executions.id is not empty" CHECK (id <> ''),
  hook_id TEXT NOT NULL REFERENCES hooks (id),
  event_data TEXT
    CONSTRAINT "hook_executions.event_data is JSON" CHECK (json_valid(event_data)),
  execution_result TEXT
    CONSTRAINT "hook_executions.execution_result is JSON" CHECK (json_valid(execution_result)),
  status TEXT NOT NULL
    CONSTRAINT "hook_executions.status is success, failed or skipped"
    CHECK (status IN ('success', 'failed', 'skipped')),
  error_message TEXT,
  execution_time_ms INTEGER
    CONSTRAINT "hook_executions.execution_time_ms is not negative" CHECK (execution_time_ms >= 0),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "hook_executions.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at)
) STRICT;

CREATE INDEX idx_hook_executions_hook_id ON hook_executions (hook_id);
CREATE INDEX idx_hook_executions_status ON hook_executions (status);
CREATE INDEX idx_hook_executions_created_at ON hook_executions (created_at DESC);

-- Both guards are needed: the first lets a program set the time itself, the second ends the recursion
-- when the row was last touched within this very millisecond.
CREATE TRIGGER agents_touch_updated_at
AFTER UPDATE ON agents
WHEN new.updated_at IS old.updated_at AND new.updated_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
BEGIN
  UPDATE agents SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE pk = new.pk;
END;

-- Down
DROP TABLE hook_executions;
DROP TABLE hooks;
DROP TABLE agents;
