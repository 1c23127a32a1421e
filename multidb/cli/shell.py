"""`shell`: statements typed at a prompt, or read from a pipe, on one database."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from io import TextIOWrapper
from typing import Final

import click

from multidb.cli import desk
from multidb.cli.answer import Answer, failures_of
from multidb.cli.formats import cell
from multidb.cli.invocation import Invocation
from multidb.cli.params import Params
from multidb.cli.querying import FORMAT, changing, reading
from multidb.cli.render import say, say_failures, talk
from multidb.cli.statements import Statements
from multidb.cli.verb import Verb
from multidb.concerns import closest
from multidb.database import Database
from multidb.errors import MultidbError, StatementError

_COMMANDS: Final = {
    ".help": "this list",
    ".tables": "the tables and views",
    ".schema": "the statements that make the schema, or with a name those of one table",
    ".quit": "end",
}
_TABLES: Final = """
SELECT name, type
FROM pragma_table_list
WHERE schema = 'main' AND type <> 'shadow' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
ORDER BY name"""
_SCHEMA: Final = """
SELECT sql
FROM sqlite_schema
WHERE sql IS NOT NULL AND (:name = '' OR tbl_name = :name)
  AND tbl_name NOT IN (SELECT name FROM pragma_table_list WHERE type = 'shadow')
ORDER BY tbl_name, type = 'table' DESC, name"""


@click.command(
    cls=Verb,
    example="multidb shell chat\n  echo 'SELECT count(*) FROM chats;' | multidb shell chat",
)
@click.argument("name")
@click.option("--write", is_flag=True, help="Let statements change the database, each a transaction of its own.")
@FORMAT
@click.pass_obj
def shell(invocation: Invocation, name: str, write: bool, form: str) -> Answer:
    """Type SQL statements at the database NAME, or pipe them in.

    A statement ends with a semicolon; .help lists the commands. Ctrl-C stops a statement, or drops what was typed;
    Ctrl-D ends. What was typed is not stored. From a pipe the first error ends it, with that error's exit status; with
    --json the document has a list `answers`, one entry a statement.
    """
    with desk.working(invocation, (name,), read_only=not write) as dbs:
        session = Shell(dbs[name], invocation, form, is_writing=write)
        if sys.stdin is not None and sys.stdin.isatty() and not invocation.json:
            session.converse()
        else:
            session.obey(sys.stdin or ())
    return Answer()


class _Quit(Exception):
    """`.quit` was typed."""


class Shell:
    """Runs one statement or command after the other on a database."""

    def __init__(self, database: Database, invocation: Invocation, form: str, *, is_writing: bool) -> None:
        self._database = database
        self._invocation = invocation
        self._form = form
        self._run = changing if is_writing else reading
        self._statements = Statements()
        if invocation.json:
            invocation.document().enter("[", "answers")

    def obey(self, lines: Iterable[str]) -> None:
        """Run what a pipe brings, up to the first error, which is raised."""
        try:
            for line in _decoded(lines):
                for statement in self._statements.feed(line):
                    self._do(statement)
            for statement in self._statements.rest():
                self._do(statement)
        except _Quit:
            pass

    def converse(self) -> None:
        """Run what a person types; errors are told and the next line is asked for."""
        with contextlib.suppress(ImportError):  # a Python built without it reads plain lines
            import readline  # noqa: F401  # importing it is what gives input() its line editing

        what = "changes are committed statement by statement" if self._run is changing else "reading only"
        talk(self._invocation, f"{self._database.path}: {what}. Statements end with a semicolon, .help lists commands.")
        while True:
            try:
                for statement in self._statements.feed(self._asked()):
                    self._do(statement)
            except (_Quit, EOFError):
                return
            except KeyboardInterrupt:
                self._statements.rest()
                talk(self._invocation, "")
            except MultidbError as error:
                self._invocation.out.flush()
                say_failures(failures_of([error]), self._invocation)

    def _asked(self) -> str:
        """The next line; EOFError at the end."""
        self._invocation.out.flush()
        prompt = f"{' ' * (len(self._database.name) - 3)}...> " if self._statements.is_inside else ""
        prompt = prompt or f"{self._database.name}> "
        if self._invocation.out.is_terminal:
            return input(prompt) + "\n"
        sys.stderr.write(prompt)  # stdout is for data, and is going elsewhere
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line

    def _do(self, statement: str) -> None:
        if statement.startswith("."):
            self._command(*statement.split(maxsplit=1))
        else:
            self._show(statement)

    def _command(self, command: str, argument: str = "") -> None:
        if command == ".quit":
            raise _Quit
        if command == ".tables":
            self._show(_TABLES, reads=True)
        elif command == ".schema":
            self._schema(argument.strip('"'))
        elif command == ".help":
            for name, meaning in _COMMANDS.items():
                say(f"{name:<8} {meaning}")
        else:
            raise StatementError(f"there is no command {command}", hint=closest(command, _COMMANDS))

    def _schema(self, name: str) -> None:
        if self._invocation.json or self._form != "table":
            self._show(_SCHEMA, Params({"name": name}), reads=True)
            return
        for (sql,) in self._database.many(_SCHEMA, {"name": name}):
            self._invocation.out.write("\n".join(map(cell, sql.split("\n"))) + ";\n")

    def _show(self, sql: str, params: Params | None = None, *, reads: bool = False) -> None:
        run = reading if reads else self._run
        values = Params({}) if params is None else params
        answer = run(self._database, sql, values, self._form, None, self._invocation, is_one_of_many=True)
        self._invocation.out.flush()
        for note in answer.notes:
            talk(self._invocation, note)


def _decoded(lines: Iterable[str]) -> Iterator[str]:
    if isinstance(lines, TextIOWrapper):
        lines.reconfigure(encoding="utf-8-sig")
    try:
        yield from lines
    except UnicodeDecodeError:
        raise StatementError("the input is not UTF-8") from None
