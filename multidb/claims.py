"""Which files this process has open, because SQLite keeps its locks for the process and not for a connection.

Two rules follow. One file is opened by one `Database` of a process: what another closes would drop the locks
of the first. And after a fork the child must not touch a file that was open: it has inherited SQLite's belief
that it holds locks, not the locks, and what it commits is lost without an error when the parent closes. That
belief is the process's, so neither closing nor opening again helps; the child refuses
(https://www.sqlite.org/howtocorrupt.html, section 2.6).
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol

from multidb.errors import ConfigError, ForkedError
from multidb.files import Identity


class Forkable(Protocol):
    """What has connections and must learn that it was carried into a child process."""

    def after_fork(self) -> None:
        """Let go of everything without closing it."""


_lock = threading.Lock()
_claimed: dict[Identity, str] = {}
_inherited: set[Identity] = set()
_forkables: weakref.WeakSet[Forkable] = weakref.WeakSet()
_is_hooked = False


def claim(file: Identity, name: str) -> None:
    """Note that `name` opens the file; raises ConfigError where somebody here has it, ForkedError after a fork."""
    with _lock:
        if file in _inherited:
            raise ForkedError(
                "the file was open in the parent when this process was forked",
                concern=name,
                hint="fork before opening, or start workers with spawn; in this process SQLite's locks are void",
            )
        holder = _claimed.get(file)
        if holder is not None:
            raise ConfigError(
                f"this process has the file of {name} open already, for {holder}",
                concern=name,
                hint="one file is one concern, opened once: share the desk instead",
            )
        _claimed[file] = name


def release(file: Identity) -> None:
    """Note that every connection to the file is closed."""
    with _lock:
        _claimed.pop(file, None)


def watch_forks(forkable: Forkable) -> None:
    """Have `after_fork` called in every child process from now on."""
    global _is_hooked
    with _lock:
        _forkables.add(forkable)
        if not _is_hooked and hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_in_child)
            _is_hooked = True


def _in_child() -> None:
    global _lock
    _lock = threading.Lock()  # another thread of the parent may have held it
    _inherited.update(_claimed)
    _claimed.clear()
    for forkable in list(_forkables):
        forkable.after_fork()
