"""`vacuum`, `optimize` and `checkpoint`: care for files that stand; none is made here."""

from __future__ import annotations

import click

from multidb.cli import desk
from multidb.cli.answer import Answer, Table, exit_status, failures_of
from multidb.cli.invocation import Invocation
from multidb.cli.render import bytes_text
from multidb.cli.verb import Verb
from multidb.reports import UpkeepReport

_NAMES = click.argument("names", metavar="[NAME]...", nargs=-1)


@click.command(cls=Verb, example="multidb vacuum chat")
@_NAMES
@click.pass_obj
def vacuum(invocation: Invocation, names: tuple[str, ...]) -> Answer:
    """Rebuild files without their free pages: all of ours, or those named.

    Needs free space of twice the file, and nobody else at work on it meanwhile.
    """
    with desk.working(invocation, names) as dbs:
        return _told(dbs.vacuum(names or None))


@click.command(cls=Verb, example="multidb optimize")
@_NAMES
@click.pass_obj
def optimize(invocation: Invocation, names: tuple[str, ...]) -> Answer:
    """Bring SQLite's statistics on tables up to date, so that it plans queries well; a bounded sample."""
    with desk.working(invocation, names) as dbs:
        return _told(dbs.optimize(names or None))


@click.command(cls=Verb, example="multidb checkpoint")
@_NAMES
@click.pass_obj
def checkpoint(invocation: Invocation, names: tuple[str, ...]) -> Answer:
    """Copy write-ahead logs back into their databases and empty them.

    Waits for nobody: where a reader is in the way it exits 11, and the next try, or SQLite itself, finishes the work.
    """
    with desk.working(invocation, names) as dbs:
        return _told(dbs.checkpoint(names or None))


def _told(report: UpkeepReport) -> Answer:
    failures = failures_of(entry.error for entry in report.values())
    rows = tuple(
        (
            name,
            entry.outcome,
            bytes_text(entry.before_bytes),
            bytes_text(entry.after_bytes),
            f"{entry.duration_ms:.0f} ms",
        )
        for name, entry in report.items()
    )
    return Answer(
        exit=exit_status(failures, is_partly_done=any(entry.outcome == "done" for entry in report.values())),
        databases=report.to_dict()["databases"],
        failures=failures,
        table=Table(("database", "outcome", "before", "after", "took"), rows),
        is_talk=True,
    )
