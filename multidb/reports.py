"""The values that verbs answer with, and their one JSON encoder.

Every answer is frozen; `to_dict()` gives what the library, `--json` and HTTP have in common. A report about
several databases is also a mapping from their names to the entries.
"""

from __future__ import annotations

import base64
import enum
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Generic, TypeVar

import attrs

from multidb.errors import MultidbError

Entry = TypeVar("Entry")


def plain(value: Any) -> Any:
    """`value` in JSON's types: times as RFC 3339 UTC, bytes as `{"$base64": …}`, infinities as strings."""
    if value is None or isinstance(value, (bool, int)):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return None if math.isnan(value) else value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, (Report, MultidbError)):
        return value.to_dict()
    if attrs.has(type(value)):
        return {field.name: plain(getattr(value, field.name)) for field in attrs.fields(type(value))}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON here")


def rfc3339(moment: datetime) -> str:
    """An aware time in UTC with milliseconds and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Report:
    """A frozen answer; subclasses are attrs classes."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The answer in JSON's types; fields may be added later, none changes meaning."""
        return {
            field.name: plain(getattr(self, field.name))
            for field in attrs.fields(type(self))  # type: ignore[arg-type]  # every subclass is attrs
        }


class ByDatabase(Report, Mapping[str, Entry], Generic[Entry]):
    """A report with one entry for each database; the mapping is over `databases`."""

    __slots__ = ()
    databases: Mapping[str, Entry]

    def __getitem__(self, name: str) -> Entry:
        return self.databases[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.databases)

    def __len__(self) -> int:
        return len(self.databases)


# --- what a session answers with --------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Result(Report):
    """What one statement did.

    `changes` counts the rows that it inserted, updated or deleted itself, without triggers; `last_rowid` is
    the rowid of its last insert, or None where it inserted nothing; `rows` are those it returned.
    """

    changes: int
    last_rowid: int | None
    rows: list[tuple[Any, ...]]


@attrs.frozen(kw_only=True)
class InsertResult(Report):
    """What became of the rows: each was inserted, updated, ignored, or failed."""

    inserted: int
    updated: int = 0
    ignored: int = 0
    failed: int = 0


@attrs.frozen(kw_only=True)
class Page(Report, Generic[Entry]):
    """One page of a longer answer; `next_cursor` is None on the last."""

    items: list[Entry]
    next_cursor: str | None
    has_more: bool


@attrs.frozen
class PlanStep(Report):
    """One line of SQLite's query plan; `depth` is 0 at the top."""

    depth: int
    detail: str


@attrs.frozen
class QueryPlan(Report):
    """How SQLite would run a statement; `str()` is an indented tree."""

    steps: tuple[PlanStep, ...]

    def __str__(self) -> str:
        return "\n".join(f"{'  ' * step.depth}{step.detail}" for step in self.steps)


# --- what the desk answers with ---------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Opening(Report):
    """How one concern fared at open."""

    state: str
    path: str
    created: bool = False
    duration_ms: float = 0.0
    error: MultidbError | None = None
    warnings: tuple[str, ...] = ()


@attrs.frozen
class OpenReport(ByDatabase[Opening]):
    """How each concern fared when the desk was opened."""

    databases: Mapping[str, Opening]


@attrs.frozen(kw_only=True)
class DatabaseStatus(Report):
    """What can be told of a database without writing.

    Sizes are bytes by the file system. `schema_version` is the newest applied migration, 0 for none and
    None where there is no ledger; `pending` counts migrations that `up` would run; `ahead` means that the file
    has additive migrations that this program does not know.
    """

    state: str
    owner: str
    path: str
    size_bytes: int | None
    wal_bytes: int
    schema_version: int | None
    pending: int
    ahead: bool
    last_backup: datetime | None = None
    last_check: datetime | None = None
    error: MultidbError | None = None
    foreign: Any = None


@attrs.frozen
class StatusReport(ByDatabase[DatabaseStatus]):
    """The state of every database."""

    databases: Mapping[str, DatabaseStatus]


@attrs.frozen(kw_only=True)
class MigrationOutcome(Report):
    """What a run did to one database.

    `outcome` is applied, current, unmanaged, failed, untouched or reverted; `applied` and `pending` are
    versions, in order.
    """

    outcome: str
    from_version: int | None = None
    to_version: int | None = None
    applied: tuple[int, ...] = ()
    pending: tuple[int, ...] = ()
    duration_ms: float = 0.0
    error: MultidbError | None = None


@attrs.frozen
class MigrationReport(ByDatabase[MigrationOutcome]):
    """What a run of migrations did to each database."""

    databases: Mapping[str, MigrationOutcome]


@attrs.frozen(kw_only=True)
class DatabaseStats(Report):
    """Numbers about one database, read without a side effect.

    Bytes by the file system; pages and the free list by SQLite; `wal_frames` written and
    `wal_checkpointed` copied back; `cache` sums the statement caches and `readers`, `writer` tell who uses the
    connections now. A database that cannot be read has its `error` and no numbers.
    """

    state: str
    size_bytes: int | None = None
    wal_bytes: int = 0
    page_size: int | None = None
    pages: int | None = None
    freelist_pages: int | None = None
    wal_frames: int | None = None
    wal_checkpointed: int | None = None
    statement_cache: Mapping[str, int] | None = None
    readers: Mapping[str, Any] | None = None
    writer: Mapping[str, Any] | None = None
    busy: Mapping[str, int] | None = None
    error: MultidbError | None = None


@attrs.frozen
class StatsReport(ByDatabase[DatabaseStats]):
    """Numbers about every database."""

    databases: Mapping[str, DatabaseStats]


@attrs.frozen(kw_only=True)
class CheckpointReport(Report):
    """How much of the write-ahead log is in the database now; `busy` when somebody kept it from finishing."""

    wal_frames: int
    checkpointed: int
    busy: bool


@attrs.frozen(kw_only=True)
class UpkeepOutcome(Report):
    """What a vacuum, optimize or checkpoint did to one database.

    `outcome` is done, foreign (another program's, let be), absent or failed. Bytes are those of the file and its
    `-wal` together; `checkpoint` is set by a checkpoint alone.
    """

    outcome: str
    before_bytes: int = 0
    after_bytes: int = 0
    duration_ms: float = 0.0
    checkpoint: CheckpointReport | None = None
    error: MultidbError | None = None


@attrs.frozen
class UpkeepReport(ByDatabase[UpkeepOutcome]):
    """What a vacuum, optimize or checkpoint did to each database."""

    databases: Mapping[str, UpkeepOutcome]


@attrs.frozen
class ForeignInfo(Report):
    """What stands at a foreign path: `kind` is absent, empty, sqlite, dolt or unknown.

    `generation` names the owner's schema where it is known, for instance `beads-49` (columns of `issues`) or
    `tempolite-v0`.
    """

    kind: str
    generation: str | None = None
