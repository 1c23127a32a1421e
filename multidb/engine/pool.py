"""A bounded pool of read-only connections, last used first, with a fair queue in front of it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

from multidb.engine.connect import Handle
from multidb.engine.lease import named
from multidb.errors import ClosedError, ReaderTimeoutError


class _Waiter:
    """One caller in the queue; its turn comes with a handle, with a free place, or with a refusal."""

    __slots__ = ("handle", "is_refused", "label", "turn")

    def __init__(self, label: str | int) -> None:
        self.label = label
        self.handle: Handle | None = None
        self.is_refused = False
        self.turn = threading.Lock()
        self.turn.acquire()


class ReaderPool:
    """Lends read-only handles to one caller each; opens them when they are needed, at most `limit`.

    `is_good` is asked before an idle handle is lent again, and `keeps` when one comes back; a handle for which
    either says no is closed. Nobody waits while a handle is idle or a place is free, unless the pool is drained.
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
        self._limit = limit
        self._is_good = is_good
        self._keeps = keeps
        self._lock = threading.Lock()
        self._idle: deque[Handle] = deque()
        self._lent: dict[Handle, tuple[float, str | int]] = {}
        self._opening = 0
        self._waiters: deque[_Waiter] = deque()
        self._drained = threading.Condition(self._lock)
        self._is_paused = False
        self._is_shut = False
        self._orphans: deque[Handle] = deque()  # given back by finalizers, not yet taken in
        self.timeouts = 0

    def borrow(self, timeout: float, label: str | int) -> Handle:
        """A handle that nobody else has until it is given back.

        Raises ReaderTimeoutError, naming the longest reader, ClosedError after `shut`, and whatever opening a new one
        raises. `label` is what that reader is called: a name, or the number of a thread.
        """
        deadline: float | None = None
        while True:
            waiter: _Waiter | None = None
            handle: Handle | None = None
            with self._lock:
                if self._is_shut:
                    raise _closing()
                if self._orphans:
                    self._take_in_orphans()
                may_go = not self._is_paused or self._has_one(label)
                if may_go and self._idle:
                    handle = self._idle.pop()
                    self._lent[handle] = time.monotonic(), label
                elif may_go and len(self._lent) + self._opening < self._limit:
                    self._opening += 1
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
        try:
            came = waiter.turn.acquire(timeout=max(0.0, deadline - time.monotonic()))
        except BaseException:  # Ctrl-C while waiting: what has come meanwhile is for the next
            with self._lock:
                self._decline(waiter)
            raise
        with self._lock:
            self._take_in_orphans()
            if not came and waiter in self._waiters:
                self._waiters.remove(waiter)
                self.timeouts += 1
                self._refuse(timeout)
        if waiter.is_refused:
            raise _closing()
        return waiter.handle

    def _refuse(self, timeout: float) -> NoReturn:
        oldest = min(self._lent.values(), key=lambda lent: lent[0], default=None)
        raise ReaderTimeoutError(
            f"all {self._limit} readers were in use for {timeout:g} s",
            holder=f"{named(oldest[1])}, for {time.monotonic() - oldest[0]:.1f} s" if oldest else None,
            hint="end read sessions and streams sooner, or give the concern more readers",
        )

    def _decline(self, waiter: _Waiter) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif waiter.handle is not None:
            self._lent.pop(waiter.handle, None)
            self._idle.append(waiter.handle)
            self._serve()
        elif not waiter.is_refused:
            self._opening -= 1
            self._serve()

    def _open(self, label: str | int) -> Handle:
        try:
            handle = self._opener()
        except BaseException:
            with self._lock:
                self._opening -= 1
                self._serve()
            raise
        with self._lock:
            self._opening -= 1
            is_late = self._is_shut
            if is_late:
                self._serve()
            else:
                self._lent[handle] = time.monotonic(), label
        if is_late:
            handle.close()
            raise _closing()
        return handle

    def give_back(self, handle: Handle) -> None:
        """Take back a lent handle; the longest waiter gets it."""
        if not self._keeps(handle):
            self._discard(handle)
            return
        with self._lock:
            self._lent.pop(handle, None)
            self._idle.append(handle)
            if self._waiters or self._is_paused:
                self._serve()

    def adopt(self, handle: Handle) -> None:
        """Take back a lent handle from a finalizer, which may run in the middle of anything, our own lock included."""
        self._orphans.append(handle)
        if self._lock.acquire(blocking=False):  # or whoever has the lock, or takes it next, will find it
            try:
                self._take_in_orphans()
            finally:
                self._lock.release()

    def _take_in_orphans(self) -> None:
        """Put what finalizers left where it belongs; the lock is held."""
        while self._orphans:
            handle = self._orphans.popleft()
            self._lent.pop(handle, None)
            if self._keeps(handle):
                self._idle.append(handle)
            else:
                handle.close()
        self._serve()

    def _discard(self, handle: Handle) -> None:
        try:
            handle.close()
        finally:
            with self._lock:
                self._lent.pop(handle, None)
                self._serve()

    def _serve(self) -> None:
        """Hand idle handles, then free places, to those who wait, the longest first; the lock is held."""
        while (waiter := self._next()) is not None:
            if self._idle:
                waiter.handle = self._idle.pop()
                self._lent[waiter.handle] = time.monotonic(), waiter.label
            else:
                self._opening += 1
            waiter.turn.release()
        if self._is_shut or not (self._lent or self._opening):
            self._drained.notify_all()

    def _next(self) -> _Waiter | None:
        """Takes the waiter whose turn it is out of the queue, where there is something to give."""
        if not self._waiters or (not self._idle and len(self._lent) + self._opening >= self._limit):
            return None
        if not self._is_paused:
            return self._waiters.popleft()
        waiter = next((waiter for waiter in self._waiters if self._has_one(waiter.label)), None)
        if waiter is not None:
            self._waiters.remove(waiter)
        return waiter

    def _has_one(self, label: str | int) -> bool:
        """Whether the caller reads already: whoever waits for it to end must not keep it from reading on."""
        return any(holder == label for _, holder in self._lent.values())

    def drain(self, deadline: float) -> bool:
        """Lend nothing more, but to those who read already, and wait until all is back.

        False, and lending to everybody again, where the deadline passes first. After `shut` it is False at once,
        unless all is back.
        """
        with self._lock:
            self._is_paused = True
            self._take_in_orphans()
            try:
                self._drained.wait_for(
                    lambda: self._is_shut or not (self._lent or self._opening), max(0.0, deadline - time.monotonic())
                )
            finally:
                drained = not (self._lent or self._opening)
                if not drained:
                    self._resume()
        if drained:
            self.close_idle()
        return drained

    def resume(self) -> None:
        """Lend again after `drain`."""
        with self._lock:
            self._resume()

    def _resume(self) -> None:
        if not self._is_shut:
            self._is_paused = False
            self._serve()

    def shut(self) -> None:
        """Refuse everybody who waits or comes, for good; what is lent stays lent until it is given back."""
        with self._lock:
            self._is_shut = self._is_paused = True
            while self._waiters:
                waiter = self._waiters.popleft()
                waiter.is_refused = True
                waiter.turn.release()
            self._drained.notify_all()

    def wait_until_back(self, deadline: float, *, passing: str | int) -> bool:
        """Whether all is back before the deadline, but what was lent under the label `passing`; for after `shut`."""
        with self._lock:
            return self._drained.wait_for(
                lambda: not self._opening and all(label == passing for _, label in self._lent.values()),
                max(0.0, deadline - time.monotonic()),
            )

    def lent(self) -> list[Handle]:
        """The handles that somebody has now."""
        with self._lock:
            return list(self._lent)

    def close_idle(self) -> list[Exception]:
        """Close the handles that nobody has; the errors of those that would not close."""
        with self._lock:
            idle = list(self._idle)
            self._idle.clear()
        return _closed(idle)

    def close(self) -> list[Exception]:
        """Close every handle, lent ones too, whose holders get ClosedError from now on; the errors on the way."""
        with self._lock:
            lent = list(self._lent)
            self._lent.clear()
        for handle in lent:
            handle.is_shut = True
        return self.close_idle() + _closed(lent)

    def facts(self) -> dict[str, Any]:
        """Readers open, in use and waited for; the oldest one in use with its age in seconds."""
        with self._lock:
            oldest = min(self._lent.values(), key=lambda lent: lent[0], default=None)
            return {
                "limit": self._limit,
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


def _closing() -> ClosedError:
    return ClosedError("the database lends no more readers: it is closing")
