"""`status`, `stats` and `config`: looking, without making or changing anything."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from multidb.cli import desk
from multidb.cli.answer import Answer, Table, exit_status, failures_of
from multidb.cli.invocation import Invocation
from multidb.cli.render import bytes_text, joined, or_dash
from multidb.cli.verb import Verb
from multidb.errors import AbsentError
from multidb.places import State
from multidb.reports import DatabaseStatus, StatusReport, plain

PENDING_EXIT = 12


@click.command(cls=Verb, example="multidb status --check || multidb up")
@click.option("--check", is_flag=True, help="Exit 12 when a migration is pending, or as the first error says.")
@click.pass_obj
def status(invocation: Invocation, check: bool) -> Answer:
    """The state, schema version and size of every database.

    Nothing is created or written, not even a missing root, whose databases are "absent" with everything pending.
    Exits 0 whenever it could report.
    """
    with desk.looking(invocation) as dbs:
        report = dbs.status()
        root = dbs.settings.root
    return told(report, root, exit=checked(report) if check else 0)


def checked(report: StatusReport) -> int:
    """What `--check` exits with: 12 when anything is pending, else what the first failing database says."""
    if any(entry.pending for entry in report.values()):
        return PENDING_EXIT
    return exit_status(failures_of(entry.error for entry in report.values()), is_partly_done=False)


def told(report: StatusReport, root: Path, *, exit: int) -> Answer:
    """The answer for a status report; files are named as seen from the root."""
    columns = ("database", "state", "version", "pending", "size", "wal", "file")
    return Answer(
        exit=exit,
        databases=report.to_dict()["databases"],
        failures=failures_of(entry.error for entry in report.values()),
        table=Table(columns, tuple(_row(name, entry, root) for name, entry in report.items())),
        notes=(f"the root is {root}",),
    )


def _state(state: str) -> str:
    """A state for people: that we look at it through a connection that cannot write is no news."""
    return "ok" if state in (State.READY, State.READ_ONLY) else state


def _row(name: str, entry: DatabaseStatus, root: Path) -> tuple[str, ...]:
    path = Path(entry.path)
    foreign = f" ({entry.foreign.generation or entry.foreign.kind})" if entry.foreign is not None else ""
    version = or_dash(entry.schema_version) + (" (ahead)" if entry.ahead else "")
    pending = str(entry.pending) if entry.pending else "-"
    return (
        name,
        _state(entry.state) + foreign,
        version,
        pending,
        bytes_text(entry.size_bytes),
        bytes_text(entry.wal_bytes or None),
        str(path.relative_to(root) if path.is_relative_to(root) else path),
    )


@click.command(
    cls=Verb,
    example="multidb stats --json | jq .databases.chat.pages",
)
@click.option("--level", type=click.Choice(["cheap"]), default="cheap", show_default=True, help="How much to look at.")
@click.pass_obj
def stats(invocation: Invocation, level: Literal["cheap"]) -> Answer:
    """Sizes, pages, the write-ahead log and caches of every database.

    Read without a side effect, in microseconds a database. What an open application's connections do is not seen from
    here: those numbers are this process's own.
    """
    with desk.looking(invocation) as dbs:
        report = dbs.stats(level)
    failures = failures_of(entry.error for entry in report.values() if not isinstance(entry.error, AbsentError))
    is_partly_done = any(entry.pages is not None for entry in report.values())
    rows = tuple(
        (
            name,
            _state(entry.state),
            bytes_text(entry.size_bytes),
            bytes_text(entry.wal_bytes or None),
            or_dash(entry.pages),
            or_dash(entry.page_size),
            or_dash(entry.freelist_pages),
            "-" if entry.wal_frames is None else f"{entry.wal_checkpointed}/{entry.wal_frames}",
        )
        for name, entry in report.items()
    )
    return Answer(
        exit=exit_status(failures, is_partly_done=is_partly_done),
        databases=report.to_dict()["databases"],
        failures=failures,
        table=Table(("database", "state", "size", "wal", "pages", "page size", "free", "wal frames"), rows),
    )


@click.command(
    cls=Verb,
    example="multidb --config my.toml config | grep chat",
)
@click.pass_obj
def config(invocation: Invocation) -> Answer:
    """Every setting in force and where it comes from.

    An option wins over the environment, the environment over the file, the file over the default. The file is
    --config, else MULTIDB_CONFIG, else multidb.toml in the root, else in the user's configuration folder. No database
    is opened.
    """
    settings = invocation.settings()
    found = settings.effective()
    rows = tuple((name, _shown(setting.value), setting.origin) for name, setting in found.items())
    return Answer(
        fields={"settings": plain(found), "settings_file": plain(settings.file)},
        table=Table(("setting", "value", "origin"), rows),
        notes=(f"settings file: {settings.file or 'none'}",),
    )


def _shown(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return joined(value)
    if isinstance(value, bool):
        return str(value).lower()
    return or_dash(value)
