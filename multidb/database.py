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

from multidb.concerns import Concern, Tuning
from multidb.engine import facts
from multidb.engine.caller import caller, caller_name, current_task
from multidb.engine.connect import Handle, tuning_in_force
from multidb.engine.session import ExclusiveSession, Params, ReadSession, Session, WriteSession
from multidb.engine.transaction import begin_read, begin_write, commit, end_read, roll_back
from multidb.errors import BusyError, CorruptError, MultidbError, SessionMisuseError
from multidb.failpoints import reach
from multidb.foreign import identify
from multidb.lifecycle import Lifecycle
from multidb.places import State
from multidb.reports import CheckpointReport, ForeignInfo
from multidb.verbs import Verbs

T = TypeVar("T")
AnySession = TypeVar("AnySession", bound=Session)
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
        return identify(self.name, self.path, self._columns_of) if self.is_foreign else None

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
            view = ReadSession(own._handle, self.name)
            try:
                yield view
            finally:
                view._end()
            return
        handle = self._lend(timeout, caller_name())
        try:
            begin_read(handle)
            session = ReadSession(handle, self.name)
            try:
                with self._entered(session):
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
            self._pool.give_back(handle)

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
        deadline = time.monotonic() + self._seconds(timeout, self.concern.tuning.writer_timeout_ms)
        try:
            with self._writing(own, deadline) as handle:
                begin_write(handle, deadline)
                session = WriteSession(handle, self.name)
                try:
                    with self._entered(session):
                        yield session
                    if not handle.in_transaction:
                        session._refuse_lost()
                    reach("write.before_commit")
                    commit(handle, time.monotonic() + self.concern.tuning.busy_timeout_ms / 1000)
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
        self._usable(writing=True)
        with self._alone(timeout), self._lock:
            self._disconnect()
            self._state = State.MAINTENANCE
            handle: Handle | None = None
            try:
                handle = self._connection(read_only=False)
                with self._entered(ExclusiveSession(handle, self.name)) as session:
                    yield session
            except MultidbError as error:
                error.within(self.name, str(self.path))
                raise
            finally:
                if handle is not None:
                    roll_back(handle)
                    handle.close()
                self.open()

    # --- maintenance --------------------------------------------------------------------------------

    def vacuum(self) -> None:
        """Rebuild the file without its free pages, as `exclusive()`; needs free space of twice its size."""
        with self.exclusive() as session:
            session.execute("VACUUM")

    def optimize(self) -> None:
        """Let SQLite analyse the tables whose statistics are out of date; a bounded sample, in the write lease."""
        self._usable(writing=True)
        with self._writing(self._own(), time.monotonic() + self.concern.tuning.writer_timeout_ms / 1000) as handle:
            handle.ask("PRAGMA optimize = 0x10002")

    def checkpoint(self, *, truncate: bool = True) -> CheckpointReport:
        """Copy the write-ahead log back into the file as far as no reader is in the way, without waiting for one."""
        self._usable(writing=True)
        with self._writing(self._own(), time.monotonic() + self.concern.tuning.writer_timeout_ms / 1000) as handle:
            frames, copied, busy = facts.checkpoint(handle, truncate=truncate)
        return CheckpointReport(wal_frames=frames, checkpointed=copied, busy=busy)

    def probe(self, look: Callable[[Handle], T], timeout: float | None = None) -> T:
        """What `look` answers on a reader's connection outside a transaction, or on the caller's own session's."""
        own = self._own()
        if own is not None:
            return look(own._handle)
        handle = self._lend(timeout, caller_name())
        try:
            return look(handle)
        finally:
            self._pool.give_back(handle)

    def tuning_in_force(self) -> Tuning:
        """What SQLite says of a connection now, in the words of Tuning."""
        self._usable()
        if self._writer is not None:
            with self._writing(self._own(), time.monotonic() + 1) as handle:
                return tuning_in_force(handle)
        return self.probe(tuning_in_force)

    def activity(self) -> dict[str, Mapping[str, Any]]:
        """Who reads, who writes and who waits, now: `readers`, `writer` and `busy`, counts of waits that ended."""
        return {
            "readers": self._pool.facts(),
            "writer": self._lease.facts(),
            "busy": {"reader": self._pool.timeouts, "writer": self._lease.timeouts},
        }

    # --- inside -------------------------------------------------------------------------------------

    def _own(self) -> Session | None:
        if not self._sessions:
            return None
        stack = self._sessions.get(caller())
        return stack[-1] if stack else None

    def _refuse_own_session(self) -> None:
        if self._own() is not None:
            raise SessionMisuseError(
                f"end your own session of {self.name} first: this would wait for it", concern=self.name
            )

    @contextlib.contextmanager
    def _entered(self, session: AnySession) -> Generator[AnySession]:
        """Make `session` the caller's innermost for the block; it has ended afterwards."""
        who = caller()
        stack = self._sessions.setdefault(who, [])
        stack.append(session)
        try:
            yield session
        finally:
            session._end()
            stack.remove(session)
            if not stack:
                self._sessions.pop(who, None)

    @contextlib.contextmanager
    def _writing(self, own: Session | None, deadline: float) -> Generator[Handle]:
        """The writer's connection under the lease; inside the caller's own `exclusive()` that connection."""
        if isinstance(own, ExclusiveSession):
            yield own._handle
            return
        if self._state is not State.READY:
            self._usable(writing=True)
        label = get_ident() if current_task() is None else caller_name()
        self._lease.acquire(deadline, label)
        try:
            self._look_in_place()
            if self._writer is None:
                self._usable(writing=True)
            assert self._writer is not None
            yield self._writer
        finally:
            self._lease.release()

    def _lend(self, timeout: float | None, label: str | int) -> Handle:
        if self._state is not State.READY:
            self._usable()
        seconds = self._seconds(timeout, self.concern.tuning.reader_timeout_ms)
        try:
            return self._pool.borrow(seconds, label)
        except MultidbError as error:
            error.within(self.name, str(self.path))
            raise

    def _borrow(self) -> ReadSession:
        return ReadSession(self._lend(None, get_ident()), self.name)

    def _give_back(self, session: ReadSession) -> None:
        handle = session._handle
        session._end()
        self._pool.give_back(handle)

    def _reading(self, verb: Callable[..., Any], sql: str, params: Params, options: Mapping[str, Any]) -> Any:
        own = self._own()
        if own is not None:
            return verb(own, sql, params, **options)
        for _ in range(_TRIES):
            session = self._borrow()
            try:
                answer = verb(session, sql, params, **options)
                if self._held_still(session._handle):
                    return answer
            except CorruptError:
                if self._held_still(session._handle):
                    raise
            finally:
                self._give_back(session)
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
