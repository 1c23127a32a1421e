"""Numbers about one database, read without a side effect."""

from __future__ import annotations

from multidb import files
from multidb.database import Database
from multidb.engine import facts
from multidb.errors import MultidbError
from multidb.places import State
from multidb.reports import DatabaseStats

_WAIT_S = 0.5
"""How long a reader may be waited for; a database whose readers are all busy is told by its error."""


def cheap(database: Database) -> DatabaseStats:
    """What can be had in microseconds: sizes, pages, log, caches, and who uses the connections."""
    size = files.size_of(database.path)
    wal_bytes = files.size_of(files.sidecar(database.path, "-wal")) or 0
    if database.state is State.UNOPENED:  # lazy, and looking at it is no use of it
        return DatabaseStats(state=database.state.value, size_bytes=size, wal_bytes=wal_bytes)
    try:
        pages, frames, cache = database.probe(
            lambda handle: (facts.page_facts(handle), facts.wal_frames(handle), facts.statement_cache(handle)),
            timeout=_WAIT_S,
        )
    except MultidbError as error:
        return DatabaseStats(state=database.state.value, size_bytes=size, wal_bytes=wal_bytes, error=error)
    activity = database.activity()
    return DatabaseStats(
        state=database.state.value,
        size_bytes=size,
        wal_bytes=wal_bytes,
        wal_frames=frames[0] if frames is not None else None,
        wal_checkpointed=frames[1] if frames is not None else None,
        statement_cache=cache,
        page_size=pages["page_size"],
        pages=pages["pages"],
        freelist_pages=pages["freelist_pages"],
        readers=activity["readers"],
        writer=activity["writer"],
        busy=activity["busy"],
    )
