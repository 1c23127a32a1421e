"""Turning SQLite's tuples into what the caller asked for: tuples, dictionaries, or an attrs class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from multidb.errors import StatementError

Maker = Callable[[tuple[Any, ...]], Any]


def maker(into: type[Any], columns: tuple[str, ...], sql: str) -> Maker:
    """The function that makes one row, checked once against the statement's columns.

    Raises StatementError where a dictionary would lose a repeated column, or a class's fields are not the
    columns in their order or another.
    """
    if into is dict:
        if len(set(columns)) != len(columns):
            twice = sorted({name for name in columns if columns.count(name) > 1})
            raise StatementError(
                f"a dictionary cannot hold two columns called {twice[0]!r}",
                sql=sql,
                hint="give each column a name of its own with AS",
            )
        return lambda row: dict(zip(columns, row, strict=True))
    if not (isinstance(into, type) and attrs.has(into)):
        raise StatementError(f"into must be tuple, dict or an attrs class, not {into!r}", sql=sql)
    fields = {field.name: field.alias or field.name for field in attrs.fields(into) if field.init}
    if set(fields) != set(columns) or len(columns) != len(fields):
        missing = sorted(set(fields) - set(columns))
        extra = sorted(set(columns) - set(fields))
        raise StatementError(
            f"{into.__name__} does not fit the columns:"
            + (f" missing {', '.join(missing)}" if missing else "")
            + (f" not a field: {', '.join(extra)}" if extra else "")
            + ("" if missing or extra else " a column is repeated"),
            sql=sql,
        )
    aliases = tuple(fields[column] for column in columns)
    if columns == tuple(fields) and not any(field.kw_only for field in attrs.fields(into) if field.init):
        return lambda row: into(*row)
    return lambda row: into(**dict(zip(aliases, row, strict=True)))
