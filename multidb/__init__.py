"""An application's data in several SQLite files, one for each concern, kept as one set.

    with multidb.open("~/.myapp/db") as dbs:
        dbs.migrate()
        with dbs["chat"].write() as w:
            w.execute("INSERT INTO chats(id, title) VALUES (?, ?)", ("c1", "Hello"))

`MultiDB` is the desk, `Database` one concern, `errors` has every error; README.md begins at the beginning.

A name is imported from its module when it is first asked for (PEP 562), so that a program that only catches our
errors, or prints its help, does not wait for SQLite.
"""

import sys
from typing import TYPE_CHECKING

from multidb import errors
from multidb.errors import *  # noqa: F403  # the tree is the list, and a test holds it against __all__
from multidb.version import VERSION as __version__

if TYPE_CHECKING:
    from multidb.concerns import AUTO as AUTO
    from multidb.concerns import DEVSTREAM as DEVSTREAM
    from multidb.concerns import EPISODIC as EPISODIC
    from multidb.concerns import OPENAGENTS as OPENAGENTS
    from multidb.concerns import STANDARD as STANDARD
    from multidb.concerns import Concern as Concern
    from multidb.concerns import Reference as Reference
    from multidb.concerns import Source as Source
    from multidb.concerns import Tuning as Tuning
    from multidb.database import Database as Database
    from multidb.engine.session import ExclusiveSession as ExclusiveSession
    from multidb.engine.session import ReadSession as ReadSession
    from multidb.engine.session import WriteSession as WriteSession
    from multidb.engine.stream import Stream as Stream
    from multidb.manager import MultiDB as MultiDB
    from multidb.manager import open as open
    from multidb.places import State as State
    from multidb.settings import RetentionPolicy as RetentionPolicy
    from multidb.settings import Settings as Settings
else:
    _HOMES = {
        **dict.fromkeys(["AUTO", "DEVSTREAM", "EPISODIC", "OPENAGENTS", "STANDARD"], "concerns"),
        **dict.fromkeys(["Concern", "Reference", "Source", "Tuning"], "concerns"),
        **dict.fromkeys(["ExclusiveSession", "ReadSession", "WriteSession"], "engine.session"),
        **dict.fromkeys(["MultiDB", "open"], "manager"),
        **dict.fromkeys(["RetentionPolicy", "Settings"], "settings"),
        "Database": "database",
        "State": "places",
        "Stream": "engine.stream",
    }

    def __getattr__(name):
        from importlib import import_module

        if name not in _HOMES:
            raise AttributeError(f"module 'multidb' has no attribute {name!r}", name=name, obj=sys.modules[__name__])
        value = getattr(import_module(f"multidb.{_HOMES[name]}"), name)
        globals()[name] = value
        return value

    def __dir__():
        return sorted({*globals(), *__all__})


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
