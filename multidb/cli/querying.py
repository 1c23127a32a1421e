"""`query`: one statement on one database, its rows to stdout as they come."""

from __future__ import annotations

from itertools import islice

import click

from multidb.cli import desk
from multidb.cli.answer import Answer
from multidb.cli.invocation import Invocation
from multidb.cli.params import Params, params_of
from multidb.cli.render import FORMATS, show_rows
from multidb.cli.verb import Verb
from multidb.database import Database
from multidb.engine.session import Session
from multidb.errors import ReadOnlySessionError

FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How rows are printed without --json.",
)


@click.command(
    cls=Verb,
    example="multidb query chat 'SELECT id, title FROM chats WHERE title = :t' -p t=Hello",
)
@click.argument("name")
@click.argument("sql")
@click.option(
    "--param",
    "-p",
    "given",
    metavar="NAME=VALUE",
    multiple=True,
    help='A value for :NAME, as text; NAME:=VALUE is JSON (a number, null, {"$base64": ...}). May be repeated.',
)
@click.option("--write", is_flag=True, help="Run it as a transaction that may change the database.")
@FORMAT
@click.option("--limit", type=click.IntRange(min=0), metavar="N", help="Print at most N rows.")
@click.pass_obj
def query(
    invocation: Invocation,
    name: str,
    sql: str,
    given: tuple[str, ...],
    write: bool,
    form: str,
    limit: int | None,
) -> Answer:
    """Run one SQL statement on the database NAME and print its rows.

    Without --write only that database is opened, for reading, and nothing is left behind in its folder. Rows stream: a
    million of them take no more memory than ten. In CSV and JSON lines a NULL is empty or null, a BLOB is
    {"$base64": "..."}, infinities are Infinity and -Infinity.
    """
    params = params_of(given)
    with desk.working(invocation, (name,), read_only=not write) as dbs:
        run = changing if write else reading
        return run(dbs[name], sql, params, form, limit, invocation)


def reading(
    database: Database,
    sql: str,
    params: Params,
    form: str,
    limit: int | None,
    invocation: Invocation,
    *,
    is_one_of_many: bool = False,
) -> Answer:
    """Print the rows of a statement that only reads; they are one moment of the database."""
    try:
        with database.read() as session:
            columns = columns_of(session, sql, params)
            with session.iterate(sql, params or ()) as stream:
                rows = stream if limit is None else islice(stream, limit)
                show_rows(columns, rows, form, invocation, is_one_of_many=is_one_of_many)
    except ReadOnlySessionError as error:
        error.hint = "--write runs it as a transaction"
        raise
    return Answer()


def changing(
    database: Database,
    sql: str,
    params: Params,
    form: str,
    limit: int | None,
    invocation: Invocation,
    *,
    is_one_of_many: bool = False,
) -> Answer:
    """Run a statement as a transaction and print what it returned once that is committed."""
    with database.write() as session:
        columns = columns_of(session, sql, params)
        result = session.execute(sql, params or ())
    changed = {"changes": result.changes, "last_rowid": result.last_rowid}
    show_rows(columns, result.rows[:limit], form, invocation, is_one_of_many=is_one_of_many, fields=changed)
    note = f"{result.changes} row{'' if result.changes == 1 else 's'} changed"
    return Answer(notes=(note,) if result.changes or not columns else ())


def columns_of(session: Session, sql: str, params: Params) -> tuple[str, ...]:
    """The names of the columns, also where no row comes; StatementError for a value that nobody asked for."""
    columns = session._look_at(sql, params or ()).columns  # a stream has no word for its columns so far
    params.refuse_unused(sql)
    return columns
