"""The desk: the one class that knows every room, and what users of the library hold.

Rooms never import each other; where one needs another, the desk hands it a function.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Literal, Self

from multidb import files, log
from multidb.concerns import STANDARD, Concern, closest, unknown_concern
from multidb.database import Database
from multidb.errors import BusyError, ConfigError, ForeignDatabaseError, MultidbError
from multidb.health import stats as statistics
from multidb.places import State, os_failure
from multidb.registry import Registry
from multidb.reports import (
    CheckpointReport,
    DatabaseStatus,
    MigrationReport,
    OpenReport,
    StatsReport,
    StatusReport,
    UpkeepOutcome,
    UpkeepReport,
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
            self._registry.shut(timeout=1)
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
        self._registry.close(timeout)
        self._closer.detach()

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
        return Migrator(self[name], lock, self.migrator)

    def stats(self, level: Literal["cheap"] = "cheap") -> StatsReport:
        """Sizes, pages, write-ahead log, caches, connections and waits of every database, without a side effect."""
        if level != "cheap":
            raise ConfigError(f"stats has no level {level!r}", hint=closest(level, ["cheap"]))
        return StatsReport({name: statistics.cheap(database) for name, database in self.items()})

    def vacuum(self, only: str | Iterable[str] | None = None) -> UpkeepReport:
        """Rebuild every database of ours, or those named, without its free pages; see `Database.vacuum`.

        One that fails does not stop the others and has its error in the report; so with `optimize` and
        `checkpoint`. Raises UnknownConcernError, and ForeignDatabaseError for a name that is another program's.
        """
        return self._tend(only, Database.vacuum)

    def optimize(self, only: str | Iterable[str] | None = None) -> UpkeepReport:
        """Bring SQLite's statistics up to date in every database of ours, or in those named."""
        return self._tend(only, Database.optimize)

    def checkpoint(self, only: str | Iterable[str] | None = None) -> UpkeepReport:
        """Copy the write-ahead log of every database of ours, or of those named, back into its file.

        One whose log could not be copied whole, because a reader is in the way, has failed with a BusyError.
        """
        return self._tend(only, Database.checkpoint)

    def _tend(
        self, only: str | Iterable[str] | None, work: Callable[[Database], CheckpointReport | None]
    ) -> UpkeepReport:
        names = None if only is None else [only] if isinstance(only, str) else list(only)
        for name in names or ():
            if self[name].is_foreign:
                raise ForeignDatabaseError(f"{name} belongs to another program, which alone writes it", concern=name)
        return UpkeepReport({name: _tended(self[name], work) for name in self if names is None or name in names})

    def _status(self, name: str) -> DatabaseStatus:
        database = self[name]
        foreign = database.foreign  # first: it may notice that the file came or went
        schema = self.migrator(name).status()
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
            foreign=foreign,
        )


def _tended(database: Database, work: Callable[[Database], CheckpointReport | None]) -> UpkeepOutcome:
    """What became of `work` on one database."""
    if database.is_foreign:
        return UpkeepOutcome(outcome="foreign")
    before, started = _bytes_of(database), time.monotonic()
    checkpoint, error = None, None
    try:
        checkpoint = work(database)
        if checkpoint is not None and checkpoint.busy:
            raise BusyError(
                f"a reader kept the write-ahead log of {database.name} from being copied back whole",
                kind="reader",
                hint="try again when it has ended",
            )
    except MultidbError as caught:
        error = caught.within(database.name, str(database.path))
    outcome = "done" if error is None else "absent" if database.state is State.ABSENT else "failed"
    return UpkeepOutcome(
        outcome=outcome,
        before_bytes=before,
        after_bytes=_bytes_of(database),
        duration_ms=round((time.monotonic() - started) * 1000, 3),
        checkpoint=checkpoint,
        error=error,
    )


def _bytes_of(database: Database) -> int:
    """The size of the file and its `-wal` together."""
    return sum(files.size_of(files.sidecar(database.path, side)) or 0 for side in ("", "-wal"))


def _close_abandoned(registry: Registry, pid: int) -> None:
    """Close what nobody closed: at the interpreter's exit, or when the desk was dropped."""
    if os.getpid() == pid and any(database.state is not State.CLOSED for database in registry.values()):
        log.emit("desk_abandoned", hint="use it as a context manager, or call close()")
        try:
            registry.shut(_EXIT_S)
        except Exception as error:  # nobody is left to raise it to
            log.emit("desk_abandoned", error=str(error))


_ATTRIBUTES = {"settings", *dir(MultiDB)} - {concern.name for concern in STANDARD}
_EXIT_S = 5.0
"""How long the end of the process waits for the sessions of daemon threads before it cuts them off."""
