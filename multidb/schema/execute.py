"""Running the statements of one section, and refusing what they would lose; transactions are the runner's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from multidb import log
from multidb.engine.migrating import Migrating, error_offset
from multidb.errors import (
    BusyError,
    CorruptError,
    ForbiddenStatementError,
    ForeignKeyViolationError,
    LostObjectsError,
    MigrationFailedError,
    MultidbError,
    RowLossError,
    StorageError,
)
from multidb.schema.guards import Guards
from multidb.schema.script import Script, Section, Step

_REPAIR: Final = "look at what it did, then `multidb migrate repair`"
_HINTS: Final = {
    "cannot VACUUM from within a transaction": "write -- Up transaction:false",
    "error in view": "drop the view before and make it again, or write -- Up legacy_alter:on",
    "error in trigger": "drop the trigger before and make it again, or write -- Up legacy_alter:on",
}
"""Beginnings of SQLite's messages that a migration meets, and what helps."""


@attrs.define
class Executor:
    """Runs sections on one connection."""

    connection: Migrating
    guards: Guards = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.guards = Guards(self.connection)

    def run_whole(self, script: Script, section: Section) -> None:
        """Run every statement of a section in the transaction that stands, then refuse what they have lost.

        Raises MigrationFailedError or one of its kinds; the caller rolls back.
        """
        connection = self.connection
        connection.watch.begin(is_whole=True)
        for step in section.steps:
            self.run_step(script, section, step)
        if not connection.in_transaction:
            raise failure(script, section, "a statement of the migration ended its transaction")
        if connection.watch.makes_temporary:
            connection.drop_temporary()
        self._refuse_losses(script, section)
        for pragma in connection.watch.ignored:
            log.emit("pragma_ignored", concern=script.database, version=script.version, pragma=pragma)

    def run_bare(self, script: Script, section: Section) -> None:
        """Run every statement of a section as its own commit.

        Raises MigrationFailedError, which tells how many statements stay done, or `NothingDone` where none does.
        """
        connection, steps = self.connection, section.steps
        connection.watch.begin(is_whole=False)
        for place, step in enumerate(steps):
            try:
                self.run_step(script, section, step)
            except MigrationFailedError as error:
                if place == 0:
                    raise NothingDone(error) from error
                done = f"{place} of {len(steps)} statements are done, and there is no transaction to take them back"
                error.args = (f"{error.message}; {done}",)
                error.hint = _REPAIR
                raise
        if connection.watch.makes_temporary:
            connection.drop_temporary()

    def run_step(self, script: Script, section: Section, step: Step) -> None:
        """Run one statement; a MigrationFailedError has its place in the file, to the column if SQLite tells it."""
        try:
            self.connection.run(step.text)
        except MultidbError as error:
            refusal = self.connection.watch.refusal
            line, column = _place(step, error_offset(error))
            raise failure(
                script,
                section,
                refusal or error.message,
                MigrationFailedError if refusal is None else ForbiddenStatementError,
                line=line,
                column=column,
                statement=step.text,
                hint=_hint(error) if refusal is None else None,
                **weight(error),
            ) from error

    def _refuse_losses(self, script: Script, section: Section) -> None:
        options, guards = section.options, self.guards
        if "lost-objects" not in options.allow and (objects := guards.lost_objects()):
            raise failure(
                script,
                section,
                f"a table that was made again would be without {', '.join(objects)}",
                LostObjectsError,
                objects=objects,
                hint="make them again in the migration, or write -- Up allow:lost-objects",
            )
        if "row-loss" not in options.allow and (rows := guards.lost_rows()):
            raise failure(
                script,
                section,
                f"rows would be lost that no statement deletes: {_counted(rows)}",
                RowLossError,
                rows=rows,
                hint="copy them all, or write -- Up allow:row-loss",
            )
        is_checked = options.foreign_keys != "unchecked" and self.connection.enforces_foreign_keys
        if is_checked and (violations := guards.new_violations()):
            raise failure(
                script,
                section,
                f"it would leave rows that break a foreign key: {_counted(violations)}",
                ForeignKeyViolationError,
                violations=violations,
                hint="mend the rows in the migration, or write -- Up foreign_keys:unchecked",
            )
        if views := guards.broken_views():
            raise failure(
                script,
                section,
                f"it would leave a view that cannot be read: {'; '.join(views)}",
                hint="drop the view before, and make it again after the change",
            )


class NothingDone(Exception):
    """The first statement failed, and SQLite took it back: nothing of the section is left."""

    def __init__(self, error: MigrationFailedError) -> None:
        super().__init__(error.message)
        self.error = error


def failure(
    script: Script,
    section: Section,
    message: str,
    kind: type[MigrationFailedError] = MigrationFailedError,
    **context: Any,
) -> MigrationFailedError:
    """The error for a migration that could not be carried out, with its file and, if known, the place in it."""
    where = f"{script.path}:{context['line']}:{context['column']}" if "line" in context else script.path
    return kind(
        f"{script.database} {script.version} {script.name}: {message} [{where}]",
        concern=script.database,
        database=script.database,
        version=script.version,
        name=script.name,
        direction=section.direction,
        path=script.path,
        **context,
    )


def weight(error: MultidbError) -> dict[str, Any]:
    """What a migration's error keeps of its cause: a full disk stays one to whoever reads the exit status."""
    is_kept = isinstance(error, (BusyError, CorruptError, StorageError))
    return {
        "sqlite_code": error.sqlite_code,
        "exit_status": error.exit_status if is_kept else None,
        "retryable": error.retryable if is_kept else None,
    }


def _hint(error: MultidbError) -> str | None:
    return next((hint for beginning, hint in _HINTS.items() if error.message.startswith(beginning)), error.hint)


def _counted(rows: Mapping[str, int]) -> str:
    return ", ".join(f"{count} of {name}" for name, count in sorted(rows.items()))


def _place(step: Step, offset: int) -> tuple[int, int]:
    """Line and column in the file of a place in one of its statements."""
    head = step.text[:offset]
    lines = head.count("\n")
    column = len(head) - head.rfind("\n") if lines else step.column + len(head)
    return step.line + lines, column
