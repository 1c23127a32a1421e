"""Looking at a statement before it runs the first time: is it one, is it whole, does it write.

SQLite compiles it and an execution tracer stops it before its first step, so nothing is parsed here and
nothing is run. The compiled form stays in APSW's cache for the run that follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

import apsw

from multidb.engine.tokens import words
from multidb.errors import StatementError


class Statement:
    """What SQLite says of one statement."""

    __slots__ = ("asks_rowid", "columns", "is_readonly", "text")

    def __init__(self, text: str, columns: tuple[str, ...], *, is_readonly: bool) -> None:
        self.text = text.strip().rstrip(";").rstrip()
        self.columns = columns
        self.is_readonly = is_readonly or next(words(text), "").upper() == "PRAGMA"  # as the guard lets them pass
        self.asks_rowid = "last_insert_rowid" in text.lower()


def look_at(connection: apsw.Connection, sql: str, params: Any) -> Statement:
    """The facts of the one statement in `sql`; `params` are needed because SQLite counts them first.

    Raises StatementError for no statement, for more than one, and for a NUL character, which SQLite would take
    as the end; APSW's errors, for syntax, names and parameters, come as they are.
    """
    if not isinstance(sql, str):
        raise StatementError(f"SQL must be text, not {type(sql).__name__}")
    if "\0" in sql:
        raise StatementError("SQL text holds a NUL character", sql=sql)
    if not isinstance(params, (Sequence, Mapping, NoneType)):  # what can be read once only would be used up here
        raise StatementError(f"parameters must be a sequence or a mapping, not {type(params).__name__}", sql=sql)
    found = _traced(connection, sql, params)
    if found is None:
        raise StatementError("there is no statement in this SQL text", sql=sql)
    text, statement = found
    if _has_more(connection, sql[len(text) :]):
        raise StatementError("one statement a call: this SQL text holds more", sql=sql, hint="run them one by one")
    return statement


def _traced(connection: apsw.Connection, sql: str, params: Any) -> tuple[str, Statement] | None:
    found: list[tuple[str, Statement]] = []

    def stop(cursor: apsw.Cursor, text: str, _: object) -> bool:
        if cursor.has_vdbe:
            columns = tuple(column[0] for column in cursor.get_description())
            is_readonly = cursor.is_readonly or cursor.is_explain > 0  # explained, it is not run
            found.append((text, Statement(text, columns, is_readonly=is_readonly)))
        return False

    cursor = connection.cursor()
    cursor.exec_trace = stop
    try:
        cursor.execute(sql, params)
    except apsw.ExecTraceAbort:
        pass
    return found[0] if found else None


def _has_more(connection: apsw.Connection, rest: str) -> bool:
    if not rest.strip(" \t\r\n\f;"):
        return False
    try:
        return _traced(connection, rest, None) is not None
    except apsw.Error:  # it does not even compile, or wants parameters: something stands there
        return True
