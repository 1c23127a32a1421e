"""Who holds a database's write lock, told by the kernel's list of locks.

Asking with fcntl would need a descriptor of the file, and closing that would drop this process's own
locks. `/proc/locks` is only read; where it does not exist, or hides other namespaces, the answer is None.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from multidb.files import sidecar

_WAL_WRITE_LOCK: Final = 120
"""The byte of the -shm file that SQLite locks to write: https://www.sqlite.org/walformat.html#wal_locks"""
_PENDING_BYTE: Final = 0x40000000
_RESERVED_BYTE: Final = _PENDING_BYTE + 1


def write_lock_holder(path: Path) -> str | None:
    """The process with the write lock of the database at `path`, as `pid 42 (python)`, or None."""
    for target, byte in ((sidecar(path, "-shm"), _WAL_WRITE_LOCK), (path, _RESERVED_BYTE)):
        pid = _holder_of(target, byte)
        if pid is not None:
            return _described(pid)
    return None


def _holder_of(target: Path, byte: int) -> int | None:
    try:
        found = os.stat(target)
        with open("/proc/locks", encoding="ascii", errors="replace") as locks:
            lines = locks.read().splitlines()
    except OSError:
        return None
    wanted = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    for line in lines:
        # 1: POSIX  ADVISORY  WRITE 4242 fe:00:131 120 120   (waiters have an arrow in the second place)
        parts = line.split()
        if len(parts) != 8 or parts[1] != "POSIX" or parts[3] != "WRITE" or parts[5] != wanted:
            continue
        end = byte if parts[7] == "EOF" else int(parts[7])
        if int(parts[6]) <= byte <= end and int(parts[4]) > 0:
            return int(parts[4])
    return None


def _described(pid: int) -> str:
    if pid == os.getpid():
        return f"pid {pid} (this process)"
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as name:
            return f"pid {pid} ({name.read().strip()})"
    except OSError:
        return f"pid {pid}"
