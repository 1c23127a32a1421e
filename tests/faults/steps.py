"""The words about storage: a `Step` for each thing done to a file, a `Fault` for what goes wrong at which."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections import Counter
from typing import Literal, NoReturn

import apsw
import attrs

Operation = Literal["create", "write", "sync", "truncate", "delete", "rename", "link", "mkdir", "rmdir"]
Kind = Literal["db", "wal", "journal", "shm", "temp", "dir", "other"]
Action = Literal["kill", "torn", "io_error", "disk_full"]

_SIDE_ENDINGS: dict[str, Kind] = {"-wal": "wal", "-journal": "journal", "-shm": "shm"}
_DATABASE_ENDINGS = (".sqlite", ".sqlite3", ".db")
_IO_ERRORS: dict[str, int] = {
    "create": apsw.SQLITE_CANTOPEN,
    "write": apsw.SQLITE_IOERR_WRITE,
    "sync": apsw.SQLITE_IOERR_FSYNC,
    "truncate": apsw.SQLITE_IOERR_TRUNCATE,
    "delete": apsw.SQLITE_IOERR_DELETE,
}


@attrs.frozen
class Step:
    """One thing done to one file; `by` is "sqlite" (through its VFS) or "python" (through `os`)."""

    operation: Operation
    kind: Kind
    path: str
    by: Literal["sqlite", "python"]


@attrs.frozen(kw_only=True)
class Fault:
    """At the `at`-th step, from 1, of this operation and kind where given, the action happens instead.

    kill       SIGKILL before it is done: what went before stands, since the kernel keeps the page cache
    torn       for writes: the first half of the bytes is written, then SIGKILL
    io_error   SQLITE_IOERR, or EIO where Python's `os` asked
    disk_full  SQLITE_FULL, or ENOSPC
    `is_lasting`: an error stays until the end, as a disk does that remains full; otherwise the next try
    succeeds.
    """

    at: int = attrs.field(validator=attrs.validators.ge(1))
    operation: Operation | None = None
    kind: Kind | None = None
    action: Action = "kill"
    is_lasting: bool = False

    def __attrs_post_init__(self) -> None:
        if self.action == "torn" and self.operation != "write":
            raise ValueError("only a write can be torn: Fault(operation='write', action='torn')")

    @property
    def is_deadly(self) -> bool:
        return self.action in ("kill", "torn")

    def strikes(self, step: Step) -> bool:
        return self.operation in (None, step.operation) and self.kind in (None, step.kind)


class Storage:
    """What was done to files while it was watched, in order, and what shall fail."""

    def __init__(self, fault: Fault | None = None) -> None:
        self.steps: list[Step] = []
        self._fault = fault
        self._matches = 0
        self._lock = threading.Lock()  # held for counting only, never while SQLite or the kernel works

    def count(self, operation: Operation | None = None, kind: Kind | None = None) -> int:
        """How many steps of this operation and kind, where given, were begun."""
        wanted = Fault(at=1, operation=operation, kind=kind)
        return sum(map(wanted.strikes, self.steps))

    @property
    def syncs(self) -> Counter[Kind]:
        """fsyncs by the kind of file."""
        return Counter(step.kind for step in self.steps if step.operation == "sync")

    def take(self, step: Step) -> bool:
        """Notes the step; raises or dies where the fault says so; True asks the caller to tear the write."""
        with self._lock:
            self.steps.append(step)
            if self._fault is None or not self._fault.strikes(step):
                return False
            self._matches += 1
            past = self._matches - self._fault.at
            if past < 0 or (past > 0 and not self._fault.is_lasting):
                return False
        if self._fault.action == "torn":
            return True
        if self._fault.action == "kill":
            die()
        _fail(step, is_full=self._fault.action == "disk_full")


def die() -> NoReturn:
    """SIGKILL to this process, as a power button for one."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL returned")


def kind_of(path: str) -> Kind:
    """What SQLite would keep in a file of that name."""
    for ending, kind in _SIDE_ENDINGS.items():
        if path.endswith(ending):
            return kind
    if path.endswith(_DATABASE_ENDINGS):
        return "db"
    return "dir" if os.path.isdir(path) else "other"


def _fail(step: Step, *, is_full: bool) -> NoReturn:
    if step.by == "python":
        number = errno.ENOSPC if is_full else errno.EIO
        raise OSError(number, os.strerror(number), step.path)
    code = apsw.SQLITE_FULL if is_full else _IO_ERRORS.get(step.operation, apsw.SQLITE_IOERR)
    raise apsw.exception_for(code)
