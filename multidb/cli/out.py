"""Standard output as verbs write it: UTF-8 whatever the locale, and no byte lost or doubled by a signal.

An exception out of Python's own buffered writing loses what was in flight, and a JSON document with a hole
is none. So this waits where nothing is in flight, and writes pieces that a pipe takes whole.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import sys
from typing import Any, Final

from multidb.cli.signals import Signals

_FULL: Final = 1 << 16
_PIECE: Final = getattr(select, "PIPE_BUF", 512)
"""What a pipe that is writable takes without blocking; Windows has no word for it."""


class Out:
    """Collects text and writes it out when there is enough of it, and on `flush`."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._stream: Any = sys.stdout
        self._pending = bytearray()
        self.patience: float | None = None
        try:
            self._descriptor: int | None = self._stream.fileno()
        except (AttributeError, OSError, ValueError):  # closed, or a test's
            self._descriptor = None
        self._piece = _FULL
        if self._descriptor is not None:
            self._stream.flush()
            if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
                self._piece = _PIECE

    @property
    def is_terminal(self) -> bool:
        """Whether a person reads along."""
        return self._descriptor is not None and os.isatty(self._descriptor)

    def add(self, text: str) -> None:
        """Keep text for the next flush; waits for nobody."""
        self._pending += text.encode("utf-8", "backslashreplace")  # a path may be no UTF-8; JSON reads it back

    def relieve(self) -> None:
        """Flush where enough has come together."""
        if len(self._pending) >= _FULL:
            self.flush()

    def write(self, text: str) -> None:
        """Add text. BrokenPipeError and other OSErrors come from here and from `flush`."""
        self.add(text)
        self.relieve()

    def flush(self) -> None:
        """Write everything out; where `patience` is set, drop what nobody has taken after so many seconds."""
        if self._descriptor is None:
            self._hand_over()
            return
        while self._pending:
            waker = self._signals.waker
            wakers = [] if waker is None else [waker]
            woken, writable, _ = select.select(wakers, [self._descriptor], [], self.patience)  # signals raise here
            if woken:
                os.read(woken[0], _FULL)
                continue
            if not writable:
                self.give_up()
                return
            with self._signals.held(), contextlib.suppress(BlockingIOError):
                written = os.write(self._descriptor, self._pending[: self._piece])
                del self._pending[:written]

    def _hand_over(self) -> None:
        if self._stream is not None:
            self._stream.write(self._pending.decode("utf-8"))
            self._stream.flush()
        self._pending.clear()

    def give_up(self) -> None:
        """Send everything from now on nowhere: the reader has gone, and the interpreter's last flush must not fail."""
        self._pending.clear()
        if self._descriptor is not None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._descriptor)
            os.close(nowhere)
