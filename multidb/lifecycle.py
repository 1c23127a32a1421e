"""A database's life: absent, open, failed and tried again, carried through a fork, closed.

A database that cannot be opened is FAILED and keeps its error; it is tried again when it is used, with a
back-off from 1 to 60 seconds, and at once by `reopen()`. Nothing is deleted, moved aside or repaired here, and
a file that was here and is gone is not made again.
"""

from __future__ import annotations

import contextlib
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Final, NoReturn

from multidb import claims, files, log
from multidb.concerns import Concern
from multidb.engine.caller import caller_name
from multidb.engine.connect import Handle, connect
from multidb.engine.lease import Lease
from multidb.engine.pool import ReaderPool
from multidb.engine.traceless import Traceless
from multidb.engine.transaction import roll_back
from multidb.errors import (
    AbsentError,
    ClosedError,
    FailedError,
    ForeignDatabaseError,
    ForkedError,
    MultidbError,
    ReaderTimeoutError,
    ReadOnlyFileError,
    StorageError,
)
from multidb.failpoints import reach
from multidb.places import State, create, exists, os_failure, resolved

_FIRST_RETRY: Final = 1.0
_LAST_RETRY: Final = 60.0
_GRACE: Final = 1.0
"""Seconds that an interrupted straggler has to leave before its connection is closed under it."""


class _Unclaimable(Exception):
    """The file may not be opened by this process, whatever its state."""

    def __init__(self, error: MultidbError) -> None:
        self.error = error


class Lifecycle:
    """The connections of one file, from the first open to the last close."""

    def __init__(
        self,
        concern: Concern,
        path: Path,
        *,
        read_only: bool = False,
        inspect: Callable[[Handle], None] = lambda handle: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = concern.name
        self.concern = concern
        self.path = path
        self.is_foreign = concern.is_foreign
        self.error: MultidbError | None = None
        self.was_created = False
        self._is_read_only = read_only or concern.read_only or self.is_foreign
        self._inspect = inspect
        self._clock = clock
        self._state = State.UNOPENED
        self._was_open = False
        self._is_forked = False
        self._lock = threading.RLock()
        self._lease = Lease()
        self._pool = ReaderPool(self._reader, concern.readers, is_good=self._is_good, keeps=self._keeps)
        self._writer: Handle | None = None
        self._traceless: Traceless | None = None
        self._identity: files.Identity | None = None
        self._retry_at = 0.0
        self._retry_after = _FIRST_RETRY
        claims.watch_forks(self)

    def __repr__(self) -> str:
        return f"<Database {self.name} {self._state.value} {self.path}>"

    @property
    def state(self) -> State:
        """READY, READ_ONLY, ABSENT, FAILED (then `error` says why), MAINTENANCE, CLOSED or UNOPENED."""
        return self._state

    # --- opening and closing ------------------------------------------------------------------------

    def open(self) -> None:
        """Open the file and leave the state READY or READ_ONLY, ABSENT where it is not ours to create, else FAILED.

        What is wrong with the file is kept in `error` and not raised. ConfigError, for a file that this process
        has open already, and ForkedError are raised: no second try mends them.
        """
        with self._lock:
            had_failed = self._state is State.FAILED
            try:
                self._identity = self._claimed()
                if self._identity is None:
                    self._state, self.error = State.ABSENT, None
                    return
                self._connect()
            except _Unclaimable as refusal:
                raise refusal.error.within(self.name, str(self.path)) from None
            except (MultidbError, OSError) as error:
                self._disconnect()
                ours = error if isinstance(error, MultidbError) else os_failure(error, self.path)
                self._fail(ours.within(self.name, str(self.path)))
                return
            self.error = None
            self._was_open = True
            self._retry_after = _FIRST_RETRY
            event = "database_recovered" if had_failed else "database_opened"
            log.emit("database_created" if self.was_created else event, concern=self.name, path=str(self.path))

    def _claimed(self) -> files.Identity | None:
        """The file's identity, claimed for this process, the file made where it is ours to make; None without one."""
        self.path = resolved(self.path)
        if not exists(self.path):
            if self._is_read_only:
                return None
            if self._was_open:  # it was here and is gone: an empty one in its place would hide the loss
                raise StorageError("the database file was taken away", hint="put it back, or restore it from a backup")
            self.was_created = create(self.path)
            reach("open.after_create")
        identity = files.identity_of(self.path)
        if identity is None:
            raise StorageError("the file was deleted while it was opened", retryable=True)
        try:
            claims.claim(identity, self.name)
        except MultidbError as error:
            raise _Unclaimable(error) from error
        return identity

    def _connect(self) -> None:
        concern = self.concern
        if not self._is_read_only:
            self._writer = self._connection(read_only=False)
            if not self._writer.is_read_only_file:
                self._inspect(self._writer)
                self._state = State.READY
                return
            self._writer.close()
            self._writer = None
        self._traceless = Traceless(self.path, concern.tuning, concern.extensions)
        handle = self._traceless.open()
        try:
            self._inspect(handle)
        finally:
            handle.close()
        self._state = State.READ_ONLY

    def _connection(self, *, read_only: bool) -> Handle:
        tuning, extensions = self.concern.tuning, self.concern.extensions
        return connect(str(self.path), self.path, tuning, read_only=read_only, extensions=extensions)

    def _reader(self) -> Handle:
        return self._connection(read_only=True) if self._traceless is None else self._traceless.open()

    def _is_good(self, handle: Handle) -> bool:
        return self._traceless is None or self._traceless.is_current(handle)

    def _keeps(self, handle: Handle) -> bool:
        return self._traceless is None or self._traceless.keeps(handle)

    def _fail(self, error: MultidbError) -> None:
        self.error = error
        self._state = State.FAILED
        self._retry_at = self._clock() + self._retry_after
        self._retry_after = min(self._retry_after * 2, _LAST_RETRY)
        log.emit("database_failed", concern=self.name, path=str(self.path), error=error.message, hint=error.hint)

    def _disconnect(self) -> list[Exception]:
        """Close the readers, then the writer, which then can tidy up the -wal; the errors on the way."""
        errors = self._pool.close()
        if self._writer is not None:
            try:
                roll_back(self._writer)
                self._writer.close()
            except Exception as error:  # all is closed before anything is raised
                errors.append(error)
        self._writer = self._traceless = None
        if self._identity is not None:
            claims.release(self._identity)
            self._identity = None
        return errors

    def reopen(self) -> None:
        """Close every connection and open the file anew, at once; raises what keeps it from opening.

        Waits like `exclusive()` for sessions to end. A file that was taken away is not made again.
        """
        self._refuse_if_over()
        with self._alone(None), self._lock:
            self._disconnect()
            self.open()
        if self.error is not None:
            raise self.error

    def _usable(self, *, writing: bool = False) -> None:
        """Return where the database can be used now, opening it where that is due; else raise why not."""
        self._refuse_if_over()
        state = self._state
        if state in (State.UNOPENED, State.ABSENT) or (state is State.FAILED and self._clock() >= self._retry_at):
            self._try_again()
            state = self._state
        if state is State.FAILED:
            assert self.error is not None
            raise FailedError(
                f"{self.name} is failed: {self.error.message}",
                cause=self.error,
                concern=self.name,
                path=str(self.path),
                hint=self.error.hint,
            )
        if state is State.ABSENT:
            raise AbsentError(
                f"there is no file for {self.name}",
                concern=self.name,
                path=str(self.path),
                hint="its owner has to make it" if self.is_foreign else "open it for writing to make it",
            )
        if writing and state is State.READ_ONLY:
            self._refuse_writing()

    def _refuse_writing(self) -> NoReturn:
        if self.is_foreign:
            raise ForeignDatabaseError(
                f"{self.name} belongs to another program, which alone writes it",
                concern=self.name,
                path=str(self.path),
            )
        raise ReadOnlyFileError(
            f"{self.name} is open for reading only",
            concern=self.name,
            path=str(self.path),
            hint="look at the mode of the file, and at read_only where it was opened",
        )

    def _refuse_if_over(self) -> None:
        if self._is_forked:
            raise ForkedError(
                f"{self.name} was opened before this process was forked",
                concern=self.name,
                path=str(self.path),
                hint="fork before opening, or start workers with spawn",
            )
        if self._state is State.CLOSED:
            raise ClosedError(f"{self.name} was closed", concern=self.name, path=str(self.path))

    def _try_again(self) -> None:
        """Open now, unless somebody still has a session of the time before."""
        with self._lock:
            if self._state not in (State.UNOPENED, State.ABSENT, State.FAILED):
                return  # another thread was first
            if not self._pool.drain(time.monotonic()):
                return
            try:
                self._disconnect()
                self.open()
            finally:
                self._pool.resume()

    def _look_in_place(self) -> None:
        """Fail the database when its file was moved, replaced or deleted: writes to the old one would be lost."""
        if files.identity_of(self.path) != self._identity and self._state is State.READY:
            self._fail(
                StorageError(
                    "the database file was moved, replaced or deleted while it was open",
                    concern=self.name,
                    path=str(self.path),
                    hint="put it back, or call reopen() to go on with the file that stands there now",
                )
            )
            self._usable()

    @contextlib.contextmanager
    def _alone(self, timeout: float | None) -> Generator[None]:
        """Hold the lease with no reader left; everybody else waits until the block ends."""
        self._refuse_own_session()
        seconds = self._seconds(timeout, self.concern.tuning.writer_timeout_ms)
        deadline = time.monotonic() + seconds
        self._lease.acquire(deadline, caller_name())
        try:
            if not self._pool.drain(deadline):
                raise ReaderTimeoutError(
                    f"readers of {self.name} did not end within {seconds:g} s",
                    concern=self.name,
                    holder=self._pool.facts()["oldest_label"],
                    hint="end read sessions and streams first",
                )
            try:
                yield
            finally:
                self._pool.resume()
        finally:
            self._lease.release()

    @staticmethod
    def _seconds(timeout: float | None, default_ms: int) -> float:
        return default_ms / 1000 if timeout is None else max(0.0, timeout)

    @abstractmethod
    def _refuse_own_session(self) -> None:
        """Raise SessionMisuseError where the caller has a session open here, for which it would wait for ever."""

    def interrupt(self) -> None:
        """Stop every statement that runs here now, in any thread."""
        self._pool.interrupt()
        if self._writer is not None:
            self._writer.interrupt()

    def close(self, timeout: float = 10) -> None:
        """Refuse new work, wait for sessions to end, interrupt those that are left, close every connection.

        Twice is once. Raises one group of what went wrong on the way, with everything closed.
        """
        if self._state is State.CLOSED or self._is_forked:
            self._state = State.CLOSED
            return
        self._refuse_own_session()
        self._state = State.CLOSED
        self._lease.shut()
        deadline = time.monotonic() + timeout
        if not (self._lease.wait_until_free(deadline) and self._pool.drain(deadline)):
            self.interrupt()
            deadline = time.monotonic() + _GRACE
            self._lease.wait_until_free(deadline)
            self._pool.drain(deadline)
        with self._lock:
            errors = self._disconnect()
        log.emit("database_closed", concern=self.name, path=str(self.path))
        if errors:
            raise ExceptionGroup(f"closing {self.name}", errors)

    def after_fork(self) -> None:
        """In a child process: refuse everything, and keep the inherited connections from ever being closed."""
        self._is_forked = True
        self._lock = threading.RLock()
        handles = [*self._pool.handles(), *([self._writer] if self._writer is not None else [])]
        for handle in handles:
            handle.abandon()
