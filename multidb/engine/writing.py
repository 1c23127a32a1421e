"""Writing many rows at once, and undoing a part of a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain, islice
from operator import attrgetter, itemgetter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal

import apsw
import attrs

from multidb.errors import MultidbError, StatementError
from multidb.reports import InsertResult

if TYPE_CHECKING:
    from multidb.engine.session import Session

OnConflict = Literal["error", "ignore", "replace", "update"]
Values = Sequence[tuple[Any, ...]]
_ROWS_AT_ONCE: Final = 50
"""Rows of one INSERT where there are as many: half the time of a row a statement, and more gains nothing."""
_VALUES_AT_ONCE: Final = 2000
"""Parameters of one statement at most; SQLite takes 32,766."""


class Savepoint:
    """A block inside a transaction; an exception that leaves it undoes the block alone."""

    __slots__ = ("_callbacks", "_name", "_session")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._name = ""
        self._callbacks = 0

    def __enter__(self) -> Session:
        session = self._session
        session._check_owner()
        self._callbacks = len(getattr(session, "_after_commit", ()))
        self._name = f"multidb_{session._savepoints}"
        self._control("SAVEPOINT")
        session._savepoints += 1
        return session

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._session._savepoints -= 1
        if not self._session._handle.in_transaction:  # SQLite has rolled back the whole transaction already
            return
        if error is not None:
            self._control("ROLLBACK TO")
            del getattr(self._session, "_after_commit", [])[self._callbacks :]
        self._control("RELEASE")

    def _control(self, verb: str) -> None:
        try:
            self._session._handle.control(f"{verb} {self._name}")
        except apsw.Error as failure:
            self._session._fail(failure, None)


class _Feed:
    """Parameters on their way into `executemany`, and what became of them.

    It counts the rows that the statement changed itself, without triggers; it knows the row that is in work,
    and an error of the source from one of SQLite's.
    """

    def __init__(self, session: Session, rows: Iterable[Any]) -> None:
        self._session = session
        self._rows = rows
        self.changed = 0
        self.current: Any = ()
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[Any]:
        handle = self._session._handle
        total, last = handle.connection.total_changes, handle.connection.changes
        is_timed = handle.tuning.statement_timeout_ms is not None
        try:
            for row in self._rows:
                before = total()  # now, since the source may have used the session
                if is_timed:
                    self._session._start_clock()
                self.current = row
                yield row
                if total() != before:
                    self.changed += last()
        except BaseException as error:
            self.error = error
            raise


def _run_many(session: Session, sql: str, rows: Iterable[Any], shown: str | None = None) -> int:
    """Run `sql` for each of `rows`; how many rows it changed itself. An error shows `shown` in its place."""
    feed = _Feed(session, rows)
    try:
        for _ in session._handle.connection.executemany(sql, feed):
            pass  # a row that RETURNING gives would stop the rest
    except BaseException as error:
        if error is feed.error:
            raise
        session._fail(error, shown or sql, feed.current)
    return feed.changed


def executemany(session: Session, sql: str, rows: Iterable[Any]) -> int:
    """Run `sql` for each of `rows`; the rows that it changed itself, triggers not counted."""
    iterator = iter(rows)
    head = list(islice(iterator, 1))
    if not head:
        session._check_owner()
        return 0
    session._admit(sql, head[0])
    with Savepoint(session):
        return _run_many(session, sql, chain(head, iterator))


def insert_many(
    scope: Callable[[], AbstractContextManager[Session]],
    table: str,
    rows: Iterable[Any],
    *,
    batch: int,
    on_conflict: OnConflict,
    atomic: bool,
) -> InsertResult:
    """Insert `batch` rows at a time; see `Session.insert_many`.

    `scope` enters what is undone as a whole when an error leaves it: all batches, or each.
    """
    if not isinstance(table, str):
        raise StatementError(f"a table's name must be text, not {type(table).__name__}")
    if not isinstance(batch, int) or batch < 1:
        raise StatementError("batch must be 1 or more")
    if on_conflict not in ("error", "ignore", "replace", "update"):
        raise StatementError(f"on_conflict cannot be {on_conflict!r}", hint="error, ignore, replace or update")
    tally = _Tally()
    source = iter(rows)
    if atomic:
        with scope() as session:
            while chunk := list(islice(source, batch)):
                tally.add(_insert(session, table, chunk, on_conflict))
        return tally.result()
    try:
        while chunk := list(islice(source, batch)):
            with scope() as session:
                step = _insert(session, table, chunk, on_conflict)
            tally.add(step)
    except MultidbError as error:
        error.inserted = tally.inserted
        raise
    return tally.result()


class _Tally:
    def __init__(self) -> None:
        self.inserted = self.updated = self.ignored = 0

    def add(self, step: _Tally) -> None:
        self.inserted += step.inserted
        self.updated += step.updated
        self.ignored += step.ignored

    def result(self) -> InsertResult:
        return InsertResult(inserted=self.inserted, updated=self.updated, ignored=self.ignored)


def _runs(rows: list[Any]) -> Iterator[tuple[tuple[str, ...], Values]]:
    """Neighbouring rows that name the same columns, as (columns, values)."""
    kinds = set(map(type, rows))
    alike = _alike(rows, kinds.pop()) if len(kinds) == 1 else None
    if alike is not None:
        yield alike
        return
    columns: tuple[str, ...] | None = None
    values: list[tuple[Any, ...]] = []
    for row in rows:
        mine, cells = _cells(row)
        if mine != columns:
            if columns is not None:
                yield columns, values
            columns, values = mine, []
        values.append(cells)
    if columns is not None:
        yield columns, values


def _alike(rows: list[Any], kind: type[Any]) -> tuple[tuple[str, ...], Values] | None:
    """All rows at once, without a step of Python's for each, where they are of one kind and name the same columns."""
    if kind is dict:
        columns = tuple(rows[0])
        take: Callable[..., Callable[[Any], Any]] = itemgetter
        if set(map(len, rows)) != {len(columns)}:
            return None
    elif attrs.has(kind):
        columns = tuple(field.name for field in attrs.fields(kind))
        take = attrgetter
    else:
        return None
    if len(columns) < 2:  # a getter of one answers with the bare value, of none there is not
        return None
    try:
        return columns, list(map(take(*columns), rows))
    except KeyError:  # as many columns, and others
        return None


def _cells(row: Any) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    if isinstance(row, Mapping):
        return tuple(row), tuple(row.values())
    if attrs.has(type(row)):
        columns = tuple(field.name for field in attrs.fields(type(row)))
        return columns, tuple(getattr(row, name) for name in columns)
    raise StatementError(f"a row must be a mapping or an attrs instance, not {type(row).__name__}")


def quoted(name: str) -> str:
    """An SQL identifier."""
    if "\0" in name:
        raise StatementError("a name holds a NUL character")
    return '"' + name.replace('"', '""') + '"'


def _sql(table: str, columns: tuple[str, ...], on_conflict: OnConflict, rows: int = 1) -> str:
    verb = "INSERT OR REPLACE" if on_conflict == "replace" else "INSERT"
    if not columns:
        return f"{verb} INTO {quoted(table)} DEFAULT VALUES"
    names = ", ".join(quoted(str(column)) for column in columns)
    marks = f"({', '.join('?' * len(columns))})"
    sql = f"{verb} INTO {quoted(table)} ({names}) VALUES {', '.join([marks] * rows)}"
    if on_conflict == "ignore":
        sql += " ON CONFLICT DO NOTHING"
    elif on_conflict == "update":
        updates = ", ".join(f"{quoted(str(name))} = excluded.{quoted(str(name))}" for name in columns)
        sql += f" ON CONFLICT DO UPDATE SET {updates}"
    return sql


def _insert(session: Session, table: str, rows: list[Any], on_conflict: OnConflict) -> _Tally:
    """Insert one batch; how many rows were inserted, updated and ignored."""
    tally = _Tally()
    if on_conflict in ("error", "ignore"):
        for columns, values in _runs(rows):
            tally.inserted += _run(session, table, columns, values, on_conflict)
        if not tally.inserted and on_conflict == "error" and _is_view(session, table):
            tally.inserted = len(rows)  # its INSTEAD OF trigger took them, which SQLite does not count
        tally.ignored = len(rows) - tally.inserted
        return tally
    seen = _Seen(table)
    connection = session._handle.connection
    connection.preupdate_hook(seen, id=seen)
    try:
        for columns, values in _runs(rows):
            _run(session, table, columns, values, on_conflict)
    finally:
        connection.preupdate_hook(None, id=seen)
    tally.inserted = seen.inserted
    tally.updated = seen.updated
    if on_conflict == "replace":  # the rows that made room, each at the cost of one old row or more
        tally.inserted = len(rows) - seen.replacing
        tally.updated = seen.replacing
    tally.ignored = len(rows) - tally.inserted - tally.updated
    return tally


def _is_view(session: Session, table: str) -> bool:
    asked = "SELECT 1 FROM sqlite_schema WHERE type = 'view' AND name = ? COLLATE NOCASE"
    return session.first(asked, (table,)) is not None


def _run(session: Session, table: str, columns: tuple[str, ...], values: Values, on_conflict: OnConflict) -> int:
    """Insert rows of the same columns, many to a statement as long as there are many; how many it changed itself."""
    changed = 0
    single = _sql(table, columns, on_conflict)
    at_once = min(_ROWS_AT_ONCE, _VALUES_AT_ONCE // max(1, len(columns)))
    if columns and 1 < at_once <= len(values):
        whole = len(values) - len(values) % at_once
        flat = list(chain.from_iterable(values[:whole]))
        width = at_once * len(columns)
        groups = [flat[start : start + width] for start in range(0, len(flat), width)]
        sql = _sql(table, columns, on_conflict, at_once)
        session._admit(sql, groups[0])
        changed = _run_many(session, sql, groups, shown=single)
        values = values[whole:]
    if values:
        session._admit(single, values[0])
        changed += _run_many(session, single, values)
    return changed


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
