-- Label: 2.1.0
-- Description: Initial DevStream production schema with vector search and full-text search
--
-- With this the schema that is known as 2.1.0 is complete. Whoever asks `schema_version` finds that label: a
-- view of the migrations' own ledger, so that it cannot disagree with it. The ledger is older than this
-- migration, since it is made with the first one.
--
-- It touches no rows. Reverting it drops the view.

-- Up
CREATE VIEW schema_version AS
SELECT label AS version, applied_at, description
FROM _migrations
WHERE label IS NOT NULL;

-- Down
DROP VIEW schema_version;
