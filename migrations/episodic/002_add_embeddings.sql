-- Label: 1.1.0
-- Description: Add embeddings support
--
-- What an episode says, as vectors of any model. The version is the embedding's and not the episode's: an
-- episode can have embeddings of an old and of a new model side by side while it is computed anew.
--
-- An embedding is a row of float32; `dimension` is read off it, and one version of one model has one
-- dimension, or no two of its rows could be compared. A vector index is made beside it by whoever searches,
-- never by a trigger; the triggers note in `vector_changes` which keys it has to look at again.
--
-- It touches no existing rows. Reverting it drops every embedding; the episodes stay.

-- Up
CREATE TABLE vector_changes (
  source TEXT NOT NULL,
  pk INTEGER NOT NULL,
  PRIMARY KEY (source, pk)
) WITHOUT ROWID, STRICT;

CREATE TABLE embeddings (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "embeddings.id is not empty" CHECK (id <> ''),
  episode_id TEXT NOT NULL REFERENCES episodes (id) ON DELETE CASCADE,
  content TEXT NOT NULL,
  embedding BLOB NOT NULL
    CONSTRAINT "embeddings.embedding has 4 bytes for each dimension"
    CHECK (length(embedding) > 0 AND length(embedding) % 4 = 0),
  dimension INTEGER NOT NULL GENERATED ALWAYS AS (length(embedding) / 4) VIRTUAL,
  model_name TEXT NOT NULL
    CONSTRAINT "embeddings.model_name is not empty" CHECK (model_name <> ''),
  embedding_version TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "embeddings.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at)
) STRICT;

CREATE INDEX idx_embeddings_episode ON embeddings (episode_id);
CREATE INDEX idx_embeddings_model ON embeddings (model_name, embedding_version, dimension);

CREATE TRIGGER embeddings_refuse_dimension_on_insert AFTER INSERT ON embeddings
BEGIN
  SELECT RAISE(ABORT, 'embeddings.embedding has another dimension than the others of its model and version')
  WHERE (
    SELECT min(dimension) FROM embeddings
    WHERE model_name = new.model_name AND embedding_version IS new.embedding_version
  ) < (
    SELECT max(dimension) FROM embeddings
    WHERE model_name = new.model_name AND embedding_version IS new.embedding_version
  );
END;

CREATE TRIGGER embeddings_refuse_dimension_on_update
AFTER UPDATE OF embedding, model_name, embedding_version ON embeddings
BEGIN
  SELECT RAISE(ABORT, 'embeddings.embedding has another dimension than the others of its model and version')
  WHERE (
    SELECT min(dimension) FROM embeddings
    WHERE model_name = new.model_name AND embedding_version IS new.embedding_version
  ) < (
    SELECT max(dimension) FROM embeddings
    WHERE model_name = new.model_name AND embedding_version IS new.embedding_version
  );
END;

CREATE TRIGGER embeddings_vector_insert AFTER INSERT ON embeddings
WHEN new.embedding IS NOT NULL
BEGIN
  INSERT INTO vector_changes (source, pk) VALUES ('embeddings', new.pk) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER embeddings_vector_update AFTER UPDATE OF pk, embedding, model_name, embedding_version ON embeddings
WHEN (old.embedding IS NOT NULL OR new.embedding IS NOT NULL) AND (
  new.pk IS NOT old.pk
  OR new.embedding IS NOT old.embedding
  OR new.model_name IS NOT old.model_name
  OR new.embedding_version IS NOT old.embedding_version
)
BEGIN
  INSERT INTO vector_changes (source, pk) VALUES ('embeddings', old.pk) ON CONFLICT DO NOTHING;
  INSERT INTO vector_changes (source, pk) VALUES ('embeddings', new.pk) ON CONFLICT DO NOTHING;
END;

CREATE TRIGGER embeddings_vector_delete AFTER DELETE ON embeddings
WHEN old.embedding IS NOT NULL
BEGIN
  INSERT INTO vector_changes (source, pk) VALUES ('embeddings', old.pk) ON CONFLICT DO NOTHING;
END;

-- Down
DROP TABLE embeddings;
DROP TABLE vector_changes;
