"""The connection of a migration, and a second one that sees the database as it was before.

While a migration's transaction stands, what is committed is the state before it. So nothing has to be counted
or noted in advance: where the watch tells that a script touched something, the two are compared at the end.
"""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from multidb.engine.connect import Handle, connect
from multidb.engine.facts import checkpoint
from multidb.engine.failures import CAUGHT
from multidb.engine.transaction import begin_write, commit, roll_back
from multidb.engine.watch import Watch
from multidb.errors import BusyError, MigrationError, MultidbError

_REMEMBERED: Final = ("foreign_keys", "legacy_alter_table", "recursive_triggers", "defer_foreign_keys")


class Migrating:
    """The only writing connection of this process to a database, as a context manager.

    `run` runs the statements of scripts under the `watch`; `ask` is for our own. At the end of the block no
    transaction is left, every pragma and the connection's own guard are back, whatever happened.
    """

    def __init__(self, handle: Handle, extensions: tuple[str, ...] = ()) -> None:
        self.watch = Watch()
        self._handle = handle
        self._extensions = extensions
        self._cursor = handle.connection.cursor()
        self._committed: Handle | None = None

    def __enter__(self) -> Self:
        self._before = {name: self._pragma(name) for name in _REMEMBERED}
        self._now = dict(self._before)
        if self._handle.tuning.journal_mode != "wal":
            # A full cache would be written into the file itself, and keep `ask_committed` out of it.
            self.ask("PRAGMA cache_spill = OFF")
        self._handle.connection.authorizer = self.watch
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        connection = self._handle.connection
        try:
            if connection:  # the desk may have been closed meanwhile, and with it the connection
                self.roll_back()
                self._restore()
        finally:
            if self._committed is not None:
                self._committed.close()
            if connection:
                connection.authorizer = self._handle.guard

    @property
    def path(self) -> Path:
        """The database file."""
        return self._handle.path

    @property
    def enforces_foreign_keys(self) -> bool:
        """Whether the connection checks foreign keys when no migration runs."""
        return bool(self._before["foreign_keys"])

    @property
    def in_transaction(self) -> bool:
        return self._handle.in_transaction

    def ask(self, sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
        """All rows of one of our own statements."""
        return self._handle.ask(sql, params)

    def ask_committed(self, sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
        """All rows of a SELECT on what is committed: in a transaction, the database as it was before."""
        if self._committed is None:
            handle = self._handle
            self._committed = connect(
                str(handle.path), handle.path, handle.tuning, read_only=True, extensions=self._extensions
            )
        return self._committed.ask(sql, params)

    def set(self, name: str, value: int) -> None:
        """Set a pragma and read it back: inside a transaction SQLite ignores some without a word."""
        if self._now[name] != value:
            self._set(name, value)

    def _set(self, name: str, value: int) -> None:
        self.ask(f"PRAGMA {name} = {value}")
        self._now[name] = self._pragma(name)
        if self._now[name] != value:
            raise MigrationError(f"SQLite keeps PRAGMA {name} at {self._now[name]} where {value} was asked for")

    def _pragma(self, name: str) -> int:
        return int(self.ask(f"PRAGMA {name}")[0][0])

    def _restore(self) -> None:
        for name, value in self._before.items():
            if self._pragma(name) != value:
                self._set(name, value)

    def begin(self, timeout: float) -> None:
        """BEGIN IMMEDIATE, waiting for other processes for `timeout` seconds."""
        begin_write(self._handle, time.monotonic() + timeout)

    def commit(self) -> None:
        """Commit, or roll back and raise; a reader in the way is waited for, up to the busy timeout."""
        commit(self._handle, time.monotonic() + self._handle.tuning.busy_timeout_ms / 1000)

    def roll_back(self) -> None:
        """Undo the transaction where one still stands: SQLite has ended it after some errors."""
        roll_back(self._handle)

    def data_version(self) -> int:
        """A number that changes when somebody else has committed, and never by this connection."""
        return self._pragma("data_version")

    def schema_version(self) -> int:
        """A number that changes with the schema."""
        return self._pragma("schema_version")

    def run(self, sql: str) -> None:
        """Run one statement of a script to its end, under the watch.

        Raises our error for SQLite's; where the watch refused the statement, `watch.refusal` says why.
        """
        self.watch.wake(sql)
        try:
            for _ in self._cursor.execute(sql, None, can_cache=False):  # one that returns rows goes on between them
                pass
        except CAUGHT as error:
            raise self._handle.failure(error, sql) from error
        finally:
            self.watch.rest()

    def drop_temporary(self) -> None:
        """Drop what a script left in the temporary database, where the next one would find it."""
        rows = self.ask("SELECT type, name FROM temp.sqlite_schema WHERE type IN ('table', 'view', 'trigger')")
        for kind, name in sorted(rows, key=lambda row: row[0] != "trigger"):
            quoted = '"' + name.replace('"', '""') + '"'
            self.ask(f"DROP {kind} IF EXISTS temp.{quoted}")

    def tidy(self) -> MultidbError | None:
        """Bring the statistics up to date and empty the write-ahead log, without waiting for anybody.

        Answers with what kept it from that: the migrations are durable either way.
        """
        connection = self._handle.connection
        connection.set_busy_timeout(0)
        try:
            # 0x10: a bounded sample of each table; 0x10000: tables that this connection has not queried, too.
            self.ask("PRAGMA optimize = 0x10012")
            _, _, is_busy = checkpoint(self._handle, truncate=True)
            return BusyError("somebody reads or writes") if is_busy else None
        except MultidbError as error:
            return error
        finally:
            connection.set_busy_timeout(self._handle.tuning.busy_timeout_ms)


def error_offset(error: MultidbError) -> int:
    """Where in the failed statement SQLite saw the error, as a count of characters; 0 where it does not tell."""
    offset = getattr(error.__cause__, "error_offset", -1)
    return len(error.sql.encode()[:offset].decode(errors="ignore")) if error.sql and offset > 0 else 0
