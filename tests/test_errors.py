"""The error tree: its drawing, its codes and statuses, its messages, and its way through a pickle."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from typing import Any

import pytest

import multidb
from multidb import errors
from multidb.errors import (
    BusyError,
    ConstraintError,
    CorruptError,
    FailedError,
    MigrationError,
    MultidbError,
    NotADatabaseError,
    OpenError,
    StorageError,
    UnknownConcernError,
    WriterTimeoutError,
)


def tree() -> dict[type[MultidbError], type[MultidbError] | None]:
    """Every class below the root, with its parent among ours."""
    found: dict[type[MultidbError], type[MultidbError] | None] = {MultidbError: None}
    for kind in found.copy():
        pending = [kind]
        while pending:
            parent = pending.pop()
            for child in parent.__subclasses__():
                found[child] = parent
                pending.append(child)
    return found


KINDS = sorted(tree(), key=lambda kind: kind.__name__)


def made(kind: type[MultidbError], **context: Any) -> MultidbError:
    if issubclass(kind, OpenError):
        return kind("a sentence", [CorruptError("a cause")], **context)
    return kind("a sentence", **context)


# The table of the contract: exit status, HTTP status, and whom they belong to with everything below.
CONTRACT: list[tuple[int, int, list[str]]] = [
    (10, 404, ["ConfigError", "UnknownConcernError", "BackupNotFoundError", "VersionNotFoundError"]),
    (
        11,
        503,
        [
            "BusyError",
            "WriterTimeoutError",
            "ReaderTimeoutError",
            "StatementTimeoutError",
            "SnapshotTimeoutError",
            "LockTimeoutError",
        ],
    ),
    (
        13,
        503,
        [
            "MigrationError",
            "MigrationFileError",
            "DuplicateVersionError",
            "MissingMigrationError",
            "RenamedMigrationError",
            "ChecksumMismatchError",
            "OutOfOrderError",
            "MigrationFailedError",
            "ForbiddenStatementError",
            "ForeignKeyViolationError",
            "LostObjectsError",
            "RowLossError",
            "DatabaseNotEmptyError",
            "DirtyDatabaseError",
            "BackupFailedError",
            "DriftError",
        ],
    ),
    (20, 503, ["CorruptError", "NotADatabaseError", "ArchiveDamagedError", "IntegrityError"]),
    (
        21,
        503,
        ["StorageError", "DiskFullError", "PermissionDeniedError", "ReadOnlyFileError", "TooManyOpenFilesError"],
    ),
    (
        30,
        503,
        [
            "ForeignDatabaseError",
            "ArchiveMismatchError",
            "RestoreRefusedError",
            "DatabaseTooNewError",
            "WrongDatabaseError",
            "IrreversibleMigrationError",
        ],
    ),
    (
        1,
        503,
        [
            "MultidbError",
            "OpenError",
            "AbsentError",
            "FailedError",
            "ClosedError",
            "SessionMisuseError",
            "ReadOnlySessionError",
            "ForkedError",
            "ExtensionMissingError",
            "StatementError",
            "ConstraintError",
            "NoRowError",
            "TooManyRowsError",
            "CursorError",
            "JoinError",
        ],
    ),
]
STATUSES = {name: (exit_status, http) for exit_status, http, names in CONTRACT for name in names}


def test_the_drawing_is_the_tree() -> None:
    """Each line of the docstring's picture is a class, below the class that it is drawn below."""
    drawn: dict[str, str | None] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"    ([│├└─ ]*)(\w+Error)$", line)
        if found:
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            drawn[found[2]] = path[depth - 1] if depth else None

    assert {kind.__name__: parent and parent.__name__ for kind, parent in tree().items()} == drawn


def test_every_error_has_the_statuses_of_the_contract() -> None:
    """For scripts and for health; no class is left out and none is invented."""
    assert STATUSES == {kind.__name__: (kind.exit_status, kind.http_status) for kind in KINDS}


def test_all_of_them_are_public() -> None:
    """`from multidb import …` has each, and `__all__` is the sorted list of them."""
    names = sorted(kind.__name__ for kind in KINDS)

    assert names == errors.__all__
    assert all(getattr(multidb, name) is getattr(errors, name) for name in names)
    assert set(names) <= set(multidb.__all__)


def test_codes_are_the_names() -> None:
    """Snake case without Error; a code is a promise to scripts."""
    codes = {kind.__name__: kind.code for kind in KINDS}

    assert ("multidb", "writer_timeout", "not_a_database", "unknown_concern") == (
        codes["MultidbError"],
        codes["WriterTimeoutError"],
        codes["NotADatabaseError"],
        codes["UnknownConcernError"],
    )
    assert len(set(codes.values())) == len(codes)


def test_what_waiting_helps_against() -> None:
    """`retryable` is true for everybody's locks, and for a disk or a process that is full."""
    retryable = {kind.__name__ for kind in KINDS if kind.retryable}

    assert {
        "BusyError",
        "WriterTimeoutError",
        "ReaderTimeoutError",
        "StatementTimeoutError",
        "SnapshotTimeoutError",
        "LockTimeoutError",
        "DiskFullError",
        "TooManyOpenFilesError",
    } == retryable


@pytest.mark.parametrize("kind", KINDS)
def test_each_says_what_it_is_for(kind: type[MultidbError]) -> None:
    """One sentence, for the person who reads it at night."""
    text = inspect.getdoc(kind) or ""

    assert kind.__doc__ and text.splitlines()[0].endswith(".")


@pytest.mark.parametrize("kind", KINDS)
def test_each_survives_a_pickle_and_a_copy(kind: type[MultidbError]) -> None:
    """From a worker process with everything it says; what was set later, too."""
    error = made(kind, hint="do this", sql="SELECT 1")
    error.within("chat", "/x/chat.sqlite")
    error.inserted = 3

    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert kind is type(again)
        assert ("a sentence", "a sentence (do this)") == (again.message, str(again))
        assert error.to_dict() == again.to_dict()
        assert ("chat", "/x/chat.sqlite", "SELECT 1", 3) == (again.concern, again.path, again.sql, again.inserted)


def test_the_fields_of_subclasses_travel() -> None:
    """Which lock, whose, which constraint, which migration."""
    given: list[MultidbError] = [
        BusyError("x", kind="recovery", holder="pid 42"),
        WriterTimeoutError("x", holder="thread other"),
        ConstraintError("x", kind="unique", table="t", columns=("a", "b")),
        MigrationError("x", version=3, name="more", line=4, column=5, applied=(1, 2)),
    ]

    for error in given:
        assert vars(error) == vars(pickle.loads(pickle.dumps(error)))


def test_a_failure_has_the_status_of_its_cause() -> None:
    """Exit status, whether a retry helps, and the cause chained; the statuses travel."""
    cause = NotADatabaseError("this is no database")
    error = FailedError("chat is failed", cause=cause)
    busy = FailedError("chat is failed", cause=BusyError("x"))

    assert (cause, 20, False, 11, True) == (
        error.__cause__,
        error.exit_status,
        error.retryable,
        busy.exit_status,
        busy.retryable,
    )
    assert 20 == pickle.loads(pickle.dumps(error)).exit_status


def test_an_unknown_field_is_a_mistake_of_ours() -> None:
    """So that no context is lost by a typing mistake."""
    with pytest.raises(TypeError, match="no attribute 'hnit'"):
        StorageError("x", hnit="y")


def test_within_names_the_database_once() -> None:
    """Where the error happened first is what it keeps."""
    error = CorruptError("x").within("chat").within("code", "/x")

    assert ("chat", "/x") == (error.concern, error.path)


def test_an_open_error_is_a_group() -> None:
    """`except*` and `split` work, and it stays ours; it travels with its causes."""
    error = OpenError("could not open a, b", [CorruptError("x", concern="a"), StorageError("y", concern="b")])
    storage, rest = error.split(StorageError)
    caught: list[BaseException] = []
    try:
        raise error
    except* CorruptError as group:
        caught.extend(group.exceptions)
    except* StorageError as group:
        caught.extend(group.exceptions)

    again = pickle.loads(pickle.dumps(error))

    assert isinstance(storage, OpenError) and isinstance(rest, OpenError)
    assert list(error.exceptions) == caught
    assert ["a", "b"] == [cause.concern for cause in again.exceptions]
    assert isinstance(error, MultidbError) and isinstance(error, ExceptionGroup)
    assert "could not open a, b" == error.message


def test_an_unknown_concern_is_a_key_error_that_can_be_read() -> None:
    """KeyError would print the message in quotes."""
    assert "no such (did you mean x?)" == str(UnknownConcernError("no such", hint="did you mean x?"))


def test_to_dict_is_the_contract_of_the_command_line() -> None:
    """Six fields, all there, in JSON's types."""
    assert {
        "code": "writer_timeout",
        "concern": "chat",
        "message": "x",
        "hint": "wait",
        "retryable": True,
        "exit": 11,
    } == WriterTimeoutError("x", concern="chat", hint="wait").to_dict()
