"""A bounded pool of read-only connections, last used first, with a fair queue in front of it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

from multidb.engine.connect import Handle
from multidb.engine.lease import named
from multidb.errors import ReaderTimeoutError


class _Waiter:
    """One caller in the queue; its turn comes with a handle, or with a free place."""

    __slots__ = ("handle", "label", "turn")

    def __init__(self, label: str | int) -> None:
        self.label = label
        self.handle: Handle | None = None
        self.turn = threading.Lock()
        self.turn.acquire()


class ReaderPool:
    """Lends read-only handles to one caller each; opens them when they are needed, at most `limit`.

    `is_good` is asked before an idle handle is lent again, and `keeps` when one comes back; a handle for which
    either says no is closed.
    """

    def __init__(
        self,
        opener: Callable[[], Handle],
        limit: int,
        *,
        is_good: Callable[[Handle], bool] = lambda handle: True,
        keeps: Callable[[Handle], bool] = lambda handle: True,
    ) -> None:
        self._opener = opener
        self._limit = self._places = limit
        self._is_good = is_good
        self._keeps = keeps
        self._lock = threading.Lock()
        self._idle: deque[Handle] = deque()
        self._lent: dict[Handle, tuple[float, str | int]] = {}
        self._opening = 0
        self._waiters: deque[_Waiter] = deque()
        self._drained = threading.Condition(self._lock)
        self.timeouts = 0

    def borrow(self, timeout: float, label: str | int) -> Handle:
        """A handle that nobody else has until it is given back.

        Raises ReaderTimeoutError, naming the longest reader, and whatever opening a new one raises. `label` is what
        that reader is called: a name, or the number of a thread.
        """
        deadline: float | None = None
        while True:
            waiter: _Waiter | None = None
            with self._lock:
                if self._idle and self._limit:  # nobody waits while a handle is idle: it would have been handed over
                    handle: Handle | None = self._idle.pop()
                    self._lent[handle] = time.monotonic(), label  # type: ignore[index]  # popped, not None
                elif len(self._lent) + self._opening < self._limit:
                    self._opening += 1
                    handle = None
                else:
                    waiter = _Waiter(label)
                    self._waiters.append(waiter)
            if waiter is not None:
                deadline = deadline or time.monotonic() + timeout
                handle = self._wait(waiter, deadline, timeout)
            if handle is None:
                return self._open(label)
            if self._is_good(handle):
                return handle
            self._discard(handle)

    def _wait(self, waiter: _Waiter, deadline: float, timeout: float) -> Handle | None:
        """The handle that is handed over, or None for a free place to open one in."""
        if not waiter.turn.acquire(timeout=max(0.0, deadline - time.monotonic())):
            with self._lock:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
                    self.timeouts += 1
                    self._refuse(timeout)
        return waiter.handle

    def _refuse(self, timeout: float) -> NoReturn:
        oldest = min(self._lent.values(), key=lambda lent: lent[0], default=None)
        raise ReaderTimeoutError(
            f"all {self._places} readers were in use for {timeout:g} s",
            holder=f"{named(oldest[1])}, for {time.monotonic() - oldest[0]:.1f} s" if oldest else None,
            hint="end read sessions and streams sooner, or give the concern more readers",
        )

    def _open(self, label: str | int) -> Handle:
        try:
            handle = self._opener()
        except BaseException:
            with self._lock:
                self._opening -= 1
                self._hand_on(None)
            raise
        with self._lock:
            self._opening -= 1
            self._lent[handle] = time.monotonic(), label
        return handle

    def give_back(self, handle: Handle) -> None:
        """Take back a lent handle; the longest waiter gets it."""
        if not self._keeps(handle):
            self._discard(handle)
            return
        with self._lock:
            self._lent.pop(handle, None)
            self._hand_on(handle)

    def _discard(self, handle: Handle) -> None:
        try:
            handle.close()
        finally:
            with self._lock:
                self._lent.pop(handle, None)
                self._hand_on(None)

    def _hand_on(self, handle: Handle | None) -> None:
        """Give a handle, or the place of one that is gone, to the longest waiter; the lock is held."""
        if self._waiters and self._limit:
            waiter = self._waiters.popleft()
            waiter.handle = handle
            if handle is None:
                self._opening += 1
            else:
                self._lent[handle] = time.monotonic(), waiter.label
            waiter.turn.release()
            return
        if handle is not None:
            self._idle.append(handle)
        if not self._lent:
            self._drained.notify_all()

    def drain(self, deadline: float) -> bool:
        """Lend nothing more and wait until all is back; False, and lending again, where the deadline passes first."""
        with self._lock:
            self._places, self._limit = self._limit, 0
            while self._lent or self._opening:
                left = deadline - time.monotonic()
                if left <= 0 or not self._drained.wait(left):
                    break
            drained = not (self._lent or self._opening)
        if drained:
            self.close_idle()
        else:
            self.resume()
        return drained

    def resume(self) -> None:
        """Lend again after `drain`."""
        with self._lock:
            self._limit = self._places
            for _ in range(min(self._limit, len(self._waiters))):
                self._hand_on(self._idle.pop() if self._idle else None)

    def interrupt(self) -> None:
        """Stop every statement that runs on a lent handle."""
        with self._lock:
            for handle in self._lent:
                handle.interrupt()

    def close_idle(self) -> list[Exception]:
        """Close the handles that nobody has; the errors of those that would not close."""
        with self._lock:
            idle = list(self._idle)
            self._idle.clear()
        return _closed(idle)

    def close(self) -> list[Exception]:
        """Close every handle, lent ones too; the errors of those that would not close."""
        with self._lock:
            lent = list(self._lent)
            self._lent.clear()
        return self.close_idle() + _closed(lent)

    def handles(self) -> list[Handle]:
        """Every handle, lent or idle."""
        return [*self._idle, *self._lent]

    def facts(self) -> dict[str, Any]:
        """Readers open, in use and waited for; the oldest one in use with its age in seconds."""
        with self._lock:
            oldest = min(self._lent.values(), key=lambda lent: lent[0], default=None)
            return {
                "limit": self._places,
                "open": len(self._idle) + len(self._lent),
                "busy": len(self._lent),
                "waiting": len(self._waiters),
                "oldest_seconds": round(time.monotonic() - oldest[0], 3) if oldest else 0.0,
                "oldest_label": named(oldest[1]) if oldest else None,
            }


def _closed(handles: list[Handle]) -> list[Exception]:
    found: list[Exception] = []
    for handle in handles:
        try:
            handle.close()
        except Exception as error:  # every handle is closed before any error is raised
            found.append(error)
    return found
