"""Sessions: the verbs of api.md on one connection, for one owner.

A session belongs to the thread, or the asyncio task, that entered it, and lives until its `with` block ends.
One cursor serves all its verbs that answer at once: running the next statement resets the one before, so
nothing is left half-read, and no cursor is made for a call. Streams have a cursor each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import get_ident
from typing import Any, Literal, NoReturn, TypeVar, overload
from weakref import ReferenceType, ref

import apsw

from multidb.engine import paging, writing
from multidb.engine.caller import current_task
from multidb.engine.connect import Handle
from multidb.engine.failures import CAUGHT
from multidb.engine.rows import Maker, maker
from multidb.engine.statement import Statement, look_at
from multidb.engine.stream import Stream
from multidb.errors import (
    MultidbError,
    NoRowError,
    ReadOnlySessionError,
    SessionMisuseError,
    StatementError,
    StatementTimeoutError,
    TooManyRowsError,
)
from multidb.reports import InsertResult, Page, PlanStep, QueryPlan, Result

T = TypeVar("T")
Params = Sequence[Any] | Mapping[str, Any]
_KNOWN_AT_MOST = 1024
_NO_ROWID = -(2**63)
"""A rowid that no table of an application has; what says that a statement inserted nothing."""


class Session:
    """The verbs that a database and its sessions share, on one connection.

    Values in `params` bind to `?` (a sequence) or `:name` (a mapping). `into` makes each row a tuple, a dict,
    or an attrs class whose fields are the columns.
    """

    __slots__ = (
        "_handle",
        "_is_lost",
        "_known",
        "_name",
        "_reads_only",
        "_run",
        "_savepoints",
        "_streams",
        "_task",
        "_thread",
        "_transaction",
    )

    def __init__(
        self,
        handle: Handle,
        name: str,
        *,
        reads_only: bool = True,
        transaction: Literal["none", "own"] | Session = "none",
    ) -> None:
        self._handle = handle
        self._name = name
        self._transaction = transaction  # another session's, for a view of it
        self._is_lost = False
        self._task = current_task()
        self._thread = get_ident()
        # A view on a writer's connection must look at each statement: SQLite would let it write.
        self._reads_only = reads_only and not handle.read_only
        plain = self._task is None and not self._reads_only and not isinstance(transaction, Session)
        self._known: dict[str, Statement] = handle.known if plain else {}
        self._run: Callable[..., apsw.Cursor] = (
            handle.cursor.execute if handle.tuning.statement_timeout_ms is None else self._timed
        )
        self._streams: list[ReferenceType[Stream[Any]]] = []  # a dropped one ends by itself
        self._savepoints = 0  # that are open now

    # --- reading ------------------------------------------------------------------------------------

    @overload
    def one(self, sql: str, params: Params = ()) -> tuple[Any, ...]: ...
    @overload
    def one(self, sql: str, params: Params = (), *, into: type[T]) -> T: ...
    def one(self, sql: str, params: Params = (), *, into: type[Any] = tuple) -> Any:
        """The only row. Raises NoRowError where there is none, TooManyRowsError where there are more."""
        if sql not in self._known or get_ident() != self._thread:
            self._admit(sql, params)
        try:
            cursor = self._run(sql, params)
            make = None if into is tuple else self._maker(into, cursor, sql, params)
            row = cursor.fetchone()
            more = row is not None and cursor.fetchone() is not None
        except BaseException as error:
            self._fail(error, sql, params)
        if row is None:
            raise NoRowError("no row where exactly one was asked for", concern=self._name, sql=sql)
        if more:
            raise TooManyRowsError("more than one row where one was asked for", concern=self._name, sql=sql)
        return row if make is None else make(row)

    @overload
    def first(self, sql: str, params: Params = ()) -> tuple[Any, ...] | None: ...
    @overload
    def first(self, sql: str, params: Params = (), *, into: type[T]) -> T | None: ...
    def first(self, sql: str, params: Params = (), *, into: type[Any] = tuple) -> Any:
        """The first row, or None. Further rows are not read."""
        if sql not in self._known or get_ident() != self._thread:
            self._admit(sql, params)
        try:
            cursor = self._run(sql, params)
            make = None if into is tuple else self._maker(into, cursor, sql, params)
            row = cursor.fetchone()
        except BaseException as error:
            self._fail(error, sql, params)
        return row if make is None or row is None else make(row)

    @overload
    def many(self, sql: str, params: Params = ()) -> list[tuple[Any, ...]]: ...
    @overload
    def many(self, sql: str, params: Params = (), *, into: type[T]) -> list[T]: ...
    def many(self, sql: str, params: Params = (), *, into: type[Any] = tuple) -> list[Any]:
        """All rows in a list."""
        if sql not in self._known or get_ident() != self._thread:
            self._admit(sql, params)
        try:
            cursor = self._run(sql, params)
            make = None if into is tuple else self._maker(into, cursor, sql, params)
            rows = cursor.fetchall()
        except BaseException as error:
            self._fail(error, sql, params)
        return rows if make is None else [make(row) for row in rows]

    def scalar(self, sql: str, params: Params = ()) -> Any:
        """The value of the one column of the first row, or None where there is no row.

        Raises StatementError for several columns, TooManyRowsError for several rows.
        """
        if sql not in self._known or get_ident() != self._thread:
            self._admit(sql, params)
        try:
            cursor = self._run(sql, params)
            row = cursor.fetchone()
            more = row is not None and cursor.fetchone() is not None
        except BaseException as error:
            self._fail(error, sql, params)
        width = len(row) if row is not None else len(self._look_at(sql, params).columns)
        if width != 1:
            raise StatementError(f"scalar reads one column, not {width}", concern=self._name, sql=sql)
        if row is None:
            return None
        if more:
            raise TooManyRowsError("more than one row where one was asked for", concern=self._name, sql=sql)
        return row[0]

    @overload
    def iterate(self, sql: str, params: Params = (), *, chunk: int = 256) -> Stream[tuple[Any, ...]]: ...
    @overload
    def iterate(self, sql: str, params: Params = (), *, into: type[T], chunk: int = 256) -> Stream[T]: ...
    def iterate(self, sql: str, params: Params = (), *, into: type[Any] = tuple, chunk: int = 256) -> Stream[Any]:
        """The rows one after the other, `chunk` fetched at a time, in constant memory.

        A context manager: leaving the block ends the statement, which otherwise keeps its snapshot of the
        database open. It ends at the latest with the session.
        """
        if not isinstance(chunk, int) or chunk < 1:
            raise StatementError("chunk must be 1 or more", concern=self._name, sql=sql)
        statement = self._admit(sql, params)
        self._made(into, statement.columns, sql)
        self._streams = [one for one in self._streams if (stream := one()) is not None and not stream.closed]
        stream = Stream(self, sql, params, into, chunk)
        self._streams.append(ref(stream))
        return stream

    @overload
    def page(
        self,
        sql: str,
        params: Params = (),
        *,
        key: Sequence[tuple[str, str]],
        after: str | None = None,
        limit: int = 50,
    ) -> Page[tuple[Any, ...]]: ...
    @overload
    def page(
        self,
        sql: str,
        params: Params = (),
        *,
        key: Sequence[tuple[str, str]],
        after: str | None = None,
        limit: int = 50,
        into: type[T],
    ) -> Page[T]: ...
    def page(
        self,
        sql: str,
        params: Params = (),
        *,
        key: Sequence[tuple[str, str]],
        after: str | None = None,
        limit: int = 50,
        into: type[Any] = tuple,
    ) -> Page[Any]:
        """One page by keyset: the rows after the cursor `after`, in the order of `key`.

        `sql` has no ORDER BY or LIMIT of its own and selects the columns of `key`, pairs of a column and "asc" or
        "desc", the last of them unique. NULLs sort as SQLite sorts them. Rows that come or go between two
        pages neither repeat nor hide others, which OFFSET cannot promise.
        """
        return paging.page(self, sql, params, key=key, after=after, limit=limit, into=into)

    def explain(self, sql: str, params: Params = ()) -> QueryPlan:
        """How SQLite would run the statement; it is not run."""
        rows = self.many(f"EXPLAIN QUERY PLAN {sql}", params)
        depths = {0: -1}
        steps = []
        for step, parent, _, detail in rows:
            depths[step] = depths[parent] + 1
            steps.append(PlanStep(depths[step], detail))
        return QueryPlan(tuple(steps))

    def interrupt(self) -> None:
        """Stop the statement that runs now; from any thread. An interrupted write rolls its transaction back."""
        self._handle.interrupt()

    # --- any statement ------------------------------------------------------------------------------

    def execute(self, sql: str, params: Params = ()) -> Result:
        """Run one statement to its end. Raises ReadOnlySessionError for one that writes, in a read session."""
        statement = self._known.get(sql)
        if statement is None or get_ident() != self._thread:
            statement = self._admit(sql, params)
        connection = self._handle.connection
        last_rowid = connection.last_insert_rowid()
        if not statement.asks_rowid:  # only so can it be told whether the statement inserts anything
            connection.set_last_insert_rowid(_NO_ROWID)
        try:
            before = connection.total_changes()
            rows = self._run(sql, params).fetchall()
            changes = connection.changes() if connection.total_changes() != before else 0
        except BaseException as error:
            connection.set_last_insert_rowid(last_rowid)
            self._fail(error, sql, params)
        rowid = connection.last_insert_rowid()
        if rowid == _NO_ROWID:
            connection.set_last_insert_rowid(last_rowid)
            return Result(changes=changes, last_rowid=None, rows=rows)
        return Result(changes=changes, last_rowid=rowid if changes else None, rows=rows)

    def executemany(self, sql: str, rows: Iterable[Params]) -> int:
        """Run one statement for each row of parameters; the number of rows that were changed."""
        return writing.executemany(self, sql, rows)

    def insert_many(
        self,
        table: str,
        rows: Iterable[Any],
        *,
        batch: int = 1000,
        on_conflict: writing.OnConflict = "error",
        atomic: bool = True,
    ) -> InsertResult:
        """Insert mappings or attrs instances; each names its own columns, the others get their defaults.

        `on_conflict` is for rows whose key is there already: "error", "ignore", "replace" (the old row is
        deleted) or "update" (of the columns given). Every other broken rule is a ConstraintError. `atomic` undoes
        all rows on an error; otherwise complete batches before the failing one stay, counted in the error's
        `inserted`.
        """
        return writing.insert_many(
            lambda: writing.Savepoint(self),
            table,
            rows,
            batch=batch,
            on_conflict=on_conflict,
            atomic=atomic,
        )

    # --- inside -------------------------------------------------------------------------------------

    def _admit(self, sql: str, params: Params) -> Statement:
        """Look at a statement that is new here, and at who brings it."""
        self._check_owner()
        statement = self._handle.known.get(sql)
        if statement is None:
            statement = self._look_at(sql, params)
            if len(self._handle.known) >= _KNOWN_AT_MOST:
                self._handle.known.clear()
            self._handle.known[sql] = statement
        if not statement.is_readonly and (self._reads_only or self._handle.read_only):
            raise ReadOnlySessionError(
                "the statement writes",
                concern=self._name,
                sql=sql,
                hint="reading verbs and sessions cannot write: use execute, or a write session",
            )
        return statement

    def _look_at(self, sql: str, params: Params) -> Statement:
        self._handle.guard.refusal = None
        try:
            self._handle.cursor.execute("")  # half-read, the statement before would keep an interrupt that met nothing
            return look_at(self._handle.connection, sql, params)
        except CAUGHT as error:
            self._fail(error, sql)  # nothing runs yet, so that no value can be in the message
        except MultidbError as error:
            raise error.within(self._name) from None

    def _check_owner(self) -> None:
        over = self._handle.over()
        if over is not None:
            raise over.within(self._name, str(self._handle.path))
        if self._is_lost or (isinstance(self._transaction, Session) and self._transaction._is_lost):
            self._refuse_lost()
        if self._thread == 0:
            raise SessionMisuseError("the session has ended", concern=self._name)
        if get_ident() != self._thread or (self._task is not None and current_task() is not self._task):
            raise SessionMisuseError(
                "the session belongs to another thread or task",
                concern=self._name,
                hint="enter a session of your own; the database itself may be shared",
            )

    def _refuse_lost(self) -> NoReturn:
        raise SessionMisuseError(
            "SQLite rolled this transaction back when a statement failed; nothing of it is left",
            concern=self._name,
            hint="let the statement's error leave the block, and begin a new transaction",
        )

    def _maker(self, into: type[Any], cursor: apsw.Cursor, sql: str, params: Params) -> Maker:
        """How to make rows of what `cursor` has just begun to read."""
        try:
            columns = tuple(column[0] for column in cursor.get_description())
        except apsw.ExecutionCompleteError:  # no row came, and the cursor has let go of its statement
            columns = self._look_at(sql, params).columns
        return self._made(into, columns, sql)

    def _made(self, into: type[Any], columns: tuple[str, ...], sql: str) -> Maker:
        try:
            return maker(into, columns, sql)
        except StatementError as error:
            raise error.within(self._name) from None

    def _timed(self, sql: str, params: Params) -> apsw.Cursor:
        self._start_clock()
        return self._handle.cursor.execute(sql, params)

    def _start_clock(self) -> None:
        """From now on `statement_timeout_ms` runs, where there is one."""
        allowed = self._handle.tuning.statement_timeout_ms
        if allowed is not None:
            self._handle.deadline = time.monotonic() + allowed / 1000

    def _fail(self, error: BaseException, sql: str | None, params: Any = ()) -> NoReturn:
        """Raise our error for one of SQLite's, and any other as it is; then see what it did to the transaction."""
        try:
            if not isinstance(error, CAUGHT):
                raise error
            self._raise(error, sql, params)
        finally:
            self._after_failure()

    def _raise(self, error: BaseException, sql: str | None, params: Any) -> NoReturn:
        ours = self._handle.failure(error, sql, params).within(self._name, str(self._handle.path))
        if isinstance(ours, StatementTimeoutError):
            deadline = self._handle.deadline
            timed_out = deadline is not None and time.monotonic() > deadline
            ours.args = (f"the statement {'ran past its time' if timed_out else 'was interrupted'}",)
        raise ours from ours.__cause__

    def _after_failure(self) -> None:
        """SQLite may have ended the transaction: what came after would be committed alone, or see another moment."""
        if isinstance(self._transaction, Session):
            self._transaction._after_failure()
            self._is_lost = self._transaction._is_lost
        elif self._transaction == "own":
            self._is_lost = not self._handle.in_transaction
        if self._is_lost:
            self._known = {}

    def _end(self) -> None:
        """Close what is still streaming and refuse every later call."""
        for one in self._streams:
            stream = one()
            if stream is not None:
                stream.cut()
        self._thread = 0
        self._known = {}


class ReadSession(Session):
    """A stable snapshot: every verb sees the database as it was when the block was entered."""

    __slots__ = ()


class WriteSession(Session):
    """One transaction: everything in it is committed at the end of the block, or nothing is."""

    __slots__ = ("_after_commit",)

    def __init__(self, handle: Handle, name: str) -> None:
        super().__init__(handle, name, reads_only=False, transaction="own")
        self._after_commit: list[Callable[[], object]] = []

    def savepoint(self) -> writing.Savepoint:
        """A nested block: an exception that leaves it undoes what was done in it, and no more."""
        return writing.Savepoint(self)

    def on_commit(self, fn: Callable[[], object]) -> None:
        """Call `fn` once the transaction is committed and the write lease is given back; never after a rollback."""
        self._check_owner()
        self._after_commit.append(fn)

    def _call_after_commit(self) -> None:
        """Call what `on_commit` was given, all of it, in order; then raise what went wrong."""
        errors: list[Exception] = []
        for fn in self._after_commit:
            try:
                fn()
            except Exception as error:  # the others are called all the same
                errors.append(error)
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise ExceptionGroup("after a commit, which stands", errors)


class ExclusiveSession(Session):
    """The only connection of this process, outside a transaction: PRAGMAs, VACUUM and ATTACH are allowed."""

    __slots__ = ()

    def __init__(self, handle: Handle, name: str) -> None:
        super().__init__(handle, name, reads_only=False)
        handle.guard.is_open = True
