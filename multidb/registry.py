"""All databases by name: each opened on its own, all closed in reverse order."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from multidb import files, log
from multidb.concerns import Concern, unknown_concern
from multidb.database import Database
from multidb.engine.connect import Handle
from multidb.errors import ConfigError, MultidbError, OpenError
from multidb.places import State
from multidb.reports import Opening, OpenReport

Inspect = Callable[[Concern, Handle], None]
"""Looks at a database just opened; what it raises makes the database FAILED."""


class Registry(Mapping[str, Database]):
    """The databases of one desk. A failing one does not keep the others from opening."""

    def __init__(self, inspect: Inspect, *, read_only: bool) -> None:
        self._inspect = inspect
        self._read_only = read_only
        self._databases: dict[str, Database] = {}
        self._doubts: dict[str, str | None] = {}
        self._openings: dict[str, Opening] = {}

    def __getitem__(self, name: str) -> Database:
        try:
            return self._databases[name]
        except KeyError:
            raise unknown_concern(name, self._databases) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._databases)

    def __len__(self) -> int:
        return len(self._databases)

    @property
    def report(self) -> OpenReport:
        """How each concern fared when it was opened."""
        return OpenReport(dict(self._openings))

    def add(self, concern: Concern, path: Path) -> Database:
        """Open one more; FAILED and ABSENT are states of what is returned, ConfigError is raised."""
        if concern.name in self._databases:
            raise ConfigError(f"there are two concerns called {concern.name}", concern=concern.name)
        database = Database(
            concern,
            path,
            read_only=self._read_only,
            inspect=lambda handle: self._inspect(concern, handle),
        )
        self._refuse_shared_file(database)
        started = time.perf_counter()
        if not concern.lazy:
            database.open()
        self._databases[concern.name] = database
        self._openings[concern.name] = Opening(
            state=database.state.value,
            path=str(database.path),
            created=database.was_created,
            duration_ms=round((time.perf_counter() - started) * 1000, 3),
            error=database.error,
            warnings=self._warnings(database),
        )
        return database

    def _refuse_shared_file(self, database: Database) -> None:
        """Raise ConfigError where another concern has the file, by another path, a symbolic or a hard link."""
        identity = database.identity
        for other in self._databases.values():
            is_same = identity is not None and other.identity == identity
            if is_same or other.path == database.path:
                raise ConfigError(
                    f"{database.name} and {other.name} are one file, {database.path}",
                    concern=database.name,
                    path=str(database.path),
                    hint="give each concern a file of its own",
                )

    def _warnings(self, database: Database) -> tuple[str, ...]:
        if database.state is State.ABSENT or database.is_foreign:
            return ()
        folder = os.path.dirname(database.path)
        if folder not in self._doubts:
            self._doubts[folder] = files.doubtful_folder(Path(folder))
            if self._doubts[folder] is not None:
                log.emit("folder_doubted", path=folder, hint=self._doubts[folder])
        doubt = self._doubts[folder]
        return () if doubt is None else (doubt,)

    def remove(self, name: str, timeout: float = 10) -> None:
        """Close one and forget it; its file stays. Raises SessionMisuseError inside one's own session of it."""
        database = self[name]
        database.refuse_own_session()
        try:
            database.shut(timeout)
        finally:
            del self._databases[name]
            self._openings.pop(name, None)

    def errors(self) -> list[MultidbError]:
        """What keeps the failed ones from being open."""
        return [database.error for database in self._databases.values() if database.error is not None]

    def refuse_failures(self) -> None:
        """Close everything and raise OpenError where one failed."""
        errors = self.errors()
        if errors:
            self.close(timeout=1)
            names = ", ".join(error.concern or "?" for error in errors)
            raise OpenError(f"could not open {names}", errors)

    def close(self, timeout: float = 10) -> None:
        """Close all, the last opened first, within `timeout` together; then raise one group of what went wrong.

        Raises SessionMisuseError inside one's own session of any of them, before one is closed.
        """
        for database in self._databases.values():
            database.refuse_own_session()
        self.shut(timeout)

    def shut(self, timeout: float) -> None:
        """As `close`, with the caller's own sessions cut off at once: for the end of the process."""
        deadline = time.monotonic() + timeout
        errors: list[Exception] = []
        for database in reversed(list(self._databases.values())):
            try:
                database.shut(max(0.0, deadline - time.monotonic()))
            except Exception as error:  # every database is closed before any error is raised
                errors.append(error)
        if errors:
            raise ExceptionGroup("closing the databases", errors)
