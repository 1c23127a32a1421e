-- Description: Settings and sealed credentials
--
-- A setting is one value under one key; what the text means is the application's affair.
-- A credential is kept sealed only: there is no column that could hold it in the clear, and the key that
-- opens it (`key_id` names it) stands elsewhere. Two rows sealed by one key with the same nonce would give
-- the secret away, so that pair is unique.
--
-- It touches no existing rows. Reverting it drops every setting and every credential.

-- Up
CREATE TABLE settings (
  key TEXT NOT NULL PRIMARY KEY
    CONSTRAINT "settings.key is not empty" CHECK (key <> ''),
  value TEXT NOT NULL,
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "settings.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "settings.updated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(updated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', updated_at) IS updated_at)
) STRICT;

CREATE TABLE credentials (
  name TEXT NOT NULL PRIMARY KEY
    CONSTRAINT "credentials.name is not empty" CHECK (name <> ''),
  key_id TEXT NOT NULL
    CONSTRAINT "credentials.key_id is not empty" CHECK (key_id <> ''),
  nonce BLOB NOT NULL
    CONSTRAINT "credentials.nonce has at least 12 bytes" CHECK (length(nonce) >= 12),
  ciphertext BLOB NOT NULL
    CONSTRAINT "credentials.ciphertext has at least the 16 bytes of its seal"
    CHECK (length(ciphertext) >= 16),
  created_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
    CONSTRAINT "credentials.created_at is RFC 3339 UTC with milliseconds"
    CHECK (length(created_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', created_at) IS created_at),
  rotated_at TEXT
    CONSTRAINT "credentials.rotated_at is RFC 3339 UTC with milliseconds"
    CHECK (length(rotated_at) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', rotated_at) IS rotated_at)
) STRICT;

CREATE UNIQUE INDEX idx_credentials_nonce ON credentials (key_id, nonce);

-- Both guards are needed: the first lets a program set the time itself, the second ends the recursion
-- when the row was last touched within this very millisecond.
CREATE TRIGGER settings_touch_updated_at
AFTER UPDATE ON settings
WHEN new.updated_at IS old.updated_at AND new.updated_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
BEGIN
  UPDATE settings SET updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE key = new.key;
END;

-- Down
DROP TABLE credentials;
DROP TABLE settings;
