"""A run over several databases: all checked first, then one after the other, with an honest outcome for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import attrs

from multidb.concerns import closest, unknown_concern
from multidb.errors import (
    ConfigError,
    DuplicateVersionError,
    ForeignDatabaseError,
    MigrationError,
    MigrationFileError,
    MultidbError,
)
from multidb.places import State
from multidb.reports import MigrationOutcome, MigrationReport
from multidb.schema.header import Requirement
from multidb.schema.migrator import Migrator
from multidb.schema.order import put_in_order
from multidb.schema.plan import Plan

OnError = Literal["stop", "continue"]


def migrate_all(
    migrators: Mapping[str, Migrator],
    only: Sequence[str] | None,
    *,
    to: int | str | None,
    dry_run: bool,
    on_error: OnError,
) -> MigrationReport:
    """Run what is pending; see `MultiDB.migrate`."""
    if on_error not in ("stop", "continue"):
        raise ConfigError(f"on_error cannot be {on_error!r}", hint=closest(str(on_error), ("stop", "continue")))
    names = _names(migrators, only)
    if to is not None and (only is None or len(names) != 1):
        raise ConfigError("a target version needs the name of one database", hint="migrate('chat', to=3)")
    run = _Run(migrators=migrators, stops=on_error == "stop")
    run.plan(names, to)
    if not dry_run:
        run.carry_out()
    report = MigrationReport({name: run.outcomes[name] for name in names})
    if run.stops:
        _raise_first(report, run.first)
    return report


@attrs.define(kw_only=True)
class _Run:
    """What is known so far. `first` is the failure that stops the run."""

    migrators: Mapping[str, Migrator]
    stops: bool
    plans: dict[str, Plan] = attrs.field(factory=dict)
    legs: tuple[Plan, ...] = ()
    outcomes: dict[str, MigrationOutcome] = attrs.field(factory=dict)
    first: MultidbError | None = None

    def plan(self, names: Sequence[str], to: int | str | None) -> None:
        """Check every database and every file, and put the run in order; nothing is run."""
        for name in names:
            migrator = self.migrators[name]
            if not migrator.is_managed:
                self.outcomes[name] = MigrationOutcome(outcome="unmanaged")
                continue
            try:
                self.plans[name] = migrator.plan(to)
                self.outcomes[name] = _untouched(self.plans[name])
            except MultidbError as error:
                # One that could not be opened does not stop the others; a file that cannot be trusted does.
                is_of_files = isinstance(error, (MigrationFileError, DuplicateVersionError))
                self._fail(name, error, stops=is_of_files or migrator.database.state is not State.FAILED)
        order = put_in_order(self.plans, self._is_applied)
        self.legs = order.legs
        for name, stuck in order.stuck.items():
            self._fail(name, stuck)

    def carry_out(self) -> None:
        """Run the legs in order, to the first failure if that stops the run; one that has failed is let be."""
        for leg in self.legs:
            name = leg.database
            if self.outcomes[name].outcome == "failed" or (self.stops and self.first is not None):
                continue
            try:
                done = self.migrators[name].carry_out(leg)
            except MultidbError as error:
                self._fail(name, error.within(name))
                continue
            before = self.outcomes[name]
            self.outcomes[name] = attrs.evolve(
                done,
                outcome="applied" if before.applied else done.outcome,
                from_version=self.plans[name].from_version if before.applied else done.from_version,
                applied=before.applied + done.applied,
                pending=tuple(version for version in before.pending if version > (done.to_version or 0)),
                duration_ms=round(before.duration_ms + done.duration_ms, 3),
            )

    def _is_applied(self, requirement: Requirement) -> bool:
        try:
            return requirement.database in self.migrators and self.migrators[requirement.database].has_applied(
                requirement
            )
        except MultidbError:
            return False  # nobody can tell: its own outcome, or its status, says why

    def _fail(self, name: str, error: MultidbError, *, stops: bool = True) -> None:
        before, plan = self.outcomes.get(name), self.plans.get(name)
        failed = self.migrators[name].failed(error.within(name), plan)
        if before is not None and before.applied:  # by an earlier leg
            failed = attrs.evolve(failed, applied=before.applied + failed.applied)
        self.outcomes[name] = failed
        if stops and self.first is None:
            self.first = error


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
    return MigrationOutcome(
        outcome="untouched" if plan.pending else "current",
        from_version=plan.from_version,
        to_version=plan.from_version,
        pending=plan.pending_versions,
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
        sqlite_code=first.sqlite_code,
        report=report,
    ) from first
