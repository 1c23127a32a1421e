"""`up` and `migrate`: bringing the databases to the schema that this program knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import click

from multidb.cli import desk
from multidb.cli.answer import Answer, Table, exit_status, failures_of
from multidb.cli.invocation import Invocation
from multidb.cli.overview import checked, told
from multidb.cli.render import joined, or_dash
from multidb.cli.verb import Verb, Verbs, refuse_none
from multidb.errors import MigrationError, MultidbError
from multidb.reports import MigrationReport

_DONE = ("applied", "current")
_NAMES = click.argument("names", metavar="[NAME]...", nargs=-1)
_TO = click.option("--to", metavar="VERSION", help="Stop at this version or label; needs one NAME.")


@click.command(
    cls=Verb,
    example="multidb --root ~/.myapp/db up",
)
@click.pass_obj
def up(invocation: Invocation) -> Answer:
    """Open every database and run every pending migration: the main job.

    The root and missing files are made. A database that fails does not stop the others: then the exit status is 3,
    and errors say what to do about it. Running it again changes nothing.
    """
    with desk.making(invocation) as dbs:
        report = dbs.migrate(on_error="continue")
        opened = [entry.error for name, entry in dbs.open_report.items() if report[name].error is None]
        root = dbs.settings.root
    return _told(report, opened, note=f"the databases are in {root}")


@click.group(cls=Verbs)
@click.pass_context
def migrate(context: click.Context) -> None:
    """Migrations of some databases: where they stand, what would run, run it."""
    refuse_none(context)


@migrate.command("status", cls=Verb, short_help="How many are pending.", example="multidb migrate status chat --check")
@_NAMES
@click.option("--check", is_flag=True, help="Exit 12 when a migration is pending, or as the first error says.")
@click.pass_obj
def migrate_status(invocation: Invocation, names: tuple[str, ...], check: bool) -> Answer:
    """The schema version of every database, or of those named, and how many migrations are pending.

    Creates and writes nothing.
    """
    with desk.looking(invocation, names) as dbs:
        report = dbs.status()
        root = dbs.settings.root
    return told(report, root, exit=checked(report) if check else 0)


@migrate.command(
    "plan", cls=Verb, short_help="What `migrate up` would run.", example="multidb migrate plan chat --to 2"
)
@_NAMES
@_TO
@click.pass_obj
def migrate_plan(invocation: Invocation, names: tuple[str, ...], to: str | None) -> Answer:
    """What `migrate up` would run, in order. Creates and writes nothing."""
    with desk.looking(invocation, names) as dbs:
        report = dbs.migrate(names or None, to=to, dry_run=True, on_error="continue")
    return _told(report, is_talk=False)


@migrate.command("up", cls=Verb, short_help="Run what is pending.", example="multidb migrate up chat code")
@_NAMES
@_TO
@click.option(
    "--on-error",
    type=click.Choice(["stop", "continue"]),
    default="stop",
    show_default=True,
    help="What becomes of the databases after a failing one.",
)
@click.pass_obj
def migrate_up(
    invocation: Invocation, names: tuple[str, ...], to: str | None, on_error: Literal["stop", "continue"]
) -> Answer:
    """Run the pending migrations of every database, or of those named.

    With --on-error stop everything is checked before anything runs, and the first failure leaves the databases after
    it untouched.
    """
    with desk.making(invocation, names) as dbs:
        try:
            report = dbs.migrate(names or None, to=to, on_error=on_error)
        except MigrationError as error:
            if error.report is None:
                raise
            report = error.report
    return _told(report)


def _told(
    report: MigrationReport,
    opened: Iterable[MultidbError | None] = (),
    *,
    note: str | None = None,
    is_talk: bool = True,
) -> Answer:
    failures = failures_of([*(entry.error for entry in report.values()), *opened])
    is_partly_done = any(entry.outcome in _DONE for entry in report.values())
    rows = tuple(
        (
            name,
            entry.outcome,
            or_dash(entry.from_version),
            or_dash(entry.to_version),
            joined(entry.applied),
            joined(entry.pending),
        )
        for name, entry in report.items()
    )
    return Answer(
        exit=exit_status(failures, is_partly_done=is_partly_done),
        databases=report.to_dict()["databases"],
        failures=failures,
        table=Table(("database", "outcome", "from", "to", "applied", "pending"), rows),
        is_talk=is_talk,
        notes=() if note is None else (note,),
    )
