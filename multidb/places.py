"""What must be true of a path before SQLite may touch it, and the states a database can be in.

SQLite opens nearly anything: it deletes the `-wal` of an empty file, waits for ever on a pipe, and makes a
new database where the old one's log still holds its rows. Each of that is looked for first, by name only.
"""

from __future__ import annotations

import enum
import errno
import os
from pathlib import Path

from multidb import files
from multidb.errors import (
    CorruptError,
    DiskFullError,
    MultidbError,
    NotADatabaseError,
    PermissionDeniedError,
    ReadOnlyFileError,
    StorageError,
    TooManyOpenFilesError,
)


class State(enum.StrEnum):
    """How a database is now."""

    READY = "ready"
    READ_ONLY = "read_only"
    ABSENT = "absent"
    FAILED = "failed"
    MAINTENANCE = "maintenance"
    CLOSED = "closed"
    UNOPENED = "unopened"
    """Lazy, and not used so far."""


def exists(path: Path) -> bool:
    """Whether a database file stands at `path`; raises the error that what stands there deserves."""
    try:
        kind = files.kind_of(path)
    except OSError as error:
        raise os_failure(error, path) from error
    sides = {side: files.size_of(f"{path}{side}") for side in ("-wal", "-journal")}
    full = [side for side, size in sides.items() if size]
    if kind is None:
        if full and files.kind_of(path) is not None:
            return exists(path)  # another process made it between the two looks
        if full:
            raise CorruptError(
                f"{path.name}{full[0]} holds rows, and its database {path.name} is gone",
                path=str(path),
                hint="put the database file back beside it, or move the orphan away; nothing was created",
            )
        return False
    if kind != "file":
        what = "a folder" if kind == "folder" else "no regular file"
        raise NotADatabaseError(f"{path} is {what}", path=str(path), hint="name the database file itself")
    lost = [side for side in full if side == "-wal" or files.journal_holds_pages(files.sidecar(path, side))]
    if lost and files.size_of(path) == 0:
        raise CorruptError(
            f"{path.name} is empty, and {path.name}{lost[0]} beside it holds rows",
            path=str(path),
            hint="SQLite would delete them: keep a copy of both, then restore the database from a backup",
        )
    return True


def create(path: Path) -> bool:
    """Make the empty file, 0600, in a folder that exists; False where another process was first."""
    try:
        return files.create_empty(path)
    except OSError as error:
        raise os_failure(error, path) from error


def os_failure(error: OSError, path: Path) -> MultidbError:
    """Our error for what the operating system says of a path."""
    text = f"{path}: {error.strerror or error}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return PermissionDeniedError(text, path=str(path), hint="look at the owner and mode of the folder")
    if error.errno == errno.EROFS:
        return ReadOnlyFileError(text, path=str(path), hint="the disk is mounted read-only")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DiskFullError(text, path=str(path), hint="make room; nothing was written")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return TooManyOpenFilesError(text, path=str(path), hint="close files, or raise the limit (ulimit -n)")
    if error.errno == errno.ENOENT:
        return StorageError(f"{text}: {path.parent}", path=str(path), hint="make the folder first")
    if error.errno == errno.ENOTDIR:
        return StorageError(text, path=str(path), hint="a file stands where a folder is needed")
    if error.errno == errno.ELOOP:
        return StorageError(text, path=str(path), hint="its symbolic links go round in a circle")
    return StorageError(text, path=str(path))


def refuse_link_to_nowhere(path: Path, target: Path) -> None:
    """Raise StorageError where `path` is a symbolic link and nothing stands at `target`, where it leads."""
    if os.path.islink(path) and not os.path.lexists(target):
        raise StorageError(
            f"{path} is a symbolic link to {target}, where nothing stands",
            path=str(path),
            hint="put the file back there, or remove the link; nothing was created",
        )


def is_writable(path: Path) -> bool:
    """Whether this process may write the file and make the files that SQLite needs beside it."""
    effective = os.access in os.supports_effective_ids
    return os.access(path, os.W_OK, effective_ids=effective) and os.access(
        os.path.dirname(path), os.W_OK | os.X_OK, effective_ids=effective
    )


def resolved(path: Path) -> Path:
    """The path with symbolic links followed, so that two names of one file are one path."""
    return Path(os.path.realpath(path))
