"""Damage to files, as disks, users and other programs do it; nothing here asks whether it is wise.

Bytes are written through SQLite's own VFS, not `open()`: it keeps a descriptor until the locks on the file
are gone, so a database may be damaged while connections of this very process have it open. A -shm file may
not (see `guard`).
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw

from tests.faults.rights import modes_obeyed, skip_unless_root

PAGE_BYTES = 4096


def page_size_of(path: Path) -> int:
    """The page size that the header tells, 4096 where it tells nothing possible."""
    with _opened(path) as file:
        told = int.from_bytes(file.xRead(18, 0)[16:18], "big") if file.xFileSize() >= 18 else 0
    return 65536 if told == 1 else told if told >= 512 else PAGE_BYTES


def overwrite(path: Path, offset: int, data: bytes) -> None:
    """Puts the bytes there, and nothing else changes but the times."""
    with _opened(path) as file:
        file.xWrite(data, offset)


def flip(path: Path, offset: int, *, count: int = 1, mask: int = 0xFF) -> None:
    """Turns over the bits of `mask` in `count` bytes: bit rot, which no page check sees in a payload."""
    with _opened(path) as file:
        file.xWrite(bytes(byte ^ mask for byte in file.xRead(count, offset)), offset)


def corrupt(path: Path, page: int, *, skip_bytes: int = 0, seed: int = 0) -> None:
    """Fills a page, from 1, with noise; page 1 with `skip_bytes=100` keeps its header and is malformed."""
    size = page_size_of(path)
    overwrite(path, (page - 1) * size + skip_bytes, random.Random(seed).randbytes(size - skip_bytes))


def zero_page(path: Path, page: int = 1) -> None:
    """Makes a page all zeros, as a file system does after a power cut; page 1 makes it no database at all."""
    size = page_size_of(path)
    overwrite(path, (page - 1) * size, bytes(size))


def truncate(path: Path, size_bytes: int) -> None:
    """Cuts the file to that size; a negative one cuts so much off its end."""
    os.truncate(path, size_bytes if size_bytes >= 0 else max(0, os.stat(path).st_size + size_bytes))


def empty(path: Path) -> None:
    """Leaves, or makes, a file of zero bytes: to SQLite a new database."""
    if path.exists():
        os.truncate(path, 0)
    else:
        path.touch()


def garbage(path: Path, *, size_bytes: int = 2 * PAGE_BYTES, seed: int = 0) -> None:
    """Leaves, or makes, a file of noise that is no database."""
    empty(path)
    overwrite(path, 0, random.Random(seed).randbytes(size_bytes))


def replace(path: Path, by: Path | None = None) -> None:
    """Renames another file over it, by default a copy of itself: the same bytes, another inode.

    The copy is made by SQLite from a database at rest; the -wal and -shm beside it stay as they are.
    """
    if by is None:
        by = path.with_name(f"{path.name}.replacement")
        with _opened(path) as file:
            data = file.xRead(file.xFileSize(), 0)
        by.write_bytes(data)
    os.replace(by, path)


def delete(path: Path, *endings: str) -> None:
    """Unlinks the file, or with endings such as "-wal" only those beside it."""
    for ending in endings or ("",):
        os.unlink(f"{path}{ending}")


def directory_in_place(path: Path) -> None:
    """A folder has the name."""
    _clear(path)
    path.mkdir()


def fifo_in_place(path: Path) -> None:
    """A named pipe has the name: whoever opens it without looking waits for ever."""
    _clear(path)
    os.mkfifo(path)


def symlink_in_place(path: Path, target: Path | None = None) -> Path:
    """A symbolic link has the name, to the file moved aside or to a target that need not exist."""
    if target is None:
        target = path.with_name(f"{path.name}.moved")
        os.replace(path, target)
    else:
        _clear(path)
    path.symlink_to(target)
    return target


@contextlib.contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Inside, the file or folder has mode 0 and this thread obeys modes, as root too."""
    with _mode(path, 0):
        yield


@contextlib.contextmanager
def unwritable(path: Path) -> Iterator[None]:
    """Inside, the file or folder can be read but not written by this thread, as root too."""
    with _mode(path, 0o555 if path.is_dir() else 0o444):
        yield


def give_to(path: Path, uid: int) -> None:
    """Makes somebody else the owner; skips the test unless root."""
    skip_unless_root("to give a file away")
    os.chown(path, uid, -1, follow_symlinks=False)


@contextlib.contextmanager
def _mode(path: Path, mode: int) -> Iterator[None]:
    before = path.stat().st_mode & 0o7777
    path.chmod(mode)
    try:
        with modes_obeyed():
            yield
    finally:
        path.chmod(before)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[apsw.VFSFile]:
    if path.name.endswith("-shm"):
        raise ValueError("closing a descriptor on a -shm drops this process's locks; damage it in a child")
    flags = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READWRITE
    file = apsw.VFSFile("unix", os.path.abspath(path), [flags, 0])
    try:
        yield file
    finally:
        file.xClose()


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
