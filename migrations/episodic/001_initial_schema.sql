-- Label: 1.0.0
-- Description: Episodes, their steps, the patterns they show, and full-text search
--
-- `domain` is the tag that keeps what belongs to one subject apart from the rest. Episodes and patterns carry
-- it, and the table between them repeats it in both of its links: an episode can only show patterns of its
-- own domain. Steps hang on their episode and need no tag; `DELETE FROM episodes WHERE domain = ?` takes
-- everything of a domain but its patterns.
--
-- The statuses are a closed list; kinds of task and pattern are open, since new ones come with every user.
--
-- The index holds no copy of the text, it reads `episodes` by `pk`. It forgets an old text only when it is
-- told that text, hence the OLD values.
--
-- It touches no existing rows. Reverting it drops every episode, step and pattern.

-- Up
CREATE TABLE episodes (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "episodes.id is not empty" CHECK (id <> ''),
  task_type TEXT NOT NULL
    CONSTRAINT "episodes.task_type is not empty" CHECK (task_type <> ''),
  domain TEXT NOT NULL
    CONSTRAINT "episodes.domain is not empty" CHECK (domain <> ''),
  context TEXT,
  status TEXT NOT NULL DEFAULT 'active'
    CONSTRAINT "episodes.status is active, completed, failed or archived"
    CHECK (status IN ('active', 'completed', 'failed', 'archived')),
  success_rate REAL
    CONSTRAINT "episodes.success_rate is 0 to 1" CHECK (success_rate BETWEEN 0.0 AND 1.0),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "episodes.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  completed_at TEXT
    CONSTRAINT "episodes.completed_at is RFC 3339 UTC with milliseconds"
    CHECK (length(completed_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', completed_at) IS completed_at),
  metadata TEXT
    CONSTRAINT "episodes.metadata is JSON" CHECK (json_valid(metadata))
) STRICT;

-- Unique, because the table between refers to an episode together with its domain.
CREATE UNIQUE INDEX idx_episodes_id_domain ON episodes (id, domain);
CREATE INDEX idx_episodes_domain ON episodes (domain, created_at);
CREATE INDEX idx_episodes_status ON episodes (status);
CREATE INDEX idx_episodes_created ON episodes (created_at);

CREATE TABLE steps (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "steps.id is not empty" CHECK (id <> ''),
  episode_id TEXT NOT NULL REFERENCES episodes (id) ON DELETE CASCADE,
  step_number INTEGER NOT NULL
    CONSTRAINT "steps.step_number is not negative" CHECK (step_number >= 0),
  action TEXT NOT NULL,
  result TEXT,
  duration_ms INTEGER
    CONSTRAINT "steps.duration_ms is not negative" CHECK (duration_ms >= 0),
  success INTEGER
    CONSTRAINT "steps.success is 0 or 1" CHECK (success IN (0, 1)),
  timestamp TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "steps.timestamp is RFC 3339 UTC with milliseconds"
    CHECK (length(timestamp) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', timestamp) IS timestamp)
) STRICT;

CREATE UNIQUE INDEX idx_steps_episode ON steps (episode_id, step_number);
CREATE INDEX idx_steps_timestamp ON steps (timestamp);

CREATE TABLE patterns (
  pk INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE
    CONSTRAINT "patterns.id is not empty" CHECK (id <> ''),
  domain TEXT NOT NULL DEFAULT 'general'
    CONSTRAINT "patterns.domain is not empty" CHECK (domain <> ''),
  pattern_type TEXT NOT NULL
    CONSTRAINT "patterns.pattern_type is not empty" CHECK (pattern_type <> ''),
  pattern_data TEXT NOT NULL
    CONSTRAINT "patterns.pattern_data is JSON" CHECK (json_valid(pattern_data)),
  success_rate REAL NOT NULL
    CONSTRAINT "patterns.success_rate is 0 to 1" CHECK (success_rate BETWEEN 0.0 AND 1.0),
  usage_count INTEGER NOT NULL DEFAULT 0
    CONSTRAINT "patterns.usage_count is not negative" CHECK (usage_count >= 0),
  last_used TEXT
    CONSTRAINT "patterns.last_used is RFC 3339 UTC with milliseconds"
    CHECK (length(last_used) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', last_used) IS last_used),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "patterns.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  metadata TEXT
    CONSTRAINT "patterns.metadata is JSON" CHECK (json_valid(metadata))
) STRICT;

-- Unique, because the table between refers to a pattern together with its domain.
CREATE UNIQUE INDEX idx_patterns_id_domain ON patterns (id, domain);
CREATE INDEX idx_patterns_domain ON patterns (domain);
CREATE INDEX idx_patterns_type ON patterns (pattern_type, success_rate);
CREATE INDEX idx_patterns_success ON patterns (success_rate);
CREATE INDEX idx_patterns_usage ON patterns (usage_count);

CREATE TABLE episode_patterns (
  episode_id TEXT NOT NULL,
  domain TEXT NOT NULL,
  pattern_id TEXT NOT NULL,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "episode_patterns.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  PRIMARY KEY (episode_id, domain, pattern_id),
  FOREIGN KEY (episode_id, domain) REFERENCES episodes (id, domain) ON DELETE CASCADE,
  FOREIGN KEY (pattern_id, domain) REFERENCES patterns (id, domain) ON DELETE CASCADE
) WITHOUT ROWID, STRICT;

CREATE INDEX idx_episode_patterns_pattern ON episode_patterns (pattern_id, domain);

CREATE VIRTUAL TABLE episodes_fts USING fts5(
  task_type,
  domain,
  context,
  content='episodes',
  content_rowid='pk'
);

CREATE TRIGGER episodes_fts_insert AFTER INSERT ON episodes
BEGIN
  INSERT INTO episodes_fts (rowid, task_type, domain, context)
  VALUES (new.pk, new.task_type, new.domain, new.context);
END;

CREATE TRIGGER episodes_fts_update AFTER UPDATE OF pk, task_type, domain, context ON episodes
BEGIN
  INSERT INTO episodes_fts (episodes_fts, rowid, task_type, domain, context)
  VALUES ('delete', old.pk, old.task_type, old.domain, old.context);
  INSERT INTO episodes_fts (rowid, task_type, domain, context)
  VALUES (new.pk, new.task_type, new.domain, new.context);
END;

CREATE TRIGGER episodes_fts_delete AFTER DELETE ON episodes
BEGIN
  INSERT INTO episodes_fts (episodes_fts, rowid, task_type, domain, context)
  VALUES ('delete', old.pk, old.task_type, old.domain, old.context);
END;

-- Down
DROP TABLE episodes_fts;
DROP TABLE episode_patterns;
DROP TABLE patterns;
DROP TABLE steps;
DROP TABLE episodes;
