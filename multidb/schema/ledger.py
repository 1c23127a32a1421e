"""The ledger: what is applied to a database, kept in the database itself.

`_migrations` has a row for each applied migration (seed 002's three columns, and what a later run needs to know
about the file it came from), `_migration_log` every thing that was done, `_migration_meta` whose database this
is. The view `schema_migrations` shows it in seed 004's words.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable
from typing import Any, Final

import attrs

from multidb.errors import DatabaseNotEmptyError, MigrationError, WrongDatabaseError
from multidb.schema.script import Script, checksum

Ask = Callable[..., list[tuple[Any, ...]]]
"""Runs one of our own statements on a connection and answers with its rows."""

FORMAT: Final = 1
_COLUMNS: Final = (
    "version, name, applied_at, label, checksum, checksum_tokens, success, kind, compat, down_sql, applied_seq"
)

_TABLES: Final = (
    """
CREATE TABLE _migrations (
  version INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  applied_at TEXT NOT NULL DEFAULT (datetime('now')),
  label TEXT UNIQUE,
  description TEXT,
  checksum TEXT,
  checksum_tokens TEXT,
  execution_time_ms INTEGER,
  success INTEGER NOT NULL DEFAULT 1,
  kind TEXT NOT NULL DEFAULT 'sql',
  compat TEXT NOT NULL DEFAULT 'additive',
  down_sql TEXT,
  down_checksum TEXT,
  schema_hash TEXT,
  applied_seq INTEGER,
  run_id TEXT,
  tool TEXT
)""",
    """
CREATE TABLE _migration_log (
  id INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  run_id TEXT,
  action TEXT NOT NULL,
  version INTEGER,
  name TEXT,
  ok INTEGER NOT NULL,
  ms INTEGER,
  error TEXT,
  host TEXT,
  pid INTEGER,
  user TEXT,
  tool TEXT,
  sqlite TEXT
)""",
    "CREATE TABLE _migration_meta (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)",
)
_VIEW: Final = (
    """
CREATE VIEW schema_migrations AS
SELECT COALESCE(label, CAST(version AS TEXT)) AS version, applied_at, checksum,
  COALESCE(description, name) AS description, execution_time_ms, success
FROM _migrations""",
    *(
        f"""
CREATE TRIGGER schema_migrations_{verb.lower()} INSTEAD OF {verb} ON schema_migrations
BEGIN
  SELECT RAISE(ABORT, 'schema_migrations shows _migrations: run multidb up or multidb migrate');
END"""
        for verb in ("INSERT", "UPDATE", "DELETE")
    ),
)


@attrs.frozen(kw_only=True)
class Record:
    """One applied migration, as the database remembers it."""

    version: int
    name: str
    applied_at: str
    label: str | None
    checksum: str | None
    checksum_tokens: str | None
    is_whole: bool
    kind: str
    compat: str
    down_sql: str | None
    applied_seq: int | None


@attrs.frozen(kw_only=True)
class Ledger:
    """What a database says of itself; `records` are in the order of their versions."""

    database: str | None = None
    records: tuple[Record, ...] = ()
    is_there: bool = False
    is_empty: bool = True

    @property
    def head(self) -> int:
        """The highest applied version, 0 for none."""
        return self.records[-1].version if self.records else 0

    def check_owner(self, concern: str) -> None:
        """Raise WrongDatabaseError where the file says that it is another concern's."""
        if self.database is not None and self.database != concern:
            raise WrongDatabaseError(
                f"this is the database of {self.database}, not of {concern}",
                concern=concern,
                database=concern,
                hint="look whether two paths were exchanged, or a backup of another database was put here",
            )

    def check_shape(self, concern: str) -> None:
        """Raise DatabaseNotEmptyError for tables without a ledger: nobody knows which version they are."""
        if not self.is_there and not self.is_empty:
            raise DatabaseNotEmptyError(
                f"{concern} has tables and no ledger of migrations",
                concern=concern,
                database=concern,
                hint="tell its version with `multidb migrate baseline`",
            )


def read(ask: Ask, concern: str) -> Ledger:
    """The ledger as it stands; reads only.

    Raises MigrationError where `_migrations` is another program's table of that name.
    """
    names = {name for (name,) in ask("SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")}
    if "_migrations" not in names:
        return Ledger(is_empty=not names)
    columns = {name for (name,) in ask("SELECT name FROM pragma_table_info('_migrations')")}
    if not {"version", "checksum_tokens", "applied_seq"} <= columns or "_migration_meta" not in names:
        raise MigrationError(
            f"{concern} has a table _migrations of another shape: {', '.join(sorted(columns))}",
            concern=concern,
            database=concern,
            hint="another program's ledger stands there; adopt it with `multidb migrate adopt`",
        )
    meta = ask("SELECT value FROM _migration_meta WHERE key = 'database'")
    rows = ask(f"SELECT {_COLUMNS} FROM _migrations ORDER BY version")
    return Ledger(
        database=meta[0][0] if meta else None,
        records=tuple(_record(row) for row in rows),
        is_there=True,
        is_empty=False,
    )


def _record(row: tuple[Any, ...]) -> Record:
    version, name, applied_at, label, exact, tokens, success, kind, compat, down_sql, seq = row
    return Record(
        version=version,
        name=name,
        applied_at=applied_at,
        label=label,
        checksum=exact,
        checksum_tokens=tokens,
        is_whole=bool(success),
        kind=kind,
        compat=compat,
        down_sql=down_sql,
        applied_seq=seq,
    )


def create(ask: Ask, concern: str) -> None:
    """Make the ledger's tables inside the caller's transaction; the view only where its name is free."""
    for sql in _TABLES:
        ask(sql)
    for key, value in (("database", concern), ("format", str(FORMAT)), ("uuid", str(uuid.uuid4()))):
        ask("INSERT INTO _migration_meta(key, value) VALUES (?, ?)", (key, value))
    if not ask("SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations'"):
        for sql in _VIEW:
            ask(sql)


def add(
    ask: Ask,
    script: Script,
    *,
    at: str,
    run_id: str,
    tool: str,
    ms: int | None = None,
    is_whole: bool = True,
) -> None:
    """Write the row of a migration, inside its own transaction."""
    down = script.down
    ask(
        """
INSERT INTO _migrations (version, name, applied_at, label, description, checksum, checksum_tokens, execution_time_ms,
  success, kind, compat, down_sql, down_checksum, applied_seq, run_id, tool)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'sql', ?, ?, ?, (SELECT COALESCE(MAX(applied_seq), 0) + 1 FROM _migrations), ?, ?)""",
        (
            script.version,
            script.name,
            at,
            script.label,
            script.description,
            script.checksum,
            script.checksum_tokens,
            ms,
            int(is_whole),
            script.compat,
            down.text if down is not None else None,
            checksum(down.text) if down is not None else None,
            run_id,
            tool,
        ),
    )


def finish(ask: Ask, version: int, duration_ms: int) -> None:
    """Note that a migration is whole and how long it took."""
    ask("UPDATE _migrations SET success = 1, execution_time_ms = ? WHERE version = ?", (duration_ms, version))


def log(
    ask: Ask,
    action: str,
    *,
    at: str,
    run_id: str,
    tool: str,
    sqlite: str,
    script: Script | None = None,
    ok: bool = True,
    ms: int | None = None,
    error: str | None = None,
) -> None:
    """Append one line to the log; it is never changed."""
    ask(
        """
INSERT INTO _migration_log (at, run_id, action, version, name, ok, ms, error, host, pid, user, tool, sqlite)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            at,
            run_id,
            action,
            script.version if script is not None else None,
            script.name if script is not None else None,
            int(ok),
            ms,
            error,
            socket.gethostname(),
            os.getpid(),
            os.environ.get("USER") or str(os.getuid() if hasattr(os, "getuid") else ""),
            tool,
            sqlite,
        ),
    )
