"""One connection while a migration runs on it: what its script may do, what it did, and what it lost."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any, Final

import apsw

from multidb.engine.connect import Handle
from multidb.engine.failures import CAUGHT
from multidb.engine.guard import ASKING_PRAGMAS, READING_PRAGMAS
from multidb.engine.transaction import begin_write, commit, roll_back
from multidb.errors import MultidbError

LEDGER_NAMES: Final = frozenset({"_migrations", "_migration_log", "_migration_meta", "schema_migrations"})
_ALLOWED_PRAGMAS: Final = frozenset({"application_id", "defer_foreign_keys", "user_version"})
_DROPS: Final = {
    apsw.SQLITE_DROP_TABLE: "table",
    apsw.SQLITE_DROP_VTABLE: "table",
    apsw.SQLITE_DROP_INDEX: "index",
    apsw.SQLITE_DROP_TRIGGER: "trigger",
    apsw.SQLITE_DROP_VIEW: "view",
}
_TOUCHES: Final = frozenset({apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE, *_DROPS})
_REMEMBERED: Final = ("foreign_keys", "legacy_alter_table", "recursive_triggers", "defer_foreign_keys")


class Migrating:
    """The connection of a migration; the caller has the database for itself in this process.

    Use: `set_foreign_keys` outside a transaction, `begin`, `run` for each statement, `commit` or `roll_back`,
    `restore_pragmas` in every case. `deleted` and `dropped` tell what the scripts asked to lose.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._watch = _Watch()
        self._before = {name: self.pragma(name) for name in _REMEMBERED}

    @property
    def in_transaction(self) -> bool:
        return self._handle.in_transaction

    @property
    def dropped(self) -> set[tuple[str, str]]:
        """(kind, name) of what a statement dropped by name, not along with its table."""
        return self._watch.dropped

    @property
    def deleted(self) -> set[str]:
        """Tables that a statement deleted rows from."""
        return self._watch.deleted

    @property
    def ignored(self) -> list[str]:
        """PRAGMAs that were passed over because the runner does their work."""
        return self._watch.ignored

    def ask(self, sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
        """All rows of one of our own statements."""
        return self._handle.ask(sql, params)

    def pragma(self, name: str) -> Any:
        """The value of a pragma of this connection."""
        return self._handle.ask(f"PRAGMA {name}")[0][0]

    def set_pragma(self, name: str, value: int) -> None:
        """Set a pragma and read it back: inside a transaction SQLite ignores some without a word."""
        self._handle.ask(f"PRAGMA {name} = {value}")
        if self.pragma(name) != value:
            raise AssertionError(f"PRAGMA {name} stayed at {self.pragma(name)}")

    def restore_pragmas(self) -> None:
        """Set what a migration may change back to what it was."""
        for name, value in self._before.items():
            if self.pragma(name) != value:
                self.set_pragma(name, value)

    def begin(self, deadline: float) -> None:
        """BEGIN IMMEDIATE, waiting for other processes until `deadline` (of `time.monotonic`)."""
        begin_write(self._handle, deadline)

    def commit(self) -> None:
        """Commit, or roll back and raise."""
        commit(self._handle, time.monotonic() + self._handle.tuning.busy_timeout_ms / 1000)

    def roll_back(self) -> None:
        """Undo the transaction where one still stands."""
        roll_back(self._handle)

    def run(self, sql: str) -> None:
        """Run one statement of a script to its end, under the watch.

        Raises our error for SQLite's; a statement that the watch refused is an apsw AuthError's translation
        with `refusal` set.
        """
        connection = self._handle.connection
        connection.authorizer = self._watch
        self._watch.begin_statement()
        try:
            for _ in connection.cursor().execute(sql, None, can_cache=False):
                pass
        except CAUGHT as error:
            ours = self._handle.failure(error, sql)
            raise ours from error
        finally:
            connection.authorizer = self._handle.guard
        self._watch.end_statement()

    @property
    def refusal(self) -> str | None:
        """Why the watch refused the last statement, or None."""
        return self._watch.refusal

    def error_offset(self, error: MultidbError) -> int | None:
        """Where in the failed statement SQLite saw the error, as a count of characters, or None."""
        cause = error.__cause__
        offset = getattr(cause, "error_offset", -1)
        sql = error.sql
        if sql is None or offset is None or offset < 0:
            return None
        return len(sql.encode()[:offset].decode(errors="ignore"))

    # --- what stands in the database ----------------------------------------------------------------

    def objects(self) -> dict[tuple[str, str], str]:
        """(kind, name) -> table of every index and trigger that somebody made."""
        rows = self.ask(
            "SELECT type, name, tbl_name FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
        )
        return {(kind, name): table for kind, name, table in rows}

    def tables(self) -> set[str]:
        """Ordinary tables, without SQLite's own and the shadows of virtual ones."""
        rows = self.ask("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
        return {name for (name,) in rows if not name.startswith("sqlite_")}

    def row_counts(self, at_most: int) -> dict[str, int]:
        """Rows of each table; tables with more than `at_most` are left out."""
        counts = {}
        for table in self.tables():
            name = '"' + table.replace('"', '""') + '"'
            ((count,),) = self.ask(f"SELECT count(*) FROM (SELECT 1 FROM {name} LIMIT {at_most + 1})")
            if count <= at_most:
                counts[table] = count
        return counts

    def cascades(self) -> dict[str, set[str]]:
        """Table -> those whose rows go with its rows, by ON DELETE CASCADE."""
        found: dict[str, set[str]] = {}
        for table in self.tables():
            for row in self.ask('SELECT "table", on_delete FROM pragma_foreign_key_list(?)', (table,)):
                if row[1] == "CASCADE":
                    found.setdefault(row[0].lower(), set()).add(table)
        return found

    def foreign_key_violations(self) -> Counter[str]:
        """How many rows break each foreign key; a key that cannot be checked counts as one.

        Counted and not listed, because a rebuild may renumber rows.
        """
        counts: Counter[str] = Counter()
        for table in self.tables():
            try:
                name = '"' + table.replace('"', '""') + '"'
                for child, _, parent, key in self.ask(f"PRAGMA foreign_key_check({name})"):
                    counts[f"{child} -> {parent} (key {key})"] += 1
            except MultidbError as error:  # the parent's key is not unique, or its table is missing
                counts[f"{table}: {error.message}"] += 1
        return counts

    def broken_views(self) -> list[str]:
        """Views that can be made and not read; they block every later rename."""
        broken = []
        for (name,) in self.ask("SELECT name FROM sqlite_schema WHERE type = 'view'"):
            try:
                quoted = '"' + name.replace('"', '""') + '"'
                self.ask(f"SELECT * FROM {quoted} LIMIT 0")
            except MultidbError as error:
                broken.append(f"{name}: {error.message}")
        return broken


class _Watch:
    """The authorizer of a migration: refuses what would end its transaction or leave its database."""

    def __init__(self) -> None:
        self.refusal: str | None = None
        self.deleted: set[str] = set()
        self.dropped: set[tuple[str, str]] = set()
        self.ignored: list[str] = []
        self._deletes: set[str] = set()
        self._drops: set[tuple[str, str]] = set()

    def begin_statement(self) -> None:
        self.refusal = None
        self._deletes, self._drops = set(), set()

    def end_statement(self) -> None:
        tables = {name for kind, name in self._drops if kind == "table"}
        self.deleted |= {name for name in self._deletes if name not in tables}
        if not tables:  # dropping a table drops its indexes and triggers; that is not asking for it
            self.dropped |= self._drops

    def __call__(
        self, action: int, first: str | None, second: str | None, schema: str | None, trigger: str | None
    ) -> int:
        if action == apsw.SQLITE_TRANSACTION:
            self.refusal = f"{first}: a migration is one transaction, which the runner begins and ends"
        elif action in (apsw.SQLITE_ATTACH, apsw.SQLITE_DETACH):
            self.refusal = "ATTACH and DETACH: a migration changes its own database only"
        elif action == apsw.SQLITE_FUNCTION and (second or "").lower() == "load_extension":
            self.refusal = "load_extension: name the extension in the concern"
        elif action == apsw.SQLITE_PRAGMA:
            return self._pragma((first or "").lower(), second)
        elif action in _TOUCHES and (first or "").lower() in LEDGER_NAMES:
            self.refusal = f"{first} is the migrations' own bookkeeping"
        else:
            if action == apsw.SQLITE_DELETE and first is not None and not first.startswith("sqlite_"):
                self._deletes.add(first)
            elif action in _DROPS and first is not None:
                self._drops.add((_DROPS[action], first))
            return apsw.SQLITE_OK
        return apsw.SQLITE_DENY

    def _pragma(self, name: str, value: str | None) -> int:
        if name == "foreign_keys" and value is not None:
            self.ignored.append(f"PRAGMA {name} = {value}")
            return apsw.SQLITE_IGNORE
        if (value is None and name in READING_PRAGMAS) or name in ASKING_PRAGMAS | _ALLOWED_PRAGMAS:
            return apsw.SQLITE_OK
        self.refusal = f"PRAGMA {name}: say it as an option of the marker, or in the concern's tuning"
        return apsw.SQLITE_DENY
