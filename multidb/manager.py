"""The desk: the one class that knows every room, and what users of the library hold.

Rooms never import each other; where one needs another, the desk hands it a function.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Literal, Self

from multidb import files, log
from multidb.concerns import STANDARD, Concern, closest, unknown_concern
from multidb.database import Database
from multidb.errors import ConfigError
from multidb.health import stats as statistics
from multidb.places import State, os_failure
from multidb.registry import Registry
from multidb.reports import (
    DatabaseStatus,
    MigrationReport,
    OpenReport,
    StatsReport,
    StatusReport,
)
from multidb.schema.inspect import inspect_at_open
from multidb.schema.migrator import Migrator
from multidb.schema.run import migrate_all
from multidb.settings import Settings


def open(
    root: str | os.PathLike[str] | None = None,
    *,
    concerns: Iterable[Concern] = STANDARD,
    settings: Settings | str | os.PathLike[str] | None = None,
    strict: bool = False,
    read_only: bool = False,
) -> MultiDB:
    """Open every concern, each on its own, and answer with the desk that closes them.

    The root is made, 0700, unless `read_only`; then nothing is created anywhere and a missing file is ABSENT. A
    concern that cannot be opened is FAILED with its error; `strict` raises OpenError instead, with everything
    closed. Nothing is migrated. `settings` is a Settings or the path of a TOML file.

    Raises ConfigError for settings that cannot be meant and for one file as two concerns.
    """
    if not isinstance(settings, Settings):
        settings = Settings.load(root, file=settings)
    elif root is not None:
        settings = settings.at(root)
    return MultiDB(settings, settings.concerns(concerns), strict=strict, read_only=read_only)


class MultiDB(Mapping[str, Database]):
    """Databases by name (`dbs["chat"]`), and the verbs that concern them all; a context manager that closes them."""

    def __init__(self, settings: Settings, concerns: Iterable[Concern], *, strict: bool, read_only: bool) -> None:
        self.settings = settings
        self._read_only = read_only
        self._registry = Registry(inspect_at_open, read_only=read_only)
        self._closer = weakref.finalize(self, _close_abandoned, self._registry, os.getpid())
        try:
            if not read_only:
                try:
                    files.make_folder(settings.root)
                except OSError as error:
                    raise os_failure(error, settings.root) from error
            for concern in concerns:
                self.add(concern)
            if strict:
                self._registry.refuse_failures()
        except BaseException:
            self._registry.close(timeout=1)
            self._closer.detach()
            raise

    # --- a mapping ----------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Database:
        return self._registry[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._registry)

    def __len__(self) -> int:
        return len(self._registry)

    def __getattr__(self, name: str) -> Database:
        registry: Registry | None = self.__dict__.get("_registry")
        if registry is None or name.startswith("_"):
            raise AttributeError(name)
        if name in registry:
            return registry[name]
        raise unknown_concern(name, [*registry, *(verb for verb in dir(type(self)) if verb[0] != "_")])

    @property
    def chat(self) -> Database:
        """Chats and their messages."""
        return self["chat"]

    @property
    def code(self) -> Database:
        """Code sessions and their transcripts."""
        return self["code"]

    @property
    def imagegen(self) -> Database:
        """The queue of image jobs, and images."""
        return self["imagegen"]

    @property
    def app(self) -> Database:
        """Settings, credentials and artifacts of the application."""
        return self["app"]

    @property
    def beads(self) -> Database:
        """Issues; beads writes the schema."""
        return self["beads"]

    @property
    def tempolite(self) -> Database:
        """Workflows; tempolite writes the schema."""
        return self["tempolite"]

    @property
    def coordination(self) -> Database:
        """Which workflow works on which issue."""
        return self["coordination"]

    # --- life ---------------------------------------------------------------------------------------

    @property
    def open_report(self) -> OpenReport:
        """How each concern fared when it was opened."""
        return self._registry.report

    def add(self, concern: Concern) -> Database:
        """Open one more concern; ConfigError where its name or its file is taken."""
        if concern.name in _ATTRIBUTES:
            raise ConfigError(
                f"a concern cannot be called {concern.name}: that is a verb of MultiDB", concern=concern.name
            )
        return self._registry.add(concern, self.settings.path_of(concern))

    def remove(self, name: str) -> None:
        """Close one concern and forget it; its file stays."""
        self._registry.remove(name)

    def close(self, timeout: float = 10) -> None:
        """Let open sessions end, then close every connection, the last opened first; twice is once."""
        self._closer.detach()
        self._registry.close(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        states = ", ".join(f"{name} {database.state.value}" for name, database in self.items())
        return f"<MultiDB {self.settings.root} ({states})>"

    # --- verbs --------------------------------------------------------------------------------------

    def status(self) -> StatusReport:
        """The state, size and schema version of every database; creates nothing and waits for nobody."""
        return StatusReport({name: self._status(name) for name in self})

    def migrate(
        self,
        only: str | Iterable[str] | None = None,
        *,
        to: int | str | None = None,
        dry_run: bool = False,
        on_error: Literal["stop", "continue"] = "stop",
    ) -> MigrationReport:
        """Run every pending migration, of all databases or of those named, in their order.

        With `stop` everything is checked before anything runs, the first failure leaves the databases after it
        untouched, and its MigrationError is raised with the `report` of all. A database that could not be opened
        is failed and does not stop the others. `to` needs one name in `only`. `dry_run` changes nothing.
        """
        return migrate_all(
            {name: self.migrator(name) for name in self},
            None if only is None else [only] if isinstance(only, str) else list(only),
            to=to,
            dry_run=dry_run,
            on_error=on_error,
        )

    def migrator(self, name: str) -> Migrator:
        """The migrations of one database."""
        lock = self.settings.root / files.SIDE_FOLDER / f"{name}.migrate.lock"
        return Migrator(self[name], lock)

    def stats(self, level: Literal["cheap"] = "cheap") -> StatsReport:
        """Sizes, pages, write-ahead log, caches, connections and waits of every database, without a side effect."""
        if level != "cheap":
            raise ConfigError(f"stats has no level {level!r}", hint=closest(level, ["cheap"]))
        return StatsReport({name: statistics.cheap(database) for name, database in self.items()})

    def _status(self, name: str) -> DatabaseStatus:
        database = self[name]
        schema = self.migrator(name).standing()
        return DatabaseStatus(
            state=database.state.value,
            owner="foreign" if database.is_foreign else "multidb",
            path=str(database.path),
            size_bytes=files.size_of(database.path),
            wal_bytes=files.size_of(files.sidecar(database.path, "-wal")) or 0,
            schema_version=schema.version,
            pending=schema.pending,
            ahead=schema.ahead,
            error=database.error or schema.error,
            foreign=database.foreign,
        )


def _close_abandoned(registry: Registry, pid: int) -> None:
    """Close what nobody closed: at the interpreter's exit, or when the desk was dropped."""
    if os.getpid() == pid and any(database.state is not State.CLOSED for database in registry.values()):
        log.emit("desk_abandoned", hint="use it as a context manager, or call close()")
        try:
            registry.close()
        except Exception as error:  # nobody is left to raise it to
            log.emit("desk_abandoned", error=str(error))


_ATTRIBUTES = frozenset(dir(MultiDB)) - {concern.name for concern in STANDARD}
