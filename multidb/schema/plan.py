"""What a run would do, decided from the files and the ledger alone; nothing here reads or writes a database."""

from __future__ import annotations

from typing import Any, Final

import attrs

from multidb.errors import (
    ChecksumMismatchError,
    DatabaseTooNewError,
    DirtyDatabaseError,
    MigrationError,
    MissingMigrationError,
    OutOfOrderError,
    RenamedMigrationError,
    VersionNotFoundError,
)
from multidb.schema.compare import Entry, Standing, compare
from multidb.schema.ledger import Ledger
from multidb.schema.script import Script

_REFUSALS: Final[dict[Standing, tuple[type[MigrationError], str, str]]] = {
    Standing.FAILED: (
        DirtyDatabaseError,
        "stopped half-way, outside of a transaction",
        "look at what it did, then `multidb migrate repair`",
    ),
    Standing.MISSING: (
        MissingMigrationError,
        "is applied and its file is gone",
        "put the file back; an applied migration is never deleted",
    ),
    Standing.RENAMED: (
        RenamedMigrationError,
        "was applied under this name, and its file has another",
        "rename the file back, or `multidb migrate repair`",
    ),
    Standing.MODIFIED: (
        ChecksumMismatchError,
        "was edited after it was applied",
        "undo the edit and write a new migration",
    ),
}
_NOT_APPLIED: Final = (Standing.PENDING, Standing.OUT_OF_ORDER)


@attrs.frozen(kw_only=True)
class Plan:
    """The pending scripts in order, what is known of those that are applied, and what it was made from."""

    database: str
    from_version: int
    pending: tuple[Script, ...]
    ahead: tuple[int, ...] = ()
    cosmetic: tuple[int, ...] = ()
    scripts: tuple[Script, ...] = attrs.field(repr=False)
    to: int | str | None = None

    @property
    def to_version(self) -> int:
        """The highest version that is applied when the plan is carried out."""
        return max([self.from_version, *(script.version for script in self.pending)])

    @property
    def pending_versions(self) -> tuple[int, ...]:
        return tuple(script.version for script in self.pending)


def plan(database: str, scripts: tuple[Script, ...], ledger: Ledger, *, to: int | str | None = None) -> Plan:
    """What `up` would do, to the newest version or to `to`, a version or a label.

    Raises for every applied migration whose file is missing, renamed or edited, for a pending one below the newest
    that is applied, and for a database that is newer than these files in a way that breaks.
    """
    ledger.check_owner(database)
    ledger.check_shape(database)
    last = target(database, scripts, to)
    entries = compare(scripts, ledger)
    newest = max((script.version for script in scripts), default=0)
    for entry in entries:
        if entry.state in _REFUSALS:
            raise _refusal(database, entry)
        if entry.state is Standing.AHEAD and entry.compat == "breaking":
            raise too_new(database, entry.version, entry.name, newest)
    pending = {entry.version for entry in entries if entry.state in _NOT_APPLIED and entry.version <= last}
    for entry in entries:
        if entry.state is Standing.OUT_OF_ORDER and entry.version in pending:
            raise OutOfOrderError(
                f"{database}: migration {entry.version} {entry.name} is pending below {ledger.head}, which is applied",
                **_context(database, entry),
                hint="give it the next free number",
            )
    return Plan(
        database=database,
        from_version=ledger.head,
        pending=tuple(script for script in scripts if script.version in pending),
        ahead=tuple(entry.version for entry in entries if entry.state is Standing.AHEAD),
        cosmetic=tuple(entry.version for entry in entries if entry.state is Standing.COSMETIC),
        scripts=scripts,
        to=to,
    )


def target(database: str, scripts: tuple[Script, ...], to: int | str | None) -> int:
    """The version that a number or a label names; the newest for None."""
    if to is None:
        return max((script.version for script in scripts), default=0)
    for script in scripts:
        if not isinstance(to, bool) and (to in (script.version, script.label) or _is_number(to, script.version)):
            return script.version
    raise VersionNotFoundError(
        f"{database} has no migration {to!r}",
        concern=database,
        database=database,
        hint=f"known: {', '.join(str(script.version) for script in scripts)}",
    )


def _is_number(to: int | str, version: int) -> bool:
    return isinstance(to, str) and to.isascii() and to.isdecimal() and int(to) == version


def too_new(database: str, version: int, name: str, newest: int) -> DatabaseTooNewError:
    """The error for a breaking migration that the files, up to `newest`, do not know."""
    return DatabaseTooNewError(
        f"{database} is at version {version}, this program knows {newest}",
        concern=database,
        database=database,
        version=version,
        name=name,
        hint=f"install a newer program, or run `multidb migrate down {database} --to {newest}`",
    )


def _refusal(database: str, entry: Entry) -> MigrationError:
    kind, what, hint = _REFUSALS[entry.state]
    return kind(f"{database}: migration {entry.version} {entry.name} {what}", **_context(database, entry), hint=hint)


def _context(database: str, entry: Entry) -> dict[str, Any]:
    return {
        "concern": database,
        "database": database,
        "version": entry.version,
        "name": entry.name,
        "path": entry.path,
    }
