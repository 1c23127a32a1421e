"""Turning SQLite's tuples into what the caller asked for: tuples, dictionaries, or an attrs class."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import itemgetter
from typing import Any

import attrs

from multidb.errors import StatementError

Maker = Callable[[tuple[Any, ...]], Any]


def maker(into: type[Any], columns: tuple[str, ...], sql: str) -> Maker:
    """The function that makes one row, checked once for a class and the columns of a statement.

    Raises StatementError where a dictionary would lose a repeated column, or a class's fields are not the
    columns, in their order or another.
    """
    if not isinstance(into, type):
        raise StatementError(f"into must be tuple, dict or an attrs class, not {into!r}", sql=sql)
    try:
        return _maker(into, columns)  # type: ignore[arg-type]  # classes are hashable
    except StatementError as error:
        raise StatementError(error.message, sql=sql, hint=error.hint) from None


@lru_cache(maxsize=512)
def _maker(into: type[Any], columns: tuple[str, ...]) -> Maker:
    if into is tuple:
        return tuple
    if into is dict:
        if len(set(columns)) != len(columns):
            twice = sorted({name for name in columns if columns.count(name) > 1})
            raise StatementError(
                f"a dictionary cannot hold two columns called {twice[0]!r}",
                hint="give each column a name of its own with AS",
            )
        return lambda row: dict(zip(columns, row, strict=True))
    if not attrs.has(into):
        raise StatementError(f"into must be tuple, dict or an attrs class, not {into.__name__}")
    fields = [field for field in attrs.fields(into) if field.init]
    names = tuple(field.name for field in fields)
    if sorted(names) != sorted(columns):
        missing = sorted(set(names) - set(columns))
        extra = sorted(set(columns) - set(names))
        raise StatementError(
            f"{into.__name__} does not fit the columns:"
            + (f" missing {', '.join(missing)}" if missing else "")
            + (f" not a field: {', '.join(extra)}" if extra else "")
            + ("" if missing or extra else " a column is repeated"),
            hint="select exactly the fields of the class, by name",
        )
    if any(field.kw_only for field in fields):
        aliases = [next(field.alias or field.name for field in fields if field.name == name) for name in columns]
        return lambda row: into(**dict(zip(aliases, row, strict=True)))
    if columns == names:
        return lambda row: into(*row)
    order = itemgetter(*(columns.index(name) for name in names))
    return lambda row: into(*order(row))
