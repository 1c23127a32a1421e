"""Every error that multidb raises, as one tree; the drawing is tested against the classes.

    MultidbError
    ├── ConfigError
    │   └── UnknownConcernError
    ├── BackupNotFoundError
    ├── BusyError
    │   ├── WriterTimeoutError
    │   ├── ReaderTimeoutError
    │   ├── StatementTimeoutError
    │   ├── SnapshotTimeoutError
    │   └── LockTimeoutError
    ├── MigrationError
    │   ├── VersionNotFoundError
    │   ├── MigrationFileError
    │   ├── DuplicateVersionError
    │   ├── MissingMigrationError
    │   ├── RenamedMigrationError
    │   ├── ChecksumMismatchError
    │   ├── OutOfOrderError
    │   ├── MigrationFailedError
    │   │   ├── ForbiddenStatementError
    │   │   ├── ForeignKeyViolationError
    │   │   ├── LostObjectsError
    │   │   └── RowLossError
    │   ├── DatabaseNotEmptyError
    │   ├── DirtyDatabaseError
    │   ├── BackupFailedError
    │   ├── DriftError
    │   ├── DatabaseTooNewError
    │   ├── WrongDatabaseError
    │   └── IrreversibleMigrationError
    ├── CorruptError
    │   ├── NotADatabaseError
    │   ├── ArchiveDamagedError
    │   └── IntegrityError
    ├── StorageError
    │   ├── DiskFullError
    │   ├── PermissionDeniedError
    │   ├── ReadOnlyFileError
    │   └── TooManyOpenFilesError
    ├── ForeignDatabaseError
    ├── ArchiveMismatchError
    ├── RestoreRefusedError
    ├── OpenError
    ├── AbsentError
    ├── FailedError
    ├── ClosedError
    ├── SessionMisuseError
    ├── ReadOnlySessionError
    ├── ForkedError
    ├── ExtensionMissingError
    ├── StatementError
    ├── ConstraintError
    ├── NoRowError
    ├── TooManyRowsError
    ├── CursorError
    └── JoinError

The message is a sentence for the person who reads it at night; context travels in attributes, the next
step in `hint`. Values that were bound to a statement, and the contents of rows, are in neither.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar, Self

__all__ = [
    "AbsentError",
    "ArchiveDamagedError",
    "ArchiveMismatchError",
    "BackupFailedError",
    "BackupNotFoundError",
    "BusyError",
    "ChecksumMismatchError",
    "ClosedError",
    "ConfigError",
    "ConstraintError",
    "CorruptError",
    "CursorError",
    "DatabaseNotEmptyError",
    "DatabaseTooNewError",
    "DirtyDatabaseError",
    "DiskFullError",
    "DriftError",
    "DuplicateVersionError",
    "ExtensionMissingError",
    "FailedError",
    "ForbiddenStatementError",
    "ForeignDatabaseError",
    "ForeignKeyViolationError",
    "ForkedError",
    "IntegrityError",
    "IrreversibleMigrationError",
    "JoinError",
    "LockTimeoutError",
    "LostObjectsError",
    "MigrationError",
    "MigrationFailedError",
    "MigrationFileError",
    "MissingMigrationError",
    "MultidbError",
    "NoRowError",
    "NotADatabaseError",
    "OpenError",
    "OutOfOrderError",
    "PermissionDeniedError",
    "ReadOnlyFileError",
    "ReadOnlySessionError",
    "ReaderTimeoutError",
    "RenamedMigrationError",
    "RestoreRefusedError",
    "RowLossError",
    "SessionMisuseError",
    "SnapshotTimeoutError",
    "StatementError",
    "StatementTimeoutError",
    "StorageError",
    "TooManyOpenFilesError",
    "TooManyRowsError",
    "UnknownConcernError",
    "VersionNotFoundError",
    "WriterTimeoutError",
    "WrongDatabaseError",
]


class MultidbError(Exception):
    """The root of all errors of this library.

    Keyword arguments set the attributes that the class declares: `concern` (the database's name), `path`,
    `hint` (what to do next), `sql` (the statement's text, never its parameters), `sqlite_code` (SQLite's
    extended result code), `inserted` (rows that `insert_many(atomic=False)` has kept), and what a subclass adds. An
    undeclared one is a TypeError. An error can be pickled; its cause and its traceback do not travel.
    """

    code: ClassVar[str]
    exit_status: int = 1
    http_status: int = 503
    retryable: bool = False
    hint: str | None = None
    concern: str | None = None
    path: str | None = None
    sql: str | None = None
    sqlite_code: int | None = None
    inserted: int | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__.removesuffix("Error")).lower()

    def __init__(self, message: str, **context: Any) -> None:
        super().__init__(message)
        for key, value in context.items():
            if not hasattr(type(self), key):
                raise TypeError(f"{type(self).__name__} has no attribute {key!r}")
            if value is not None:
                setattr(self, key, value)

    @property
    def message(self) -> str:
        """The sentence, without the hint."""
        return str(self.args[0])

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message} ({self.hint})"

    def __reduce__(self) -> tuple[Any, ...]:
        context = {key: value for key, value in vars(self).items() if not key.startswith("_")}
        return _rebuilt, (type(self), self.message, context)

    def within(self, concern: str, path: str | None = None) -> Self:
        """Name the database that the error happened in, unless one is named already."""
        if self.concern is None:
            self.concern = concern
        if self.path is None and path is not None:
            self.path = path
        return self

    def to_dict(self) -> dict[str, Any]:
        """The error as the command line and the health endpoint print it."""
        return {
            "code": self.code,
            "concern": self.concern,
            "message": self.message,
            "hint": self.hint,
            "retryable": self.retryable,
            "exit": self.exit_status,
        }


MultidbError.code = "multidb"


def _rebuilt(kind: type[MultidbError], message: str, context: dict[str, Any]) -> MultidbError:
    return kind(message, **context)


# --- asked for something that is not there, or settings that cannot be meant -------------------------


class ConfigError(MultidbError):
    """Settings, a concern's definition or an argument that cannot be meant."""

    exit_status = 10
    http_status = 404


class UnknownConcernError(ConfigError, KeyError, AttributeError):
    """No concern of this name; the hint has the closest one."""


class BackupNotFoundError(MultidbError):
    """No set of this id on the shelf."""

    exit_status = 10
    http_status = 404


# --- waiting that ended -----------------------------------------------------------------------------


class BusyError(MultidbError):
    """Somebody else holds what this call needs; waiting longer may help.

    `kind` says what was waited for (writer, reader, statement, lock, recovery, snapshot, changed) and
    `holder` who has it, as far as it can be known: a thread and its age, or another process's pid.
    """

    exit_status = 11
    retryable = True
    kind: str = "locked"
    holder: str | None = None


class WriterTimeoutError(BusyError):
    """The write lease, or SQLite's write lock, was not free before the deadline."""

    kind = "writer"


class ReaderTimeoutError(BusyError):
    """No reader of the pool was free before the deadline."""

    kind = "reader"


class StatementTimeoutError(BusyError):
    """A statement ran past `statement_timeout_ms` and was interrupted."""

    kind = "statement"


class SnapshotTimeoutError(BusyError):
    """No common cut over several databases was found before the deadline."""

    kind = "snapshot"


class LockTimeoutError(BusyError):
    """Another process is migrating, or restoring, this database."""

    kind = "lock"


# --- migrations -------------------------------------------------------------------------------------


class MigrationError(MultidbError):
    """A migration cannot be run, or its file cannot be trusted.

    `database`, `version`, `name`, `line` and `column` (both from 1) say where; `report` is set by
    `MultiDB.migrate` to the outcome of every database of the run.
    """

    exit_status = 13
    database: str | None = None
    version: int | None = None
    name: str | None = None
    direction: str | None = None
    line: int | None = None
    column: int | None = None
    statement: str | None = None
    applied: tuple[int, ...] = ()
    pending: tuple[int, ...] = ()
    report: Any = None


class VersionNotFoundError(MigrationError):
    """No migration with this version or label."""

    exit_status = 10
    http_status = 404


class MigrationFileError(MigrationError):
    """A migration file is not in the format; line and column say where."""


class DuplicateVersionError(MigrationError):
    """Two files carry one version; `paths` names them all."""

    paths: tuple[str, ...] = ()


class MissingMigrationError(MigrationError):
    """An applied migration below our newest one has no file any more."""


class RenamedMigrationError(MigrationError):
    """An applied migration's file has another name and the same text."""


class ChecksumMismatchError(MigrationError):
    """An applied migration's file was edited."""


class OutOfOrderError(MigrationError):
    """A pending migration is older than one that is applied."""


class MigrationFailedError(MigrationError):
    """A statement of a migration failed; the migration was rolled back whole."""


class ForbiddenStatementError(MigrationFailedError):
    """A migration holds a statement that would end its transaction or leave its database."""


class ForeignKeyViolationError(MigrationFailedError):
    """A migration would leave more foreign-key violations than it found; `violations` counts them."""

    violations: dict[str, int] | None = None


class LostObjectsError(MigrationFailedError):
    """A rebuilt table would lose indexes or triggers; `objects` names them."""

    objects: tuple[str, ...] = ()


class RowLossError(MigrationFailedError):
    """Tables would lose rows although no statement deletes from them; `rows` counts them."""

    rows: dict[str, int] | None = None


class DatabaseNotEmptyError(MigrationError):
    """Tables, but no ledger: the schema's version is not known."""


class DirtyDatabaseError(MigrationError):
    """A migration outside a transaction stopped half-way."""


class BackupFailedError(MigrationError):
    """The copy before migrating could not be made, so nothing was migrated."""


class DriftError(MigrationError):
    """The live schema is not what the applied migrations make."""


class DatabaseTooNewError(MigrationError):
    """A breaking migration is applied that this program does not know."""

    exit_status = 30


class WrongDatabaseError(MigrationError):
    """The file's ledger says that it is another concern's database."""

    exit_status = 30


class IrreversibleMigrationError(MigrationError):
    """A migration has no Down."""

    exit_status = 30


# --- damage -----------------------------------------------------------------------------------------


class CorruptError(MultidbError):
    """The file is damaged."""

    exit_status = 20


class NotADatabaseError(CorruptError):
    """The file is something else than an SQLite database."""


class ArchiveDamagedError(CorruptError):
    """A backup's file is not what its manifest says."""


class IntegrityError(CorruptError):
    """A check found damage."""


# --- the disk and its permissions -------------------------------------------------------------------


class StorageError(MultidbError):
    """The operating system refused to read or write."""

    exit_status = 21


class DiskFullError(StorageError):
    """No space, or the quota or the file-size limit is reached; the transaction was rolled back."""

    retryable = True


class PermissionDeniedError(StorageError):
    """The file or its folder may not be used by this user."""


class ReadOnlyFileError(StorageError):
    """The file can be read, not written."""


class TooManyOpenFilesError(StorageError):
    """The process has no file descriptors left."""

    retryable = True


# --- refusals ---------------------------------------------------------------------------------------


class ForeignDatabaseError(MultidbError):
    """The database belongs to another program, or has no migrations here."""

    exit_status = 30


class ArchiveMismatchError(MultidbError):
    """The archive is of another database than the one it should replace."""

    exit_status = 30


class RestoreRefusedError(MultidbError):
    """The restore would lose something, or replace what is not ours."""

    exit_status = 30


# --- using the library ------------------------------------------------------------------------------


class OpenError(MultidbError, ExceptionGroup[Exception]):
    """One or more concerns could not be opened; `exceptions` has the causes, `concern` names each."""

    def __new__(cls, message: str, exceptions: Sequence[Exception] = (), **context: Any) -> OpenError:
        return ExceptionGroup.__new__(cls, message, list(exceptions))

    def __init__(self, message: str, exceptions: Sequence[Exception] = (), **context: Any) -> None:
        super().__init__(message, **context)

    def __reduce__(self) -> tuple[Any, ...]:
        _, (_, message, context) = super().__reduce__()
        return _regrouped, (type(self), message, list(self.exceptions), context)

    def derive(self, exceptions: Sequence[Exception]) -> OpenError:  # type: ignore[override]  # narrower
        return OpenError(self.message, exceptions)


def _regrouped(kind: type[OpenError], message: str, causes: list[Exception], context: dict[str, Any]) -> OpenError:
    return kind(message, causes, **context)


class AbsentError(MultidbError):
    """The database file does not exist and is not ours to create."""


class FailedError(MultidbError):
    """The concern is FAILED; the cause is chained and gives the exit status."""

    def __init__(self, message: str, *, cause: MultidbError | None = None, **context: Any) -> None:
        super().__init__(message, **context)
        if cause is not None:
            self.__cause__ = cause
            self.exit_status = cause.exit_status
            self.retryable = cause.retryable


class ClosedError(MultidbError):
    """The desk or the database was closed."""


class SessionMisuseError(MultidbError):
    """A session was used by another thread or task, after its end, or for a statement it must not run."""


class ReadOnlySessionError(MultidbError):
    """A statement that writes was given to a reading verb or session."""


class ForkedError(MultidbError):
    """The database was open when this process was forked; SQLite's locks do not survive that."""


class ExtensionMissingError(MultidbError):
    """An SQLite extension that the concern asks for cannot be loaded."""


class StatementError(MultidbError):
    """The statement is wrong: its syntax, its names, its number of parameters or of statements."""


class ConstraintError(MultidbError):
    """A row breaks a rule of its table.

    `kind` is unique, primary_key, foreign_key, check, not_null, datatype, trigger or other; `table`,
    `columns` and `constraint` are set as far as SQLite names them.
    """

    kind: str = "other"
    table: str | None = None
    columns: tuple[str, ...] = ()
    constraint: str | None = None


class NoRowError(MultidbError):
    """Exactly one row was asked for and there is none."""


class TooManyRowsError(MultidbError):
    """Exactly one row was asked for and there are more."""


class CursorError(MultidbError):
    """A page cursor is empty, damaged, or of another statement or key."""


class JoinError(MultidbError):
    """A join across databases cannot be made as asked."""
