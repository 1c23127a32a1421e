"""An application's data in several SQLite files, one for each concern, kept as one set.

    with multidb.open("~/.myapp/db") as dbs:
        dbs.migrate()
        with dbs["chat"].write() as w:
            w.execute("INSERT INTO chats(id, title) VALUES (?, ?)", ("c1", "Hello"))

`MultiDB` is the desk, `Database` one concern, `errors` has every error; README.md begins at the beginning.
"""

from multidb import errors
from multidb.concerns import (
    AUTO,
    DEVSTREAM,
    EPISODIC,
    OPENAGENTS,
    STANDARD,
    Concern,
    Reference,
    Source,
    Tuning,
)
from multidb.database import Database
from multidb.engine.session import ExclusiveSession, ReadSession, WriteSession
from multidb.engine.stream import Stream
from multidb.errors import *  # noqa: F403  # the tree is the list, and a test holds it against __all__
from multidb.manager import MultiDB, open
from multidb.places import State
from multidb.settings import RetentionPolicy, Settings
from multidb.version import VERSION as __version__

__all__ = [
    "AUTO",
    "DEVSTREAM",
    "EPISODIC",
    "OPENAGENTS",
    "STANDARD",
    "Concern",
    "Database",
    "ExclusiveSession",
    "MultiDB",
    "ReadSession",
    "Reference",
    "RetentionPolicy",
    "Settings",
    "Source",
    "State",
    "Stream",
    "Tuning",
    "WriteSession",
    "__version__",
    "open",
]
__all__ += errors.__all__
