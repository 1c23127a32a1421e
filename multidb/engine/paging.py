"""Pages by keyset: the rows after the last one of the page before, in one fixed order.

The cursor is text that holds the key of the last row, bound to the SQL and the key it came from. NULLs sort as
SQLite sorts them: first ascending, last descending.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from multidb.engine.writing import quoted
from multidb.errors import CursorError, StatementError
from multidb.reports import Page

if TYPE_CHECKING:
    from multidb.engine.session import Params, Session

Key = Sequence[tuple[str, str]]


def page(
    session: Session, sql: str, params: Params, *, key: Key, after: str | None, limit: int, into: type[Any]
) -> Page[Any]:
    """One page; see `Session.page`."""
    session._check_owner()
    columns, order = _check_key(key, limit)
    statement = session._look_at(sql, params)
    base = statement.text
    _refuse_own_order(session, base, params)
    places = _places(statement.columns, columns, sql)
    digest = _digest(base, columns, order)

    def read(values: tuple[Any, ...] | None, count: int) -> list[tuple[Any, ...]]:
        """`count` rows that sort after `values`, or the first ones."""
        rows: list[tuple[Any, ...]] = []
        for part in _parts(columns, order, values):
            if len(rows) < count:
                query, bound = _query(base, params, columns, order, part, count - len(rows))
                rows += session.many(query, bound)
        return rows

    rows = read(None if after is None else _decoded(after, digest, len(columns)), limit + 1)
    items: list[Any] = rows[:limit]
    cursor = None
    if len(rows) > limit:
        last, following = _key_of(rows[limit - 1], places), _key_of(rows[limit], places)
        # Equal to Python is equal to SQLite; where letters' case and trailing spaces differ, a collation decides.
        is_tie = last == following
        if not is_tie and _loosely(last) == _loosely(following):
            is_tie = [following] != [_key_of(row, places) for row in read(last, 1)]
        if is_tie:
            raise StatementError(
                "the key does not tell two rows apart, so a page would lose one of them",
                concern=session._name,
                sql=sql,
                hint="end the key in a unique column",
            )
        cursor = _encoded(digest, last)
    if into is not tuple:
        make = session._made(into, statement.columns, sql)
        items = [make(row) for row in items]
    return Page(items=items, next_cursor=cursor, has_more=cursor is not None)


def _check_key(key: Key, limit: int) -> tuple[tuple[str, ...], tuple[bool, ...]]:
    if not isinstance(limit, int) or limit < 1:
        raise StatementError("limit must be 1 or more")
    if not key:
        raise StatementError("a page needs a key to sort by")
    columns, order = [], []
    for entry in key:
        if isinstance(entry, str) or len(entry) != 2 or str(entry[1]).lower() not in ("asc", "desc"):
            raise StatementError(f"{entry!r} is no part of a key", hint='pairs like ("created_at", "desc")')
        columns.append(entry[0])
        order.append(entry[1].lower() == "desc")
    if len(set(columns)) != len(columns):
        raise StatementError("a column stands twice in the key")
    return tuple(columns), tuple(order)


def _refuse_own_order(session: Session, base: str, params: Params) -> None:
    """SQLite takes a further ORDER BY exactly where the statement has no ORDER BY or LIMIT yet."""
    try:
        session._look_at(f"{base}\nORDER BY 1", params)
    except StatementError as error:
        raise StatementError(
            "the SQL of a page must be a SELECT without ORDER BY and LIMIT of its own",
            concern=session._name,
            sql=base,
            hint="say the order in key=, the length in limit=",
        ) from error


def _places(found: tuple[str, ...], columns: tuple[str, ...], sql: str) -> tuple[int, ...]:
    for column in columns:
        if found.count(column) != 1:
            raise StatementError(
                f"the key's column {column!r} is not selected"
                if column not in found
                else f"the key's column {column!r} is selected twice",
                sql=sql,
                hint=f"selected: {', '.join(found)}",
            )
    return tuple(found.index(column) for column in columns)


def _key_of(row: tuple[Any, ...], places: tuple[int, ...]) -> tuple[Any, ...]:
    return tuple(row[place] for place in places)


def _loosely(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value.rstrip(" ").lower() if isinstance(value, str) else value for value in values)


@attrs.frozen
class _Bound:
    """A value in the middle of a condition."""

    value: Any


Condition = list[str | _Bound]


def _parts(columns: tuple[str, ...], order: tuple[bool, ...], values: tuple[Any, ...] | None) -> list[Condition]:
    """Which rows may follow, as conditions to be read one after the other until the page is full.

    In falling order NULLs come last; reading them in a part of their own leaves the first part a plain range,
    in which SQLite can seek by an index.
    """
    if values is None:
        return [[]]
    first, falls, value = quoted(columns[0]), order[0], values[0]
    after = ["(", *_after(columns, order, values), ")"]
    if value is None:
        return [[f"{first} IS NULL AND ", *after] if falls else after]
    ranged = [f"{first} {'<=' if falls else '>='} ", _Bound(value), " AND ", *after]
    return [ranged, [f"{first} IS NULL"]] if falls else [ranged]


def _after(columns: tuple[str, ...], order: tuple[bool, ...], values: tuple[Any, ...]) -> Condition:
    """The condition "sorts after `values`": for each column, equal up to it and past its value."""
    found: Condition = ["0"]
    for place, (column, falls, value) in enumerate(zip(columns, order, values, strict=True)):
        if value is None and falls:
            continue  # nothing sorts after NULL in falling order
        found.append(" OR (")
        for n in range(place):
            found += [f"{quoted(columns[n])} IS ", _Bound(values[n]), " AND "]
        if value is None:
            found.append(f"{quoted(column)} IS NOT NULL)")
        elif falls and place > 0:
            found += [f"({quoted(column)} < ", _Bound(value), f" OR {quoted(column)} IS NULL))"]
        else:
            found += [f"{quoted(column)} {'<' if falls else '>'} ", _Bound(value), ")"]
    return found


def _query(
    base: str,
    params: Params,
    columns: tuple[str, ...],
    order: tuple[bool, ...],
    condition: Condition,
    limit: int,
) -> tuple[str, Any]:
    """The page's statement and its parameters, in the style (`?` or `:name`) of the caller's."""
    bound = {f"multidb_{n}": part.value for n, part in enumerate(condition) if isinstance(part, _Bound)}
    named = isinstance(params, Mapping)
    where = "".join(
        part if isinstance(part, str) else f":multidb_{n}" if named else "?" for n, part in enumerate(condition)
    )
    by = ", ".join(f"{quoted(c)} {'DESC' if d else 'ASC'}" for c, d in zip(columns, order, strict=True))
    where = f" WHERE {where}" if where else ""
    sql = f"SELECT * FROM (\n{base}\n){where}\nORDER BY {by}\nLIMIT {limit:d}"  # noqa: S608  # names are quoted
    return sql, {**params, **bound} if isinstance(params, Mapping) else (*params, *bound.values())


def _digest(sql: str, columns: tuple[str, ...], order: tuple[bool, ...]) -> str:
    import hashlib  # here and below: not before somebody pages

    return hashlib.sha256(repr((sql, columns, order)).encode()).hexdigest()[:16]


def _encoded(digest: str, values: tuple[Any, ...]) -> str:
    import base64
    import json

    text = json.dumps([digest, [_plain(value) for value in values]], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")


def _decoded(cursor: str, digest: str, width: int) -> tuple[Any, ...]:
    import base64
    import json

    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found, values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        values = tuple(_value(value) for value in _list(values))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CursorError("this is no cursor of a page", hint="pass next_cursor as it was given") from error
    if found != digest or len(values) != width:
        raise CursorError("the cursor is of another statement or key", hint="begin again without after=")
    return values


def _plain(value: Any) -> Any:
    """A value of SQLite's in JSON, exactly: a blob and an infinity are marked."""
    import base64

    if isinstance(value, bytes):
        return {"blob": base64.b64encode(value).decode("ascii")}
    if isinstance(value, float) and math.isinf(value):
        return {"float": str(value)}
    return value


def _list(found: Any) -> list[Any]:
    if not isinstance(found, list):
        raise TypeError("no list")
    return found


def _value(found: Any) -> Any:
    import base64

    if isinstance(found, dict):
        return base64.b64decode(found["blob"], validate=True) if "blob" in found else float(found["float"])
    if isinstance(found, (list, bool)) or (isinstance(found, int) and not -(2**63) <= found < 2**63):
        raise ValueError("no value of SQLite")
    return found
