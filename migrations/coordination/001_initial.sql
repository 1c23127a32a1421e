-- Label: 1.0.0
-- Description: Initial schema with workflow coordination
--
-- The bridge between issues (beads) and workflow runs (tempolite), and what the agents on it found.
-- Both ends stand in other files, often other programs' files, so they are plain columns here:
--
-- `beads_issue_id` may repeat, since a retry is a new workflow for the same issue. NULL means no issue, and
-- so does '', which programs written in Go store.
-- `tempolite_workflow_id` is text, since one generation of tempolite uses uuids and the next one integers.
-- `tempolite_entity_id` is the same id as an integer where it is one, so that a join in any language
-- compares like with like; nobody writes it. Children follow when the id changes.
--
-- Priorities are those of beads, 0 (highest) to 4.
--
-- It touches no existing rows. Reverting it drops every mapping, assignment, result and configuration.

-- Up
CREATE TABLE workflow_mappings (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  beads_issue_id TEXT,
  tempolite_workflow_id TEXT NOT NULL
    CONSTRAINT "workflow_mappings.tempolite_workflow_id is not empty" CHECK (tempolite_workflow_id <> ''),
  tempolite_entity_id INTEGER GENERATED ALWAYS AS (
    CASE
      WHEN CAST(CAST(tempolite_workflow_id AS INTEGER) AS TEXT) = tempolite_workflow_id
      THEN CAST(tempolite_workflow_id AS INTEGER)
    END
  ) VIRTUAL,
  workflow_type TEXT NOT NULL
    CONSTRAINT "workflow_mappings.workflow_type is research, poc, documentation or validation"
    CHECK (workflow_type IN ('research', 'poc', 'documentation', 'validation')),
  status TEXT NOT NULL DEFAULT 'active'
    CONSTRAINT "workflow_mappings.status is active, completed, failed, paused or cancelled"
    CHECK (status IN ('active', 'completed', 'failed', 'paused', 'cancelled')),
  priority INTEGER NOT NULL DEFAULT 2
    CONSTRAINT "workflow_mappings.priority is 0 to 4" CHECK (priority BETWEEN 0 AND 4),
  metadata TEXT
    CONSTRAINT "workflow_mappings.metadata is JSON" CHECK (json_valid(metadata)),
  parent_workflow_id TEXT REFERENCES workflow_mappings (tempolite_workflow_id) ON UPDATE CASCADE
    CONSTRAINT "workflow_mappings.parent_workflow_id is another workflow"
    CHECK (parent_workflow_id <> tempolite_workflow_id),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "workflow_mappings.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "workflow_mappings.updated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(updated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) IS updated_at),
  completed_at TEXT
    CONSTRAINT "workflow_mappings.completed_at is RFC 3339 UTC with milliseconds"
    CHECK (length(completed_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', completed_at) IS completed_at)
) STRICT;

-- Unique, and the key that the other tables refer to.
CREATE UNIQUE INDEX idx_workflow_mappings_tempolite_id ON workflow_mappings (tempolite_workflow_id);
CREATE INDEX idx_workflow_mappings_entity_id ON workflow_mappings (tempolite_entity_id);
CREATE INDEX idx_workflow_mappings_beads_issue_id ON workflow_mappings (beads_issue_id);
CREATE INDEX idx_workflow_mappings_type_status ON workflow_mappings (workflow_type, status);
CREATE INDEX idx_workflow_mappings_status_priority ON workflow_mappings (status, priority);
CREATE INDEX idx_workflow_mappings_parent ON workflow_mappings (parent_workflow_id);

-- A circle of parents would have no top. Only a mapping that has children can close one: when it is
-- replaced, or gets another parent, or another mapping takes its id. Everything else pays one look into an
-- index.
CREATE TRIGGER workflow_mappings_refuse_circle_on_insert
AFTER INSERT ON workflow_mappings
WHEN new.parent_workflow_id IS NOT NULL
  AND EXISTS (SELECT 1 FROM workflow_mappings WHERE parent_workflow_id = new.tempolite_workflow_id)
BEGIN
  SELECT RAISE(ABORT, 'workflow_mappings.parent_workflow_id would make a workflow its own ancestor')
  WHERE new.tempolite_workflow_id IN (
    WITH RECURSIVE ancestors (id) AS (
      SELECT new.parent_workflow_id
      UNION
      SELECT wm.parent_workflow_id
      FROM ancestors AS a
      JOIN workflow_mappings AS wm ON wm.tempolite_workflow_id = a.id
      WHERE wm.parent_workflow_id IS NOT NULL
    )
    SELECT id FROM ancestors
  );
END;

CREATE TRIGGER workflow_mappings_refuse_circle_on_update
AFTER UPDATE OF tempolite_workflow_id, parent_workflow_id ON workflow_mappings
WHEN (
    new.tempolite_workflow_id IS NOT old.tempolite_workflow_id
    OR new.parent_workflow_id IS NOT old.parent_workflow_id
  )
  AND EXISTS (SELECT 1 FROM workflow_mappings WHERE parent_workflow_id = new.tempolite_workflow_id)
BEGIN
  SELECT RAISE(ABORT, 'workflow_mappings.parent_workflow_id would make a workflow its own ancestor')
  WHERE new.tempolite_workflow_id IN (
    WITH RECURSIVE ancestors (id) AS (
      SELECT new.parent_workflow_id
      UNION
      SELECT wm.parent_workflow_id
      FROM ancestors AS a
      JOIN workflow_mappings AS wm ON wm.tempolite_workflow_id = a.id
      WHERE wm.parent_workflow_id IS NOT NULL
    )
    SELECT id FROM ancestors
  );
END;

CREATE TABLE agent_assignments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow_id TEXT NOT NULL REFERENCES workflow_mappings (tempolite_workflow_id) ON UPDATE CASCADE,
  agent_type TEXT NOT NULL
    CONSTRAINT "agent_assignments.agent_type is research, poc, documentation, validation or supervisor"
    CHECK (agent_type IN ('research', 'poc', 'documentation', 'validation', 'supervisor')),
  agent_id TEXT NOT NULL
    CONSTRAINT "agent_assignments.agent_id is not empty" CHECK (agent_id <> ''),
  step_number INTEGER NOT NULL DEFAULT 1
    CONSTRAINT "agent_assignments.step_number is positive" CHECK (step_number > 0),
  step_name TEXT,
  assigned_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "agent_assignments.assigned_at is RFC 3339 UTC with milliseconds"
    CHECK (length(assigned_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', assigned_at) IS assigned_at),
  started_at TEXT
    CONSTRAINT "agent_assignments.started_at is RFC 3339 UTC with milliseconds"
    CHECK (length(started_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', started_at) IS started_at),
  completed_at TEXT
    CONSTRAINT "agent_assignments.completed_at is RFC 3339 UTC with milliseconds"
    CHECK (length(completed_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', completed_at) IS completed_at),
  status TEXT NOT NULL DEFAULT 'assigned'
    CONSTRAINT "agent_assignments.status is assigned, started, completed, failed or cancelled"
    CHECK (status IN ('assigned', 'started', 'completed', 'failed', 'cancelled')),
  handoff_from TEXT,
  handoff_to TEXT
) STRICT;

CREATE INDEX idx_agent_assignments_agent_status ON agent_assignments (agent_id, status);
CREATE INDEX idx_agent_assignments_workflow ON agent_assignments (workflow_id, step_number);
CREATE INDEX idx_agent_assignments_agent_type ON agent_assignments (agent_type, status);
-- One agent holds a step once at a time; after it is done, failed or cancelled it may be assigned again.
CREATE UNIQUE INDEX idx_agent_assignments_active
ON agent_assignments (workflow_id, step_number, agent_type, agent_id)
WHERE status IN ('assigned', 'started');

CREATE TABLE workflow_results (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow_id TEXT NOT NULL REFERENCES workflow_mappings (tempolite_workflow_id) ON UPDATE CASCADE,
  agent_type TEXT NOT NULL,
  result_type TEXT NOT NULL
    CONSTRAINT "workflow_results.result_type is one of the five kinds of result"
    CHECK (result_type IN ('findings', 'poc_results', 'documentation', 'validation', 'performance')),
  result_data TEXT NOT NULL
    CONSTRAINT "workflow_results.result_data is JSON" CHECK (json_valid(result_data)),
  confidence_score REAL
    CONSTRAINT "workflow_results.confidence_score is 0 to 1" CHECK (confidence_score BETWEEN 0.0 AND 1.0),
  execution_time_ms INTEGER
    CONSTRAINT "workflow_results.execution_time_ms is not negative" CHECK (execution_time_ms >= 0),
  artifacts TEXT
    CONSTRAINT "workflow_results.artifacts is JSON" CHECK (json_valid(artifacts)),
  metadata TEXT
    CONSTRAINT "workflow_results.metadata is JSON" CHECK (json_valid(metadata)),
  quality_score REAL
    CONSTRAINT "workflow_results.quality_score is 0 to 10" CHECK (quality_score BETWEEN 0.0 AND 10.0),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "workflow_results.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at)
) STRICT;

CREATE INDEX idx_workflow_results_workflow ON workflow_results (workflow_id);
CREATE INDEX idx_workflow_results_agent_type ON workflow_results (agent_type, result_type);
CREATE INDEX idx_workflow_results_quality ON workflow_results (quality_score DESC);
CREATE INDEX idx_workflow_results_created ON workflow_results (created_at DESC);

CREATE TABLE research_findings (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "research_findings.id is not empty" CHECK (id <> ''),
  workflow_id TEXT NOT NULL REFERENCES workflow_mappings (tempolite_workflow_id) ON UPDATE CASCADE,
  library_name TEXT NOT NULL,
  library_version TEXT,
  documentation_url TEXT,
  findings TEXT NOT NULL
    CONSTRAINT "research_findings.findings is JSON" CHECK (json_valid(findings)),
  confidence_score REAL
    CONSTRAINT "research_findings.confidence_score is 0 to 1" CHECK (confidence_score BETWEEN 0.0 AND 1.0),
  relevance_score REAL
    CONSTRAINT "research_findings.relevance_score is 0 to 1" CHECK (relevance_score BETWEEN 0.0 AND 1.0),
  analysis_method TEXT,
  file_paths TEXT
    CONSTRAINT "research_findings.file_paths is JSON" CHECK (json_valid(file_paths)),
  metadata TEXT
    CONSTRAINT "research_findings.metadata is JSON" CHECK (json_valid(metadata)),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "research_findings.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at)
) STRICT;

CREATE INDEX idx_research_findings_workflow ON research_findings (workflow_id);
CREATE INDEX idx_research_findings_library ON research_findings (library_name, library_version);
CREATE INDEX idx_research_findings_confidence ON research_findings (confidence_score DESC);

CREATE TABLE poc_results (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "poc_results.id is not empty" CHECK (id <> ''),
  workflow_id TEXT NOT NULL REFERENCES workflow_mappings (tempolite_workflow_id) ON UPDATE CASCADE,
  implementation_type TEXT NOT NULL,
  language TEXT NOT NULL,
  framework TEXT,
  build_success INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "poc_results.build_success is 0 or 1" CHECK (build_success IN (0, 1)),
  test_success INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "poc_results.test_success is 0 or 1" CHECK (test_success IN (0, 1)),
  performance_metrics TEXT
    CONSTRAINT "poc_results.performance_metrics is JSON" CHECK (json_valid(performance_metrics)),
  test_results TEXT
    CONSTRAINT "poc_results.test_results is JSON" CHECK (json_valid(test_results)),
  artifacts TEXT
    CONSTRAINT "poc_results.artifacts is JSON" CHECK (json_valid(artifacts)),
  benchmarks TEXT
    CONSTRAINT "poc_results.benchmarks is JSON" CHECK (json_valid(benchmarks)),
  error_message TEXT,
  execution_time_ms INTEGER
    CONSTRAINT "poc_results.execution_time_ms is not negative" CHECK (execution_time_ms >= 0),
  complexity_score REAL
    CONSTRAINT "poc_results.complexity_score is 0 to 10" CHECK (complexity_score BETWEEN 0.0 AND 10.0),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "poc_results.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at)
) STRICT;

CREATE INDEX idx_poc_results_workflow ON poc_results (workflow_id);
CREATE INDEX idx_poc_results_success ON poc_results (build_success, test_success);
CREATE INDEX idx_poc_results_performance ON poc_results (execution_time_ms DESC);

CREATE TABLE workflow_templates (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "workflow_templates.id is not empty" CHECK (id <> ''),
  name TEXT NOT NULL UNIQUE
    CONSTRAINT "workflow_templates.name is not empty" CHECK (name <> ''),
  description TEXT,
  workflow_type TEXT NOT NULL,
  template_def TEXT NOT NULL
    CONSTRAINT "workflow_templates.template_def is JSON" CHECK (json_valid(template_def)),
  agent_sequence TEXT NOT NULL
    CONSTRAINT "workflow_templates.agent_sequence is a JSON array"
    CHECK (json_valid(agent_sequence) AND json_type(agent_sequence) = 'array'),
  variables TEXT
    CONSTRAINT "workflow_templates.variables is JSON" CHECK (json_valid(variables)),
  version TEXT NOT NULL DEFAULT '1.0',
  is_active INTEGER NOT NULL DEFAULT 1
    CONSTRAINT "workflow_templates.is_active is 0 or 1" CHECK (is_active IN (0, 1)),
  usage_count INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "workflow_templates.usage_count is not negative" CHECK (usage_count >= 0),
  success_rate REAL NOT NULL DEFAULT 0.0
    CONSTRAINT "workflow_templates.success_rate is 0 to 1" CHECK (success_rate BETWEEN 0.0 AND 1.0),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "workflow_templates.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "workflow_templates.updated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(updated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) IS updated_at)
) STRICT;

CREATE INDEX idx_workflow_templates_type ON workflow_templates (workflow_type);
CREATE INDEX idx_workflow_templates_active ON workflow_templates (is_active, usage_count DESC);

-- Work is counted for an agent under its type: one agent_id may stand under two types.
CREATE TABLE agent_configurations (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "agent_configurations.id is not empty" CHECK (id <> ''),
  agent_type TEXT NOT NULL,
  agent_id TEXT NOT NULL
    CONSTRAINT "agent_configurations.agent_id is not empty" CHECK (agent_id <> ''),
  configuration TEXT NOT NULL
    CONSTRAINT "agent_configurations.configuration is JSON" CHECK (json_valid(configuration)),
  capabilities TEXT
    CONSTRAINT "agent_configurations.capabilities is JSON" CHECK (json_valid(capabilities)),
  max_workload INTEGER NOT NULL DEFAULT 5
    CONSTRAINT "agent_configurations.max_workload is positive" CHECK (max_workload > 0),
  current_workload INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "agent_configurations.current_workload is not negative" CHECK (current_workload >= 0),
  status TEXT NOT NULL DEFAULT 'active'
    CONSTRAINT "agent_configurations.status is active, inactive, busy or error"
    CHECK (status IN ('active', 'inactive', 'busy', 'error')),
  last_heartbeat TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "agent_configurations.last_heartbeat is RFC 3339 UTC with milliseconds"
    CHECK (length(last_heartbeat) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', last_heartbeat) IS last_heartbeat),
  performance_metrics TEXT
    CONSTRAINT "agent_configurations.performance_metrics is JSON" CHECK (json_valid(performance_metrics)),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "agent_configurations.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "agent_configurations.updated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(updated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) IS updated_at),
  UNIQUE (agent_type, agent_id)
) STRICT;

CREATE INDEX idx_agent_configurations_type_status ON agent_configurations (agent_type, status);
CREATE INDEX idx_agent_configurations_workload ON agent_configurations (current_workload, max_workload);

-- Both guards are needed: the first lets a program set the time itself, the second ends the recursion
-- when the row was last touched within this very millisecond.
CREATE TRIGGER workflow_mappings_touch_updated_at
AFTER UPDATE ON workflow_mappings
WHEN new.updated_at IS old.updated_at AND new.updated_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
BEGIN
  UPDATE workflow_mappings SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = new.id;
END;

CREATE TRIGGER workflow_templates_touch_updated_at
AFTER UPDATE ON workflow_templates
WHEN new.updated_at IS old.updated_at AND new.updated_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
BEGIN
  UPDATE workflow_templates SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE pk = new.pk;
END;

CREATE TRIGGER agent_configurations_touch_updated_at
AFTER UPDATE ON agent_configurations
WHEN new.updated_at IS old.updated_at AND new.updated_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
BEGIN
  UPDATE agent_configurations SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE pk = new.pk;
END;

-- One row for an active agent; `workload_percentage` is 0 to 100, and more when it is overloaded.
CREATE VIEW agent_workload AS
SELECT
  ac.agent_id,
  ac.agent_type,
  ac.status AS agent_status,
  ac.current_workload,
  ac.max_workload,
  100.0 * ac.current_workload / ac.max_workload AS workload_percentage,
  (
    SELECT count(*)
    FROM agent_assignments AS aa
    WHERE aa.agent_id = ac.agent_id AND aa.agent_type = ac.agent_type AND aa.status IN ('assigned', 'started')
  ) AS active_assignments,
  ac.last_heartbeat
FROM agent_configurations AS ac
WHERE ac.status = 'active';

-- Down
DROP VIEW agent_workload;
DROP TABLE agent_configurations;
DROP TABLE workflow_templates;
DROP TABLE poc_results;
DROP TABLE research_findings;
DROP TABLE workflow_results;
DROP TABLE agent_assignments;
DROP TABLE workflow_mappings;
