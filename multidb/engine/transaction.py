"""Beginning and ending transactions by explicit statements, so that nothing waits while it holds the GIL.

`BEGIN IMMEDIATE` for every write: a deferred transaction that turns to writing fails at once when somebody
else has committed since, whatever the busy timeout. SQLite ends a transaction by itself now and then (a full
disk, an interrupt, RAISE(ROLLBACK)), so before a ROLLBACK we look whether one stands.
"""

from __future__ import annotations

import time
from typing import Final

import apsw

from multidb.engine.connect import Handle
from multidb.engine.holders import write_lock_holder
from multidb.errors import MultidbError, WriterTimeoutError

_PATIENCE: Final = 16
"""How many times `wal_autocheckpoint` the log may hold while somebody waits to write. SQLite appends a checkpoint,
with two fsyncs, to the COMMIT that passes the mark, and everybody who waits would wait for it, too."""
_SLICE_MS: Final = 250
"""How long one wait inside SQLite may last: between two, signals and the deadline are looked at."""


def begin_read(handle: Handle) -> None:
    """Begin a snapshot: a deferred BEGIN sees nothing yet, its first read pins the moment."""
    try:
        handle.control("BEGIN")
        handle.cursor.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    except apsw.Error as error:
        ours = handle.failure(error)
        end_read(handle)
        raise ours from error
    except BaseException:
        end_read(handle)
        raise


def begin_write(handle: Handle, deadline: float) -> None:
    """Take SQLite's write lock, waiting for other processes until `deadline` (of `time.monotonic`).

    Raises WriterTimeoutError that names the other process where the system tells it.
    """
    try:
        while True:
            left_ms = max(0, int((deadline - time.monotonic()) * 1000))
            handle.connection.set_busy_timeout(min(left_ms, _SLICE_MS))
            try:
                handle.control("BEGIN IMMEDIATE")
                return
            except (apsw.BusyError, apsw.LockedError) as error:
                if handle.is_shut:
                    raise handle.failure(error) from error
                if time.monotonic() >= deadline:
                    raise WriterTimeoutError(
                        "another connection kept the write lock past the deadline",
                        path=str(handle.path),
                        holder=write_lock_holder(handle.path),
                        sqlite_code=getattr(error, "extendedresult", None),
                        hint="try again, or find out what it is doing",
                    ) from error
            except apsw.Error as error:
                raise handle.failure(error) from error
    finally:
        handle.connection.set_busy_timeout(handle.tuning.busy_timeout_ms)


def commit(handle: Handle, deadline: float, *, is_awaited: bool = False) -> None:
    """Commit; while somebody's lock keeps it from it, try again until the deadline, then roll back.

    `is_awaited` leaves the checkpoint, where one is due, to a commit that nobody waits for. After an error nothing
    of the transaction is left.
    """
    pages = handle.tuning.wal_autocheckpoint
    if not (is_awaited and pages):
        _commit(handle, deadline)
        return
    handle.connection.wal_autocheckpoint(pages * _PATIENCE)
    try:
        _commit(handle, deadline)
    finally:
        if handle.connection:
            handle.connection.wal_autocheckpoint(pages)


def _commit(handle: Handle, deadline: float) -> None:
    while True:
        try:
            handle.control("COMMIT")
            return
        except apsw.BusyError as error:
            if time.monotonic() < deadline:
                continue  # the transaction still stands; each try waits for the busy timeout
            roll_back(handle)
            ours = handle.failure(error)
            raise ours from error
        except apsw.Error as error:
            ours = handle.failure(error)
            roll_back(handle)
            raise ours from error


def roll_back(handle: Handle) -> None:
    """Undo the transaction where one still stands."""
    try:
        if handle.in_transaction:
            handle.control("ROLLBACK")
    except apsw.Error as error:
        raise handle.failure(error) from error


def end_read(handle: Handle) -> None:
    """Let go of a snapshot; errors say nothing here, since nothing was written."""
    try:
        roll_back(handle)
    except MultidbError:
        handle.close()
