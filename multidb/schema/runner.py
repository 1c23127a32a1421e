"""Running a plan on one database: each migration is one transaction, and leaves nothing behind when it fails.

The recipe, in the order that keeps data (https://www.sqlite.org/lang_altertable.html#otheralter):
 1. foreign keys off, outside a transaction, and read back: inside, SQLite ignores the switch, and a rebuilt
    parent takes its children's rows with it;
 2. BEGIN IMMEDIATE, then look again whether another process has applied the migration meanwhile;
 3. the statements one by one, each to its end: a statement that returns rows would stop the rest;
 4. the guards: indexes or triggers lost with a rebuilt table, rows lost that no statement deleted, more
    violations of foreign keys than before, views that cannot be read;
 5. the ledger's row, COMMIT;
 6. whatever happened: nothing left open, every pragma back (`Migrating` sees to it).
Steps 3 and 4 are in `execute`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from typing import Final

import attrs

from multidb import log
from multidb.engine.migrating import Migrating
from multidb.errors import BusyError, MigrationError, MultidbError
from multidb.failpoints import reach
from multidb.places import os_failure
from multidb.reports import rfc3339
from multidb.schema import ledger as ledgers
from multidb.schema.execute import Executor, NothingDone, failure, weight
from multidb.schema.options import Options
from multidb.schema.plan import Plan, plan
from multidb.schema.scribe import Scribe
from multidb.schema.script import Script

_NOTE_TIMEOUT_S: Final = 1.0


@attrs.define(kw_only=True)
class Runner:
    """Applies scripts to one database through a connection that is this process's only writer.

    `asked` is the plan that was made before the lock was had; `preflight` is called once before anything is run.
    """

    asked: Plan
    connection: Migrating
    scribe: Scribe
    timeout: float
    preflight: Callable[[Plan], None] = lambda todo: None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _executor: Executor = attrs.field(init=False)
    _pending: tuple[int, ...] = attrs.field(init=False, default=())
    _applied: list[int] = attrs.field(init=False, factory=list)
    _has_ledger: bool = attrs.field(init=False, default=False)
    _seq: int = attrs.field(init=False, default=0)
    _seen: int = attrs.field(init=False, default=-1)

    def __attrs_post_init__(self) -> None:
        self._executor = Executor(self.connection)

    @property
    def database(self) -> str:
        return self.asked.database

    @property
    def applied(self) -> tuple[int, ...]:
        """The versions that this runner has committed."""
        return tuple(self._applied)

    def up(self) -> Plan:
        """Apply what is pending now; the plan that was carried out.

        Raises MigrationError with `applied` and `pending`: what is committed stays, the failed one left nothing.
        """
        todo = self._look()
        self._pending = todo.pending_versions
        if todo.pending:
            self.preflight(todo)
        for script in todo.pending:
            started = time.perf_counter()
            try:
                was_ours = self._apply(script) if script.up.options.transaction else self._apply_bare(script)
            except MultidbError as error:
                failed = self._failed(script, error)
                raise failed from failed.__cause__
            if was_ours:
                self._applied.append(script.version)
                log.emit(
                    "migration_applied",
                    concern=self.database,
                    version=script.version,
                    name=script.name,
                    duration_ms=round((time.perf_counter() - started) * 1000, 3),
                )
        if self._applied:
            left = self.connection.tidy()
            if left is not None:
                log.emit("checkpoint_skipped", concern=self.database, error=left.message)
        return todo

    # --- one migration ------------------------------------------------------------------------------

    def _apply(self, script: Script) -> bool:
        """The migration in one transaction; False where another process has applied it meanwhile."""
        self._set_pragmas(script.up.options)
        with self._transaction():
            if self._is_applied(script):
                return False
            reach("migration.after_begin")
            started = time.perf_counter()
            self._prepare_ledger()
            self._executor.run_whole(script, script.up)
            now, ms = self._now(), int((time.perf_counter() - started) * 1000)
            self.scribe.add(script, at=now, seq=self._seq + 1, ms=ms)
            self.scribe.log("up", script, at=now, ms=ms)
            reach("migration.before_commit")
            self.connection.commit()
            self._note_commit()
            reach("migration.after_commit")
        return True

    def _apply_bare(self, script: Script) -> bool:
        """The migration without a transaction: its row says `success = 0` until the last statement is done."""
        self._set_pragmas(script.up.options)
        with self._transaction():
            if self._is_applied(script):
                return False
            self._prepare_ledger()
            self.scribe.add(script, at=self._now(), seq=self._seq + 1, is_whole=False)
            self.connection.commit()
            self._note_commit()
        started = time.perf_counter()
        try:
            self._executor.run_bare(script, script.up)
        except NothingDone as nothing:
            with self._transaction():
                self.scribe.remove(script.version)
                self.connection.commit()
            raise nothing.error from nothing.error.__cause__
        with self._transaction():
            ms = int((time.perf_counter() - started) * 1000)
            self.scribe.finish(script.version, ms)
            self.scribe.log("up", script, at=self._now(), ms=ms)
            self.connection.commit()
        return True

    def _set_pragmas(self, options: Options) -> None:
        """What holds while the section runs, set where it works: outside a transaction."""
        stays_on = options.foreign_keys == "immediate" or not options.transaction
        self.connection.set("foreign_keys", int(stays_on and self.connection.enforces_foreign_keys))
        self.connection.set("legacy_alter_table", int(options.legacy_alter))

    @contextlib.contextmanager
    def _transaction(self) -> Generator[None]:
        """BEGIN IMMEDIATE; what was not committed when the block is left is rolled back."""
        self.connection.begin(self.timeout)
        try:
            yield
        except OSError as error:  # ours are translated; this is a failpoint's
            raise os_failure(error, self.connection.path) from error
        finally:
            self.connection.roll_back()

    # --- the ledger ---------------------------------------------------------------------------------

    def _look(self) -> Plan:
        """The plan by the ledger as it is now, which holds as long as nobody else commits."""
        self._seen = self.connection.data_version()
        ledger = ledgers.read(self.connection.ask, self.database)
        self._has_ledger, self._seq = ledger.is_there, ledger.last_seq
        return plan(self.database, self.asked.scripts, ledger, to=self.asked.to)

    def _is_applied(self, script: Script) -> bool:
        """Whether another process has applied it between our plan and our lock; its text must be ours then."""
        return self._seen != self.connection.data_version() and script.version not in self._look().pending_versions

    def _prepare_ledger(self) -> None:
        if not self._has_ledger:
            ledgers.create(self.connection.ask, self.database)

    def _note_commit(self) -> None:
        self._has_ledger = True
        self._seq += 1

    def _now(self) -> str:
        return rfc3339(self.clock())

    # --- failing ------------------------------------------------------------------------------------

    def _failed(self, script: Script, error: MultidbError) -> MigrationError:
        """Note the failure and answer with the error to raise, which tells what is committed and what is not."""
        log.emit(
            "migration_failed",
            concern=self.database,
            version=script.version,
            name=script.name,
            error=error.message,
        )
        self._note_failure(script, error)
        if not isinstance(error, MigrationError):
            ours = failure(script, script.up, error.message, hint=error.hint, **weight(error))
            ours.__cause__ = error
            error = ours
        error.applied = self.applied
        error.pending = tuple(version for version in self._pending if version not in self._applied)
        return error

    def _note_failure(self, script: Script, error: MultidbError) -> None:
        """Write the failure into the log, where there is one and its lock is free; the failure matters more."""
        if not self._has_ledger or isinstance(error, BusyError):
            return
        try:
            self.connection.begin(_NOTE_TIMEOUT_S)
            self.scribe.log("fail", script, at=self._now(), error=error.message)
            self.connection.commit()
        except MultidbError:
            self.connection.roll_back()
