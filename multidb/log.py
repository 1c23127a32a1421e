"""The library's logger and the catalogue of every event it can emit.

Nothing is configured here and nothing is printed by a host that configured nothing: an event goes to the
host's structlog where that is configured, else to the standard logger `multidb`, else nowhere. Neither
structlog nor logging is imported while nobody could be listening.

Keys mean the same everywhere: `concern`, `path`, `version`, `duration_ms`, `bytes`, `pages`, `rows`,
`attempt`, `error`, `hint`, and of a migration `name` and `pragma`. Values bound to statements are never logged.
"""

from __future__ import annotations

import sys
from typing import Any, Final

EVENTS: Final[dict[str, tuple[str, str]]] = {
    # name: (level, when)
    "database_opened": ("debug", "a concern's file was opened and tuned"),
    "database_created": ("info", "a concern's file did not exist and was made"),
    "database_failed": ("error", "a concern could not be opened, or its file was taken away"),
    "database_recovered": ("info", "a concern that had failed is open again"),
    "database_closed": ("debug", "a concern's connections were closed"),
    "folder_doubted": ("warning", "a database stands in a network or cloud-synchronised folder"),
    "desk_abandoned": ("warning", "a desk was dropped without close(); it was closed for you"),
    "schema_ahead": ("warning", "a database has additive migrations that this program does not know"),
    "migration_applied": ("info", "one migration was committed"),
    "migration_failed": ("error", "one migration was rolled back"),
    "pragma_ignored": ("warning", "a migration set foreign_keys, which the runner does itself"),
    "checkpoint_skipped": ("debug", "a checkpoint could not run because somebody reads or writes"),
}
"""Event names (without the prefix `multidb.`), their level, and when they happen."""


def emit(event: str, **context: Any) -> None:
    """Report one thing that happened, at the level that the catalogue gives it."""
    level, _ = EVENTS[event]
    logger = _listener(level)
    if logger is not None:
        getattr(logger, level)(f"multidb.{event}", **context)


def _listener(level: str) -> Any:
    if "structlog" in sys.modules:
        import structlog  # waits for another thread that is importing it just now

        if structlog.is_configured():
            return structlog.get_logger("multidb")
    if "logging" not in sys.modules:
        return None
    import logging

    standard = logging.getLogger("multidb")
    if not standard.hasHandlers() or not standard.isEnabledFor(getattr(logging, level.upper())):
        return None
    import structlog as wrapper  # only now is somebody listening

    return wrapper.wrap_logger(
        standard,
        wrapper_class=wrapper.stdlib.BoundLogger,
        processors=[wrapper.processors.KeyValueRenderer(key_order=["event"])],
        cache_logger_on_first_use=False,
    )
