-- Label: 1.0.0
-- Description: Initial schema
--
-- With this the schema that is known as 1.0.0 is complete. Whoever asks `_schema_version` finds that label:
-- a view of the migrations' own ledger, so that it cannot disagree with it. The ledger is older than this
-- migration, since it is made with the first one.
--
-- It touches no rows. Reverting it drops the view.

-- Up
CREATE VIEW _schema_version AS
SELECT label AS version, applied_at
FROM _migrations
WHERE label IS NOT NULL;

-- Down
DROP VIEW _schema_version;
