-- Label: 1.2.0
-- Description: Where a workflow comes from, and what was last seen at both ends
--
-- `tempolite_generation` says which of tempolite's schemas knows the workflow, since one uses uuids and the
-- next one integers; `tempolite_file` in which of its files it stands, since tempolite begins a new file when
-- one is full. `attempt` counts the workflows of one issue. The last seen states are kept as the other
-- programs write them, whatever the word is, so that a change can be told from what was seen before.
--
-- Integer ids begin again at 1 when tempolite loses its memory. Then `retired_at` is set on the
-- mappings of the lost workflows: each of them gives its id free and goes on as '<id>@<number of the
-- mapping>', with everything that refers to it. Such an id is no integer, so that `tempolite_entity_id` is
-- NULL and no join takes the new workflow for the old one. Cleared again, the id stays what it has become.
--
-- Existing mappings are first attempts of which nothing was seen. Reverting it drops the new columns and
-- what stands in them; retired mappings keep their longer ids.

-- Up
ALTER TABLE workflow_mappings ADD COLUMN tempolite_generation TEXT
  CONSTRAINT "workflow_mappings.tempolite_generation is not empty" CHECK (tempolite_generation <> '');
ALTER TABLE workflow_mappings ADD COLUMN tempolite_file TEXT
  CONSTRAINT "workflow_mappings.tempolite_file is not empty" CHECK (tempolite_file <> '');
ALTER TABLE workflow_mappings ADD COLUMN retired_at TEXT
  CONSTRAINT "workflow_mappings.retired_at is RFC 3339 UTC with milliseconds"
  CHECK (length(retired_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', retired_at) IS retired_at);
ALTER TABLE workflow_mappings ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1
  CONSTRAINT "workflow_mappings.attempt is positive" CHECK (attempt > 0);
ALTER TABLE workflow_mappings ADD COLUMN last_seen_issue_status TEXT;
ALTER TABLE workflow_mappings ADD COLUMN last_seen_workflow_status TEXT;
ALTER TABLE workflow_mappings ADD COLUMN last_seen_at TEXT
  CONSTRAINT "workflow_mappings.last_seen_at is RFC 3339 UTC with milliseconds"
  CHECK (length(last_seen_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', last_seen_at) IS last_seen_at);

CREATE INDEX idx_workflow_mappings_last_seen ON workflow_mappings (last_seen_at);

CREATE TRIGGER workflow_mappings_retire AFTER UPDATE OF retired_at ON workflow_mappings
WHEN new.retired_at IS NOT NULL
  AND old.retired_at IS NULL
  AND new.tempolite_workflow_id NOT LIKE '%@' || new.id
BEGIN
  UPDATE workflow_mappings
  SET tempolite_workflow_id = tempolite_workflow_id || '@' || id
  WHERE id = new.id;
END;

-- Down
DROP TRIGGER workflow_mappings_retire;
DROP INDEX idx_workflow_mappings_last_seen;
ALTER TABLE workflow_mappings DROP COLUMN last_seen_at;
ALTER TABLE workflow_mappings DROP COLUMN last_seen_workflow_status;
ALTER TABLE workflow_mappings DROP COLUMN last_seen_issue_status;
ALTER TABLE workflow_mappings DROP COLUMN attempt;
ALTER TABLE workflow_mappings DROP COLUMN retired_at;
ALTER TABLE workflow_mappings DROP COLUMN tempolite_file;
ALTER TABLE workflow_mappings DROP COLUMN tempolite_generation;
