"""Named places where a test may stop, break or kill this process; unasked, they do nothing.

`MULTIDB_FAILPOINT=name[:N][=action]` fires once, on the N-th time (the first, when N is left out) that
`name` is reached: `kill` (the default) is SIGKILL to itself, `stop` is SIGSTOP until somebody continues it,
`full` raises ENOSPC there. The variable is read once, at import, so that an unarmed `reach` is one look at
an empty dictionary.
"""

from __future__ import annotations

import errno
import os
import signal
from typing import Final

FORM: Final = "expected name[:N][=kill|stop|full]"
ACTIONS: Final = ("kill", "stop", "full")
FAILPOINTS: Final = {
    "open.after_create": "the database's file was just made, empty; SQLite has not seen it",
    "migration.after_begin": "the migration's transaction stands; none of its statements has run",
    "migration.before_commit": "statements and bookkeeping are done; COMMIT has not been asked for",
    "migration.after_commit": "the version is durable; nobody has been told",
    "write.before_commit": "the caller's statements are done; COMMIT has not been asked for",
}

_armed: dict[str, tuple[int, str]] = {}


def arm(order: str | None) -> None:
    """Replaces what is armed by `order`, in the words of MULTIDB_FAILPOINT; None or "" disarms.

    ValueError: no such failpoint or action. A misspelt name would otherwise be a test that never breaks
    anything.
    """
    _armed.clear()
    if order:
        place, is_set, action = order.partition("=")
        name, has_times, times = place.partition(":")
        action, times = (action if is_set else "kill"), (times if has_times else "1")
        if name not in FAILPOINTS or action not in ACTIONS or not times.isdecimal() or int(times) < 1:
            raise ValueError(f"MULTIDB_FAILPOINT={order}: {FORM}, name one of {', '.join(FAILPOINTS)}")
        _armed[name] = (int(times), action)


def reach(name: str) -> None:
    """Marks the place `name`, one of FAILPOINTS; returns at once unless a test armed it."""
    if _armed and name in _armed:
        _fire(name)


def _fire(name: str) -> None:
    times, action = _armed.pop(name)
    if times > 1:
        _armed[name] = (times - 1, action)
    elif action == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
    else:
        os.kill(os.getpid(), signal.SIGSTOP if action == "stop" else signal.SIGKILL)


arm(os.environ.get("MULTIDB_FAILPOINT"))
