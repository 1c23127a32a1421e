"""The queues of one database, in the order in which they are stood in: the door, the readers, the write lease.

Whoever wants to be alone holds the door, then has all readers back, then holds the lease. Not the other way
round: somebody who reads may ask for the lease and must get it, or the two would wait for each other.
`docs/locks.md` has the whole order.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Mapping
from threading import get_ident
from typing import Any

from multidb.engine.caller import caller_name
from multidb.engine.connect import Handle
from multidb.engine.lease import Lease
from multidb.engine.pool import ReaderPool
from multidb.errors import ClosedError, ReaderTimeoutError


class Gate:
    """Who may be at a database now; `lease` and `readers` are for those who only write or read."""

    def __init__(
        self,
        opener: Callable[[], Handle],
        readers: int,
        *,
        is_good: Callable[[Handle], bool],
        keeps: Callable[[Handle], bool],
    ) -> None:
        self.readers = ReaderPool(opener, readers, is_good=is_good, keeps=keeps)
        self.lease = Lease()
        self._door = Lease()
        self._is_shut = False

    @contextlib.contextmanager
    def alone(self, deadline: float) -> Generator[None]:
        """Nobody else reads or writes in this process for the block; everybody waits until it ends.

        Raises WriterTimeoutError or ReaderTimeoutError with the holder at `deadline` (monotonic), ClosedError after
        `shut`.
        """
        with self._holding(self._door, deadline):
            if not self.readers.drain(deadline):
                if self._is_shut:
                    raise ClosedError("the database is closing")
                raise ReaderTimeoutError(
                    "the readers did not end before the deadline",
                    holder=self.readers.facts()["oldest_label"],
                    hint="end read sessions and streams first",
                )
            with self._until_resumed(), self._holding(self.lease, deadline):
                yield

    @contextlib.contextmanager
    def alone_if_idle(self, deadline: float, is_wanted: Callable[[], bool]) -> Generator[bool]:
        """As `alone`, and True, where `is_wanted` still holds at the door and nobody reads; else False."""
        with self._holding(self._door, deadline):
            if is_wanted() and self.readers.drain(time.monotonic()):
                with self._until_resumed(), self._holding(self.lease, deadline):
                    yield True
            else:
                yield False

    @contextlib.contextmanager
    def _holding(self, lease: Lease, deadline: float) -> Generator[None]:
        lease.acquire(deadline, caller_name())
        try:
            yield
        finally:
            lease.release()

    @contextlib.contextmanager
    def _until_resumed(self) -> Generator[None]:
        try:
            yield
        finally:
            self.readers.resume()

    def shut(self) -> None:
        """Refuse everybody who waits or comes, for good; those who are inside stay until they leave."""
        self._is_shut = True
        self._door.shut()
        self.lease.shut()
        self.readers.shut()

    def wait_until_empty(self, deadline: float) -> bool:
        """Whether all have left before the deadline, but the caller's own streams, which only he could end; for
        after `shut`."""
        return self.lease.wait_until_free(deadline) and self.readers.wait_until_back(deadline, passing=get_ident())

    def facts(self) -> dict[str, Mapping[str, Any]]:
        """Who reads, writes, is alone and waits, now; `busy` counts the waits that ended in vain."""
        return {
            "readers": self.readers.facts(),
            "writer": self.lease.facts(),
            "exclusive": self._door.facts(),
            "busy": {"reader": self.readers.timeouts, "writer": self.lease.timeouts},
        }
