"""The right to write a database: one holder in this process at a time, strictly first come, first served.

SQLite's own waiting polls and lets late comers pass; behind this queue only other processes are left to
wait for. The lease goes straight from its holder to the longest waiter, so nobody can barge in between.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

from multidb.errors import ClosedError, WriterTimeoutError


class _Waiter:
    __slots__ = ("is_refused", "label", "turn")

    def __init__(self, label: str | int) -> None:
        self.label = label
        self.is_refused = False
        self.turn = threading.Lock()
        self.turn.acquire()


class Lease:
    """A fair lock with a deadline, that can say who holds it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._waiters: deque[_Waiter] = deque()
        self._holder: str | int | None = None
        self._since = 0.0
        self._is_shut = False
        self.timeouts = 0

    def acquire(self, deadline: float, label: str | int) -> None:
        """Become the holder, or raise WriterTimeoutError with the holder's name at `deadline` (monotonic)."""
        with self._lock:
            if self._is_shut:
                raise ClosedError("the database takes no new writers: it is closing")
            if self._holder is None:
                self._holder, self._since = label, time.monotonic()
                return
            waiter = _Waiter(label)
            self._waiters.append(waiter)
        try:
            got = waiter.turn.acquire(timeout=max(0.0, deadline - time.monotonic()))
        except BaseException:  # Ctrl-C while waiting
            if not self._withdraw(waiter) and not waiter.is_refused:
                self.release()
            raise
        if not got and self._withdraw(waiter):
            with self._lock:
                self.timeouts += 1
            raise WriterTimeoutError(
                "the write lease was not free before the deadline",
                holder=self.holder(),
                hint="keep write transactions short; wait longer with timeout=",
            )
        if waiter.is_refused:
            raise ClosedError("the database takes no new writers: it is closing")

    def _withdraw(self, waiter: _Waiter) -> bool:
        """Leave the queue; False when the lease, or a refusal, has come in the last moment."""
        with self._lock:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
                return True
            return False

    def release(self) -> None:
        """Hand the lease to the longest waiter, or leave it free."""
        with self._lock:
            if self._waiters:
                waiter = self._waiters.popleft()
                self._holder, self._since = waiter.label, time.monotonic()
                waiter.turn.release()
            else:
                self._holder = None
                self._freed.notify_all()

    def shut(self) -> None:
        """Refuse everybody who waits or comes; the holder keeps the lease until it releases it."""
        with self._lock:
            self._is_shut = True
            while self._waiters:
                waiter = self._waiters.popleft()
                waiter.is_refused = True
                waiter.turn.release()

    def wait_until_free(self, deadline: float) -> bool:
        """Whether nobody holds the lease any more before the deadline; for after `shut`."""
        with self._lock:
            return self._freed.wait_for(lambda: self._holder is None, max(0.0, deadline - time.monotonic()))

    @property
    def is_awaited(self) -> bool:
        """Whether somebody stands in the queue now."""
        return bool(self._waiters)

    def holder(self) -> str | None:
        """Who holds the lease and for how long, in words."""
        with self._lock:
            holder, since = self._holder, self._since
        return None if holder is None else f"{named(holder)}, for {time.monotonic() - since:.1f} s"

    def facts(self) -> dict[str, Any]:
        """The holder, for how many seconds, and how many wait."""
        with self._lock:
            held = self._holder is not None
            return {
                "holder": named(self._holder) if self._holder is not None else None,
                "held_seconds": round(time.monotonic() - self._since, 3) if held else 0.0,
                "waiting": len(self._waiters),
            }


def named(label: str | int) -> str:
    """A label in words: itself, or the name of the thread with this number."""
    if isinstance(label, str):
        return label
    found = (thread.name for thread in threading.enumerate() if thread.ident == label)
    return f"thread {next(found, label)}"
