"""The migrations of one database: where it stands, what is pending, and running it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs

from multidb.database import Database
from multidb.engine.migrating import Migrating
from multidb.errors import AbsentError, ForeignDatabaseError, MigrationError, MultidbError, ReadOnlyFileError
from multidb.locks import process_lock
from multidb.places import State
from multidb.reports import MigrationOutcome, Report
from multidb.schema import folder, preflight
from multidb.schema import ledger as ledgers
from multidb.schema.compare import Entry, Standing, compare
from multidb.schema.header import Requirement
from multidb.schema.ledger import Ledger
from multidb.schema.order import unmet
from multidb.schema.plan import Plan, plan
from multidb.schema.runner import Runner
from multidb.schema.scribe import Scribe
from multidb.schema.script import Script
from multidb.version import TOOL

LOCK_TIMEOUT_S: Final = 60.0
_STATUS_WAIT_S: Final = 0.5
"""How long a status waits for a reader; one that does not come is told as its error."""


@attrs.frozen(kw_only=True)
class MigrationStatus(Report):
    """Where one database stands.

    `version` is the newest applied one, 0 for none, and None where there is no database, or none that is ours to
    migrate or can be read. `pending` counts what `up` would run, `error` is what keeps it from running; `migrations`
    has every version that a file or the ledger knows, as far as they could be read.
    """

    version: int | None = None
    pending: int = 0
    ahead: bool = False
    error: MultidbError | None = None
    migrations: tuple[Entry, ...] = attrs.field(default=(), repr=False)


@attrs.frozen
class Migrator:
    """Reads and changes the schema of one database.

    `lock` is the file that keeps other processes out meanwhile; `elsewhere` gives the migrator of another database
    of the same desk, by its name.
    """

    database: Database
    lock: Path
    elsewhere: Callable[[str], Migrator] = attrs.field(repr=False)
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
        """What the database says is applied; reads only. A file that does not exist has nothing applied."""
        if self.database.state is State.ABSENT and not self.database.path.exists():
            return Ledger()
        with self.database.read() as session:
            return ledgers.read(session.many, self.database.name)

    def has_applied(self, requirement: Requirement) -> bool:
        """Whether the migration that a file of another database requires is applied here."""
        records = self.ledger().records if self.is_managed else ()
        return any(record.is_whole and requirement.is_met_by(record.version, record.label) for record in records)

    def plan(self, to: int | str | None = None) -> Plan:
        """What `up` would do now. Raises what would keep it from doing it."""
        return plan(self.database.name, self.scripts(), self.ledger(), to=to)

    def up(self, to: int | str | None = None) -> MigrationOutcome:
        """Apply what is pending, to the newest version or to `to`; nothing is written where nothing is pending.

        Waits for another process that migrates, and for sessions of this one to end. Raises MigrationError: its
        `applied` stay, and the one that failed left nothing behind. Before the first statement it may raise
        LockTimeoutError, and the errors of waiting, of a file that can only be read, and of a disk without room.
        """
        return self.carry_out(self.plan(to))

    def carry_out(self, todo: Plan) -> MigrationOutcome:
        """Do what `plan` has found, or what is left of it when the lock is had: with the files as they were then."""
        started = time.monotonic()
        if not todo.pending:
            return MigrationOutcome(outcome="current", from_version=todo.from_version, to_version=todo.from_version)
        database = self.database
        database.refuse_own_session()
        self._refuse_unwritable()  # before the lock's file is made
        for script in todo.pending:
            for requirement in script.requires:
                if not self.elsewhere(requirement.database).has_applied(requirement):
                    raise unmet(script, requirement, "which is not applied")
        with (
            process_lock(self.lock, self.lock_timeout, concern=database.name),
            database.exclusive() as session,
            Migrating(session._handle, database.concern.extensions) as connection,
        ):
            runner = Runner(
                asked=todo,
                connection=connection,
                scribe=Scribe(ask=connection.ask, tool=TOOL, sqlite=session.scalar("SELECT sqlite_version()")),
                timeout=database.concern.tuning.writer_timeout_ms / 1000,
                preflight=lambda pending: preflight.check(database.path, pending, connection.ask),
            )
            done = runner.up()
        return MigrationOutcome(
            outcome="applied" if runner.applied else "current",
            from_version=done.from_version,
            to_version=done.to_version,
            applied=runner.applied,
            duration_ms=round((time.monotonic() - started) * 1000, 3),
        )

    def _refuse_unwritable(self) -> None:
        name, where = self.database.name, {"concern": self.database.name, "path": str(self.database.path)}
        if self.database.state is State.ABSENT:
            raise AbsentError(f"there is no file for {name}", hint="open it for writing to make it", **where)
        if self.database.state is State.READ_ONLY:
            raise ReadOnlyFileError(
                f"{name} is open for reading only, and has migrations pending",
                hint="look at the mode of the file and its folder, and at read_only where it was opened",
                **where,
            )

    def status(self) -> MigrationStatus:
        """Where the database stands; creates nothing, and never raises for what is wrong with it."""
        database = self.database
        if not self.is_managed or database.state is State.FAILED:
            return MigrationStatus(error=database.error)
        ledger, is_present = Ledger(), True
        scripts: tuple[Script, ...] = ()
        error: MultidbError | None = None
        try:
            ledger = database.probe(lambda handle: ledgers.read(handle.ask, database.name), timeout=_STATUS_WAIT_S)
        except AbsentError:
            is_present = False
        except MultidbError as caught:
            return MigrationStatus(error=caught)
        try:
            scripts = self.scripts()
            plan(database.name, scripts, ledger)
        except MultidbError as caught:
            error = caught
        entries = compare(scripts, ledger)
        return MigrationStatus(
            version=ledger.head if is_present else None,
            pending=0 if error is not None else sum(entry.state is Standing.PENDING for entry in entries),
            ahead=any(entry.state is Standing.AHEAD for entry in entries),
            error=error,
            migrations=entries,
        )

    def failed(self, error: MultidbError, todo: Plan | None = None) -> MigrationOutcome:
        """The outcome for an error of `up` or `plan`, with what was committed before it."""
        applied = error.applied if isinstance(error, MigrationError) else ()
        pending = error.pending if isinstance(error, MigrationError) else ()
        start = todo.from_version if todo is not None else None
        return MigrationOutcome(
            outcome="failed",
            from_version=start,
            to_version=max(applied, default=start),
            applied=applied,
            pending=pending or (todo.pending_versions if todo is not None else ()),
            error=error,
        )
