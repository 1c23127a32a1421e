"""The table from APSW's errors to ours, and what they carry."""

from __future__ import annotations

import errno
import inspect

import apsw
import pytest

from multidb import (
    BusyError,
    ConstraintError,
    CorruptError,
    Database,
    DiskFullError,
    ExtensionMissingError,
    MultidbError,
    PermissionDeniedError,
    ReadOnlyFileError,
    ReadOnlySessionError,
    StatementError,
    StorageError,
    TooManyOpenFilesError,
)
from multidb.engine.failures import BINDING_ERRORS, TABLE, translated

OURS = {kind for kind in vars(apsw).values() if inspect.isclass(kind) and issubclass(kind, Exception)}


def failed(code: int) -> apsw.Error:
    """What APSW raises for one of SQLite's result codes."""
    return apsw.exception_for(code)


def test_every_exception_of_apsw_is_decided() -> None:
    """A new version of APSW with a new one fails here, not in front of a user."""
    assert OURS == set(TABLE)


@pytest.mark.parametrize("kind", sorted(TABLE, key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__)
def test_each_becomes_what_the_table_says(kind: type[apsw.Error]) -> None:
    """Chained to the original, with a sentence for a message."""
    error = translated(kind("something happened"))

    assert type(error) is TABLE[kind]
    assert error.message == "something happened"
    assert isinstance(error.__cause__, kind)


def test_no_result_code_is_undecided() -> None:
    """Whatever code SQLite gives, extended ones too, comes out as one of ours and keeps the code."""
    codes = {
        value
        for name, value in vars(apsw).items()
        if name.startswith("SQLITE_") and isinstance(value, int) and value in apsw.mapping_extended_result_codes
    } | {value for value in apsw.mapping_result_codes if isinstance(value, int)}
    for code in sorted(codes - {apsw.SQLITE_OK, apsw.SQLITE_ROW, apsw.SQLITE_DONE}):
        try:
            error = failed(code)
        except ValueError:  # no error but a notice
            continue
        ours = translated(error)

        assert isinstance(ours, MultidbError)
        assert code == ours.sqlite_code


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFullError),
        (errno.EDQUOT, DiskFullError),
        (errno.EFBIG, DiskFullError),
        (errno.EACCES, PermissionDeniedError),
        (errno.EPERM, PermissionDeniedError),
        (errno.EMFILE, TooManyOpenFilesError),
        (errno.ENFILE, TooManyOpenFilesError),
        (errno.EROFS, ReadOnlyFileError),
        (errno.EIO, StorageError),
        (0, StorageError),
    ],
)
@pytest.mark.parametrize("code", [apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_CANTOPEN])
def test_the_system_says_why_a_file_could_not_be_used(code: int, number: int, kind: type[MultidbError]) -> None:
    """SQLite's "disk I/O error" hides a full disk and a missing right alike."""
    assert type(translated(failed(code), os_error=number)) is kind


def test_a_full_disk_is_worth_another_try() -> None:
    """Space may come; a damaged file does not heal."""
    assert translated(failed(apsw.SQLITE_FULL)).retryable
    assert not translated(failed(apsw.SQLITE_CORRUPT)).retryable


def test_a_checksum_that_does_not_fit_is_damage() -> None:
    """The file system, or a checking VFS, tells it as an I/O error."""
    for code in (apsw.SQLITE_IOERR_DATA, apsw.SQLITE_IOERR_CORRUPTFS):
        assert type(translated(failed(code))) is CorruptError


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (apsw.SQLITE_BUSY, "locked"),
        (apsw.SQLITE_BUSY_SNAPSHOT, "snapshot"),
        (apsw.SQLITE_BUSY_RECOVERY, "recovery"),
        (apsw.SQLITE_LOCKED, "locked"),
    ],
)
def test_the_kinds_of_busy(code: int, kind: str) -> None:
    """Waiting helps against a lock; a snapshot that is too old has to be begun again."""
    error = translated(failed(code))

    assert isinstance(error, BusyError)
    assert (kind, True) == (error.kind, error.retryable)


def test_read_only_is_the_sessions_or_the_files() -> None:
    """Depending on who asked for reading only."""
    assert type(translated(failed(apsw.SQLITE_READONLY), read_only=True)) is ReadOnlySessionError
    assert type(translated(failed(apsw.SQLITE_READONLY), read_only=False)) is ReadOnlyFileError
    assert type(translated(failed(apsw.SQLITE_READONLY_DBMOVED), read_only=True)) is ReadOnlyFileError


def test_no_message_is_empty_or_a_riddle() -> None:
    """SQLite says "not an error" for some that are."""
    assert "not an error" not in translated(apsw.BusyError("not an error")).message
    assert translated(apsw.IOError("")).message


def test_a_missing_module_is_a_missing_extension(notes: Database) -> None:
    """The concern has to ask for it."""
    with pytest.raises(ExtensionMissingError, match="vec0"):
        notes.execute("CREATE VIRTUAL TABLE v USING vec0(e float[3])")


CONSTRAINTS = {
    "unique": ("INSERT INTO t (id, u) VALUES (2, 'u'), (3, 'u')", "t", ("u",)),
    "primary_key": ("INSERT INTO t (id) VALUES (1), (1)", "t", ("id",)),
    "not_null": ("INSERT INTO t (n) VALUES (NULL)", "t", ("n",)),
    "foreign_key": ("INSERT INTO t (parent) VALUES (99)", None, ()),
    "datatype": ("INSERT INTO t (stars) VALUES ('many')", "t", ("stars",)),
    "trigger": ("INSERT INTO t (id) VALUES (13)", None, ()),
}


@pytest.mark.parametrize("kind", CONSTRAINTS)
def test_a_broken_rule_says_which(notes: Database, kind: str) -> None:
    """Its kind, and the table and columns as far as SQLite names them."""
    sql, table, columns = CONSTRAINTS[kind]
    notes.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n TEXT NOT NULL DEFAULT '', stars INTEGER,"
        " parent INTEGER REFERENCES t) STRICT"
    )
    notes.execute("CREATE TRIGGER bad BEFORE INSERT ON t WHEN NEW.id = 13 BEGIN SELECT RAISE(ABORT, 'unlucky'); END")

    with pytest.raises(ConstraintError) as caught:
        notes.execute(sql)

    assert (kind, table, columns) == (caught.value.kind, caught.value.table, caught.value.columns)
    assert ("notes", sql) == (caught.value.concern, caught.value.sql)


def test_a_named_check_tells_its_name(notes: Database) -> None:
    """Which is why our schemas name them by what they are about."""
    notes.execute('CREATE TABLE t (n INTEGER CONSTRAINT "t.n is small" CHECK (n < 10))')

    with pytest.raises(ConstraintError) as caught:
        notes.execute("INSERT INTO t VALUES (99)")

    assert ("check", "t.n is small", "t", ("n",)) == (
        caught.value.kind,
        caught.value.constraint,
        caught.value.table,
        caught.value.columns,
    )


@pytest.mark.parametrize(
    ("sql", "params", "said"),
    [
        ("SELECT ?", (), "1 parameters, and 0 were given"),
        ("SELECT ?, ?", (1, 2, 3), "2 parameters, and 3 were given"),
        ("SELECT :a, :b", {"a": 1}, "'b'"),
        ("SELECT ?", (object(),), "object"),
        ("SELECT ?", (2**63,), "64 bits"),
        ("SELECT ?", (-(2**63) - 1,), "64 bits"),
        ("SELECT ?", ("\ud800",), "surrogate"),
        ("SELECT ?", ([1],), "list"),
    ],
)
def test_parameters_that_do_not_fit(notes: Database, sql: str, params: object, said: str) -> None:
    """Too few, too many, of no type that SQLite has: told in words, without the value."""
    for verb in (notes.many, notes.execute):
        with pytest.raises(StatementError, match=said):
            verb(sql, params)  # type: ignore[operator]  # the two have different overloads


def test_a_missing_name_is_not_taken_for_null(notes: Database) -> None:
    """A misspelt name would otherwise write NULL."""
    with pytest.raises(StatementError, match="'stars'"):
        notes.execute("INSERT INTO notes (title, stars) VALUES (:title, :stars)", {"title": "a", "Stars": 3})

    assert 0 == notes.scalar("SELECT count(*) FROM notes")


def test_text_that_is_no_unicode_is_told_as_such(notes: Database) -> None:
    """Another program may have stored it; the hint says how to read it, the error holds nothing of it."""
    notes.execute("INSERT INTO notes (title) VALUES (CAST(x'ff41' AS TEXT))")

    with pytest.raises(StatementError, match="not UTF-8") as caught:
        notes.many("SELECT title FROM notes")

    assert "CAST" in str(caught.value.hint)
    assert caught.value.__cause__ is None
    assert [(b"\xffA",)] == notes.many("SELECT CAST(title AS BLOB) FROM notes")


def test_errors_of_binding_hold_no_original() -> None:
    """Python's own errors quote what could not be converted."""
    for kind in BINDING_ERRORS:
        original = kind("utf-8", "secret", 0, 1, "why") if kind is UnicodeError else kind("a reason")
        assert translated(original).__cause__ is None
