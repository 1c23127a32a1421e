"""The migrations of one database: where it stands, what is pending, and running it."""

from __future__ import annotations

import time
from pathlib import Path

import attrs

from multidb.database import Database
from multidb.engine.migrating import Migrating
from multidb.errors import ForeignDatabaseError, MigrationError, MultidbError
from multidb.locks import process_lock
from multidb.places import State
from multidb.reports import MigrationOutcome
from multidb.schema import folder
from multidb.schema import ledger as ledgers
from multidb.schema.ledger import Ledger
from multidb.schema.plan import Plan, plan
from multidb.schema.runner import Runner
from multidb.schema.script import Script
from multidb.version import TOOL

LOCK_TIMEOUT_S = 60.0


@attrs.frozen(kw_only=True)
class Standing:
    """The newest applied version (0 for none, None for no ledger), how many are pending, and what is wrong."""

    version: int | None = None
    pending: int = 0
    ahead: bool = False
    error: MultidbError | None = None


@attrs.frozen
class Migrator:
    """Reads and changes the schema of one database; `lock` is the file that keeps other processes out meanwhile."""

    database: Database
    lock: Path
    lock_timeout: float = LOCK_TIMEOUT_S

    @property
    def is_managed(self) -> bool:
        """Whether this program has migrations for the database."""
        return folder.folder_of(self.database.concern) is not None

    def scripts(self) -> tuple[Script, ...]:
        """The migration files, read and checked; ForeignDatabaseError where there can be none."""
        if not self.is_managed:
            raise ForeignDatabaseError(
                f"{self.database.name} has no migrations here: its schema is another program's",
                concern=self.database.name,
                path=str(self.database.path),
            )
        return folder.scripts(self.database.concern)

    def ledger(self) -> Ledger:
        """What the database says is applied; reads only."""
        with self.database.read() as session:
            return ledgers.read(session.many, self.database.name)

    def plan(self, to: int | str | None = None) -> Plan:
        """What `up` would do now. Raises what would keep it from doing it."""
        return plan(self.database.name, self.scripts(), self.ledger(), to=to)

    def up(self, to: int | str | None = None) -> MigrationOutcome:
        """Apply what is pending, to the newest version or to `to`; nothing is written where nothing is pending.

        Raises MigrationError; its `applied` stay, and the one that failed left nothing behind. LockTimeoutError when
        another process migrates for longer than the lock's timeout.
        """
        started = time.monotonic()
        todo = self.plan(to)
        if not todo.pending:
            return MigrationOutcome(outcome="current", from_version=todo.from_version, to_version=todo.from_version)
        database = self.database
        with process_lock(self.lock, self.lock_timeout, concern=database.name), database.exclusive() as session:
            runner = Runner(
                database=database.name,
                scripts=self.scripts(),
                connection=Migrating(session._handle),
                timeout=database.concern.tuning.writer_timeout_ms / 1000,
                tool=TOOL,
                sqlite=session.scalar("SELECT sqlite_version()"),
            )
            runner.up(to)
        versions = tuple(applied.script.version for applied in runner.applied)
        return MigrationOutcome(
            outcome="applied" if versions else "current",
            from_version=todo.from_version,
            to_version=todo.to_version,
            applied=versions,
            duration_ms=round((time.monotonic() - started) * 1000, 3),
        )

    def standing(self) -> Standing:
        """Where the database stands, for a status: never raises for what is wrong with it."""
        if not self.is_managed:
            return Standing()
        try:
            if self.database.state in (State.ABSENT, State.FAILED):
                count = len(folder.versions(self.database.concern) or ())
                return Standing(pending=count) if self.database.state is State.ABSENT else Standing()
            ledger = self.ledger()
        except MultidbError as error:
            return Standing(error=error)
        try:
            todo = plan(self.database.name, self.scripts(), ledger)
        except MultidbError as error:
            return Standing(version=ledger.head, error=error)
        return Standing(version=ledger.head, pending=len(todo.pending), ahead=bool(todo.ahead))

    def failed(self, error: MultidbError) -> MigrationOutcome:
        """The outcome for an error of `up` or `plan`, with what was committed before it."""
        applied = error.applied if isinstance(error, MigrationError) else ()
        pending = error.pending if isinstance(error, MigrationError) else ()
        return MigrationOutcome(
            outcome="failed",
            to_version=max(applied, default=None),
            applied=applied,
            pending=pending,
            error=error,
        )
