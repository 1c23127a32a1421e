"""Rows one after the other: a statement that stays open between them, and is sure to be closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import apsw

from multidb.engine.failures import CAUGHT

if TYPE_CHECKING:
    from multidb.engine.session import Session

T = TypeVar("T")


class Stream(Generic[T]):
    """An iterator over rows and a context manager; it closes at its end, or with its block or session.

    Made by `iterate`. Until it is closed it keeps its moment of the database: other writers go on, but the
    write-ahead log grows.
    """

    def __init__(self, session: Session, sql: str, params: Any, into: type[Any], chunk: int) -> None:
        if chunk < 1:
            raise ValueError("chunk must be 1 or more")
        self._session = session
        self._cursor: apsw.Cursor | None = None
        self._rows = self._read(sql, params, into, chunk)
        self._when_closed: Callable[[], object] | None = None
        self.closed = False

    def _read(self, sql: str, params: Any, into: type[Any], chunk: int) -> Iterator[T]:
        session = self._session
        session._check_owner()
        self._cursor = session._handle.connection.cursor()
        try:
            self._cursor.execute(sql, params)
            make = None if into is tuple else session._maker(into, self._cursor, sql, params)
            while rows := list(islice(self._cursor, chunk)):
                yield from rows if make is None else map(make, rows)
                session._check_owner()
        except CAUGHT as error:
            session._fail(error, sql, params)
        finally:
            self.close()

    def when_closed(self, fn: Callable[[], object]) -> Self:
        """Have `fn` called once, when the stream closes: the lender takes its connection back."""
        self._when_closed = fn
        return self

    def close(self) -> None:
        """End the statement and let go of its moment of the database. Twice is once."""
        if self.closed:
            return
        self.closed = True
        if self._cursor is not None:
            self._cursor.close(True)
        if self._when_closed is not None:
            self._when_closed()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        if self.closed:
            raise StopIteration
        return next(self._rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()
