"""The alarm of architecture.md, rule 1: this process never opens a file that SQLite has open in it.

Closing any descriptor on a database, its -wal, -shm or -journal drops the POSIX locks that SQLite holds on
it for the whole process, and committed rows are lost in silence (https://www.sqlite.org/howtocorrupt.html,
section 2.2). An audit hook sees every `open()`, `os.open()` and `sqlite3.connect()` (a second SQLite in the
process is as bad). It raises at the place, so that no harm is done, and notes the violation, so that an
`except` cannot hide it.

Audit hooks cannot be removed: `install` adds one for the life of the process, however often it is called.
What it cannot see: a file opened relative to a folder's descriptor, and a file that an open connection
attached while busy.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
import traceback
import weakref
from collections.abc import Iterator
from urllib.parse import unquote

import apsw

SIDE_ENDINGS = ("", "-wal", "-shm", "-journal")

_violations: list[str] = []
_main_files: weakref.WeakKeyDictionary[apsw.Connection, str] = weakref.WeakKeyDictionary()
_allowed = threading.local()
_is_installed = False


class RawOpenError(AssertionError):
    """This process was about to open a file that an APSW connection in it has open."""


def install() -> None:
    """Sets the alarm in this process, for connections that are opened from now on."""
    global _is_installed
    if not _is_installed:
        _is_installed = True
        apsw.connection_hooks.append(_note_main_file)
        sys.addaudithook(_listen)


@contextlib.contextmanager
def raw_opens_allowed(reason: str) -> Iterator[None]:
    """Inside, this thread may open live database files; the reason is for the reader."""
    before = getattr(_allowed, "reason", None)
    _allowed.reason = reason
    try:
        yield
    finally:
        _allowed.reason = before


def seen_violations() -> list[str]:
    """What was opened and where, since the last `forget_violations`."""
    return list(_violations)


def forget_violations() -> None:
    """Starts the list anew."""
    _violations.clear()


def live_files() -> dict[tuple[int, int], str]:
    """The files that this process's connections stand on, side files and attached ones too, by identity."""
    names = {_main_files.get(connection, "") for connection in apsw.connections()}
    for connection in apsw.connections():
        with contextlib.suppress(apsw.Error):  # closed, or busy in another thread: its main file is known
            names.update(connection.db_filename(schema) for schema in connection.db_names())
    found = {}
    for name in filter(None, names):
        for ending in SIDE_ENDINGS:
            with contextlib.suppress(OSError):
                status = os.stat(name + ending)
                found[status.st_dev, status.st_ino] = name + ending
    return found


def _note_main_file(connection: apsw.Connection) -> None:
    _main_files[connection] = connection.filename


def _listen(event: str, args: tuple[object, ...]) -> None:
    if event not in ("open", "sqlite3.connect") or sys.is_finalizing() or not apsw.connections():
        return
    path = args[0]
    if isinstance(path, str) and path.startswith("file:") and event == "sqlite3.connect":
        path = unquote(path.removeprefix("file:").partition("?")[0])
    if not isinstance(path, str | bytes | os.PathLike) or getattr(_allowed, "reason", None):
        return
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return
    if stat.S_ISREG(status.st_mode) and (name := live_files().get((status.st_dev, status.st_ino))):
        where = "".join(traceback.format_stack(sys._getframe(1), limit=8))
        _violations.append(f"{event} of {name}, which a connection of this process has open, at\n{where}")
        raise RawOpenError(f"{event} of {name}: closing it would drop SQLite's locks on the file")
