"""What a run would do, decided from the files and the ledger alone; nothing here reads or writes a database."""

from __future__ import annotations

from typing import Any

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
from multidb.schema.ledger import Ledger, Record
from multidb.schema.script import Script


@attrs.frozen(kw_only=True)
class Plan:
    """The pending scripts in order, and what is known of those that are applied."""

    database: str
    from_version: int
    pending: tuple[Script, ...]
    ahead: tuple[int, ...] = ()
    cosmetic: tuple[int, ...] = ()

    @property
    def to_version(self) -> int:
        return max([self.from_version, *(script.version for script in self.pending)])


def plan(database: str, scripts: tuple[Script, ...], ledger: Ledger, *, to: int | str | None = None) -> Plan:
    """What `up` would do, to the newest version or to `to`, a version or a label.

    Raises for every applied migration whose file is missing, renamed or edited, for a pending one below the newest
    that is applied, and for a database that is newer than these files in a way that breaks.
    """
    ledger.check_owner(database)
    ledger.check_shape(database)
    files = {script.version: script for script in scripts}
    newest_file = max(files, default=0)
    cosmetic: list[int] = []
    ahead: list[int] = []
    for record in ledger.records:
        script = files.get(record.version)
        if not record.is_whole:
            raise DirtyDatabaseError(
                f"{database}: migration {record.version} {record.name} stopped half-way, outside a transaction",
                **_context(database, record),
                hint="look at what it did, then `multidb migrate repair`",
            )
        if script is None and record.version > newest_file:
            if record.compat == "breaking":
                raise too_new(database, record, newest_file)
            ahead.append(record.version)
        elif script is None:
            raise MissingMigrationError(
                f"{database}: migration {record.version} {record.name} is applied and its file is gone",
                **_context(database, record),
                hint="put the file back; an applied migration is never deleted",
            )
        elif _differs(database, record, script):
            cosmetic.append(record.version)
    applied = {record.version for record in ledger.records}
    last = newest_file if to is None else target(database, scripts, to)
    pending = tuple(s for s in scripts if s.version not in applied and s.version <= last)
    for script in pending:
        if script.version < ledger.head:
            raise OutOfOrderError(
                f"{database}: migration {script.version} {script.name} is pending below {ledger.head}, which is applied",
                concern=database,
                database=database,
                version=script.version,
                name=script.name,
                path=script.path,
                hint="give it the next free number",
            )
    return Plan(
        database=database,
        from_version=ledger.head,
        pending=pending,
        ahead=tuple(ahead),
        cosmetic=tuple(cosmetic),
    )


def target(database: str, scripts: tuple[Script, ...], to: int | str) -> int:
    """The version that a number or a label names."""
    for script in scripts:
        if script.version == to or script.label == to or str(script.version) == str(to).lstrip("0"):
            return script.version
    raise VersionNotFoundError(
        f"{database} has no migration {to!r}",
        concern=database,
        database=database,
        hint=f"known: {', '.join(str(script.version) for script in scripts)}",
    )


def too_new(database: str, record: Record, newest_file: int) -> DatabaseTooNewError:
    """The error for a breaking migration that these files do not know."""
    return DatabaseTooNewError(
        f"{database} is at version {record.version}, this program knows {newest_file}",
        **_context(database, record),
        hint=f"install a newer program, or run `multidb migrate down {database} --to {newest_file}`",
    )


def _differs(database: str, record: Record, script: Script) -> bool:
    """Whether the file was edited in comments and space alone; raises where more was changed."""
    same_text = record.checksum is None or record.checksum == script.checksum
    if record.name != script.name:
        if same_text and record.checksum is not None:
            raise RenamedMigrationError(
                f"{database}: migration {record.version} was applied as {record.name}, its file says {script.name}",
                **_context(database, record),
                hint="rename the file back, or `multidb migrate repair`",
            )
        raise _edited(database, record, script)
    if same_text:
        return False
    if record.checksum_tokens == script.checksum_tokens:
        return True
    raise _edited(database, record, script)


def _edited(database: str, record: Record, script: Script) -> MigrationError:
    return ChecksumMismatchError(
        f"{database}: migration {record.version} {record.name} was edited after it was applied",
        **_context(database, record) | {"path": script.path},
        hint="undo the edit and write a new migration",
    )


def _context(database: str, record: Record) -> dict[str, Any]:
    return {"concern": database, "database": database, "version": record.version, "name": record.name}
