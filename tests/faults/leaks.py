"""What a test may have left behind: open connections, running threads, living children."""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Collection, Iterable

import apsw

from tests.faults import children

JOIN_S = 2.0


def open_connections(known: Collection[apsw.Connection] = ()) -> list[apsw.Connection]:
    """The connections that are open now and not among the known ones.

    Garbage is collected only where something is found: a connection in a circle of a failed test is not a
    leak, and a full collection after each of a thousand tests would cost more than the tests.
    """
    known_ids = {id(connection) for connection in known}

    def found() -> list[apsw.Connection]:
        return [one for one in apsw.connections() if one and id(one) not in known_ids]

    if found():
        gc.collect()
    return found()


def left_threads(known: Collection[threading.Thread]) -> list[threading.Thread]:
    """The threads beyond the known ones that do not end by themselves within JOIN_S seconds each."""
    for thread in (left := [one for one in threading.enumerate() if one not in known]):
        thread.join(JOIN_S)
    return [thread for thread in left if thread.is_alive()]


def clear_away(connections: Iterable[apsw.Connection]) -> list[str]:
    """Closes leaked connections, so that the next test starts clean, and names the files they stood on."""
    names = []
    for connection in connections:
        name = "a file that another thread works on"
        with contextlib.suppress(apsw.Error):
            connection.interrupt()
            name = connection.filename or ":memory:"
            connection.close(True)
        names.append(name)
    return names


def killed_children() -> list[int]:
    """The process ids of the children whose `with` block nobody left, now killed."""
    left = list(children.living)
    for child in left:
        child.__exit__()
    return [child.pid for child in left]
