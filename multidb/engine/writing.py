"""Writing many rows at once, and undoing a part of a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from itertools import count, islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal

import apsw
import attrs

from multidb.engine.failures import CAUGHT
from multidb.errors import MultidbError, StatementError
from multidb.reports import InsertResult

if TYPE_CHECKING:
    from multidb.engine.session import Session

OnConflict = Literal["error", "ignore", "replace", "update"]
_NAMES: Final = count(1)


class Savepoint:
    """A block inside a transaction; an exception that leaves it undoes the block alone."""

    __slots__ = ("_callbacks", "_name", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._name = f"multidb_{next(_NAMES)}"
        self._callbacks = 0

    def __enter__(self) -> Session:
        self._session._check_owner()
        self._callbacks = len(getattr(self._session, "_after_commit", ()))
        self._session._handle.control(f"SAVEPOINT {self._name}")
        return self._session

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        handle = self._session._handle
        if not handle.in_transaction:  # SQLite has rolled back the whole transaction already
            return
        if error is not None:
            handle.control(f"ROLLBACK TO {self._name}")
            del getattr(self._session, "_after_commit", [])[self._callbacks :]
        try:
            handle.control(f"RELEASE {self._name}")
        except apsw.Error as failure:
            self._session._fail(failure, None)


class _Rows:
    """An iterable of parameters that remembers an error of its own source, to tell it from SQLite's."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self._rows = rows
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._rows
        except BaseException as error:
            self.error = error
            raise


def _run_many(session: Session, sql: str, rows: Iterable[Any]) -> None:
    source = _Rows(rows)
    try:
        session._handle.connection.executemany(sql, source)
    except CAUGHT as error:
        if error is source.error:
            raise
        session._fail(error, sql)


def executemany(session: Session, sql: str, rows: Iterable[Any]) -> int:
    """Run `sql` for each of `rows`; the rows that it changed itself, triggers not counted."""
    iterator = iter(rows)
    head = list(islice(iterator, 1))
    if not head:
        session._check_owner()
        return 0
    session._admit(sql, head[0])
    connection = session._handle.connection
    changed = 0

    def counted() -> Iterator[Any]:
        nonlocal changed
        before = connection.total_changes()
        for part in (head, iterator):
            for row in part:
                yield row
                after = connection.total_changes()
                if after != before:
                    changed += connection.changes()
                    before = after

    with Savepoint(session):
        _run_many(session, sql, counted())
    return changed


def insert_many(
    scope: Callable[[], AbstractContextManager[Session]],
    table: str,
    rows: Iterable[Any],
    *,
    batch: int,
    on_conflict: OnConflict,
    atomic: bool,
) -> InsertResult:
    """Insert in batches of equal columns; see `Session.insert_many`.

    `scope` enters what is undone as a whole when an error leaves it: all batches, or each.
    """
    if not isinstance(batch, int) or batch < 1:
        raise StatementError("batch must be 1 or more")
    if on_conflict not in ("error", "ignore", "replace", "update"):
        raise StatementError(f"on_conflict cannot be {on_conflict!r}", hint="error, ignore, replace or update")
    tally = _Tally()
    if atomic:
        with scope() as session:
            for columns, values in _batches(rows, batch):
                tally.add(_insert(session, table, columns, values, on_conflict))
        return tally.result()
    try:
        for columns, values in _batches(rows, batch):
            with scope() as session:
                step = _insert(session, table, columns, values, on_conflict)
            tally.add(step)
    except MultidbError as error:
        error.inserted = tally.inserted
        raise
    return tally.result()


class _Tally:
    def __init__(self) -> None:
        self.inserted = self.updated = self.ignored = 0

    def add(self, step: tuple[int, int, int]) -> None:
        self.inserted += step[0]
        self.updated += step[1]
        self.ignored += step[2]

    def result(self) -> InsertResult:
        return InsertResult(inserted=self.inserted, updated=self.updated, ignored=self.ignored)


def _batches(rows: Iterable[Any], size: int) -> Iterator[tuple[tuple[str, ...], list[tuple[Any, ...]]]]:
    """Runs of at most `size` rows that name the same columns, as (columns, values)."""
    columns: tuple[str, ...] = ()
    values: list[tuple[Any, ...]] = []
    for row in rows:
        if isinstance(row, Mapping):
            mine, cells = tuple(row), tuple(row.values())
        elif attrs.has(type(row)):
            mine = tuple(field.name for field in attrs.fields(type(row)))
            cells = tuple(getattr(row, name) for name in mine)
        else:
            raise StatementError(f"a row must be a mapping or an attrs instance, not {type(row).__name__}")
        if mine != columns or len(values) >= size:
            if values:
                yield columns, values
            columns, values = mine, []
        values.append(cells)
    if values:
        yield columns, values


def quoted(name: str) -> str:
    """An SQL identifier."""
    if "\0" in name:
        raise StatementError("a name holds a NUL character")
    return '"' + name.replace('"', '""') + '"'


def _sql(table: str, columns: tuple[str, ...], on_conflict: OnConflict) -> str:
    if not columns:
        return f"INSERT INTO {quoted(table)} DEFAULT VALUES"
    names = ", ".join(quoted(str(column)) for column in columns)
    verb = "INSERT OR REPLACE" if on_conflict == "replace" else "INSERT"
    sql = f"{verb} INTO {quoted(table)} ({names}) VALUES ({', '.join('?' * len(columns))})"
    if on_conflict == "ignore":
        sql += " ON CONFLICT DO NOTHING"
    elif on_conflict == "update":
        updates = ", ".join(f"{quoted(str(name))} = excluded.{quoted(str(name))}" for name in columns)
        sql += f" ON CONFLICT DO UPDATE SET {updates}"
    return sql


def _insert(
    session: Session,
    table: str,
    columns: tuple[str, ...],
    values: list[tuple[Any, ...]],
    on_conflict: OnConflict,
) -> tuple[int, int, int]:
    """Insert one batch; how many rows were inserted, updated and ignored."""
    sql = _sql(table, columns, on_conflict)
    session._admit(sql, values[0])
    if on_conflict == "error":
        _run_many(session, sql, values)
        return len(values), 0, 0
    seen = _Seen(table)
    connection = session._handle.connection
    connection.preupdate_hook(seen, id=seen)
    try:
        _run_many(session, sql, values)
    finally:
        connection.preupdate_hook(None, id=seen)
    if on_conflict == "replace":  # the rows that made room, each at the cost of one old row or more
        return len(values) - seen.replacing, seen.replacing, 0
    return seen.inserted, seen.updated, len(values) - seen.inserted - seen.updated


class _Seen:
    """Counts what really happens to a table, as SQLite tells it row by row."""

    def __init__(self, table: str) -> None:
        self._table = table.lower()
        self.inserted = self.updated = self.replacing = 0
        self._room_made = False

    def __call__(self, update: apsw.PreUpdate) -> None:
        if update.depth or update.table_name.lower() != self._table:
            return
        if update.op == "INSERT":
            self.inserted += 1
            self.replacing += self._room_made
            self._room_made = False
        elif update.op == "UPDATE":
            self.updated += 1
        else:
            self._room_made = True
