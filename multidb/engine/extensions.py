"""Loading SQLite extensions, only where a concern asks for one."""

from __future__ import annotations

import apsw

from multidb.errors import ExtensionMissingError


def load(connection: apsw.Connection, extensions: tuple[str, ...]) -> None:
    """Load each named extension; afterwards SQL text still cannot load any.

    Raises ExtensionMissingError where its package is not installed or has no build for this machine.
    """
    for extension in extensions:
        try:
            # The switch opens the C call only; SQL's load_extension() stays "not authorized".
            connection.config(apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1)
            connection.load_extension(_library(extension))
        except (ImportError, apsw.ExtensionLoadingError) as error:
            raise ExtensionMissingError(
                f"the SQLite extension {extension} cannot be loaded: {error}",
                hint="install the package sqlite-vec; it has no build for some platforms",
            ) from error
        finally:
            connection.config(apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0)


def _library(extension: str) -> str:
    if extension == "sqlite_vec":
        import sqlite_vec  # type: ignore[import-untyped]  # optional, and slow to import

        return str(sqlite_vec.loadable_path())
    raise ImportError(f"no extension is called {extension!r}")
