"""Opening one connection: every Tuning value set in the right order and read back, extensions, guard.

The order matters and follows the losses that were measured:
 1. the busy timeout, before anything can wait;
 2. a read of `sqlite_schema`: `Connection()` opens anything, the first read finds what is no database;
 3. WAL only where the file is not WAL already, with a bounded retry: against a writer the switch fails at
    once, whatever the busy timeout;
 4. the other pragmas, read back in one go, since a wrong pragma is ignored without a word;
 5. extensions (enabled for the C call only), guard, progress handler.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import apsw
import attrs

from multidb.claims import watch_forks
from multidb.concerns import Tuning
from multidb.engine.extensions import load
from multidb.engine.failures import CAUGHT, translated
from multidb.engine.guard import Guard
from multidb.engine.statement import Statement
from multidb.errors import (
    ClosedError,
    ConfigError,
    ForkedError,
    MultidbError,
    ReadOnlySessionError,
    SessionMisuseError,
)

_SYNCHRONOUS: Final = {"off": 0, "normal": 1, "full": 2, "extra": 3}
_TEMP_STORE: Final = {"default": 0, "file": 1, "memory": 2}
_PROGRESS_STEPS: Final = 20_000
"""Virtual-machine steps between two looks at deadlines and signals: about a millisecond, free for short reads."""

_SEAL: Final = os.urandom(8).hex()
"""Ends our own control statements, so that no text of a session can find them in the statement cache, where they
stand compiled and past the guard."""

_IN_TRIGGER: Final = """
SELECT 1
FROM (SELECT type, sql FROM sqlite_schema UNION ALL SELECT type, sql FROM sqlite_temp_schema)
WHERE type = 'trigger' AND instr(sql, replace(?, '''', ''''''))"""

_STATES: Final = (
    "busy_timeout",
    "journal_mode",
    "synchronous",
    "cache_size",
    "mmap_size",
    "wal_autocheckpoint",
    "journal_size_limit",
    "temp_store",
    "foreign_keys",
    "recursive_triggers",
    "trusted_schema",
)


class Handle:
    """One tuned connection, with what belongs to it for as long as it is open.

    Not for two threads at once: the owner of the handle (a lease, the pool) sees to that.
    """

    __slots__ = (
        "__weakref__",
        "connection",
        "cursor",
        "deadline",
        "guard",
        "is_forked",
        "is_shut",
        "known",
        "path",
        "read_only",
        "scratch",
        "tuning",
    )

    def __init__(self, connection: apsw.Connection, path: Path, tuning: Tuning, *, read_only: bool) -> None:
        self.connection = connection
        self.path = path
        self.tuning = tuning
        self.read_only = read_only
        self.guard = Guard(read_only=read_only)
        self.known: dict[str, Statement] = {}
        self.cursor = connection.cursor()
        self.deadline: float | None = None
        self.is_forked = False
        self.is_shut = False  # closed under its owner, who may learn of it in the middle of a statement
        self.scratch: Path | None = None  # a private folder that goes with the handle

    def control(self, sql: str) -> None:
        """Run one of our own control statements, which the guard keeps from sessions.

        It ends what the shared cursor had not read to its end.
        """
        if self.is_forked:
            self.check()
        self.deadline = None
        self.guard.lifted = True
        try:
            self.cursor.execute(f"{sql} -- {_SEAL}")
        finally:
            self.guard.lifted = False

    def ask(self, sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
        """All rows of one of our own statements, errors translated."""
        if self.is_forked:
            self.check()
        self.deadline = None
        self.guard.lifted = True
        try:
            return list(self.connection.execute(sql, params, can_cache=False))
        except CAUGHT as error:
            ours = self.failure(error, sql)
            raise ours from ours.__cause__
        finally:
            self.guard.lifted = False

    def rest(self) -> None:
        """End a statement of the shared cursor that was not read to its end: it would pin its moment of the file."""
        if self.connection and self.connection.txn_state("main") and self.connection.get_autocommit():
            self.cursor.execute("")

    def check(self) -> None:
        """Raise ForkedError or ClosedError where the connection may not be used any more."""
        over = self.over()
        if over is not None:
            raise over

    @property
    def is_read_only_file(self) -> bool:
        """Whether SQLite could open the file for reading only, although it was to be written."""
        return self.connection.readonly("main")

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction stands that is this process's to end."""
        return not self.is_forked and bool(self.connection) and not self.connection.get_autocommit()

    def failure(self, error: BaseException, sql: str | None = None, params: Any = ()) -> MultidbError:
        """Our error for one that this connection raised."""
        over = self.over()
        if over is not None:
            return over
        os_error = self.connection.system_errno if self.connection else 0
        ours = translated(
            error,
            sql=sql,
            params=params,
            os_error=os_error,
            read_only=self.read_only,
            in_trigger=self._in_trigger,
        )
        if isinstance(error, apsw.AuthError) and self.guard.refusal is not None:
            return _refused(self.guard.refusal, sql)
        return ours

    def _in_trigger(self, text: str) -> bool:
        try:
            return self.connection.execute(_IN_TRIGGER, (text,)).fetchone() is not None
        except apsw.Error:
            return False

    def over(self) -> MultidbError | None:
        """Why the connection may not be used any more, or None."""
        if self.is_forked:
            return ForkedError(
                "this connection was opened before the process was forked",
                hint="open the databases after the fork, or start workers with spawn",
            )
        if self.is_shut:
            return ClosedError(
                "the database was closed while this session was open; what it had not committed is rolled back",
                hint="end sessions before the desk is closed, or give close() a longer timeout",
            )
        return None

    def interrupt(self) -> None:
        """Stop what runs on the connection now; from any thread."""
        if not self.is_forked:
            with contextlib.suppress(apsw.ConnectionClosedError):  # its owner was quicker
                self.connection.interrupt()

    def close(self) -> None:
        """Close the connection; nothing is left to close a second time, and a forked one is let be."""
        if self.is_forked:
            return
        self.known.clear()
        if self.is_shut:  # an interrupt that met no statement would meet the checkpoint that tidies up the -wal
            with contextlib.suppress(apsw.Error):
                self.connection.execute("SELECT 1").fetchall()
        self.connection.close(True)
        if self.scratch is not None:
            import shutil  # only a private copy needs it

            shutil.rmtree(self.scratch, ignore_errors=True)

    def after_fork(self) -> None:
        """In a forked child: never use and never close the connection, which would take the parent's locks.

        Its reference is leaked on purpose; otherwise the interpreter would close it at its end.
        """
        self.is_forked = True
        self.known.clear()
        leak(self.connection)
        leak(self.cursor)

    def _look_up(self) -> bool:
        """Runs every few thousand steps: lets signals in, and says True past a statement's deadline."""
        return self.deadline is not None and time.monotonic() > self.deadline


def leak(thing: object) -> None:
    """Keep `thing` from ever being destroyed, by the interpreter's end too."""
    import ctypes

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))


def _refused(refusal: str, sql: str | None) -> MultidbError:
    if refusal == "the statement writes":
        return ReadOnlySessionError(refusal, sql=sql, hint="use execute, or a write session")
    return SessionMisuseError(f"this statement is not for a session: {refusal}", sql=sql)


def connect(
    target: str,
    path: Path,
    tuning: Tuning,
    *,
    read_only: bool,
    extensions: tuple[str, ...] = (),
    uri: bool = False,
    keep_journal: bool = False,
) -> Handle:
    """A tuned connection to `target`, which is `path` or a URI for it; never creates a file.

    `keep_journal` leaves the file's journal mode as it is.

    Raises what the file deserves (CorruptError, NotADatabaseError, StorageError, BusyError, ConfigError for a value
    that SQLite does not take, ExtensionMissingError), with nothing left open.
    """
    flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE
    if uri:
        flags |= apsw.SQLITE_OPEN_URI
    try:
        connection = apsw.Connection(target, flags, statementcachesize=tuning.statement_cache)
    except apsw.Error as error:
        raise translated(error, os_error=_open_errno(path, read_only)) from error
    try:
        handle = Handle(connection, path, tuning, read_only=read_only)
        connection.set_busy_timeout(tuning.busy_timeout_ms)
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
        writable = not read_only and not connection.readonly("main")
        if writable and not keep_journal:
            _switch_journal(connection, tuning)
        _tune(connection, tuning)
        load(connection, extensions)
        connection.authorizer = handle.guard
        connection.set_progress_handler(handle._look_up, _PROGRESS_STEPS)
        watch_forks(handle)
    except apsw.Error as error:
        ours = translated(error, os_error=connection.system_errno, read_only=read_only)
        connection.close(True)
        raise ours from error
    except BaseException:
        connection.close(True)
        raise
    return handle


def _open_errno(path: Path, read_only: bool) -> int:
    """Why the path cannot be opened, as far as the system tells without opening it."""
    try:
        os.stat(path)
        wanted = os.R_OK if read_only else os.R_OK | os.W_OK
        if not os.access(path, wanted, effective_ids=os.access in os.supports_effective_ids):
            return errno.EACCES
        os.close(os.open(os.devnull, os.O_RDONLY))  # fails where this process has no descriptor left
        return 0
    except OSError as error:
        return error.errno or 0


def _switch_journal(connection: apsw.Connection, tuning: Tuning) -> None:
    wanted = tuning.journal_mode
    deadline = time.monotonic() + max(tuning.busy_timeout_ms, 100) / 1000
    while True:
        mode = connection.execute("PRAGMA journal_mode").get
        if mode == wanted:
            return
        try:
            mode = connection.execute(f"PRAGMA journal_mode = {wanted}").get
        except (apsw.BusyError, apsw.LockedError):
            if time.monotonic() > deadline:
                raise
            time.sleep((os.getpid() % 9 + 1) / 1000)  # each process at a pace of its own
            continue
        if mode != wanted:
            raise ConfigError(f"SQLite keeps journal_mode {mode!r} where {wanted!r} was asked for")
        # Opens the new log: a connection that never read since the switch leaves -wal and -shm behind at its close.
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
        return


def _tune(connection: apsw.Connection, tuning: Tuning) -> None:
    for switch, wanted in (
        (apsw.SQLITE_DBCONFIG_DEFENSIVE, tuning.defensive),
        (apsw.SQLITE_DBCONFIG_DQS_DML, tuning.dqs),
        (apsw.SQLITE_DBCONFIG_DQS_DDL, tuning.dqs),
    ):
        connection.config(switch, wanted)
    rows = [row[0] for row in connection.execute(_script(tuning))]  # some orders answer, too: the last rows count
    found = dict(zip(_STATES, rows[-len(_STATES) :], strict=True))
    for name, value in {**wanted_pragmas(tuning), "busy_timeout": tuning.busy_timeout_ms}.items():
        if found[name] != value:
            raise ConfigError(f"SQLite keeps {name} = {found[name]!r} where {value!r} was asked for")


@lru_cache(maxsize=64)
def _script(tuning: Tuning) -> str:
    """Sets every pragma of a Tuning, then asks for each."""
    orders = [f"PRAGMA {name} = {value}" for name, value in wanted_pragmas(tuning).items()]
    return ";".join([*orders, _READ_BACK])


def wanted_pragmas(tuning: Tuning) -> dict[str, int]:
    """The pragmas that a Tuning means, without the busy timeout and the journal mode, which come first."""
    return {
        "synchronous": _SYNCHRONOUS[tuning.synchronous],
        "cache_size": -tuning.cache_kib,
        "mmap_size": tuning.mmap_bytes,
        "wal_autocheckpoint": tuning.wal_autocheckpoint,
        "journal_size_limit": tuning.journal_size_limit,
        "temp_store": _TEMP_STORE[tuning.temp_store],
        "foreign_keys": int(tuning.foreign_keys),
        "recursive_triggers": int(tuning.recursive_triggers),
        "trusted_schema": int(tuning.trusted_schema),
    }


_READ_BACK: Final = ";".join(f"PRAGMA {name}" for name in _STATES)


def _pragmas_in_force(connection: apsw.Connection) -> dict[str, Any]:
    return dict(zip(_STATES, (row[0] for row in connection.execute(_READ_BACK)), strict=True))


def tuning_in_force(handle: Handle) -> Tuning:
    """What SQLite says of the connection, in the words of Tuning; our own waits are those that were asked for."""
    connection = handle.connection
    found = _pragmas_in_force(connection)
    synchronous: Any = next(name for name, number in _SYNCHRONOUS.items() if number == found["synchronous"])
    temp_store: Any = next(name for name, number in _TEMP_STORE.items() if number == found["temp_store"])
    return attrs.evolve(
        handle.tuning,
        busy_timeout_ms=found["busy_timeout"],
        journal_mode=found["journal_mode"],
        synchronous=synchronous,
        cache_kib=-found["cache_size"],
        mmap_bytes=found["mmap_size"],
        wal_autocheckpoint=found["wal_autocheckpoint"],
        journal_size_limit=found["journal_size_limit"],
        temp_store=temp_store,
        foreign_keys=bool(found["foreign_keys"]),
        recursive_triggers=bool(found["recursive_triggers"]),
        trusted_schema=bool(found["trusted_schema"]),
        defensive=bool(connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, -1)),
        dqs=bool(connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, -1)),
        statement_cache=connection.cache_stats()["size"],
    )
