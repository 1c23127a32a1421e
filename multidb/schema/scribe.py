"""Writing the ledger: a row for each migration, a line in the log for everything that was done."""

from __future__ import annotations

import os
import socket
import uuid

import attrs

from multidb.schema.ledger import Ask
from multidb.schema.script import Script, digest


@attrs.frozen(kw_only=True)
class Scribe:
    """Writes the ledger for one run: the same hand in every row; each call belongs into the caller's transaction."""

    ask: Ask
    tool: str
    sqlite: str
    run_id: str = attrs.field(factory=lambda: uuid.uuid4().hex)
    host: str = attrs.field(factory=socket.gethostname)
    user: str = attrs.field(factory=lambda: os.environ.get("USER") or _user_id())

    def add(self, script: Script, *, at: str, seq: int, ms: int | None = None, is_whole: bool = True) -> None:
        """Write the row of a migration; `seq` is its number in the order of applying."""
        down = script.down
        self.ask(
            """
INSERT INTO _migrations (version, name, applied_at, label, description, checksum, checksum_tokens,
  execution_time_ms, success, compat, down_sql, down_checksum, applied_seq, run_id, tool)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            (
                script.version,
                script.name,
                at,
                script.label,
                script.description,
                script.checksum,
                script.up.checksum_tokens,
                ms,
                int(is_whole),
                script.compat,
                None if down is None else down.with_marker,
                None if down is None else digest(down.with_marker),
                seq,
                self.run_id,
                self.tool,
            ),
        )

    def finish(self, version: int, ms: int) -> None:
        """Note that a migration is whole and how long it took."""
        self.ask("UPDATE _migrations SET success = 1, execution_time_ms = ? WHERE version = ?", (ms, version))

    def remove(self, version: int) -> None:
        """Take the row of a migration out: it is not applied."""
        self.ask("DELETE FROM _migrations WHERE version = ?", (version,))

    def log(self, action: str, script: Script, *, at: str, ms: int | None = None, error: str | None = None) -> None:
        """Append one line to the log; it is never changed."""
        self.ask(
            """
INSERT INTO _migration_log (at, run_id, action, version, name, ok, ms, error, host, pid, user, tool, sqlite)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
            (
                at,
                self.run_id,
                action,
                script.version,
                script.name,
                int(error is None),
                ms,
                error,
                self.host,
                os.getpid(),
                self.user,
                self.tool,
                self.sqlite,
            ),
        )


def _user_id() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else ""
