"""One table from APSW's exceptions to ours, and what SQLite's codes add to it.

Every exception class of APSW stands in `TABLE`; a test walks them all. Values that were bound to the
statement are kept out of messages: where SQLite quotes one (a full-text query it cannot parse), the message
is cut before it.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import apsw

from multidb import errors
from multidb.errors import MultidbError

TABLE: Final[dict[type[BaseException], type[MultidbError]]] = {
    apsw.AbortError: errors.StatementError,
    apsw.AuthError: errors.SessionMisuseError,
    apsw.BindingsError: errors.StatementError,
    apsw.BusyError: errors.BusyError,
    apsw.CantOpenError: errors.StorageError,
    apsw.ConnectionClosedError: errors.ClosedError,
    apsw.ConnectionNotClosedError: errors.SessionMisuseError,
    apsw.ConstraintError: errors.ConstraintError,
    apsw.CorruptError: errors.CorruptError,
    apsw.CursorClosedError: errors.SessionMisuseError,
    apsw.EmptyError: errors.StatementError,
    apsw.Error: errors.StatementError,
    apsw.ExecTraceAbort: errors.StatementError,
    apsw.ExecutionCompleteError: errors.StatementError,
    apsw.ExtensionLoadingError: errors.ExtensionMissingError,
    apsw.ForkingViolationError: errors.ForkedError,
    apsw.FormatError: errors.CorruptError,
    apsw.FullError: errors.DiskFullError,
    apsw.IOError: errors.StorageError,
    apsw.IncompleteExecutionError: errors.SessionMisuseError,
    apsw.InternalError: errors.CorruptError,
    apsw.InterruptError: errors.StatementTimeoutError,
    apsw.InvalidContextError: errors.SessionMisuseError,
    apsw.LockedError: errors.BusyError,
    apsw.MismatchError: errors.ConstraintError,
    apsw.MisuseError: errors.SessionMisuseError,
    apsw.NoFTS5Error: errors.ExtensionMissingError,
    apsw.NoLFSError: errors.StorageError,
    apsw.NoMemError: errors.StorageError,
    apsw.NotADBError: errors.NotADatabaseError,
    apsw.NotFoundError: errors.StatementError,
    apsw.PermissionsError: errors.PermissionDeniedError,
    apsw.ProtocolError: errors.BusyError,
    apsw.RangeError: errors.StatementError,
    apsw.ReadOnlyError: errors.ReadOnlyFileError,
    apsw.SQLError: errors.StatementError,
    apsw.SchemaChangeError: errors.StatementError,
    apsw.ThreadingViolationError: errors.SessionMisuseError,
    apsw.TooBigError: errors.StatementError,
    apsw.VFSFileClosedError: errors.StorageError,
    apsw.VFSNotImplementedError: errors.StorageError,
}

BINDING_ERRORS: Final = (TypeError, KeyError, OverflowError, UnicodeError, ValueError)
"""What APSW raises for a parameter that SQLite has no type for."""

CAUGHT: Final = (apsw.Error, *BINDING_ERRORS)

_BUSY_KINDS: Final = {
    apsw.SQLITE_BUSY_RECOVERY: "recovery",
    apsw.SQLITE_BUSY_SNAPSHOT: "snapshot",
    apsw.SQLITE_PROTOCOL: "recovery",
}
_CONSTRAINT_KINDS: Final = {
    apsw.SQLITE_CONSTRAINT_UNIQUE: "unique",
    apsw.SQLITE_CONSTRAINT_ROWID: "primary_key",
    apsw.SQLITE_CONSTRAINT_PRIMARYKEY: "primary_key",
    apsw.SQLITE_CONSTRAINT_FOREIGNKEY: "foreign_key",
    apsw.SQLITE_CONSTRAINT_CHECK: "check",
    apsw.SQLITE_CONSTRAINT_NOTNULL: "not_null",
    apsw.SQLITE_CONSTRAINT_DATATYPE: "datatype",
    apsw.SQLITE_CONSTRAINT_TRIGGER: "trigger",
    apsw.SQLITE_MISMATCH: "datatype",
}
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED: Final = (errno.EACCES, errno.EPERM)
_NO_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE)
_WITHHELD: Final = "<a bound value>"
_VALUE_FOLLOWS: Final = re.compile(
    r"(?:near|got) \"|^database (?=.* is (?:already in use|locked))"
    r"|(?:no such column|no such database|unable to open database|unknown special query|bad JSON path"
    r"|parse error in rank function): "
)
"""Where SQLite and FTS5 quote what they were given while a statement runs."""
_COUNTS: Final = re.compile(r"The current statement uses (\d+) and there are (?:only )?(\d+)")
_NO_VACUUM: Final = "cannot VACUUM"
_TELLING: Final = 4
"""Characters of a value that are no accident when they stand in a message, too."""
_HINTS: Final[dict[type[MultidbError], str]] = {
    errors.CorruptError: "check it with `multidb check`, and restore it from a backup",
    errors.NotADatabaseError: "look at what stands at this path; nothing was changed",
    errors.DiskFullError: "free some space; the transaction was rolled back whole",
    errors.StorageError: "look at the disk and at the system's log; what was committed is in the file or its -wal",
    errors.TooManyOpenFilesError: "raise the limit of open files, or close what is not used",
    errors.PermissionDeniedError: "look at the owner and mode of the file and its folder",
    errors.ReadOnlyFileError: "look at the mode of the file and its folder, and how the disk is mounted",
}


def translated(
    error: BaseException,
    *,
    sql: str | None = None,
    params: Any = (),
    os_error: int = 0,
    read_only: bool = False,
    in_trigger: Callable[[str], bool] = lambda text: False,
) -> MultidbError:
    """Our error for one of APSW's: `raise ours from ours.__cause__`.

    The original is its cause, unless a bound value could be read in the original. `params` are those that the
    statement was running with, none where it was compiled only: then no value can be in the message. `os_error` is
    the errno of the failing system call where there was one, `read_only` says that the connection was opened for
    reading on purpose, `in_trigger` whether a text stands in the schema's triggers as it is.
    """
    if isinstance(error, BINDING_ERRORS):
        message, hint = _binding_message(error)
        return errors.StatementError(message, sql=sql, hint=hint)  # the original may quote the value
    code = getattr(error, "extendedresult", None)
    kind = _kind(error, code, os_error, read_only)
    text = str(error)
    counts = _COUNTS.search(text)
    if counts is not None:
        text = f"the statement takes {counts[1]} parameters, and {counts[2]} were given"
    elif text in ("not an error", ""):  # busy and read-only come with this text now and then
        text = (kind.__doc__ or "").splitlines()[0].rstrip(".")
    if code == apsw.SQLITE_CONSTRAINT_TRIGGER:  # RAISE() takes an expression, and that may name the row
        message = text if in_trigger(text) else "a trigger refused the row, in words that it took from the row"
    elif kind is errors.ConstraintError:
        message = text  # names of the schema, never a value
    else:
        message = _without_values(text, sql or "", _texts(params))
    context: dict[str, Any] = {"sql": sql, "sqlite_code": code, "hint": _HINTS.get(kind)}
    if kind is errors.BusyError:
        context["kind"] = _BUSY_KINDS.get(code or 0, "locked")
    elif kind is errors.ConstraintError:
        context |= _constraint(text, code)
    elif kind is errors.ReadOnlySessionError:
        context["hint"] = "reading verbs and sessions cannot write: use execute, or a write session"
    elif text.startswith(_NO_VACUUM):
        context["hint"] = "use the database's `vacuum()`, or `exclusive()`"
    ours = kind(message, **context)
    if message == text:
        ours.__cause__ = error
    return ours


def _kind(error: BaseException, code: int | None, os_error: int, read_only: bool) -> type[MultidbError]:
    listed = next(TABLE[cls] for cls in type(error).__mro__ if cls in TABLE)
    if listed in (errors.StorageError, errors.DiskFullError):
        if os_error in _FULL:
            return errors.DiskFullError
        if os_error in _DENIED:
            return errors.PermissionDeniedError
        if os_error in _NO_DESCRIPTORS:
            return errors.TooManyOpenFilesError
        if os_error == errno.EROFS:
            return errors.ReadOnlyFileError
        if code in (apsw.SQLITE_IOERR_CORRUPTFS, apsw.SQLITE_IOERR_DATA):
            return errors.CorruptError
    if listed is errors.ReadOnlyFileError and read_only and code == apsw.SQLITE_READONLY:
        return errors.ReadOnlySessionError
    if listed is errors.StatementError and "no such module" in str(error):
        return errors.ExtensionMissingError
    if listed is errors.StatementError and str(error).startswith(_NO_VACUUM):
        return errors.SessionMisuseError
    return listed


def _texts(params: Any) -> list[str]:
    """The bound values as they could stand in a message."""
    bound = params.values() if isinstance(params, Mapping) else params
    if isinstance(bound, (str, bytes)) or not isinstance(bound, Iterable):
        bound = [bound]
    return [
        value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        for value in bound
        if isinstance(value, (str, bytes, int, float)) and value not in ("", b"")
    ]


def _without_values(text: str, sql: str, values: list[str]) -> str:
    """`text` up to the first place where it quotes a bound value instead of the statement or the schema."""
    if not values:
        return text
    places = [text.find(value) for value in values if len(value) >= _TELLING and value not in sql]
    places = [place for place in places if place >= 0]
    found = _VALUE_FOLLOWS.search(text)
    if found is not None:
        rest = text[found.end() :].strip("\"'")
        pieces = re.findall(r"\w+", rest) or [rest]
        if rest not in sql and any(piece in value for piece in pieces for value in values):
            places.append(found.end())
    if not places:
        return text
    return text[: min(places)].rstrip("\"'") + _WITHHELD


def _binding_message(error: BaseException) -> tuple[str, str | None]:
    if isinstance(error, KeyError):
        return f"no value was given for the parameter {error.args[0]!r}", None
    if isinstance(error, OverflowError):
        return "an integer parameter does not fit into 64 bits", "bind it as text, or as a float"
    if isinstance(error, UnicodeDecodeError):
        return "a text in the row is not UTF-8", "read it as bytes: CAST(column AS BLOB)"
    if isinstance(error, UnicodeError):
        return "a text parameter holds a lone surrogate, which is no Unicode text", None
    return str(error) or "a parameter has a type that SQLite does not know", None


def _constraint(text: str, code: int | None) -> dict[str, Any]:
    kind = _CONSTRAINT_KINDS.get(code or 0, "other")
    context: dict[str, Any] = {"kind": kind}
    _, _, detail = text.partition("constraint failed: ")
    if kind in ("unique", "primary_key", "not_null") and "." in detail:
        names = [name.strip().rpartition(".") for name in detail.split(",")]
        context |= {"table": names[0][0], "columns": tuple(column for _, _, column in names)}
    elif kind == "check" and detail:
        context["constraint"] = detail
        named = re.match(r"(\w+)\.(\w+) ", detail)  # our schemas name a CHECK by what it is about
        if named is not None:
            context |= {"table": named.group(1), "columns": (named.group(2),)}
    elif kind == "datatype" and " column " in text:
        table, _, column = text.rpartition(" column ")[2].rpartition(".")
        context |= {"table": table, "columns": (column,)}
    return context
