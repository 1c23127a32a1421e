"""A lock between processes that the kernel gives back when its holder dies, however it dies.

The lock is on a small file of ours, never on a database: its content names the holder for those who wait
and is not what is locked. The file stays; removing it would let two processes hold two files of one name.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path

from multidb.claims import watch_forks
from multidb.errors import LockTimeoutError
from multidb.files import make_folder
from multidb.places import os_failure


@contextlib.contextmanager
def process_lock(path: Path, timeout: float, *, concern: str) -> Generator[None]:
    """Hold the lock file at `path`, made with its folder where it is missing, for the block.

    Raises LockTimeoutError that names the holder's process after `timeout` seconds.
    """
    import fcntl

    deadline = time.monotonic() + timeout
    try:
        make_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise os_failure(error, path) from error
    held = _Held(handle)
    watch_forks(held)
    try:
        wait = 0.002
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise LockTimeoutError(
                        f"another process is at work on {concern}",
                        concern=concern,
                        path=str(path),
                        holder=os.pread(handle, 200, 0).decode(errors="replace") or None,
                        hint="wait for it to end; the lock goes with the process",
                    ) from None
            time.sleep(wait)
            wait = min(wait * 1.5, 0.05)
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        os.truncate(handle, 0)
        os.pwrite(handle, f"pid {os.getpid()} on {socket.gethostname()} since {now}".encode(), 0)
        yield
    finally:
        held.let_go()


class _Held:
    """The descriptor of a lock. The lock lives as long as any copy of it, and a forked child has one."""

    def __init__(self, handle: int) -> None:
        self._handle: int | None = handle

    def let_go(self) -> None:
        import fcntl

        if self._handle is not None:
            fcntl.flock(self._handle, fcntl.LOCK_UN)  # closing would leave it to a child that is just being forked
            self.after_fork()

    def after_fork(self) -> None:
        """Close our copy: in a child process the lock is the parent's alone, and goes with the parent."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)
