"""The query verbs of a database outside a session: each borrows a reader, or is a transaction of its own.

Inside the caller's own session they run in that session, so that code that is given a database need not know
whether a transaction is open around it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, TypeVar, overload

from multidb.engine.session import Params, ReadSession, Session, WriteSession
from multidb.engine.stream import Stream
from multidb.engine.writing import OnConflict, insert_many
from multidb.reports import InsertResult, Page, QueryPlan, Result

T = TypeVar("T")


class Verbs(ABC):
    """`Session`'s verbs for a database; see there for what they promise."""

    @abstractmethod
    def read(self, timeout: float | None = None) -> AbstractContextManager[ReadSession]:
        """A stable snapshot."""

    @abstractmethod
    def write(self, timeout: float | None = None) -> AbstractContextManager[WriteSession]:
        """A transaction."""

    @abstractmethod
    def _reading(self, verb: Callable[..., Any], sql: str, params: Params, into: type[Any] = tuple) -> Any:
        """What `verb(session, sql, params)` answers on the caller's session or a borrowed one, made `into`."""

    @abstractmethod
    def _own(self) -> Session | None:
        """The innermost session that the caller has open here."""

    @abstractmethod
    def _borrow(self) -> ReadSession:
        """A reader for one statement."""

    @abstractmethod
    def _take_back(self, session: ReadSession) -> None:
        """Take the reader back."""

    @abstractmethod
    def _end_stream(self, session: ReadSession, is_lost: bool) -> None:
        """Take the reader of a stream back; raises where what it read was not one moment.

        `is_lost` says that a finalizer calls, which has nobody to raise to and must not wait for a lock.
        """

    @overload
    def one(self, sql: str, params: Params = ()) -> tuple[Any, ...]: ...
    @overload
    def one(self, sql: str, params: Params = (), *, into: type[T]) -> T: ...
    def one(self, sql: str, params: Params = (), *, into: type[Any] = tuple) -> Any:
        """The only row. Raises NoRowError where there is none, TooManyRowsError where there are more."""
        return self._reading(Session.one, sql, params, into)

    @overload
    def first(self, sql: str, params: Params = ()) -> tuple[Any, ...] | None: ...
    @overload
    def first(self, sql: str, params: Params = (), *, into: type[T]) -> T | None: ...
    def first(self, sql: str, params: Params = (), *, into: type[Any] = tuple) -> Any:
        """The first row, or None."""
        return self._reading(Session.first, sql, params, into)

    @overload
    def many(self, sql: str, params: Params = ()) -> list[tuple[Any, ...]]: ...
    @overload
    def many(self, sql: str, params: Params = (), *, into: type[T]) -> list[T]: ...
    def many(self, sql: str, params: Params = (), *, into: type[Any] = tuple) -> list[Any]:
        """All rows in a list."""
        rows: list[Any] = self._reading(Session.many, sql, params, into)
        return rows

    def scalar(self, sql: str, params: Params = ()) -> Any:
        """The value of one row and column, or None where there is no row."""
        return self._reading(Session.scalar, sql, params)

    def explain(self, sql: str, params: Params = ()) -> QueryPlan:
        """How SQLite would run the statement; it is not run."""
        plan: QueryPlan = self._reading(Session.explain, sql, params)
        return plan

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
        """One page by keyset; see `Session.page`."""
        with self.read() as session:  # a page may take two statements, which must see one moment
            return session.page(sql, params, key=key, after=after, limit=limit, into=into)

    @overload
    def iterate(self, sql: str, params: Params = (), *, chunk: int = 256) -> Stream[tuple[Any, ...]]: ...
    @overload
    def iterate(self, sql: str, params: Params = (), *, into: type[T], chunk: int = 256) -> Stream[T]: ...
    def iterate(self, sql: str, params: Params = (), *, into: type[Any] = tuple, chunk: int = 256) -> Stream[Any]:
        """The rows one after the other in constant memory; the reader is given back when the stream closes."""
        own = self._own()
        if own is not None:
            return own.iterate(sql, params, into=into, chunk=chunk)
        session = self._borrow()
        try:
            return session.iterate(sql, params, into=into, chunk=chunk).when_closed(partial(self._end_stream, session))
        except BaseException:
            self._take_back(session)
            raise

    def execute(self, sql: str, params: Params = ()) -> Result:
        """Run one statement as a transaction of its own."""
        own = self._own()
        if own is not None:
            return own.execute(sql, params)
        with self.write() as session:
            return session.execute(sql, params)

    def executemany(self, sql: str, rows: Iterable[Params]) -> int:
        """Run one statement for each row of parameters, in one transaction; the number of rows changed."""
        own = self._own()
        if own is not None:
            return own.executemany(sql, rows)
        with self.write() as session:
            return session.executemany(sql, rows)

    def insert_many(
        self,
        table: str,
        rows: Iterable[Any],
        *,
        batch: int = 1000,
        on_conflict: OnConflict = "error",
        atomic: bool = True,
    ) -> InsertResult:
        """Insert rows in one transaction, or with `atomic=False` each batch in its own; see `Session.insert_many`."""
        own = self._own()
        if own is not None:
            return own.insert_many(table, rows, batch=batch, on_conflict=on_conflict, atomic=atomic)
        return insert_many(self.write, table, rows, batch=batch, on_conflict=on_conflict, atomic=atomic)
