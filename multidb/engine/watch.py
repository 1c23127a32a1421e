"""The authorizer of a migration: it refuses what would end the transaction or leave the database, and notes the rest.

SQLite itself says what a statement does, while it compiles it; no text is matched. What is noted tells the
guards where to look after the last statement (https://www.sqlite.org/c3ref/c_alter_table.html):

- DROP TABLE reports a DELETE on its table, and with foreign keys on one for every table that it cascades to:
  nobody asked for those. REPLACE reports no DELETE on its own table, only those that it cascades to.
- VACUUM attaches a nameless database, begins a transaction and copies every table, the ledger's too.
"""

from __future__ import annotations

import re
from typing import Final

import apsw

from multidb.engine.guard import ASKING_PRAGMAS, READING_PRAGMAS

LEDGER_NAMES: Final = frozenset({"_migrations", "_migration_log", "_migration_meta", "schema_migrations"})
"""What no migration may touch, along with every name that begins with `_multidb_`."""

_ALLOWED_PRAGMAS: Final = frozenset({"application_id", "defer_foreign_keys", "user_version"})
_FILE_PRAGMAS: Final = frozenset({"auto_vacuum", "incremental_vacuum", "journal_mode", "page_size"})
"""Allowed where a migration has asked for no transaction: inside one, SQLite refuses or ignores them."""

_DROPS: Final = {
    apsw.SQLITE_DROP_TABLE: "table",
    apsw.SQLITE_DROP_VTABLE: "table",
    apsw.SQLITE_DROP_INDEX: "index",
    apsw.SQLITE_DROP_TRIGGER: "trigger",
    apsw.SQLITE_DROP_VIEW: "view",
}
_NAMES_TABLE_SECOND: Final = frozenset(
    {
        apsw.SQLITE_ALTER_TABLE,
        apsw.SQLITE_CREATE_INDEX,
        apsw.SQLITE_CREATE_TEMP_INDEX,
        apsw.SQLITE_CREATE_TEMP_TRIGGER,
        apsw.SQLITE_CREATE_TRIGGER,
        apsw.SQLITE_DROP_INDEX,
        apsw.SQLITE_DROP_TRIGGER,
    }
)
_SCHEMA: Final = frozenset(
    {
        apsw.SQLITE_CREATE_TABLE,
        apsw.SQLITE_CREATE_TEMP_TABLE,
        apsw.SQLITE_CREATE_TEMP_VIEW,
        apsw.SQLITE_CREATE_VIEW,
        apsw.SQLITE_CREATE_VTABLE,
        *_NAMES_TABLE_SECOND,
        *_DROPS,
    }
)
_ROWS: Final = frozenset({apsw.SQLITE_DELETE, apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE})
_PASSED_OVER: Final = frozenset({apsw.SQLITE_READ, apsw.SQLITE_SELECT, apsw.SQLITE_RECURSIVE})
_REPLACE: Final = re.compile(r"\breplace\b", re.IGNORECASE)
_RENAME: Final = re.compile(r"\brename\b", re.IGNORECASE)
_REFERENCES: Final = re.compile(r"\breferences\b", re.IGNORECASE)
_VACUUM: Final = re.compile(r"VACUUM\b", re.IGNORECASE)


class Watch:
    """Asleep it lets everything pass; `wake` it for a statement of a script, and let it `rest` afterwards.

    Tables of the database itself, by what the script's statements did to them: `inserted`, `updated`, `deleted`
    (asked for), `emptied` (rows that went unasked, along with others), `dropped_tables`, `renamed`, `linked` (altered
    with a foreign key), `unindexed`. `dropped` has the (kind, name) of what was dropped by its own name. `replaces`
    tells that a statement names REPLACE.
    """

    def __init__(self) -> None:
        self._is_awake = False
        self.begin(is_whole=True)

    def begin(self, *, is_whole: bool) -> None:
        """Forget what was noted: a new migration begins; `is_whole` tells that it is one transaction."""
        self._is_whole = is_whole
        self.refusal: str | None = None
        self.inserted: set[str] = set()
        self.updated: set[str] = set()
        self.deleted: set[str] = set()
        self.emptied: set[str] = set()
        self.renamed: set[str] = set()
        self.linked: set[str] = set()
        self.unindexed: set[str] = set()
        self.dropped_tables: set[str] = set()
        self.dropped: set[tuple[str, str]] = set()
        self.ignored: list[str] = []
        self.replaces = False
        self.changes_views = False
        self.makes_temporary = False

    def wake(self, sql: str) -> None:
        """Watch the statement that is compiled next."""
        self._is_awake = True
        self.refusal = None
        self._is_vacuum = not self._is_whole and _VACUUM.match(sql) is not None
        self._sql = sql
        self._first_write: int | None = None
        self._deletes: list[tuple[str, str | None]] = []
        self._drops: list[tuple[str, str]] = []
        if not self.replaces and _REPLACE.search(sql):
            self.replaces = True

    def rest(self) -> None:
        """Let everything pass again, and sort what the statement did."""
        self._is_awake = False
        if self._drops:
            containers = {(kind, name) for kind, name in self._drops if kind in ("table", "view")}
            self.dropped |= containers or set(self._drops)  # what goes with its table was not asked for
            self.dropped_tables |= {name for kind, name in containers if kind == "table"}
            self._first_write = None if containers else self._first_write
        for table, trigger in self._deletes:
            is_asked = self._first_write == apsw.SQLITE_DELETE or (
                self._first_write is not None and trigger is not None
            )
            (self.deleted if is_asked else self.emptied).add(table)

    def __call__(
        self, action: int, first: str | None, second: str | None, schema: str | None, trigger: str | None
    ) -> int:
        if not self._is_awake or action in _PASSED_OVER:
            return apsw.SQLITE_OK
        if action in _ROWS:
            return self._rows(action, first or "", schema, trigger)
        if action in _SCHEMA:
            schema = first if action == apsw.SQLITE_ALTER_TABLE else schema
            return self._schema(action, first or "", second or "", schema)
        if action == apsw.SQLITE_PRAGMA:
            return self._pragma((first or "").lower(), second)
        if action == apsw.SQLITE_FUNCTION and (second or "").lower() == "load_extension":
            return self._refuse("load_extension: name the extension in the concern")
        if action == apsw.SQLITE_TRANSACTION and not self._is_vacuum:
            return self._refuse(f"{first}: the runner begins and ends the transactions of a migration")
        if action in (apsw.SQLITE_ATTACH, apsw.SQLITE_DETACH) and not (self._is_vacuum and not first):
            return self._refuse("ATTACH and DETACH: a migration changes its own database only")
        if action == apsw.SQLITE_SAVEPOINT and not self._is_whole:
            return self._refuse("SAVEPOINT: this migration has no transaction")
        return apsw.SQLITE_OK

    def _refuse(self, refusal: str) -> int:
        self.refusal = refusal
        return apsw.SQLITE_DENY

    def _pragma(self, name: str, value: str | None) -> int:
        if name == "foreign_keys" and value is not None and self._is_whole:  # the runner switches it outside
            self.ignored.append(f"PRAGMA {name} = {value}")
            return apsw.SQLITE_IGNORE
        if (value is None and name in READING_PRAGMAS) or name in ASKING_PRAGMAS | _ALLOWED_PRAGMAS:
            return apsw.SQLITE_OK
        if name in _FILE_PRAGMAS and not self._is_whole:
            return apsw.SQLITE_OK
        where = (
            "-- Up transaction:false" if name in _FILE_PRAGMAS else "an option of the marker, or the concern's tuning"
        )
        return self._refuse(f"PRAGMA {name}: this needs {where}")

    def _rows(self, action: int, table: str, schema: str | None, trigger: str | None) -> int:
        if table.startswith("sqlite_") or self._is_copy(schema):
            return apsw.SQLITE_OK
        if _is_ledgers(table):
            return self._refuse(f"{table} is the migrations' own bookkeeping")
        if schema != "temp":
            if self._first_write is None:
                self._first_write = action
            if action == apsw.SQLITE_DELETE:
                self._deletes.append((table, trigger))
            else:
                (self.inserted if action == apsw.SQLITE_INSERT else self.updated).add(table)
        return apsw.SQLITE_OK

    def _schema(self, action: int, first: str, second: str, schema: str | None) -> int:
        if self._is_copy(schema):
            return apsw.SQLITE_OK
        for name in (first, second) if action in _NAMES_TABLE_SECOND else (first,):
            if _is_ledgers(name):
                return self._refuse(f"{name} is the migrations' own bookkeeping")
        if schema == "temp":
            self.makes_temporary = True
        elif action == apsw.SQLITE_ALTER_TABLE:
            self.changes_views = True
            if _RENAME.search(self._sql):
                self.renamed.add(second)
            if _REFERENCES.search(self._sql):
                self.linked.add(second)
        elif action in _DROPS:
            kind = _DROPS[action]
            self._drops.append((kind, first))
            if kind == "index":
                self.unindexed.add(second)
            self.changes_views = self.changes_views or kind in ("table", "view")
        elif action == apsw.SQLITE_CREATE_VIEW:
            self.changes_views = True
        return apsw.SQLITE_OK

    def _is_copy(self, schema: str | None) -> bool:
        """Whether this is VACUUM filling its copy."""
        return self._is_vacuum and schema not in ("main", "temp")


def _is_ledgers(name: str) -> bool:
    lower = name.lower()
    return lower in LEDGER_NAMES or lower.startswith("_multidb_")
