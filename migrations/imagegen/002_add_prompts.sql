-- Description: The prompt library and saved selections of reference images
--
-- A prompt is kept by name with its text. A reference group is a list of patterns, each naming a file, a
-- folder to draw from or a choice, that queue entries can share.
--
-- It touches no existing rows. Reverting it drops every prompt and reference group; queue, jobs and images
-- stay.

-- Up
CREATE TABLE prompts (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "prompts.id is not empty" CHECK (id <> ''),
  name TEXT NOT NULL UNIQUE
    CONSTRAINT "prompts.name is not empty" CHECK (name <> ''),
  content TEXT NOT NULL,
  is_favorite INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "prompts.is_favorite is 0 or 1" CHECK (is_favorite IN (0, 1)),
  tags TEXT NOT NULL DEFAULT '[]'
    CONSTRAINT "prompts.tags is a JSON array" CHECK (json_valid(tags) AND json_type(tags) = 'array'),
  use_count INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "prompts.use_count is not negative" CHECK (use_count >= 0),
  last_used_at TEXT
    CONSTRAINT "prompts.last_used_at is RFC 3339 UTC with milliseconds"
    CHECK (length(last_used_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', last_used_at) IS last_used_at),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "prompts.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "prompts.updated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(updated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) IS updated_at)
) STRICT;

CREATE INDEX idx_prompts_use_count ON prompts (use_count DESC);
CREATE INDEX idx_prompts_favorite ON prompts (name) WHERE is_favorite = 1;

CREATE TABLE reference_groups (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "reference_groups.id is not empty" CHECK (id <> ''),
  name TEXT NOT NULL,
  description TEXT,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "reference_groups.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "reference_groups.updated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(updated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) IS updated_at)
) STRICT;

CREATE INDEX idx_reference_groups_name ON reference_groups (name);

CREATE TABLE reference_group_items (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "reference_group_items.id is not empty" CHECK (id <> ''),
  group_id TEXT NOT NULL REFERENCES reference_groups (id) ON DELETE CASCADE,
  sort_order INTEGER NOT NULL DEFAULT 0,
  type TEXT NOT NULL DEFAULT 'explicit'
    CONSTRAINT "reference_group_items.type is one of the six kinds of pattern"
    CHECK (type IN ('explicit', 'random', 'random_recursive', 'all', 'random_global', 'wildcard')),
  path TEXT NOT NULL,
  count INTEGER
    CONSTRAINT "reference_group_items.count is positive" CHECK (count > 0)
) STRICT;

CREATE INDEX idx_reference_group_items_group_id ON reference_group_items (group_id, sort_order);

-- Both guards are needed: the first lets a program set the time itself, the second ends the recursion
-- when the row was last touched within this very millisecond.
CREATE TRIGGER prompts_touch_updated_at
AFTER UPDATE ON prompts
WHEN new.updated_at IS old.updated_at AND new.updated_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
BEGIN
  UPDATE prompts SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE pk = new.pk;
END;

CREATE TRIGGER reference_groups_touch_updated_at
AFTER UPDATE ON reference_groups
WHEN new.updated_at IS old.updated_at AND new.updated_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
BEGIN
  UPDATE reference_groups SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE pk = new.pk;
END;

-- Down
DROP TABLE reference_group_items;
DROP TABLE reference_groups;
DROP TABLE prompts;
