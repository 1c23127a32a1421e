"""Rows one after the other: a statement that stays open between them, and is sure to be closed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import apsw

from multidb.engine.connect import leak
from multidb.engine.rows import Maker
from multidb.errors import SessionMisuseError

if TYPE_CHECKING:
    from multidb.engine.session import Session

T = TypeVar("T")


class Stream(Generic[T]):
    """An iterator over rows and a context manager; it closes at its end, or with its block or session.

    Made by `iterate`. Until it is closed it keeps its moment of the database: other writers go on, but the
    write-ahead log grows. One that is dropped half-read closes itself. Reading on after the session has ended is
    SessionMisuseError, since the rows that are missing would not be missed.
    """

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_chunk",
        "_cursor",
        "_into",
        "_is_cut",
        "_make",
        "_params",
        "_session",
        "_sql",
        "_when_closed",
        "closed",
    )

    def __init__(self, session: Session, sql: str, params: Any, into: type[Any], chunk: int) -> None:
        # Nothing here may refer back to the stream: it is to end when its last user drops it, not with a collection.
        self._session = session
        self._sql = sql
        self._params = params
        self._into = into
        self._chunk = chunk
        self._cursor: apsw.Cursor | None = None
        self._make: Maker | None = None
        self._buffer: Iterator[Any] = iter(())
        self._when_closed: Callable[[bool], object] | None = None
        self._is_cut = False
        self.closed = False

    def when_closed(self, fn: Callable[[bool], object]) -> Self:
        """Have `fn` called once, when the stream closes: the lender takes its connection back.

        Its argument tells whether that is the doing of a finalizer, which runs anywhere and must not wait for a lock.
        """
        self._when_closed = fn
        return self

    def close(self) -> None:
        """End the statement and let go of its moment of the database. Twice is once."""
        self._close(is_lost=False)

    def cut(self) -> None:
        """Close, because the session ends; who reads on is told so."""
        if not self.closed:
            self._is_cut = True
            self._buffer = iter(())
            self._close(is_lost=False)

    def _close(self, *, is_lost: bool) -> None:
        if self.closed:
            return
        self.closed = True
        if self._cursor is not None:
            if self._session._handle.is_forked:
                leak(self._cursor)  # ending the statement would touch the parent's database
            else:
                try:
                    self._cursor.close(True)
                except apsw.ThreadingViolationError:
                    if not is_lost:  # dropped in another thread it may meet a statement of the owner's, and goes later
                        raise
        if self._when_closed is not None:
            self._when_closed(is_lost)

    def _fetch(self) -> bool:
        """Put the next rows into the buffer; False at the end, where the stream closes."""
        if self._is_cut:
            raise SessionMisuseError(
                "the session of this stream has ended",
                concern=self._session._name,
                hint="read the rows inside the block of their session",
            )
        if self.closed:
            return False
        session = self._session
        session._check_owner()
        session._start_clock()
        try:
            if self._cursor is None:
                self._cursor = session._handle.connection.cursor()
                self._cursor.execute(self._sql, self._params)
                if self._into is not tuple:
                    self._make = session._maker(self._into, self._cursor, self._sql, self._params)
            rows = list(islice(self._cursor, self._chunk))
        except BaseException as error:
            with contextlib.closing(self):
                session._fail(error, self._sql, self._params)
        if not rows:
            self.close()
            return False
        self._buffer = iter(rows) if self._make is None else map(self._make, rows)
        return True

    def __iter__(self) -> Iterator[T]:
        while True:
            yield from self._buffer  # which `next` shares: whoever goes on, goes on behind the last row
            if not self._fetch():
                return

    def __next__(self) -> T:
        while True:
            for row in self._buffer:
                found: T = row
                return found
            if not self._fetch():
                raise StopIteration

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
        self._close(is_lost=True)
