"""Storage under watch: every write, sync, truncate, delete and rename counts, and one may fail or kill.

SQLite's come through a VFS that is the default while the watch lasts, so a connection opened before is not
seen and nothing in the package needs to know. Python's come through `os`: see `syscalls`. SQLite writes
-shm by mapping it and syncs a folder inside its own xSync and xDelete: neither is a step.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from types import TracebackType

import apsw

from tests.faults.steps import Fault, Kind, Operation, Step, Storage, die, kind_of
from tests.faults.syscalls import watched_calls

_numbers = itertools.count(1)
_kept: list[apsw.VFS] = []  # SQLite points at the VFS of every open connection: it must outlive them all

_KINDS_BY_FLAG: dict[int, Kind] = {
    apsw.SQLITE_OPEN_MAIN_DB: "db",
    apsw.SQLITE_OPEN_WAL: "wal",
    apsw.SQLITE_OPEN_MAIN_JOURNAL: "journal",
    apsw.SQLITE_OPEN_SUPER_JOURNAL: "journal",
}


@contextlib.contextmanager
def watch_storage(fault: Fault | None = None, *, may_kill: bool = False) -> Iterator[Storage]:
    """Counts what this process does to files, in every thread, and makes the fault happen.

    Open connections inside, and close them inside. A fault that kills needs `may_kill`, which
    `Child(fault=)` gives: here it would kill the test run.
    """
    if fault is not None and fault.is_deadly and not may_kill:
        raise ValueError("this fault would kill the test run; pass it to Child(fault=...)")
    storage = Storage(fault)
    vfs = WatchedVFS(storage)
    _kept.append(vfs)
    try:
        with watched_calls(storage):
            yield storage
    finally:
        vfs.unregister()


class WatchedVFS(apsw.VFS):
    """SQLite's default VFS with a `Storage` at its side; the default itself until it is unregistered."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.base = apsw.vfs_names()[0]
        super().__init__(f"watched-{next(_numbers)}", self.base, makedefault=True)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return WatchedFile(self, name, flags)

    def xDelete(self, name: str, syncdir: bool) -> None:
        if os.path.exists(name):  # SQLite deletes on suspicion
            self.storage.take(Step("delete", kind_of(name), name, "sqlite"))
        super().xDelete(name, syncdir)

    def excepthook(self, *_: object) -> bool:
        return True  # SQLite goes on past some failures, such as a checkpoint's at close: so shall the test


class WatchedFile(apsw.VFSFile):
    """One open file of SQLite; everything but its writes goes straight through."""

    def __init__(self, vfs: WatchedVFS, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._storage = vfs.storage
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        self._kind: Kind = next((kind for flag, kind in _KINDS_BY_FLAG.items() if flags[0] & flag), "temp")
        if self._path and flags[0] & apsw.SQLITE_OPEN_CREATE and not os.path.exists(self._path):
            self._take("create")
        super().__init__(vfs.base, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._take("write"):
            super().xWrite(data[: len(data) // 2], offset)
            die()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._take("sync")
        super().xSync(flags)

    def xTruncate(self, newsize: int) -> None:
        self._take("truncate")
        super().xTruncate(newsize)

    def excepthook(
        self, etype: type[BaseException] | None, evalue: BaseException | None, tb: TracebackType | None
    ) -> bool:
        return True

    def _take(self, operation: Operation) -> bool:
        return self._storage.take(Step(operation, self._kind, self._path, "sqlite"))
