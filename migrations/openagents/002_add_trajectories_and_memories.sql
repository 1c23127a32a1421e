-- Description: Trajectories and memories, their full-text search and their embeddings
--
-- A trajectory is kept whole as JSON; the columns beside it are what queries filter by. The view
-- `trajectories_text` puts the messages of its steps together, also for the older shape that has actions
-- instead of steps. Its full-text index keeps that text itself: FTS5 refuses to read JSON through a view when
-- it rebuilds or checks an index. The index of memories reads their table, and forgets an old text only when
-- it is told that text, hence the OLD values.
--
-- An embedding is a row of float32 in the ordinary table, which is the truth; `embedding_dimension` says how
-- many, so that no row of another length can spoil a comparison. A vector index is made beside it by whoever
-- searches, never by a trigger: without its extension the table could not be written any more. The triggers
-- note in `vector_changes` which keys that index has to look at again.
--
-- It touches no existing rows. Reverting it drops every trajectory and memory with its embedding.

-- Up
CREATE TABLE vector_changes (
  source TEXT NOT NULL,
  pk INTEGER NOT NULL,
  PRIMARY KEY (source, pk)
) WITHOUT ROWID, STRICT;

CREATE TABLE trajectories (
  pk INTEGER PRIMARY KEY,
  session_id TEXT NOT NULL UNIQUE
    CONSTRAINT "trajectories.session_id is not empty" CHECK (session_id <> ''),
  schema_version TEXT NOT NULL,
  agent_name TEXT NOT NULL,
  agent_version TEXT,
  model_name TEXT,
  step_count INTEGER NOT NULL
    CONSTRAINT "trajectories.step_count is not negative" CHECK (step_count >= 0),
  first_step_at TEXT
    CONSTRAINT "trajectories.first_step_at is RFC 3339 UTC with milliseconds"
    CHECK (length(first_step_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', first_step_at) IS first_step_at),
  last_step_at TEXT
    CONSTRAINT "trajectories.last_step_at is RFC 3339 UTC with milliseconds"
    CHECK (length(last_step_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', last_step_at) IS last_step_at),
  total_cost_usd REAL
    CONSTRAINT "trajectories.total_cost_usd is not negative" CHECK (total_cost_usd >= 0),
  total_tokens INTEGER
    CONSTRAINT "trajectories.total_tokens is not negative" CHECK (total_tokens >= 0),
  trajectory TEXT NOT NULL
    CONSTRAINT "trajectories.trajectory is JSON" CHECK (json_valid(trajectory)),
  embedding BLOB,
  embedding_model TEXT,
  embedding_dimension INTEGER NOT NULL DEFAULT 1536
    CONSTRAINT "trajectories.embedding_dimension is positive" CHECK (embedding_dimension > 0),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "trajectories.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  indexed_at TEXT
    CONSTRAINT "trajectories.indexed_at is RFC 3339 UTC with milliseconds"
    CHECK (length(indexed_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', indexed_at) IS indexed_at),
  CONSTRAINT "trajectories.embedding has 4 bytes for each dimension"
  CHECK (length(embedding) = 4 * embedding_dimension)
) STRICT;

CREATE INDEX idx_trajectories_agent ON trajectories (agent_name, created_at);
CREATE INDEX idx_trajectories_model ON trajectories (model_name);
CREATE INDEX idx_trajectories_created_at ON trajectories (created_at);
CREATE INDEX idx_trajectories_step_count ON trajectories (step_count);
CREATE INDEX idx_trajectories_cost ON trajectories (total_cost_usd);

CREATE TABLE memories (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "memories.id is not empty" CHECK (id <> ''),
  memory_type TEXT NOT NULL
    CONSTRAINT "memories.memory_type is episodic, semantic, procedural or unknown"
    CHECK (memory_type IN ('episodic', 'semantic', 'procedural', 'unknown')),
  scope TEXT NOT NULL
    CONSTRAINT "memories.scope is session, project, global or unknown"
    CHECK (scope IN ('session', 'project', 'global', 'unknown')),
  status TEXT NOT NULL
    CONSTRAINT "memories.status is active, archived, deleted or unknown"
    CHECK (status IN ('active', 'archived', 'deleted', 'unknown')),
  description TEXT NOT NULL,
  importance TEXT
    CONSTRAINT "memories.importance is critical, high, medium or low"
    CHECK (importance IN ('critical', 'high', 'medium', 'low')),
  tags TEXT
    CONSTRAINT "memories.tags is a JSON array" CHECK (json_valid(tags) AND json_type(tags) = 'array'),
  content TEXT NOT NULL
    CONSTRAINT "memories.content is JSON" CHECK (json_valid(content)),
  embedding BLOB,
  embedding_model TEXT,
  embedding_dimension INTEGER NOT NULL DEFAULT 1536
    CONSTRAINT "memories.embedding_dimension is positive" CHECK (embedding_dimension > 0),
  access_count INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "memories.access_count is not negative" CHECK (access_count >= 0),
  last_accessed_at TEXT
    CONSTRAINT "memories.last_accessed_at is RFC 3339 UTC with milliseconds"
    CHECK (length(last_accessed_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', last_accessed_at) IS last_accessed_at),
  extra TEXT
    CONSTRAINT "memories.extra is a JSON object" CHECK (json_valid(extra) AND json_type(extra) = 'object'),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "memories.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "memories.updated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(updated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) IS updated_at),
  source TEXT,
  CONSTRAINT "memories.embedding has 4 bytes for each dimension"
  CHECK (length(embedding) = 4 * embedding_dimension),
  CONSTRAINT "memories.extra keeps the memory_type where it is unknown"
  CHECK (memory_type <> 'unknown' OR extra ->> '$.memory_type' IS NOT NULL),
  CONSTRAINT "memories.extra keeps the scope where it is unknown"
  CHECK (scope <> 'unknown' OR extra ->> '$.scope' IS NOT NULL),
  CONSTRAINT "memories.extra keeps the status where it is unknown"
  CHECK (status <> 'unknown' OR extra ->> '$.status' IS NOT NULL)
) STRICT;

CREATE INDEX idx_memories_type ON memories (memory_type, status, created_at);
CREATE INDEX idx_memories_scope ON memories (scope);
CREATE INDEX idx_memories_status ON memories (status, access_count);
CREATE INDEX idx_memories_importance ON memories (importance);
CREATE INDEX idx_memories_created_at ON memories (created_at);
CREATE INDEX idx_memories_access_count ON memories (access_count);

CREATE VIEW trajectories_text AS
SELECT
  t.pk,
  t.session_id,
  t.agent_name,
  (
    SELECT group_concat(j.atom, char(10) ORDER BY j.id)
    FROM json_tree(t.trajectory) AS j
    WHERE j.type = 'text'
      AND (j.key = 'message' OR (j.key IN ('content', 'result') AND j.path LIKE '$.actions[%'))
  ) AS content
FROM trajectories AS t;

CREATE VIRTUAL TABLE trajectories_fts USING fts5(
  session_id UNINDEXED,
  agent_name UNINDEXED,
  content
);

CREATE TRIGGER trajectories_fts_insert AFTER INSERT ON trajectories
BEGIN
  INSERT INTO trajectories_fts (rowid, session_id, agent_name, content)
  SELECT pk, session_id, agent_name, content FROM trajectories_text WHERE pk = new.pk;
END;

CREATE TRIGGER trajectories_fts_update AFTER UPDATE OF pk, session_id, agent_name, trajectory ON trajectories
BEGIN
  DELETE FROM trajectories_fts WHERE rowid = old.pk;
  INSERT INTO trajectories_fts (rowid, session_id, agent_name, content)
  SELECT pk, session_id, agent_name, content FROM trajectories_text WHERE pk = new.pk;
END;

CREATE TRIGGER trajectories_fts_delete AFTER DELETE ON trajectories
BEGIN
  DELETE FROM trajectories_fts WHERE rowid = old.pk;
END;

CREATE VIRTUAL TABLE memories_fts USING fts5(
  id UNINDEXED,
  description,
  content,
  content='memories',
  content_rowid='pk'
);

CREATE TRIGGER memories_fts_insert AFTER INSERT ON memories
BEGIN
  INSERT INTO memories_fts (rowid, id, description, content)
  VALUES (new.pk, new.id, new.description, new.content);
END;

CREATE TRIGGER memories_fts_update AFTER UPDATE OF pk, description, content ON memories
BEGIN
  INSERT INTO memories_fts (memories_fts, rowid, id, description, content)
  VALUES ('delete', old.pk, old.id, old.description, old.content);
  INSERT INTO memories_fts (rowid, id, description, content)
  VALUES (new.pk, new.id, new.description, new.content);
END;

CREATE TRIGGER memories_fts_delete AFTER DELETE ON memories
BEGIN
  INSERT INTO memories_fts (memories_fts, rowid, id, description, content)
  VALUES ('delete', old.pk, old.id, old.description, old.content);
END;

CREATE TRIGGER trajectories_vector_insert AFTER INSERT ON trajectories
WHEN new.embedding IS NOT NULL
BEGIN
  INSERT INTO vector_changes (source, pk) VALUES ('trajectories', new.pk) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER trajectories_vector_update AFTER UPDATE OF pk, embedding ON trajectories
WHEN (old.embedding IS NOT NULL OR new.embedding IS NOT NULL) AND (
  new.pk IS NOT old.pk
  OR new.embedding IS NOT old.embedding
)
BEGIN
  INSERT INTO vector_changes (source, pk) VALUES ('trajectories', old.pk) ON CONFLICT DO NOTHING;
  INSERT INTO vector_changes (source, pk) VALUES ('trajectories', new.pk) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER trajectories_vector_delete AFTER DELETE ON trajectories
WHEN old.embedding IS NOT NULL
BEGIN
  INSERT INTO vector_changes (source, pk) VALUES ('trajectories', old.pk) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER memories_vector_insert AFTER INSERT ON memories
WHEN new.embedding IS NOT NULL
BEGIN
  INSERT INTO vector_changes (source, pk) VALUES ('memories', new.pk) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER memories_vector_update AFTER UPDATE OF pk, embedding ON memories
WHEN (old.embedding IS NOT NULL OR new.embedding IS NOT NULL) AND (
  new.pk IS NOT old.pk
  OR new.embedding IS NOT old.embedding
)
BEGIN
  INSERT INTO vector_changes (source, pk) VALUES ('memories', old.pk) ON CONFLICT DO NOTHING;
  INSERT INTO vector_changes (source, pk) VALUES ('memories', new.pk) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER memories_vector_delete AFTER DELETE ON memories
WHEN old.embedding IS NOT NULL
BEGIN
  INSERT INTO vector_changes (source, pk) VALUES ('memories', old.pk) ON CONFLICT DO NOTHING;
END;

-- Both guards are needed: the first lets a program set the time itself, the second ends the recursion
-- when the row was last touched within this very millisecond.
CREATE TRIGGER memories_touch_updated_at
AFTER UPDATE ON memories
WHEN new.updated_at IS old.updated_at AND new.updated_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
BEGIN
  UPDATE memories SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE pk = new.pk;
END;

-- Down
DROP TABLE memories_fts;
DROP TABLE trajectories_fts;
DROP VIEW trajectories_text;
DROP TABLE memories;
DROP TABLE trajectories;
DROP TABLE vector_changes;
