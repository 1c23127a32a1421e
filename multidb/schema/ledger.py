"""The ledger: what is applied to a database, kept in the database itself.

`_migrations` has a row for each applied migration (seed 002's three columns, and what a later run needs to know
about the file it came from), `_migration_log` everything that was done, `_migration_meta` whose database this
is. The view `schema_migrations` shows it in seed 004's words. `scribe` writes what a run adds.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Final

import attrs

from multidb.errors import DatabaseNotEmptyError, DatabaseTooNewError, WrongDatabaseError

Ask = Callable[..., list[tuple[Any, ...]]]
"""Runs one of our own statements on a connection and answers with its rows."""

FORMAT: Final = "1"
_RECORDS: Final = """
SELECT version, name, applied_at, label, checksum, checksum_tokens, success, kind, compat, applied_seq
FROM _migrations
WHERE version > ?
ORDER BY version"""
_OURS: Final = frozenset({"version", "checksum_tokens", "applied_seq"})
"""Columns that tell our ledger from other programs' tables of the same name."""

_TABLES: Final = (
    """
CREATE TABLE _migrations (
  version INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  applied_at TEXT NOT NULL DEFAULT (datetime('now')),
  label TEXT,
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
    # An index, not a UNIQUE column: ALTER TABLE cannot add one to an older ledger.
    "CREATE UNIQUE INDEX _multidb_migration_labels ON _migrations (label) WHERE label IS NOT NULL",
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
CREATE TRIGGER _multidb_no_{verb.lower()} INSTEAD OF {verb} ON schema_migrations
BEGIN
  SELECT RAISE(ABORT, 'schema_migrations only shows the ledger: run multidb up or multidb migrate');
END"""
        for verb in ("INSERT", "UPDATE", "DELETE")
    ),
)


@attrs.frozen(kw_only=True)
class Record:
    """One applied migration, as the database remembers it; `is_whole` is false for one that stopped half-way."""

    version: int
    name: str
    applied_at: str
    label: str | None
    checksum: str | None
    checksum_tokens: str | None
    is_whole: bool
    kind: str
    compat: str
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

    @property
    def last_seq(self) -> int:
        """The number that the migration applied last has in the order of applying, 0 for none."""
        return max((record.applied_seq or 0 for record in self.records), default=0)

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


def read(ask: Ask, concern: str, *, above: int = 0) -> Ledger:
    """The ledger as it stands, with the records of versions above `above`; reads only.

    Raises DatabaseNotEmptyError where `_migrations` is another program's table of that name, DatabaseTooNewError for
    a ledger of a form that this program does not know.
    """
    names = {name.lower() for (name,) in ask("SELECT name FROM sqlite_schema WHERE name NOT GLOB 'sqlite_*'")}
    if "_migrations" not in names:
        return Ledger(is_empty=not names)
    columns = {name.lower() for (name,) in ask("SELECT name FROM pragma_table_xinfo('_migrations')")}
    if not (columns >= _OURS and {"_migration_meta", "_migration_log"} <= names):
        raise DatabaseNotEmptyError(
            f"{concern} has a table _migrations of another shape: {', '.join(sorted(columns))}",
            concern=concern,
            database=concern,
            hint="another program's ledger stands there; adopt it with `multidb migrate adopt`",
        )
    meta: dict[str, str] = dict(ask("SELECT key, value FROM _migration_meta WHERE key IN ('database', 'format')"))
    if meta.get("format", FORMAT) != FORMAT:
        raise DatabaseTooNewError(
            f"{concern} has a ledger of form {meta['format']}, this program knows {FORMAT}",
            concern=concern,
            database=concern,
            hint="install a newer program",
        )
    rows = ask(_RECORDS, (above,))
    records = tuple(_record(*row) for row in rows)
    return Ledger(database=meta.get("database"), records=records, is_there=True, is_empty=False)


def _record(*row: Any) -> Record:
    version, name, applied_at, label, exact, tokens, success, kind, compat, seq = row
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
        applied_seq=seq,
    )


def create(ask: Ask, concern: str) -> None:
    """Make the ledger's tables inside the caller's transaction; the view only where its name is free."""
    for sql in _TABLES:
        ask(sql)
    for key, value in (("database", concern), ("format", FORMAT), ("uuid", str(uuid.uuid4()))):
        ask("INSERT INTO _migration_meta (key, value) VALUES (?, ?)", (key, value))
    if not ask("SELECT 1 FROM sqlite_schema WHERE lower(name) = 'schema_migrations'"):
        for sql in _VIEW:
            ask(sql)
