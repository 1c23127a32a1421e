"""Sessions: the verbs of api.md on one connection, for one owner.

A session belongs to the thread, or the asyncio task, that entered it, and lives until its `with` block ends.
One cursor serves all its verbs that answer at once: running the next statement resets the one before, so
nothing is left half-read, and no cursor is made for a call. Streams have a cursor each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import get_ident
from typing import Any, NoReturn, TypeVar, overload

import apsw

from multidb.engine import paging, writing
from multidb.engine.caller import current_task
from multidb.engine.connect import Handle
from multidb.engine.failures import CAUGHT
from multidb.engine.rows import Maker, maker
from multidb.engine.statement import Statement, look_at
from multidb.engine.stream import Stream
from multidb.errors import (
    ForkedError,
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


class Session:
    """The verbs that a database and its sessions share, on one connection.

    Values in `params` bind to `?` (a sequence) or `:name` (a mapping). `into` makes each row a tuple, a dict,
    or an attrs class whose fields are the columns.
    """

    __slots__ = ("_handle", "_known", "_name", "_open_streams", "_reads_only", "_run", "_task", "_thread")

    def __init__(self, handle: Handle, name: str, *, reads_only: bool = True) -> None:
        self._handle = handle
        self._name = name
        self._task = current_task()
        self._thread = get_ident()
        # A view on a writer's connection must look at each statement: SQLite would let it write.
        self._reads_only = reads_only and not handle.read_only
        plain = self._task is None and not self._reads_only
        self._known: dict[str, Statement] = handle.known if plain else {}
        self._run: Callable[..., apsw.Cursor] = (
            handle.cursor.execute if handle.tuning.statement_timeout_ms is None else self._timed
        )
        self._open_streams: list[Stream[Any]] = []

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
        except CAUGHT as error:
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
        except CAUGHT as error:
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
        except CAUGHT as error:
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
        except CAUGHT as error:
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
        self._admit(sql, params)
        self._open_streams = [stream for stream in self._open_streams if not stream.closed]
        stream: Stream[Any] = Stream(self, sql, params, into, chunk)
        self._open_streams.append(stream)
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
        self._admit(sql, params)
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
        if sql not in self._known or get_ident() != self._thread:
            self._admit(sql, params)
        connection = self._handle.connection
        try:
            before = connection.total_changes()
            connection.set_last_insert_rowid(0)
            rows = self._run(sql, params).fetchall()
            changed = connection.total_changes() != before
            return Result(
                changes=connection.changes() if changed else 0,
                last_rowid=(connection.last_insert_rowid() or None) if changed else None,
                rows=rows,
            )
        except CAUGHT as error:
            self._fail(error, sql, params)

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

    def _admit(self, sql: str, params: Params) -> None:
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

    def _look_at(self, sql: str, params: Params) -> Statement:
        self._handle.guard.refusal = None
        try:
            return look_at(self._handle.connection, sql, params)
        except CAUGHT as error:
            self._fail(error, sql, params)
        except MultidbError as error:
            raise error.within(self._name) from None

    def _check_owner(self) -> None:
        if self._handle.is_forked:
            raise ForkedError(
                "the session was entered before this process was forked",
                concern=self._name,
                hint="open the databases after the fork, or start workers with spawn",
            )
        if self._thread == 0:
            raise SessionMisuseError("the session has ended", concern=self._name)
        if get_ident() != self._thread or (self._task is not None and current_task() is not self._task):
            raise SessionMisuseError(
                "the session belongs to another thread or task",
                concern=self._name,
                hint="enter a session of your own; the database itself may be shared",
            )

    def _maker(self, into: type[Any], cursor: apsw.Cursor, sql: str, params: Params) -> Maker:
        """How to make rows of what `cursor` has just begun to read."""
        try:
            columns = tuple(column[0] for column in cursor.get_description())
        except apsw.ExecutionCompleteError:  # no row came, and the cursor has let go of its statement
            columns = self._look_at(sql, params).columns
        try:
            return maker(into, columns, sql)
        except StatementError as error:
            raise error.within(self._name) from None

    def _timed(self, sql: str, params: Params) -> apsw.Cursor:
        allowed = self._handle.tuning.statement_timeout_ms
        assert allowed is not None  # or `_run` were the cursor's own method
        self._handle.deadline = time.monotonic() + allowed / 1000
        return self._handle.cursor.execute(sql, params)

    def _fail(self, error: BaseException, sql: str | None, params: Any = ()) -> NoReturn:
        """Raise our error for one of SQLite's."""
        ours = self._handle.failure(error, sql, params).within(self._name, str(self._handle.path))
        if isinstance(ours, StatementTimeoutError):
            deadline = self._handle.deadline
            timed_out = deadline is not None and time.monotonic() > deadline
            ours.args = (f"the statement {'ran past its time' if timed_out else 'was interrupted'}",)
        self._after_failure()
        raise ours from ours.__cause__

    def _after_failure(self) -> None:
        """What a failed statement means for the session."""

    def _end(self) -> None:
        """Close what is still streaming and refuse every later call."""
        for stream in self._open_streams:
            stream.close()
        self._thread = 0
        self._known = {}


class ReadSession(Session):
    """A stable snapshot: every verb sees the database as it was when the block was entered."""

    __slots__ = ()


class WriteSession(Session):
    """One transaction: everything in it is committed at the end of the block, or nothing is."""

    __slots__ = ("_after_commit", "is_lost")

    def __init__(self, handle: Handle, name: str) -> None:
        super().__init__(handle, name, reads_only=False)
        self._after_commit: list[Callable[[], object]] = []
        self.is_lost = False

    def savepoint(self) -> writing.Savepoint:
        """A nested block: an exception that leaves it undoes what was done in it, and no more."""
        return writing.Savepoint(self)

    def on_commit(self, fn: Callable[[], object]) -> None:
        """Call `fn` once the transaction is committed and the write lease is given back; never after a rollback."""
        self._check_owner()
        self._after_commit.append(fn)

    def _after_failure(self) -> None:
        """SQLite may have rolled the transaction back; what came after would be committed one by one."""
        if not self._handle.in_transaction:
            self.is_lost = True
            self._known = {}

    def _check_owner(self) -> None:
        super()._check_owner()
        if self.is_lost:
            self._refuse_lost()

    def _refuse_lost(self) -> NoReturn:
        raise SessionMisuseError(
            "SQLite rolled this transaction back when a statement failed; nothing of it is left",
            concern=self._name,
            hint="let the statement's error leave the block, and begin a new transaction",
        )

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
