"""Folders and files on the disk: who may read them, what stands beside them, which disks are doubtful.

No function here opens a file that exists: closing any descriptor of a live database drops the locks that
SQLite holds on it for this whole process (https://www.sqlite.org/howtocorrupt.html, section 2.2).
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Final

SIDE_FOLDER: Final = ".multidb"
"""The folder in the root that holds the library's own side files."""

_CLOUD: Final = ("Dropbox", "OneDrive", "Google Drive", "GoogleDrive", "Mobile Documents", "iCloud", "Nextcloud")
_NETWORK: Final = ("nfs", "cifs", "smb", "9p", "virtiofs", "fuse.sshfs", "afs", "ceph", "glusterfs")

Identity = tuple[int, int]
"""A file's device and inode: equal for two paths exactly when they lead to one file."""


def sidecar(path: Path, ending: str) -> Path:
    """The file that SQLite keeps beside a database: `-wal`, `-shm` or `-journal`."""
    return Path(f"{path}{ending}")


def size_of(path: Path) -> int | None:
    """The size in bytes, or None where there is no file."""
    try:
        return os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError):
        return None


def identity_of(path: str | Path) -> Identity | None:
    """Device and inode, symbolic links followed, or None where there is no file."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def make_folder(path: Path) -> None:
    """Make the folder and its missing parents, 0700; one that exists keeps its mode."""
    missing = []
    while not path.exists():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        try:
            os.mkdir(folder, 0o700)
        except FileExistsError:  # another process was first
            pass


def create_empty(path: Path) -> bool:
    """Make an empty file, 0600, that no other process made first; False where one stands already.

    SQLite gives `-wal` and `-shm` the mode of the database, so that they are 0600 too.
    """
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return False
    os.close(handle)
    return True


def kind_of(path: Path) -> str | None:
    """`file`, `folder`, `other` (a pipe, a device), or None where there is nothing; links are followed."""
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISREG(mode):
        return "file"
    return "folder" if stat.S_ISDIR(mode) else "other"


def doubtful_folder(folder: Path) -> str | None:
    """Why SQLite's locks may not hold in this folder: a network or cloud-synchronised place, or None."""
    for part in folder.parts:
        if part.startswith(_CLOUD):
            return f"{part} copies a database and its -wal apart from each other"
    kind = _file_system(folder)
    if kind is not None and kind.startswith(_NETWORK):
        return f"locks on a {kind} file system are not to be trusted"
    return None


def _file_system(folder: Path) -> str | None:
    if sys.platform != "linux":
        return None
    best, kind = "", None
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            lines = mounts.read().splitlines()
    except OSError:
        return None
    for line in lines:
        left, _, right = line.partition(" - ")
        point = left.split()[4].encode("latin-1", "replace").decode("unicode_escape")
        if len(point) >= len(best) and (folder == Path(point) or Path(point) in folder.parents):
            best, kind = point, right.split()[0]
    return kind
