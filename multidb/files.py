"""Folders and files on the disk: who may read them, what stands beside them, which disks are doubtful.

No function here opens a file that exists: closing any descriptor of a live database drops the locks that
SQLite holds on it for this whole process (https://www.sqlite.org/howtocorrupt.html, section 2.2).
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from pathlib import Path
from typing import Final

SIDE_FOLDER: Final = ".multidb"
"""The folder in the root that holds the library's own side files."""

_CLOUD: Final = ("Dropbox", "OneDrive", "Google Drive", "GoogleDrive", "Mobile Documents", "iCloud", "Nextcloud")
_NETWORK: Final = ("nfs", "cifs", "smb", "9p", "virtiofs", "fuse.sshfs", "afs", "ceph", "glusterfs")

_OCTAL: Final = re.compile(rb"\\([0-7]{3})")
"""How the kernel writes a blank, a tab, a newline and a backslash in the list of mounts."""

_JOURNAL_MAGIC: Final = bytes.fromhex("d9d505f920a163d7")
"""How a journal begins, with the database's pages at offset 16: https://www.sqlite.org/fileformat.html#rollbackjournal"""

Identity = tuple[int, int]
"""A file's device and inode: equal for two paths exactly when they lead to one file."""


def sidecar(path: Path, ending: str) -> Path:
    """The file that SQLite keeps beside a database: `-wal`, `-shm` or `-journal`."""
    return Path(f"{path}{ending}")


def size_of(path: str | Path) -> int | None:
    """The size in bytes, or None where no file can be seen."""
    try:
        return os.stat(path).st_size
    except OSError:
        return None


def identity_of(path: str | Path) -> Identity | None:
    """Device and inode, symbolic links followed, or None where no file can be seen."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def make_folder(path: Path) -> None:
    """Make the folder and its missing parents, 0700; one that exists keeps its mode.

    Raises NotADirectoryError where something else has the name, a link to nowhere for one.
    """
    missing = []
    while not os.path.isdir(path):
        if os.path.lexists(path) and not os.path.isdir(path):  # asked again: another process may just have made it
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
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


def journal_holds_pages(path: Path) -> bool:
    """Whether a rollback journal holds pages of a database that had some.

    That of a database in the making says that there were none: another process is making it now, or was killed
    at it. Locks stand on the database, never on its journal, so this file may be opened.
    """
    try:
        with open(path, "rb") as journal:
            header = journal.read(20)
    except OSError:
        return False
    return header[:8] == _JOURNAL_MAGIC and int.from_bytes(header[16:20], "big") > 0


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
        if os.major(os.stat(folder).st_dev) != 0:  # a disk's; a mount without a disk, as a network's, has 0
            return None
        with open("/proc/self/mountinfo", "rb") as mounts:
            lines = mounts.read().splitlines()
    except OSError:
        return None
    for line in lines:
        left, _, right = line.partition(b" - ")
        point = os.fsdecode(_OCTAL.sub(lambda found: bytes([int(found[1], 8)]), left.split()[4]))
        if len(point) >= len(best) and (folder == Path(point) or Path(point) in folder.parents):
            best, kind = point, os.fsdecode(right.split()[0])
    return kind
