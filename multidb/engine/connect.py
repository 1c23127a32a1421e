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

import errno
import os
import random
import shutil
import time
from pathlib import Path
from typing import Any, Final

import apsw
import attrs

from multidb.concerns import Tuning
from multidb.engine.extensions import load
from multidb.engine.failures import CAUGHT, translated
from multidb.engine.guard import Guard
from multidb.engine.statement import Statement
from multidb.errors import ConfigError, MultidbError, ReadOnlySessionError, SessionMisuseError

_SYNCHRONOUS: Final = {"off": 0, "normal": 1, "full": 2, "extra": 3}
_TEMP_STORE: Final = {"default": 0, "file": 1, "memory": 2}
_PROGRESS_STEPS: Final = 20_000
"""Virtual-machine steps between two looks at deadlines and signals: about a millisecond, free for short reads."""

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
        self.scratch: Path | None = None  # a private folder that goes with the handle

    def control(self, sql: str) -> None:
        """Run one of our own control statements, which the guard keeps from sessions."""
        self.guard.lifted = True
        try:
            self.cursor.execute(sql, None, can_cache=False)
        finally:
            self.guard.lifted = False

    def ask(self, sql: str, params: Any = ()) -> list[tuple[Any, ...]]:
        """All rows of one of our own statements, errors translated."""
        self.guard.lifted = True
        try:
            return list(self.connection.execute(sql, params))
        except CAUGHT as error:
            ours = self.failure(error, sql)
            raise ours from ours.__cause__
        finally:
            self.guard.lifted = False

    @property
    def is_read_only_file(self) -> bool:
        """Whether SQLite could open the file for reading only, although it was to be written."""
        return self.connection.readonly("main")

    @property
    def in_transaction(self) -> bool:
        return bool(self.connection) and not self.connection.get_autocommit()

    def failure(self, error: BaseException, sql: str | None = None, params: Any = ()) -> MultidbError:
        """Our error for one that this connection raised."""
        os_error = self.connection.system_errno if self.connection else 0
        ours = translated(error, sql=sql, params=params, os_error=os_error, read_only=self.read_only)
        if isinstance(error, apsw.AuthError) and self.guard.refusal is not None:
            return _refused(self.guard.refusal, sql)
        return ours

    def interrupt(self) -> None:
        """Stop what runs on the connection now; from any thread."""
        if self.connection and not self.is_forked:
            self.connection.interrupt()

    def close(self) -> None:
        """Close the connection; nothing is left to close a second time, and a forked one is let be."""
        if self.is_forked:
            return
        self.known.clear()
        self.connection.close(True)
        if self.scratch is not None:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def abandon(self) -> None:
        """In a forked child: never use and never close the connection, which would take the parent's locks.

        Its reference is leaked on purpose; otherwise the interpreter would close it at its end.
        """
        import ctypes

        self.is_forked = True
        self.known.clear()
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.connection))
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self.cursor))

    def _look_up(self) -> bool:
        """Runs every few thousand steps: lets signals in, and says True past a statement's deadline."""
        return self.deadline is not None and time.monotonic() > self.deadline


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
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").get
        writable = not read_only and not connection.readonly("main")
        if writable and not keep_journal:
            _switch_journal(connection, tuning)
        _tune(connection, tuning)
        load(connection, extensions)
        connection.authorizer = handle.guard
        connection.set_progress_handler(handle._look_up, _PROGRESS_STEPS)
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
        return 0 if os.access(path, wanted) else errno.EACCES
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
            time.sleep(random.uniform(0.001, 0.01))
            continue
        if mode != wanted:
            raise ConfigError(f"SQLite keeps journal_mode {mode!r} where {wanted!r} was asked for")
        # Opens the new log: a connection that never read since the switch leaves -wal and -shm behind at its close.
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").get
        return


def _tune(connection: apsw.Connection, tuning: Tuning) -> None:
    wanted = wanted_pragmas(tuning)
    script = ";".join(f"PRAGMA {name} = {value}" for name, value in wanted.items())
    for _ in connection.execute(script):
        pass
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, tuning.defensive)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, tuning.dqs)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, tuning.dqs)
    found = _pragmas_in_force(connection)
    wanted["busy_timeout"] = tuning.busy_timeout_ms
    for name, value in wanted.items():
        if found[name] != value:
            raise ConfigError(f"SQLite keeps {name} = {found[name]!r} where {value!r} was asked for")


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
