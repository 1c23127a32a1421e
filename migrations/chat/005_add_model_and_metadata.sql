-- Description: The model of a chat, and what else a program knows of chats and messages
--
-- `metadata` is a JSON object for whatever has no column; it is NULL where there is nothing to say.
--
-- It touches no existing rows. Reverting it drops the three columns and what stands in them; chats and
-- messages stay.

-- Up
ALTER TABLE chats ADD COLUMN default_model TEXT;
ALTER TABLE chats ADD COLUMN metadata TEXT
  CONSTRAINT "chats.metadata is a JSON object" CHECK (json_valid(metadata) AND json_type(metadata) = 'object');
ALTER TABLE messages ADD COLUMN metadata TEXT
  CONSTRAINT "messages.metadata is a JSON object"
  CHECK (json_valid(metadata) AND json_type(metadata) = 'object');

-- Down
ALTER TABLE messages DROP COLUMN metadata;
ALTER TABLE chats DROP COLUMN metadata;
ALTER TABLE chats DROP COLUMN default_model;
