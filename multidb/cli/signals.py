"""Ctrl-C and SIGTERM as exceptions, which unwind every `with` block on their way out.

A read is interrupted where it is: SQLite calls back into Python every few thousand steps, and the exception is
raised there. A write transaction is rolled back by the block that it leaves, or was committed before; either
way it is whole. The library itself installs no signal handler.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any, Final

ENDING: Final = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)  # Windows has no SIGHUP
)


class Stopped(BaseException):
    """The process was asked to end by another signal than Ctrl-C's."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_status = 128 + number


class Signals:
    """The handlers of one run; a context manager that puts back those that stood before.

    Signals wait until `listen` is called. Where the run `is_last_act` of the process, those after it are ignored:
    it has answered, and on the interpreter's way out a signal would make another exit status of it.

    `waker` is a descriptor that is readable when a signal has come: one that comes just before a wait in the system
    would otherwise be heard after it.
    """

    def __init__(self, *, is_last_act: bool = False) -> None:
        self._is_last_act = is_last_act
        self._before: dict[int, Any] = {}
        self._is_held = True
        self._waiting: int | None = None
        self._pipe: tuple[int, int] | None = None
        self._waker_before = -1

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._pipe = os.pipe()
            for end in self._pipe:
                os.set_blocking(end, False)
            self._waker_before = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
            for number in ENDING:
                if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a job in the background
                    self._before[number] = signal.signal(number, self._raise)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_IGN if self._is_last_act else handler)
        if self._pipe is not None:
            signal.set_wakeup_fd(self._waker_before)
            for end in self._pipe:
                os.close(end)
            self._pipe = None

    @property
    def waker(self) -> int | None:
        """None in another thread than the main one, where no signal is heard."""
        return None if self._pipe is None else self._pipe[0]

    def listen(self) -> None:
        """From now on raise a signal where it comes; one that came since the block was entered, now."""
        self._let_go()

    def _raise(self, number: int, frame: FrameType | None = None) -> None:
        if self._is_held:
            self._waiting = number
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
        else:
            raise Stopped(number)

    def held(self) -> Held:
        """A block at whose end a signal is raised that came in it; for steps that are short and must stay whole."""
        return Held(self)

    def _hold(self) -> None:
        self._is_held = True

    def _let_go(self) -> None:
        self._is_held = False
        number, self._waiting = self._waiting, None
        if number is not None:
            self._raise(number)


class Held:
    """See `Signals.held`; a class, because a million rows enter it a million times."""

    __slots__ = ("_signals",)

    def __init__(self, signals: Signals) -> None:
        self._signals = signals

    def __enter__(self) -> None:
        self._signals._hold()

    def __exit__(self, *_: object) -> None:
        self._signals._let_go()
