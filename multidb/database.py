"""One concern's database: one writer, a pool of readers, one exclusive door.

The thread rules, in five lines:
 1. A `Database` may be shared by all threads and tasks; a session belongs to the one that entered it.
 2. Writers of this process queue first come, first served; every wait has a deadline and names the holder.
 3. Readers see a moment and never wait for writers; a session of one's own is what one's own verbs run in.
 4. `exclusive()` waits until everybody has left and is then the only connection of the process.
 5. After a fork the child's copy refuses (ForkedError); open the databases in the child instead.

`lifecycle` has what happens before and after.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Hashable, Mapping
from pathlib import Path
from threading import get_ident
from typing import Any, Final, TypeVar

from multidb import log
from multidb.concerns import Concern, Tuning
from multidb.engine import facts
from multidb.engine.caller import caller, caller_name, current_task
from multidb.engine.connect import Handle, tuning_in_force
from multidb.engine.session import ExclusiveSession, Params, ReadSession, Session, WriteSession
from multidb.engine.transaction import begin_read, begin_write, commit, end_read, roll_back
from multidb.errors import BusyError, CorruptError, MultidbError
from multidb.failpoints import reach
from multidb.foreign import identify
from multidb.lifecycle import Lifecycle
from multidb.places import State, exists
from multidb.reports import CheckpointReport, ForeignInfo
from multidb.verbs import Verbs

T = TypeVar("T")
_TRIES: Final = 20
"""How often a reading is repeated while another program changes its file."""


class Database(Lifecycle, Verbs):
    """One concern's file, opened; a registry makes it and closes it.

    Reading verbs outside a session take a reader and cannot write; `execute` is a transaction of its own.
    """

    def __init__(
        self,
        concern: Concern,
        path: Path,
        *,
        read_only: bool = False,
        inspect: Callable[[Handle], None] = lambda handle: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(concern, path, read_only=read_only, inspect=inspect, clock=clock)
        self._sessions: dict[Hashable, list[Session]] = {}

    @property
    def foreign(self) -> ForeignInfo | None:
        """What stands at another program's path; None for a database of ours."""
        if not self.is_foreign:
            return None
        with contextlib.suppress(MultidbError):  # what cannot be opened is told by its kind
            self._usable(self._deadline(None))
        return identify(self.name, self.path, self._columns_of)

    def _columns_of(self, table: str) -> tuple[str, ...]:
        return tuple(name for (name,) in self.many("SELECT name FROM pragma_table_info(?)", (table,)))

    # --- sessions -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def read(self, timeout: float | None = None) -> Generator[ReadSession]:
        """A stable snapshot on a read-only connection; inside the caller's own session, a view of that.

        `timeout` bounds the wait for a reader (`reader_timeout_ms` by default). On another program's file that cannot
        be pinned, BusyError (kind `changed`) at the end of the block says that its owner wrote meanwhile.
        """
        own = self._own()
        if own is not None:
            with self._viewed(own) as view:
                yield view
            return
        handle = self._lend(timeout, _label())
        try:
            begin_read(handle)
            session = ReadSession(handle, self.name, transaction="own")
            try:
                with _Innermost(self._sessions, session):
                    yield session
            except CorruptError as error:
                self._refuse_changed(handle, error)
                raise
            self._refuse_changed(handle, None)
        except MultidbError as error:
            error.within(self.name, str(self.path))
            raise
        finally:
            end_read(handle)
            self._gate.readers.give_back(handle)

    @contextlib.contextmanager
    def _viewed(self, own: Session) -> Generator[ReadSession]:
        begins = isinstance(own, ExclusiveSession) and not own._handle.in_transaction
        if begins:
            begin_read(own._handle)
        view = ReadSession(own._handle, self.name, transaction="own" if begins else own)
        try:
            yield view
        finally:
            view._end()
            if begins:
                roll_back(own._handle)

    @contextlib.contextmanager
    def write(self, timeout: float | None = None) -> Generator[WriteSession]:
        """One transaction: BEGIN IMMEDIATE, COMMIT at the end of the block, ROLLBACK when an exception leaves it.

        `timeout` bounds the wait for the lease and for other processes together (`writer_timeout_ms` by default).
        Inside the caller's own `write()` it is a savepoint. Functions given to `on_commit` run after the lease is
        given back; what they raise does not undo the commit.
        """
        own = self._own()
        if isinstance(own, WriteSession):
            with own.savepoint():
                yield own
            return
        deadline = self._deadline(timeout)
        try:
            with self._writing(own, deadline) as handle:
                begin_write(handle, deadline)
                session = WriteSession(handle, self.name)
                try:
                    with _Innermost(self._sessions, session):
                        yield session
                    if not handle.in_transaction:
                        handle.check()
                        session._refuse_lost()
                    if not self._site.is_in_place:
                        self._refuse_moved()
                    reach("write.before_commit")
                    patience = time.monotonic() + self.concern.tuning.busy_timeout_ms / 1000
                    commit(handle, patience, is_awaited=self._gate.lease.is_awaited)
                except BaseException:
                    roll_back(handle)
                    raise
        except MultidbError as error:
            error.within(self.name, str(self.path))
            raise
        session._call_after_commit()

    @contextlib.contextmanager
    def exclusive(self, timeout: float | None = None) -> Generator[ExclusiveSession]:
        """The only connection of this process, outside a transaction; everybody else here waits.

        PRAGMAs, VACUUM and ATTACH are allowed; what they change on the connection is gone after the block, and a
        transaction that was left open is rolled back. Other processes are not kept out.
        """
        deadline = self._deadline(timeout)
        self._usable(deadline, writing=True)
        with self._alone(deadline):
            handle = self._writer_in_place()
            if not self._become(State.MAINTENANCE):
                self._refuse_if_over()
            try:
                session = ExclusiveSession(handle, self.name)
                with _Innermost(self._sessions, session):
                    yield session
            finally:
                self._renew()

    # --- maintenance --------------------------------------------------------------------------------

    def vacuum(self) -> None:
        """Rebuild the file without its free pages, as `exclusive()`; needs free space of twice its size."""
        with self.exclusive() as session:
            session.execute("VACUUM")

    def optimize(self) -> None:
        """Let SQLite analyse the tables whose statistics are out of date; a bounded sample, in the write lease."""
        with self._maintaining() as handle:
            handle.ask("PRAGMA optimize = 0x10012")

    def checkpoint(self, *, truncate: bool = True) -> CheckpointReport:
        """Copy the write-ahead log back into the file as far as no reader is in the way, without waiting for one."""
        with self._maintaining() as handle:
            frames, copied, busy = facts.checkpoint(handle, truncate=truncate)
        if busy:
            log.emit("checkpoint_skipped", concern=self.name, path=str(self.path), pages=frames - copied)
        return CheckpointReport(wal_frames=frames, checkpointed=copied, busy=busy)

    @contextlib.contextmanager
    def _maintaining(self) -> Generator[Handle]:
        own = self._own()
        if isinstance(own, WriteSession):
            self.refuse_own_session()
        with self._naming_errors(), self._writing(own, self._deadline(None)) as handle:
            yield handle

    def probe(self, look: Callable[[Handle], T], timeout: float | None = None) -> T:
        """What `look` answers on a reader's connection outside a transaction, or on the caller's own session's.

        Creates nothing: a database that was never opened is looked at without a trace, and a failed one is not tried
        again.
        """
        own = self._own()
        if own is not None:
            return look(own._handle)
        if self._state is State.UNOPENED and exists(self.path):
            with contextlib.closing(self._without_trace().open()) as handle:
                return look(handle)
        if not self._is_read_only and self._state is not State.MAINTENANCE:
            self._refuse()
        handle = self._lend(timeout, caller_name())
        try:
            return look(handle)
        finally:
            self._gate.readers.give_back(handle)

    def tuning_in_force(self) -> Tuning:
        """What SQLite says of a connection now, in the words of Tuning."""
        own = self._own()
        if own is not None:
            return tuning_in_force(own._handle)
        self._usable(self._deadline(None))
        if self._state is State.READY:
            with self._maintaining() as handle:
                return tuning_in_force(handle)
        return self.probe(tuning_in_force)

    def activity(self) -> dict[str, Mapping[str, Any]]:
        """Who reads, writes, is alone and waits, now; `busy` counts the waits that ended in vain."""
        return self._gate.facts()

    # --- inside -------------------------------------------------------------------------------------

    def _own(self) -> Session | None:
        if not self._sessions:
            return None
        stack = self._sessions.get(caller())
        return stack[-1] if stack else None

    def _has_own_session(self) -> bool:
        return self._own() is not None

    @contextlib.contextmanager
    def _writing(self, own: Session | None, deadline: float) -> Generator[Handle]:
        """The writer's connection under the lease; inside the caller's own `exclusive()` that connection."""
        if isinstance(own, ExclusiveSession):
            yield own._handle
            return
        if self._state is not State.READY:
            self._usable(deadline, writing=True)
        self._gate.lease.acquire(deadline, _label())
        try:
            yield self._writer_in_place()
        finally:
            self._gate.lease.release()

    def _writer_in_place(self) -> Handle:
        """The writer's connection, for the holder of the lease; raises where it must not be used."""
        writer = self._writer
        if self._state is State.READY and writer is not None:
            if self._site.is_in_place:
                return writer
            self._settle(writer)
            self._refuse_moved()
        self._refuse(writing=True)  # the state changed while the caller stood in the queue
        raise AssertionError(f"{self.name} is {self._state} without a writer")

    def _lend(self, timeout: float | None, label: str | int) -> Handle:
        seconds = self.concern.tuning.reader_timeout_ms / 1000 if timeout is None else max(0.0, timeout)
        if self._state is not State.READY:
            self._usable(time.monotonic() + seconds)
        try:
            return self._gate.readers.borrow(seconds, label)
        except MultidbError as error:
            error.within(self.name, str(self.path))
            raise

    def _borrow(self) -> ReadSession:
        return ReadSession(self._lend(None, get_ident()), self.name)

    def _take_back(self, session: ReadSession) -> None:
        handle = session._handle
        session._end()
        handle.rest()
        self._gate.readers.give_back(handle)

    def _end_stream(self, session: ReadSession, is_lost: bool) -> None:
        if is_lost:
            session._end()
            self._gate.readers.adopt(session._handle)
            return
        try:
            self._refuse_changed(session._handle, None)
        finally:
            self._take_back(session)

    def _reading(self, verb: Callable[..., Any], sql: str, params: Params, into: type[Any] = tuple) -> Any:
        own = self._own()
        if own is not None:
            return verb(own, sql, params) if into is tuple else verb(own, sql, params, into=into)
        for _ in range(_TRIES):
            session = self._borrow()
            try:
                answer = verb(session, sql, params) if into is tuple else verb(session, sql, params, into=into)
                if self._held_still(session._handle):
                    return answer
            except CorruptError:
                if self._held_still(session._handle):
                    raise
            finally:
                self._take_back(session)
        raise self._changed()

    def _held_still(self, handle: Handle) -> bool:
        """Whether what was read through `handle` was one moment of the file."""
        traceless = self._traceless
        return traceless is None or traceless.is_snapshot(handle) or traceless.is_current(handle)

    def _refuse_changed(self, handle: Handle, cause: Exception | None) -> None:
        if not self._held_still(handle):
            raise self._changed() from cause

    def _changed(self) -> BusyError:
        return BusyError(
            "the file was changed while it was read",
            concern=self.name,
            path=str(self.path),
            kind="changed",
            hint="read it again",
        )


class _Innermost:
    """Makes a session its caller's innermost for a block; it has ended afterwards."""

    __slots__ = ("_session", "_sessions", "_who")

    def __init__(self, sessions: dict[Hashable, list[Session]], session: Session) -> None:
        self._sessions = sessions
        self._session = session
        self._who = caller()

    def __enter__(self) -> None:
        self._sessions.setdefault(self._who, []).append(self._session)

    def __exit__(self, *_: object) -> None:
        self._session._end()
        stack = self._sessions[self._who]
        stack.remove(self._session)
        if not stack:
            del self._sessions[self._who]


def _label() -> str | int:
    """Who waits or holds, for those who will ask: a thread's number costs nothing to keep and is named later."""
    return get_ident() if current_task() is None else caller_name()
