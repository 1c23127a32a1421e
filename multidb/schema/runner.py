"""Running a plan on one database: each migration is one transaction, and leaves nothing behind when it fails.

The recipe, in the order that keeps data (https://www.sqlite.org/lang_altertable.html#otheralter):
 1. foreign keys off, outside a transaction, and read back: inside, SQLite ignores the switch, and a rebuilt
    parent takes its children's rows with it;
 2. BEGIN IMMEDIATE, then look again whether another process has applied the migration meanwhile;
 3. the statements one by one, each to its end: a statement that returns rows would stop the rest;
 4. the guards: more foreign-key violations than before, indexes or triggers lost with a rebuilt table, rows
    lost that no statement deleted, views that cannot be read;
 5. the ledger's row, COMMIT;
 6. whatever happened: nothing left open, every pragma back.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

import attrs

from multidb import log
from multidb.engine.migrating import Migrating
from multidb.errors import (
    ForbiddenStatementError,
    ForeignKeyViolationError,
    LostObjectsError,
    MigrationError,
    MigrationFailedError,
    MultidbError,
    RowLossError,
)
from multidb.failpoints import reach
from multidb.reports import rfc3339
from multidb.schema import ledger as ledgers
from multidb.schema.plan import Plan, plan
from multidb.schema.script import Script, Step

_COUNTED_ROWS: Final = 1_000_000
"""Tables with more rows are not counted before and after."""
_MAY_LOSE: Final = re.compile(r"\b(drop|replace)\b", re.IGNORECASE)


@attrs.frozen
class Applied:
    """One migration that a run has committed."""

    script: Script
    duration_ms: float


@attrs.define
class Runner:
    """Applies scripts to one database through a connection that is this process's only one."""

    database: str
    scripts: tuple[Script, ...]
    connection: Migrating
    timeout: float
    tool: str
    sqlite: str
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    run_id: str = attrs.field(factory=lambda: uuid.uuid4().hex)
    applied: list[Applied] = attrs.field(factory=list)

    def up(self, to: int | str | None = None) -> Plan:
        """Apply what is pending; the plan that was carried out.

        Raises MigrationError with `applied` and `pending`: what is committed stays, the failed one left nothing.
        """
        ask = self.connection.ask
        todo = plan(self.database, self.scripts, ledgers.read(ask, self.database), to=to)
        for script in todo.pending:
            started = time.perf_counter()
            try:
                was_ours = self._apply(script)
            except MultidbError as error:
                self._note_failure(script, error)
                raise self._completed(error, script, todo) from error.__cause__
            duration_ms = (time.perf_counter() - started) * 1000
            if was_ours:
                self.applied.append(Applied(script, duration_ms))
                log.emit(
                    "migration_applied",
                    concern=self.database,
                    version=script.version,
                    name=script.name,
                    duration_ms=round(duration_ms, 3),
                )
        return todo

    def _apply(self, script: Script) -> bool:
        if not script.up.options.transaction:
            return self._apply_without_transaction(script)
        connection = self.connection
        try:
            options = script.up.options
            if options.foreign_keys != "immediate":
                connection.set_pragma("foreign_keys", 0)
            connection.begin(time.monotonic() + self.timeout)
            try:
                if self._is_applied(script):
                    return False
                reach("migration.after_begin")
                if options.legacy_alter:
                    connection.set_pragma("legacy_alter_table", 1)
                started = time.perf_counter()
                self._guarded(script)
                ms = int((time.perf_counter() - started) * 1000)
                self._prepare_ledger()
                ledgers.add(connection.ask, script, at=self._now(), run_id=self.run_id, tool=self.tool, ms=ms)
                self._log("up", script)
                reach("migration.before_commit")
                connection.commit()
                reach("migration.after_commit")
            finally:
                connection.roll_back()
        finally:
            connection.restore_pragmas()
        return True

    def _guarded(self, script: Script) -> None:
        """Run the statements, and refuse what they lose without having said so."""
        connection, options = self.connection, script.up.options
        checks_keys = options.foreign_keys != "unchecked"
        keys = connection.foreign_key_violations() if checks_keys else None
        may_lose = _MAY_LOSE.search(script.up.text) is not None
        counts = connection.row_counts(_COUNTED_ROWS) if may_lose and "row-loss" not in options.allow else {}
        cascades = connection.cascades() if counts else {}
        objects = connection.objects() if "lost-objects" not in options.allow else {}
        for step in script.up.steps:
            self._run(script, step)
        if not connection.in_transaction:
            self._fail(MigrationFailedError, script, "the transaction was ended by a statement of the migration")
        self._check_objects(script, objects)
        self._check_rows(script, counts, cascades)
        if keys is not None:
            more = connection.foreign_key_violations() - keys
            if more:
                text = ", ".join(f"{count} of {key}" for key, count in sorted(more.items()))
                self._fail(
                    ForeignKeyViolationError,
                    script,
                    f"it would leave rows that break a foreign key: {text}",
                    violations=dict(more),
                )
        broken = connection.broken_views()
        if broken:
            self._fail(MigrationFailedError, script, f"a view cannot be read: {'; '.join(broken)}")
        for pragma in connection.ignored:
            log.emit("pragma_ignored", concern=self.database, version=script.version, pragma=pragma)

    def _check_objects(self, script: Script, before: dict[tuple[str, str], str]) -> None:
        after, tables = self.connection.objects(), self.connection.tables()
        lost = sorted(
            f"{kind} {name}"
            for (kind, name), table in before.items()
            if (kind, name) not in after and table in tables and (kind, name) not in self.connection.dropped
        )
        if lost:
            self._fail(
                LostObjectsError,
                script,
                f"a rebuilt table would lose {', '.join(lost)}",
                objects=tuple(lost),
                hint="make them again in the migration, or write -- Up allow:lost-objects",
            )

    def _check_rows(self, script: Script, before: dict[str, int], cascades: dict[str, set[str]]) -> None:
        if not before:
            return
        asked = set(self.connection.deleted)
        queue = list(asked)
        while queue:
            for child in cascades.get(queue.pop().lower(), set()) - asked:
                asked.add(child)
                queue.append(child)
        after = self.connection.row_counts(_COUNTED_ROWS)
        lost = {
            table: count - after[table]
            for table, count in before.items()
            if table in after and after[table] < count and table not in asked
        }
        if lost:
            text = ", ".join(f"{count} of {table}" for table, count in sorted(lost.items()))
            self._fail(
                RowLossError,
                script,
                f"rows would be lost that no statement deletes: {text}",
                rows=lost,
                hint="copy them all, or write -- Up allow:row-loss",
            )

    def _apply_without_transaction(self, script: Script) -> bool:
        """Statement by statement, each its own commit; the row says `success = 0` until the last one is done."""
        connection = self.connection
        connection.begin(time.monotonic() + self.timeout)
        try:
            if self._is_applied(script):
                return False
            self._prepare_ledger()
            ledgers.add(connection.ask, script, at=self._now(), run_id=self.run_id, tool=self.tool, is_whole=False)
            connection.commit()
        finally:
            connection.roll_back()
        started = time.perf_counter()
        for step in script.up.steps:
            self._run(script, step)
        connection.begin(time.monotonic() + self.timeout)
        try:
            ledgers.finish(connection.ask, script.version, int((time.perf_counter() - started) * 1000))
            self._log("up", script)
            connection.commit()
        finally:
            connection.roll_back()
        return True

    def _run(self, script: Script, step: Step) -> None:
        try:
            self.connection.run(step.text)
        except MultidbError as error:
            kind = ForbiddenStatementError if self.connection.refusal else MigrationFailedError
            line, column = _place(step, self.connection.error_offset(error))
            self._fail(
                kind,
                script,
                self.connection.refusal or error.message,
                cause=error,
                line=line,
                column=column,
                statement=step.text,
                sqlite_code=error.sqlite_code,
                hint=error.hint if not self.connection.refusal else None,
                exit_status=error.exit_status if error.exit_status == 21 else None,
            )

    def _is_applied(self, script: Script) -> bool:
        """Whether another process has applied it between our plan and our lock; its text must be ours then."""
        ledger = ledgers.read(self.connection.ask, self.database)
        if all(record.version != script.version for record in ledger.records):
            return False
        plan(self.database, self.scripts, ledger)
        return True

    def _prepare_ledger(self) -> None:
        if not ledgers.read(self.connection.ask, self.database).is_there:
            ledgers.create(self.connection.ask, self.database)

    def _log(self, action: str, script: Script, **more: Any) -> None:
        ledgers.log(
            self.connection.ask,
            action,
            at=self._now(),
            run_id=self.run_id,
            tool=self.tool,
            sqlite=self.sqlite,
            script=script,
            **more,
        )

    def _note_failure(self, script: Script, error: MultidbError) -> None:
        """Write the failure into the log where there is one; the failure itself matters more than its note."""
        log.emit(
            "migration_failed",
            concern=self.database,
            version=script.version,
            name=script.name,
            error=error.message,
        )
        try:
            if ledgers.read(self.connection.ask, self.database).is_there:
                self.connection.begin(time.monotonic() + 1)
                self._log("fail", script, ok=False, error=error.message)
                self.connection.commit()
        except MultidbError:
            self.connection.roll_back()

    def _completed(self, error: MultidbError, script: Script, todo: Plan) -> MultidbError:
        if isinstance(error, MigrationError):
            done = {applied.script.version for applied in self.applied}
            error.applied = tuple(sorted(done))
            error.pending = tuple(s.version for s in todo.pending if s.version not in done)
            error.database = self.database
            error.version = error.version or script.version
            error.name = error.name or script.name
        return error.within(self.database)

    def _fail(
        self,
        kind: type[MigrationFailedError],
        script: Script,
        message: str,
        cause: BaseException | None = None,
        exit_status: int | None = None,
        **context: Any,
    ) -> NoReturn:
        where = f"{script.path}:{context['line']}:{context['column']}" if "line" in context else script.path
        raise kind(
            f"{self.database} {script.version} {script.name}: {message} [{where}]",
            concern=self.database,
            database=self.database,
            version=script.version,
            name=script.name,
            direction="up",
            path=script.path,
            exit_status=exit_status,
            **context,
        ) from cause

    def _now(self) -> str:
        return rfc3339(self.clock())


def _place(step: Step, offset: int | None) -> tuple[int, int]:
    """Line and column in the file of a place in one of its statements."""
    head = step.text[:offset] if offset else ""
    lines = head.count("\n")
    column = len(head) - head.rfind("\n") if lines else step.column + len(head)
    return step.line + lines, column
