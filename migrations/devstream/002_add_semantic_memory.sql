-- Description: Semantic memory, its full-text search and its embeddings
--
-- Everything worth remembering, with the plan, phase or task it came from; deleting one of these takes its
-- memories along.
--
-- Text is searchable whether or not it has an embedding: two indexes, two sets of triggers. The full-text
-- index reads the view `semantic_memory_text`, which has the columns by the names that a search asks for.
-- It forgets an old text only when it is told that text, hence the OLD values.
--
-- An embedding is a row of float32 in the ordinary table, which is the truth; it has 768 numbers where
-- `embedding_dimension` says nothing else. A vector index is made beside it by whoever searches, never by a
-- trigger: without its extension the table could not be written any more. The triggers note in
-- `vector_changes` which keys that index has to look at again, a change of `content_type` included,
-- by which it is divided.
--
-- It touches no existing rows. Reverting it drops every memory with its embedding; plans, phases and tasks
-- stay.

-- Up
CREATE TABLE vector_changes (
  source TEXT NOT NULL,
  pk INTEGER NOT NULL,
  PRIMARY KEY (source, pk)
) WITHOUT ROWID, STRICT;

CREATE TABLE semantic_memory (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "semantic_memory.id is not empty" CHECK (id <> ''),
  plan_id TEXT REFERENCES intervention_plans (id) ON DELETE CASCADE,
  phase_id TEXT REFERENCES phases (id) ON DELETE CASCADE,
  task_id TEXT REFERENCES micro_tasks (id) ON DELETE CASCADE,
  content TEXT NOT NULL,
  content_type TEXT NOT NULL
    CONSTRAINT "semantic_memory.content_type is code, documentation, context, output, error, decision or learning"
    CHECK (content_type IN ('code', 'documentation', 'context', 'output', 'error', 'decision', 'learning')),
  content_format TEXT
    CONSTRAINT "semantic_memory.content_format is text, markdown, code, json or yaml"
    CHECK (content_format IN ('text', 'markdown', 'code', 'json', 'yaml')),
  keywords TEXT
    CONSTRAINT "semantic_memory.keywords is a JSON array"
    CHECK (json_valid(keywords) AND json_type(keywords) = 'array'),
  entities TEXT
    CONSTRAINT "semantic_memory.entities is a JSON array"
    CHECK (json_valid(entities) AND json_type(entities) = 'array'),
  sentiment REAL
    CONSTRAINT "semantic_memory.sentiment is -1 to 1" CHECK (sentiment BETWEEN -1.0 AND 1.0),
  complexity_score INTEGER
    CONSTRAINT "semantic_memory.complexity_score is 1 to 10" CHECK (complexity_score BETWEEN 1 AND 10),
  embedding BLOB,
  embedding_model TEXT,
  embedding_dimension INTEGER
    CONSTRAINT "semantic_memory.embedding_dimension is positive" CHECK (embedding_dimension > 0),
  context_snapshot TEXT
    CONSTRAINT "semantic_memory.context_snapshot is JSON" CHECK (json_valid(context_snapshot)),
  related_memory_ids TEXT
    CONSTRAINT "semantic_memory.related_memory_ids is a JSON array"
    CHECK (json_valid(related_memory_ids) AND json_type(related_memory_ids) = 'array'),
  access_count INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "semantic_memory.access_count is not negative" CHECK (access_count >= 0),
  last_accessed_at TEXT
    CONSTRAINT "semantic_memory.last_accessed_at is RFC 3339 UTC with milliseconds"
    CHECK (length(last_accessed_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', last_accessed_at) IS last_accessed_at),
  relevance_score REAL
    CONSTRAINT "semantic_memory.relevance_score is 0 to 1" CHECK (relevance_score BETWEEN 0.0 AND 1.0),
  is_archived INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "semantic_memory.is_archived is 0 or 1" CHECK (is_archived IN (0, 1)),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "semantic_memory.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "semantic_memory.updated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(updated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) IS updated_at),
  source TEXT,
  importance_score REAL
    CONSTRAINT "semantic_memory.importance_score is 0 to 1" CHECK (importance_score BETWEEN 0.0 AND 1.0),
  metadata TEXT,
  CONSTRAINT "semantic_memory.embedding has 4 bytes for each dimension"
  CHECK (length(embedding) = 4 * coalesce(embedding_dimension, 768))
) STRICT;

CREATE INDEX idx_semantic_memory_content_type ON semantic_memory (content_type);
CREATE INDEX idx_semantic_memory_plan_id ON semantic_memory (plan_id);
CREATE INDEX idx_semantic_memory_phase_id ON semantic_memory (phase_id);
CREATE INDEX idx_semantic_memory_task_id ON semantic_memory (task_id);
CREATE INDEX idx_semantic_memory_created_at ON semantic_memory (created_at DESC);
CREATE INDEX idx_semantic_memory_access_count ON semantic_memory (access_count DESC);

CREATE VIEW semantic_memory_text AS
SELECT pk, content, content_type, id AS memory_id, created_at
FROM semantic_memory;

CREATE VIRTUAL TABLE fts_semantic_memory USING fts5(
  content,
  content_type UNINDEXED,
  memory_id UNINDEXED,
  created_at UNINDEXED,
  content='semantic_memory_text',
  content_rowid='pk',
  tokenize='unicode61 remove_diacritics 2'
);

CREATE TRIGGER sync_insert_memory AFTER INSERT ON semantic_memory
BEGIN
  INSERT INTO fts_semantic_memory (rowid, content, content_type, memory_id, created_at)
  VALUES (new.pk, new.content, new.content_type, new.id, new.created_at);
END;

CREATE TRIGGER sync_update_memory AFTER UPDATE OF pk, content ON semantic_memory
BEGIN
  INSERT INTO fts_semantic_memory (fts_semantic_memory, rowid, content, content_type, memory_id, created_at)
  VALUES ('delete', old.pk, old.content, old.content_type, old.id, old.created_at);
  INSERT INTO fts_semantic_memory (rowid, content, content_type, memory_id, created_at)
  VALUES (new.pk, new.content, new.content_type, new.id, new.created_at);
END;

CREATE TRIGGER sync_delete_memory AFTER DELETE ON semantic_memory
BEGIN
  INSERT INTO fts_semantic_memory (fts_semantic_memory, rowid, content, content_type, memory_id, created_at)
  VALUES ('delete', old.pk, old.content, old.content_type, old.id, old.created_at);
END;

CREATE TRIGGER semantic_memory_vector_insert AFTER INSERT ON semantic_memory
WHEN new.embedding IS NOT NULL
BEGIN
  INSERT INTO vector_changes (source, pk) VALUES ('semantic_memory', new.pk) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER semantic_memory_vector_update AFTER UPDATE OF pk, embedding, content_type ON semantic_memory
WHEN (old.embedding IS NOT NULL OR new.embedding IS NOT NULL) AND (
  new.pk IS NOT old.pk
  OR new.embedding IS NOT old.embedding
  OR new.content_type IS NOT old.content_type
)
BEGIN
  INSERT INTO vector_changes (source, pk) VALUES ('semantic_memory', old.pk) ON CONFLICT DO NOTHING;
  INSERT INTO vector_changes (source, pk) VALUES ('semantic_memory', new.pk) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER semantic_memory_vector_delete AFTER DELETE ON semantic_memory
WHEN old.embedding IS NOT NULL
BEGIN
  INSERT INTO vector_changes (source, pk) VALUES ('semantic_memory', old.pk) ON CONFLICT DO NOTHING;
END;

-- Both guards are needed: the first lets a program set the time itself, the second ends the recursion
-- when the row was last touched within this very millisecond.
CREATE TRIGGER semantic_memory_touch_updated_at
AFTER UPDATE ON semantic_memory
WHEN new.updated_at IS old.updated_at AND new.updated_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
BEGIN
  UPDATE semantic_memory SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE pk = new.pk;
END;

-- Down
DROP TABLE fts_semantic_memory;
DROP VIEW semantic_memory_text;
DROP TABLE semantic_memory;
DROP TABLE vector_changes;
