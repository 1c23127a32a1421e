"""Facts about a database, read without a side effect."""

from __future__ import annotations

from typing import Any

import apsw

from multidb.engine.connect import Handle


def wal_frames(handle: Handle) -> tuple[int, int] | None:
    """Frames in the write-ahead log and those copied back, or None for a file without one.

    `SQLITE_CHECKPOINT_NOOP` reads the counters and copies nothing, unlike `PRAGMA wal_checkpoint`. It takes a lock
    all the same: None, too, inside a transaction, and for a log that is read without a trace.
    """
    if handle.in_transaction:
        return None
    try:
        frames, copied = handle.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
    except apsw.ReadOnlyError:
        return None
    except apsw.Error as error:
        raise handle.failure(error) from error
    return None if frames < 0 else (frames, copied)


def page_facts(handle: Handle) -> dict[str, int]:
    """`page_size` in bytes, `pages` and `freelist_pages`."""
    size, pages, free = (handle.ask(f"PRAGMA {name}")[0][0] for name in ("page_size", "page_count", "freelist_count"))
    return {"page_size": size, "pages": pages, "freelist_pages": free}


def statement_cache(handle: Handle) -> dict[str, int]:
    """Hits, misses and size of APSW's cache of compiled statements."""
    found: dict[str, Any] = handle.connection.cache_stats()
    return {key: int(found[key]) for key in ("hits", "misses", "size")}


def checkpoint(handle: Handle, *, truncate: bool) -> tuple[int, int, bool]:
    """Copy the log back as far as nobody is in the way; frames in it, frames copied, and whether somebody was.

    It never waits: a checkpoint that waits for readers keeps writers out meanwhile.
    """
    handle.connection.set_busy_timeout(0)
    try:
        frames, copied = handle.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        if truncate and frames == copied:
            handle.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        return max(frames, 0), max(copied, 0), frames != copied
    except (apsw.BusyError, apsw.LockedError):
        seen = wal_frames(handle) or (0, 0)
        return seen[0], seen[1], True
    except apsw.Error as error:
        raise handle.failure(error) from error
    finally:
        handle.connection.set_busy_timeout(handle.tuning.busy_timeout_ms)
