"""One statement a call: what counts as one, and what is told of the rest."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multidb import Database, StatementError

ONE = (
    "SELECT 1",
    "SELECT 1;",
    " \t\r\n\f SELECT 1 \t\r\n ; ;; ; ",
    "-- first\nSELECT 1 -- last",
    "SELECT 1; -- the end",
    "/* a; b */ SELECT 1 /* c; */",
    "SELECT 1; /* and nothing",
    "SELECT /* in; the */ 1 -- ';\n;",
    "\ufeffSELECT 1",
)
NONE = ("", " ", ";", ";;;", "-- nothing", "/* nothing */", "/* nothing", "\n--\n;", "\ufeff")
MORE = (
    "SELECT 1; SELECT 2",
    "SELECT 1;SELECT",
    "SELECT 1; nonsense",
    "SELECT 1; SELECT ?",
    "SELECT 1; -- a\nSELECT 2",
    "SELECT 1;;; DELETE FROM notes",
    "SELECT 1; COMMIT",
    "; SELECT 1; SELECT 2",
)


@pytest.mark.parametrize("sql", ONE)
def test_comments_and_semicolons_around_one_are_one(reader: Any, sql: str) -> None:
    """By SQLite's own reading of the text."""
    assert 1 == reader.scalar(sql)
    assert (1,) == reader.one(sql)
    assert [(1,)] == list(reader.iterate(sql))


@pytest.mark.parametrize("sql", NONE)
def test_no_statement_is_an_error(reader: Any, sql: str) -> None:
    """Nothing was asked; an answer would be a guess."""
    for verb in (reader.one, reader.first, reader.many, reader.scalar, reader.iterate):
        with pytest.raises(StatementError, match="no statement"):
            verb(sql)
    with pytest.raises(StatementError):
        reader.explain(sql)


@pytest.mark.parametrize("sql", MORE)
def test_a_second_statement_is_an_error(reader: Any, sql: str) -> None:
    """And neither of them is run, whether it could be or not."""
    for verb in (reader.one, reader.many, reader.iterate):
        with pytest.raises(StatementError, match="one statement a call"):
            verb(sql)

    assert 3 == reader.scalar("SELECT count(*) FROM notes")


@pytest.mark.parametrize("sql", ["", "-- a", "DELETE FROM notes; DELETE FROM notes", "SELECT 1\0 FROM notes"])
def test_writing_verbs_are_as_strict(notes: Database, sql: str) -> None:
    """Nothing is done in part."""
    notes.execute("INSERT INTO notes (title) VALUES ('kept')")
    for write in (lambda: notes.execute(sql), lambda: notes.executemany(sql, [()])):
        with pytest.raises(StatementError):
            write()

    assert "kept" == notes.scalar("SELECT title FROM notes")


def test_nul_does_not_hide_the_rest(notes: Database) -> None:
    """SQLite would stop reading there."""
    with pytest.raises(StatementError, match="NUL"):
        notes.many("SELECT 1\0; DROP TABLE notes")
    assert [("a\0b",)] == notes.many("SELECT ?", ("a\0b",))


@pytest.mark.parametrize("sql", [None, b"SELECT 1", 1, ["SELECT 1"]])
def test_sql_is_text(notes: Database, sql: Any) -> None:
    """What is none is named by its type."""
    for verb in (notes.many, notes.execute):
        with pytest.raises((StatementError, TypeError)):
            verb(sql)


def test_parameters_that_can_be_read_once_are_refused(notes: Database) -> None:
    """The look at a new statement would use them up."""
    with pytest.raises(StatementError, match="generator"):
        notes.many("SELECT ?", (value for value in [1]))  # type: ignore[call-overload]  # that is the mistake


@pytest.mark.parametrize(
    ("sql", "params", "expected"),
    [
        ("SELECT ?, ?", (1, "a"), (1, "a")),
        ("SELECT ?, ?", [1, "a"], (1, "a")),
        ("SELECT ?2, ?1", (1, "a"), ("a", 1)),
        ("SELECT :a, @b, $c", {"a": 1, "b": 2, "c": 3}, (1, 2, 3)),
        ("SELECT :a, :a", {"a": 1, "unused": 2}, (1, 1)),
        ("SELECT ?", (None,), (None,)),
        ("SELECT ?", (True,), (1,)),
        ("SELECT ?", (2**63 - 1,), (2**63 - 1,)),
        ("SELECT ?", (-(2**63),), (-(2**63),)),
        ("SELECT ?", ("\0é😀",), ("\0é😀",)),
        ("SELECT ?", (b"\0\xff",), (b"\0\xff",)),
        ("SELECT ?", (bytearray(b"a"),), (b"a",)),
        ("SELECT ?", (1e308,), (1e308,)),
        ("SELECT ?", (float("inf"),), (float("inf"),)),
        ("SELECT ?", (float("nan"),), (None,)),
    ],
)
def test_what_is_bound_is_what_comes_back(reader: Any, sql: str, params: Any, expected: tuple[Any, ...]) -> None:
    """In both styles, at both ends of each type."""
    assert expected == reader.one(sql, params)


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_no_text_breaks_the_look(text: str) -> None:
    """Any text is a statement or a StatementError."""
    import apsw

    from multidb.engine.statement import look_at

    connection = apsw.Connection(":memory:")
    try:
        look_at(connection, text, ())
    except (StatementError, apsw.Error, UnicodeError):
        pass
    finally:
        connection.close()


def test_a_statement_of_a_changed_schema_is_looked_at_anew(notes: Database) -> None:
    """The columns are those of the table as it is now."""
    notes.execute("INSERT INTO notes (title) VALUES ('a')")
    assert 4 == len(notes.one("SELECT * FROM notes", into=dict))
    notes.execute("ALTER TABLE notes ADD COLUMN colour TEXT DEFAULT 'red'")

    assert "red" == notes.one("SELECT * FROM notes", into=dict)["colour"]
    assert [] == notes.many("SELECT * FROM notes WHERE 0", into=dict)
    with pytest.raises(StatementError, match="not 5"):
        notes.scalar("SELECT * FROM notes WHERE 0")
