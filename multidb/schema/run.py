"""A run over several databases: all checked first, an honest outcome for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from multidb.concerns import unknown_concern
from multidb.errors import ConfigError, ForeignDatabaseError, MigrationError, MultidbError
from multidb.places import State
from multidb.reports import MigrationOutcome, MigrationReport
from multidb.schema.migrator import Migrator
from multidb.schema.plan import Plan


def migrate_all(
    migrators: Mapping[str, Migrator],
    only: Sequence[str] | None,
    *,
    to: int | str | None,
    dry_run: bool,
    on_error: Literal["stop", "continue"],
) -> MigrationReport:
    """Run what is pending; see `MultiDB.migrate`."""
    if on_error not in ("stop", "continue"):
        raise ConfigError(f"on_error cannot be {on_error!r}", hint="stop or continue")
    names = _names(migrators, only)
    if to is not None and (only is None or len(names) != 1):
        raise ConfigError("a target version needs the name of one database", hint="migrate('chat', to=3)")
    outcomes: dict[str, MigrationOutcome] = {}
    plans: dict[str, Plan] = {}
    first: MultidbError | None = None
    for name in names:
        migrator = migrators[name]
        if not migrator.is_managed:
            outcomes[name] = MigrationOutcome(outcome="unmanaged")
            continue
        try:
            plans[name] = migrator.plan(to)
        except MultidbError as error:
            outcomes[name] = migrator.failed(error.within(name))
            if migrator.database.state is not State.FAILED and on_error == "stop" and first is None:
                first = error
    stopped = first is not None
    for name, plan in plans.items():
        if stopped or dry_run:
            outcomes[name] = _untouched(plan)
            continue
        try:
            outcomes[name] = migrators[name].up(to)
        except MultidbError as error:
            outcomes[name] = migrators[name].failed(error)
            if on_error == "stop":
                first, stopped = error, True
    report = MigrationReport({name: outcomes[name] for name in names})
    if on_error == "stop":
        _raise_first(report, first)
    return report


def _names(migrators: Mapping[str, Migrator], only: Sequence[str] | None) -> list[str]:
    if only is None:
        return list(migrators)
    for name in only:
        if name not in migrators:
            raise unknown_concern(name, migrators)
        if not migrators[name].is_managed:
            raise ForeignDatabaseError(f"{name} has no migrations here: its schema is another program's", concern=name)
    return [name for name in migrators if name in only]


def _untouched(plan: Plan) -> MigrationOutcome:
    pending = tuple(script.version for script in plan.pending)
    return MigrationOutcome(
        outcome="untouched" if pending else "current",
        from_version=plan.from_version,
        to_version=plan.from_version,
        pending=pending,
    )


def _raise_first(report: MigrationReport, first: MultidbError | None) -> None:
    if first is None:
        failures = [entry.error for entry in report.values() if entry.error is not None]
        if not failures:
            return
        first = failures[0]
    if isinstance(first, MigrationError):
        first.report = report
        raise first
    raise MigrationError(
        f"{first.concern} could not be migrated: {first.message}",
        concern=first.concern,
        database=first.concern,
        hint=first.hint,
        retryable=first.retryable,
        exit_status=first.exit_status,
        report=report,
    ) from first
