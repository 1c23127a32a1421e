"""Disks that are full: a limit on file sizes for a child, a small tmpfs where allowed, and ballast.

The limit answers EFBIG, which SQLite tells as an I/O error; a full tmpfs answers ENOSPC, which is
SQLITE_FULL.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.faults.rights import skip, skip_unless_root

PAGE_BYTES = 4096


@contextlib.contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """Inside, no file of this process grows past the size: a write is cut short, the next fails (EFBIG).

    For a child (`Child(file_size_bytes=)`, or in its work): it would hit the files of pytest too.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    if signal.getsignal(signal.SIGXFSZ) is signal.SIG_DFL:  # which kills; CPython ignores it from the start
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def tmpfs(folder: Path, *, size_bytes: int = 1 << 20) -> Iterator[Path]:
    """A file system of that size mounted on `folder`; skips the test where mounting is not allowed."""
    skip_unless_root("to mount a small tmpfs")
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=0700", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        skip("the right to mount a small tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


def fill(folder: Path, *, leave_bytes: int = 0) -> Path:
    """Takes all room where `folder` is, except `leave_bytes`, with one file; delete that to give it back.

    Refuses a file system of more than 64 MiB: that is no test's own.
    """
    room = os.statvfs(folder)
    if room.f_blocks * room.f_frsize > 64 << 20:
        raise ValueError(f"{folder} is not on a small disk")
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(PAGE_BYTES))
    os.truncate(ballast, max(0, ballast.stat().st_size - leave_bytes))
    return ballast
