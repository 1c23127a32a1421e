"""What a database is for, as data: concerns, their tuning, and the seven standard ones.

A concern is one named database. Nothing here touches a file; `settings` says where the files are and
`registry` opens them.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import attrs

from multidb.errors import ConfigError, UnknownConcernError

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_SQLITE_NAMES: Final = frozenset({"main", "temp"})
EXTENSIONS: Final = frozenset({"sqlite_vec"})


class Auto:
    """The one value `AUTO`: this package's own migrations for its own names, none for others."""

    def __repr__(self) -> str:
        return "AUTO"

    def __reduce__(self) -> str:
        return "AUTO"


AUTO: Final = Auto()
Migrations = Auto | str | Path | None


def closest(name: str, known: Iterable[str]) -> str | None:
    """A hint that offers the known names most like `name`."""
    known = sorted(known)
    matches = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    if matches:
        return f"did you mean {matches[0]!r}?"
    return f"known: {', '.join(known)}" if known else None


def _one_of(*allowed: str) -> Any:
    def check(_: Any, field: attrs.Attribute[Any], value: object) -> None:
        if value not in allowed:
            raise ConfigError(f"{field.name} cannot be {value!r}", hint=f"one of {', '.join(allowed)}")

    return check


def _whole(lowest: int = 0, *, highest: int = 2**31 - 1, optional: bool = False) -> Any:
    def check(_: Any, field: attrs.Attribute[Any], value: object) -> None:
        if value is None and optional:
            return
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise ConfigError(f"{field.name} cannot be {value!r}", hint=f"a whole number from {lowest} to {highest}")

    return check


def _flag(_: Any, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"{field.name} cannot be {value!r}", hint="true or false")


def _flag_or_none(_: Any, field: attrs.Attribute[Any], value: object) -> None:
    if value is not None:
        _flag(_, field, value)


def _a(kind: type[Any]) -> Any:
    def check(_: Any, field: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, kind):
            raise ConfigError(f"{field.name} cannot be {value!r}", hint=f"a {kind.__name__}")

    return check


@attrs.frozen(kw_only=True)
class Tuning:
    """How SQLite is set on every connection to a database; each value is read back after it is set.

    `_ms` is milliseconds, `_kib` 1,024 bytes, `wal_autocheckpoint` pages, `journal_size_limit` bytes
    (-1 is none). Caches are for each connection, which is why the default is small. `mmap_bytes` is 0
    because a file that another program truncates while it is mapped kills the process (SIGBUS).
    `statement_cache` counts prepared statements and stops at 512, APSW's limit.
    """

    busy_timeout_ms: int = attrs.field(default=5000, validator=_whole())
    journal_mode: Literal["wal", "delete", "truncate", "persist"] = attrs.field(
        default="wal", validator=_one_of("wal", "delete", "truncate", "persist")
    )
    synchronous: Literal["off", "normal", "full", "extra"] = attrs.field(
        default="normal", validator=_one_of("off", "normal", "full", "extra")
    )
    cache_kib: int = attrs.field(default=16384, validator=_whole(1))
    mmap_bytes: int = attrs.field(default=0, validator=_whole(highest=2**40))
    wal_autocheckpoint: int = attrs.field(default=1000, validator=_whole())
    journal_size_limit: int = attrs.field(default=67108864, validator=_whole(-1, highest=2**62))
    temp_store: Literal["default", "file", "memory"] = attrs.field(
        default="memory", validator=_one_of("default", "file", "memory")
    )
    foreign_keys: bool = attrs.field(default=True, validator=_flag)
    recursive_triggers: bool = attrs.field(default=True, validator=_flag)
    trusted_schema: bool = attrs.field(default=False, validator=_flag)
    defensive: bool = attrs.field(default=True, validator=_flag)
    dqs: bool = attrs.field(default=False, validator=_flag)
    statement_cache: int = attrs.field(default=256, validator=_whole(highest=512))
    statement_timeout_ms: int | None = attrs.field(default=None, validator=_whole(1, optional=True))
    writer_timeout_ms: int = attrs.field(default=10000, validator=_whole())
    reader_timeout_ms: int = attrs.field(default=5000, validator=_whole())
    slow_ms: int = attrs.field(default=100, validator=_whole())


def tuning_from(values: Mapping[str, Any], base: Tuning, where: str) -> Tuning:
    """`base` with `values` put over it; an unknown key is a ConfigError that offers the closest one."""
    known = {field.name for field in attrs.fields(Tuning)}
    for key in values:
        if key not in known:
            raise ConfigError(f"{where}: no tuning is called {key!r}", hint=closest(key, known))
    try:
        return attrs.evolve(base, **dict(values))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.message}", hint=error.hint) from None


@attrs.frozen
class Reference:
    """Ids in `from_table.from_column` that name rows of another concern's `to_table.to_column`.

    NULL and the empty string are no link.
    """

    from_table: str
    from_column: str
    to_concern: str
    to_table: str
    to_column: str


@attrs.frozen
class Source:
    """One side of a query across databases: a SELECT on one concern, and its parameters."""

    name: str
    sql: str
    params: Sequence[Any] | Mapping[str, Any] = attrs.field(default=(), repr=False)


def _check_name(_: Any, __: Any, name: Any) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _SQLITE_NAMES:
        raise ConfigError(
            f"{name!r} cannot name a concern",
            hint="lower-case letters, digits and _, a letter first, at most 63, not main or temp",
        )


def _check_extensions(_: Any, __: Any, extensions: tuple[str, ...]) -> None:
    for extension in extensions:
        if not isinstance(extension, str) or extension not in EXTENSIONS:
            raise ConfigError(f"no SQLite extension is called {extension!r} here", hint=closest(extension, EXTENSIONS))


def _check_owner(_: Any, __: Any, owner: object) -> None:
    if owner not in (None, "multidb", "foreign"):
        raise ConfigError(f"owner cannot be {owner!r}", hint="multidb or foreign")


def _references(given: Iterable[Reference]) -> tuple[Reference, ...]:
    return tuple(given)


def _extensions(given: Iterable[str]) -> tuple[str, ...]:
    if not isinstance(given, (list, tuple, set, frozenset)):
        raise ConfigError(f"extensions cannot be {given!r}", hint="a list of names")
    return tuple(given)


def _check_filename(_: Any, __: Any, filename: object) -> None:
    if filename is None:
        return
    if not isinstance(filename, str) or filename in ("", "..") or Path(filename).name != filename or "\0" in filename:
        raise ConfigError(f"{filename!r} is no file name", hint="path is for a file in another folder")
    if filename.endswith(("-wal", "-shm", "-journal")):
        raise ConfigError(f"{filename!r} is no file name for a database", hint="SQLite keeps its side files under such")


def _check_migrations(_: Any, __: Any, migrations: object) -> None:
    if migrations is not None and not isinstance(migrations, (Auto, str, Path)):
        raise ConfigError(f"migrations cannot be {migrations!r}", hint="AUTO, None or a folder")


def _path(given: str | os.PathLike[str]) -> Path:
    if not isinstance(given, (str, os.PathLike)):
        raise ConfigError(f"path cannot be {given!r}", hint="a path, as text")
    return Path(given)


@attrs.frozen
class Concern:
    """One database of an application, before it is opened.

    `filename` stands in the root; `path` is a file elsewhere and makes beads and tempolite foreign unless
    `owner="multidb"` says otherwise. `migrations` is AUTO, None (no ledger, `migrate` reports
    `unmanaged`) or a folder. `required=None` means True for our own databases with migrations. `lazy`
    opens at the first use, `readers` bounds the pool of read-only connections.
    """

    name: str = attrs.field(validator=_check_name)
    filename: str | None = attrs.field(default=None, kw_only=True, validator=_check_filename)
    path: Path | None = attrs.field(default=None, kw_only=True, converter=attrs.converters.optional(_path))
    migrations: Migrations = attrs.field(default=AUTO, kw_only=True, validator=_check_migrations)
    owner: Literal["multidb", "foreign"] | None = attrs.field(default=None, kw_only=True, validator=_check_owner)
    required: bool | None = attrs.field(default=None, kw_only=True, validator=_flag_or_none)
    lazy: bool = attrs.field(default=False, kw_only=True, validator=_flag)
    read_only: bool = attrs.field(default=False, kw_only=True, validator=_flag)
    readers: int = attrs.field(default=4, kw_only=True, validator=_whole(1, highest=256))
    tuning: Tuning = attrs.field(default=Tuning(), kw_only=True, validator=_a(Tuning))
    extensions: tuple[str, ...] = attrs.field(
        default=(), kw_only=True, converter=_extensions, validator=_check_extensions
    )
    references: tuple[Reference, ...] = attrs.field(default=(), kw_only=True, converter=_references)

    @property
    def is_foreign(self) -> bool:
        """Whether another program writes the schema of the file, so that ours only reads."""
        if self.owner is not None:
            return self.owner == "foreign"
        return self.name in OTHERS_NAMES and self.path is not None


OTHERS_NAMES: Final = ("beads", "tempolite")
"""Concerns whose schema other programs write; they have no migrations here."""

MANAGED_NAMES: Final = ("chat", "code", "imagegen", "app", "coordination", "openagents", "devstream", "episodic")
"""Concerns whose migrations this package ships; the last three are the opt-in packs."""

STANDARD: Final = (
    Concern("chat"),
    Concern("code"),
    Concern("imagegen"),
    Concern("app"),
    Concern("beads"),
    Concern("tempolite"),
    Concern(
        "coordination",
        references=(Reference("workflow_mappings", "beads_issue_id", "beads", "issues", "id"),),
    ),
)
OPENAGENTS: Final = Concern("openagents")
DEVSTREAM: Final = Concern("devstream")
EPISODIC: Final = Concern("episodic")
PACKS: Final = {pack.name: pack for pack in (OPENAGENTS, DEVSTREAM, EPISODIC)}


def unknown_concern(name: object, known: Iterable[str]) -> UnknownConcernError:
    """The error for a name that no concern has."""
    return UnknownConcernError(f"no concern is called {name!r}", hint=closest(str(name), known))
