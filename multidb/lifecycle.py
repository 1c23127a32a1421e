"""A database's life: absent, open, failed and tried again, carried through a fork, closed.

A database that cannot be opened is FAILED and keeps its error; it is tried again when it is used, with a
back-off from 1 to 60 seconds, and at once by `reopen()`. Nothing is deleted, moved aside or repaired here, and
a file that was here and is gone is not made again.

One rule keeps the states from crossing: connections are opened and closed by whoever is alone at the database's
gate. `close` alone may come at any time; CLOSED is final, and `_become` never leaves it.
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
from multidb.engine.connect import Handle, connect
from multidb.engine.facts import checkpoint
from multidb.engine.gate import Gate
from multidb.engine.traceless import Traceless
from multidb.errors import MultidbError
from multidb.places import State, is_writable, os_failure
from multidb.refusals import forked, moved, own_session, refusal, taken_away
from multidb.site import Site

_FIRST_RETRY: Final = 1.0
_LAST_RETRY: Final = 60.0
_GRACE: Final = 1.0
"""Seconds that an interrupted straggler has to leave before its connection is closed under it."""


class BackOff:
    """When a failed database may be tried again: after 1, 2, 4 … 60 seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = 0.0
        self._seconds = _FIRST_RETRY

    @property
    def is_over(self) -> bool:
        """Whether the time has come."""
        return self._clock() >= self._until

    def grow(self) -> None:
        """Begin the next, longer wait."""
        self._until = self._clock() + self._seconds
        self._seconds = min(self._seconds * 2, _LAST_RETRY)

    def reset(self) -> None:
        """The next wait is the shortest again."""
        self._seconds = _FIRST_RETRY


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
        self.is_foreign = concern.is_foreign
        self.error: MultidbError | None = None
        self.was_created = False
        self._is_read_only = read_only or concern.read_only or self.is_foreign
        self._inspect = inspect
        self._site = Site(concern.name, path)
        self._state = State.UNOPENED
        self._is_forked = False
        self._lock = threading.Lock()  # for `_state` alone; nobody waits while holding it
        self._writer: Handle | None = None
        self._traceless: Traceless | None = None
        self._back_off = BackOff(clock)
        self._gate = self._new_gate()
        claims.watch_forks(self)

    def _new_gate(self) -> Gate:
        return Gate(self._reader, self.concern.readers, is_good=self._is_good, keeps=self._keeps)

    def __repr__(self) -> str:
        return f"<Database {self.name} {self._state.value} {self.path}>"

    @property
    def path(self) -> Path:
        """The file, its symbolic links followed when it was last opened."""
        return self._site.path

    @property
    def identity(self) -> files.Identity | None:
        """The file that is open, else the one that stands at `path`; None without one."""
        return self._site.identity or files.identity_of(self.path)

    @property
    def state(self) -> State:
        """READY, READ_ONLY, ABSENT, FAILED (then `error` says why), MAINTENANCE, CLOSED or UNOPENED."""
        return self._state

    def _become(self, state: State, error: MultidbError | None = None) -> bool:
        """Change the state, unless it is CLOSED; whether it was changed."""
        with self._lock:
            if self._state is State.CLOSED:
                return False
            self._state, self.error = state, error
            return True

    # --- opening ------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the file and leave the state READY or READ_ONLY, ABSENT where it is not ours to create, else FAILED.

        What is wrong with the file is kept in `error` and not raised. ConfigError, for a file that this process
        has open already, and ForkedError are raised: no second try mends them. One that is open stays as it is.
        """
        self._refuse_if_over()
        with self._alone(self._deadline(None)):
            if self._state not in (State.READY, State.READ_ONLY):
                self._renew()

    def reopen(self) -> None:
        """Close every connection and open the file anew, at once; raises what keeps it from opening.

        Waits like `exclusive()` for sessions to end. A file that was taken away is not made again.
        """
        self._refuse_if_over()
        with self._alone(self._deadline(None)):
            self._back_off.reset()
            self._renew()
            error = self.error
        if error is not None:
            raise error.with_traceback(None)

    def _renew(self) -> None:
        """Close what is open and open the file that stands here now; the caller is alone."""
        if self._state is State.CLOSED:
            return
        had_failed = self._state is State.FAILED
        if self._writer is not None and self._site.is_vacant:  # what we hold may be the last copy
            self._fail(taken_away())
            return
        self._disconnect()
        try:
            made = self._site.find(may_make=not self._is_read_only)
        except MultidbError as error:
            self._site.leave()
            self._fail(error)
            return
        try:
            self._site.claim()
        except MultidbError as error:
            self._fail(error)
            raise
        if self._site.identity is None:
            self._become(State.ABSENT)
            return
        try:
            self._connect()
        except (MultidbError, OSError) as error:
            self._disconnect()
            self._site.leave()
            self._fail(error if isinstance(error, MultidbError) else os_failure(error, self.path))
            return
        self._site.note_open()
        self._back_off.reset()
        self.was_created = self.was_created or made
        if not self._become(State.READ_ONLY if self._writer is None else State.READY):
            self._disconnect()  # close() has given up waiting for us
            self._site.leave()
            return
        where = {"concern": self.name, "path": str(self.path)}
        if made:
            log.emit("database_created", **where)
        elif had_failed:
            log.emit("database_recovered", **where)
        else:
            log.emit("database_opened", **where)

    def _connect(self) -> None:
        if not self._is_read_only and is_writable(self.path):
            self._writer = self._connection(read_only=False)
            if not self._writer.is_read_only_file:
                self._inspect(self._writer)
                return
            self._writer.close()
            self._writer = None
        self._traceless = self._without_trace()
        with contextlib.closing(self._traceless.open()) as handle:
            self._inspect(handle)

    def _without_trace(self) -> Traceless:
        return Traceless(self.path, self.concern.tuning, self.concern.extensions)

    def _connection(self, *, read_only: bool) -> Handle:
        tuning, extensions = self.concern.tuning, self.concern.extensions
        return connect(str(self.path), self.path, tuning, read_only=read_only, extensions=extensions)

    def _reader(self) -> Handle:
        if self._state not in (State.READY, State.READ_ONLY):  # it changed while the caller stood in the queue
            self._refuse()
        if self._traceless is not None:
            return self._traceless.open()
        handle = self._connection(read_only=True)
        if not self._site.is_in_place:
            handle.close()
            self._refuse_moved()
        return handle

    def _is_good(self, handle: Handle) -> bool:
        return self._traceless is None or self._traceless.is_current(handle)

    def _keeps(self, handle: Handle) -> bool:
        return bool(handle.connection) and (self._traceless is None or self._traceless.keeps(handle))

    def _fail(self, error: MultidbError) -> None:
        error.within(self.name, str(self.path))
        self._back_off.grow()
        self._become(State.FAILED, error)
        log.emit("database_failed", concern=self.name, path=str(self.path), error=error.message, hint=error.hint)

    # --- using --------------------------------------------------------------------------------------

    def _usable(self, deadline: float, *, writing: bool = False) -> None:
        """Return where the database can be used, opened where that is due, or in a moment; else raise why not."""
        self._refuse_if_over()
        if self._is_due():
            self._try_again(deadline)
        if self._state is not State.MAINTENANCE:
            self._refuse(writing=writing)

    def _is_due(self) -> bool:
        if self._state is State.FAILED:
            return self._back_off.is_over
        if self._state is State.READ_ONLY:  # another program's file may be replaced, and may go and come
            return not self._site.is_in_place
        return self._state in (State.UNOPENED, State.ABSENT)

    def _try_again(self, deadline: float) -> None:
        """Open now, unless somebody still has a session of the time before."""
        if self._has_own_session():
            return
        with self._naming_errors(), self._gate.alone_if_idle(deadline, self._is_due) as is_alone:
            if is_alone:
                self._renew()

    def _refuse(self, *, writing: bool = False) -> None:
        """Return where the database is open, for writing where asked; else raise why not."""
        self._refuse_if_forked()
        with self._lock:
            state, error = self._state, self.error
        reason = refusal(self.name, self.path, state, error, is_foreign=self.is_foreign, writing=writing)
        if reason is not None:
            raise reason

    def _refuse_if_over(self) -> None:
        self._refuse_if_forked()
        if self._state is State.CLOSED:
            self._refuse()

    def _refuse_if_forked(self) -> None:
        if self._is_forked:
            raise forked(self.name, self.path)

    def _refuse_moved(self) -> NoReturn:
        """Fail the database: its file was moved, replaced or deleted, and what is written to it would be lost."""
        self._fail(moved())
        self._refuse()
        raise AssertionError("a failed database was not refused")

    @contextlib.contextmanager
    def _alone(self, deadline: float) -> Generator[None]:
        """Nobody else reads or writes in this process; everybody waits until the block ends."""
        self.refuse_own_session()
        with self._naming_errors(), self._gate.alone(deadline):
            yield

    @contextlib.contextmanager
    def _naming_errors(self) -> Generator[None]:
        try:
            yield
        except MultidbError as error:
            error.within(self.name, str(self.path))
            raise

    def _deadline(self, timeout: float | None) -> float:
        """When a wait of `timeout` seconds ends, `writer_timeout_ms` for None."""
        seconds = self.concern.tuning.writer_timeout_ms / 1000 if timeout is None else max(0.0, timeout)
        return time.monotonic() + seconds

    def refuse_own_session(self) -> None:
        """Raise SessionMisuseError where the caller has a session open here, which it would wait for."""
        if self._state is not State.CLOSED and self._has_own_session():
            raise own_session(self.name, self.path)

    @abstractmethod
    def _has_own_session(self) -> bool:
        """Whether the calling thread or task has a session open here."""

    # --- closing ------------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """Stop every statement that runs here now, in any thread."""
        for handle in self._in_use():
            handle.interrupt()

    def _in_use(self) -> list[Handle]:
        return [*self._gate.readers.lent(), *([self._writer] if self._writer is not None else [])]

    def close(self, timeout: float = 10) -> None:
        """Refuse new work, wait for sessions to end, interrupt those that are left, close every connection.

        Twice is once. Whoever still has a session then gets ClosedError; what it had not committed is rolled back.
        Raises SessionMisuseError inside one's own session, and one group of what went wrong on the way, with
        everything closed.
        """
        self.refuse_own_session()
        self.shut(timeout)

    def shut(self, timeout: float) -> None:
        """As `close`, with the caller's own sessions cut off at once: for the end of the process."""
        with self._lock:
            if self._state is State.CLOSED:
                return
            self._state, self.error = State.CLOSED, None
        self._gate.shut()
        try:
            if not self._has_own_session():
                self._wait_for_all(timeout)
        finally:  # after Ctrl-C too
            self._cut_off()
            errors = self._disconnect()
            if not errors:
                self._site.leave()
        log.emit("database_closed", concern=self.name, path=str(self.path))
        if errors:
            raise ExceptionGroup(f"closing {self.name}", errors)

    def _wait_for_all(self, timeout: float) -> None:
        """Wait for sessions to end, then interrupt those that are left and wait a little more."""
        for seconds in (timeout, _GRACE):
            if self._gate.wait_until_empty(time.monotonic() + seconds):
                return
            self._cut_off()
            self.interrupt()

    def _cut_off(self) -> None:
        for handle in self._in_use():
            handle.is_shut = True

    def _disconnect(self) -> list[Exception]:
        """Close the readers, then the writer, which then can tidy up the -wal; the errors on the way."""
        errors = self._gate.readers.close()
        writer, self._writer, self._traceless = self._writer, None, None
        if writer is not None:
            try:
                with contextlib.closing(writer):
                    self._settle(writer)
            except Exception as error:  # all is closed before anything is raised
                errors.append(error)
        return errors

    def _settle(self, writer: Handle) -> None:
        """Where another file has the name now, empty the -wal into the old one: it would be replayed into the new."""
        if not self._site.is_in_place and not self._site.is_vacant:
            checkpoint(writer, truncate=True)

    def after_fork(self) -> None:
        """In a child process: refuse everything; the connections see to themselves."""
        self._is_forked = True
        self._state = State.CLOSED
        self._lock = threading.Lock()  # another thread of the parent may have held it, and those of the gate
        self._gate = self._new_gate()
