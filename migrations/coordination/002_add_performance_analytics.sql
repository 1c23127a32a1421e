-- Label: 1.1.0
-- Description: Add performance analytics tables
--
-- What each step cost, the daily figures made of it, and the two views that read them. The views have one
-- row for a workflow and one for a day and agent type: whatever a workflow has many of is counted in a
-- subquery, never joined.
--
-- It touches no existing rows. Reverting it drops every measurement and daily figure; mappings, assignments
-- and results stay.

-- Up
CREATE TABLE workflow_performance (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  workflow_id TEXT NOT NULL REFERENCES workflow_mappings (tempolite_workflow_id) ON UPDATE CASCADE,
  agent_type TEXT NOT NULL,
  step_name TEXT NOT NULL,
  start_time TEXT NOT NULL
    CONSTRAINT "workflow_performance.start_time is RFC 3339 UTC with milliseconds"
    CHECK (length(start_time) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', start_time) IS start_time),
  end_time TEXT
    CONSTRAINT "workflow_performance.end_time is RFC 3339 UTC with milliseconds"
    CHECK (length(end_time) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', end_time) IS end_time),
  duration_ms INTEGER
    CONSTRAINT "workflow_performance.duration_ms is not negative" CHECK (duration_ms >= 0),
  success INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "workflow_performance.success is 0 or 1" CHECK (success IN (0, 1)),
  error_message TEXT,
  memory_usage_mb INTEGER
    CONSTRAINT "workflow_performance.memory_usage_mb is not negative" CHECK (memory_usage_mb >= 0),
  cpu_usage_percent REAL
    CONSTRAINT "workflow_performance.cpu_usage_percent is not negative" CHECK (cpu_usage_percent >= 0),
  disk_io_bytes INTEGER
    CONSTRAINT "workflow_performance.disk_io_bytes is not negative" CHECK (disk_io_bytes >= 0),
  network_io_bytes INTEGER
    CONSTRAINT "workflow_performance.network_io_bytes is not negative" CHECK (network_io_bytes >= 0),
  resource_metadata TEXT
    CONSTRAINT "workflow_performance.resource_metadata is JSON" CHECK (json_valid(resource_metadata)),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "workflow_performance.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  CONSTRAINT "workflow_performance.end_time is not before start_time" CHECK (end_time >= start_time)
) STRICT;

CREATE INDEX idx_workflow_performance_workflow ON workflow_performance (workflow_id);
CREATE INDEX idx_workflow_performance_duration ON workflow_performance (duration_ms DESC);
CREATE INDEX idx_workflow_performance_success ON workflow_performance (success, duration_ms);
CREATE INDEX idx_workflow_performance_created ON workflow_performance (created_at);

CREATE TABLE workflow_analytics (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  date TEXT NOT NULL
    CONSTRAINT "workflow_analytics.date is a day of the calendar"
    CHECK (length(date) = 10 AND strftime('%Y-%m-%d', date) IS date),
  workflow_type TEXT NOT NULL,
  agent_type TEXT NOT NULL,
  total_workflows INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "workflow_analytics.total_workflows is not negative" CHECK (total_workflows >= 0),
  successful_workflows INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "workflow_analytics.successful_workflows is not negative" CHECK (successful_workflows >= 0),
  failed_workflows INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "workflow_analytics.failed_workflows is not negative" CHECK (failed_workflows >= 0),
  avg_execution_time_ms REAL
    CONSTRAINT "workflow_analytics.avg_execution_time_ms is not negative" CHECK (avg_execution_time_ms >= 0),
  avg_confidence_score REAL
    CONSTRAINT "workflow_analytics.avg_confidence_score is 0 to 1"
    CHECK (avg_confidence_score BETWEEN 0.0 AND 1.0),
  total_agents_active INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "workflow_analytics.total_agents_active is not negative" CHECK (total_agents_active >= 0),
  system_load_avg REAL
    CONSTRAINT "workflow_analytics.system_load_avg is not negative" CHECK (system_load_avg >= 0),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "workflow_analytics.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  UNIQUE (date, workflow_type, agent_type)
) STRICT;

CREATE INDEX idx_workflow_analytics_date ON workflow_analytics (date DESC);
CREATE INDEX idx_workflow_analytics_type ON workflow_analytics (workflow_type, agent_type);

-- The assignment shown is the one that has the workflow now: one that is started, else one that waits, else
-- the last that was completed; among equals the furthest step, then the newest.
CREATE VIEW workflow_overview AS
SELECT
  nullif(wm.beads_issue_id, '') AS beads_issue_id,
  wm.tempolite_workflow_id,
  wm.workflow_type,
  wm.status AS workflow_status,
  wm.priority,
  wm.created_at AS workflow_created,
  aa.agent_id AS assigned_agent,
  aa.agent_type AS assigned_agent_type,
  aa.step_number,
  aa.status AS assignment_status,
  (
    SELECT count(*)
    FROM workflow_results AS wr
    WHERE wr.workflow_id = wm.tempolite_workflow_id
  ) AS result_count,
  (
    SELECT max(wr.confidence_score)
    FROM workflow_results AS wr
    WHERE wr.workflow_id = wm.tempolite_workflow_id
  ) AS max_confidence,
  (
    SELECT avg(wp.duration_ms)
    FROM workflow_performance AS wp
    WHERE wp.workflow_id = wm.tempolite_workflow_id
  ) AS avg_execution_time
FROM workflow_mappings AS wm
LEFT JOIN agent_assignments AS aa ON aa.id = (
  SELECT a.id
  FROM agent_assignments AS a
  WHERE a.workflow_id = wm.tempolite_workflow_id AND a.status IN ('assigned', 'started', 'completed')
  ORDER BY
    CASE a.status WHEN 'started' THEN 0 WHEN 'assigned' THEN 1 ELSE 2 END,
    a.step_number DESC,
    a.id DESC
  LIMIT 1
)
WHERE wm.status <> 'cancelled';

CREATE VIEW performance_trends AS
SELECT
  date(wp.created_at) AS performance_date,
  wp.agent_type,
  count(*) AS total_executions,
  avg(wp.duration_ms) AS avg_duration_ms,
  sum(CASE WHEN wp.success = 1 THEN 1 ELSE 0 END) AS successful_executions,
  avg(wp.memory_usage_mb) AS avg_memory_mb,
  avg(wp.cpu_usage_percent) AS avg_cpu_percent
FROM workflow_performance AS wp
WHERE wp.created_at >= date('now', '-30 days')
GROUP BY date(wp.created_at), wp.agent_type
ORDER BY performance_date DESC, wp.agent_type;

-- Down
DROP VIEW performance_trends;
DROP VIEW workflow_overview;
DROP TABLE workflow_analytics;
DROP TABLE workflow_performance;
