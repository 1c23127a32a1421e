"""The library's events on stderr, for whoever wants to see them.

structlog words them; the library imports it with the first event that is to be shown, so that a quiet run does
not pay for it.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Generator
from typing import Final

_TOLD_ANYWAY: Final = ("multidb.database_failed", "multidb.migration_failed")
"""Events whose error the verb itself prints; shown only where a level was asked for."""


@contextlib.contextmanager
def shown(level: str | None) -> Generator[None]:
    """Have events of this level and above written to stderr in the block; None is warnings."""
    logger = logging.getLogger("multidb")
    before = logger.level, logger.propagate
    handler = _Lines(leaves_out=_TOLD_ANYWAY if level is None else ())
    logger.addHandler(handler)
    logger.setLevel((level or "warning").upper())
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]


class _Lines(logging.Handler):
    """Writes `level: event key=value …`, a line an event."""

    def __init__(self, *, leaves_out: tuple[str, ...]) -> None:
        super().__init__()
        self._leaves_out = leaves_out

    def emit(self, record: logging.LogRecord) -> None:
        name, _, context = record.getMessage().removeprefix("event=").partition(" ")
        name = name.strip("'")
        if name in self._leaves_out or sys.stderr is None:
            return
        with contextlib.suppress(OSError, ValueError):  # nobody listens any more; the work goes on
            sys.stderr.write(f"{record.levelname.lower()}: {name} {context}".rstrip() + "\n")
            sys.stderr.flush()
