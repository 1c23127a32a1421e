"""`execute` tells what the statement did: rows it changed itself, the rowid it made, the rows it returned."""

from __future__ import annotations

from typing import Any

import pytest

from multidb import ConstraintError, Database
from multidb.reports import Result


def result(changes: int, last_rowid: int | None = None, rows: Any = ()) -> Result:
    return Result(changes=changes, last_rowid=last_rowid, rows=list(rows))


def test_each_statement_tells_its_own(writer: Any) -> None:
    """Never what the one before it did."""
    for sql, expected in (
        ("INSERT INTO notes (title, stars) VALUES ('a', 1)", result(1, 1)),
        ("INSERT INTO notes (title, stars) VALUES ('b', 2), ('c', 3)", result(2, 3)),
        ("INSERT INTO notes (title) SELECT title || '!' FROM notes", result(3, 6)),
        ("INSERT INTO notes (title) SELECT title FROM notes WHERE 0", result(0)),
        ("UPDATE notes SET stars = 9 WHERE id <= 2", result(2)),
        ("UPDATE notes SET stars = 9 WHERE id = 99", result(0)),
        ("UPDATE notes SET stars = stars", result(6)),
        ("DELETE FROM notes WHERE id = 6", result(1)),
        ("SELECT id FROM notes WHERE id < 3", result(0, None, [(1,), (2,)])),
        ("REPLACE INTO notes (id, title) VALUES (1, 'A')", result(1, 1)),
        ("REPLACE INTO notes (title) VALUES ('A')", result(1, 6)),
        ("INSERT OR IGNORE INTO notes (title) VALUES ('b')", result(0)),
        ("INSERT INTO notes (title) VALUES ('b') ON CONFLICT DO NOTHING", result(0)),
        ("INSERT INTO notes (title) VALUES ('b') ON CONFLICT (title) DO UPDATE SET stars = 0", result(1)),
        ("INSERT INTO notes (title) VALUES ('z') RETURNING id, title", result(1, 7, [(7, "z")])),
        ("DELETE FROM notes RETURNING 1", result(6, None, [(1,)] * 6)),
        ("INSERT INTO notes (id, title) VALUES (0, 'zero')", result(1, 0)),
        ("INSERT INTO notes (id, title) VALUES (-5, 'minus')", result(1, -5)),
        ("DELETE FROM notes", result(2)),
        ("CREATE TABLE t AS SELECT 1 AS a UNION SELECT 2", result(0)),
        ("ALTER TABLE t ADD COLUMN b", result(0)),
        ("CREATE INDEX i ON t (a)", result(0)),
        ("CREATE TABLE w (k TEXT PRIMARY KEY) WITHOUT ROWID", result(0)),
        ("INSERT INTO w VALUES ('x'), ('y')", result(2)),
        ("DROP TABLE t", result(0)),
        ("ANALYZE", result(0)),
    ):
        assert (sql, expected) == (sql, writer.execute(sql))


def test_what_triggers_do_is_not_counted(writer: Any) -> None:
    """Only the rows that the statement names; and its rowid is its own, not a trigger's."""
    writer.execute("CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT)")
    writer.execute("INSERT INTO log (id) VALUES (1000)")
    writer.execute(
        "CREATE TRIGGER noted AFTER INSERT ON notes BEGIN INSERT INTO log (what) VALUES (NEW.title), ('again'); END"
    )
    writer.execute("CREATE TRIGGER gone AFTER DELETE ON notes BEGIN DELETE FROM log WHERE what = OLD.title; END")

    assert result(2, 2) == writer.execute("INSERT INTO notes (title) VALUES ('a'), ('b')")
    assert result(1) == writer.execute("DELETE FROM notes WHERE title = 'a'")
    assert 4 == writer.scalar("SELECT count(*) FROM log")


def test_a_cascade_is_not_counted(writer: Any) -> None:
    """Neither are the rows that a foreign key takes along."""
    writer.execute("CREATE TABLE child (parent REFERENCES notes ON DELETE CASCADE)")
    writer.execute("INSERT INTO notes (title) VALUES ('a')")
    writer.execute("INSERT INTO child VALUES (1), (1), (1)")

    assert result(1) == writer.execute("DELETE FROM notes")
    assert 0 == writer.scalar("SELECT count(*) FROM child")


def test_a_view_with_a_trigger_changes_nothing_itself(writer: Any) -> None:
    """SQLite counts what its trigger did to the trigger."""
    writer.execute("CREATE VIEW titles AS SELECT title FROM notes")
    writer.execute(
        "CREATE TRIGGER titled INSTEAD OF INSERT ON titles BEGIN INSERT INTO notes (title) VALUES (NEW.title); END"
    )

    assert result(0) == writer.execute("INSERT INTO titles VALUES ('a')")
    assert "a" == writer.scalar("SELECT title FROM notes")


def test_a_text_index_is_a_table_like_others(writer: Any) -> None:
    """Virtual tables count their rows and have rowids."""
    writer.execute("CREATE VIRTUAL TABLE f USING fts5(a)")

    assert result(2, 2) == writer.execute("INSERT INTO f VALUES ('x'), ('y')")
    assert result(1) == writer.execute("DELETE FROM f WHERE f MATCH 'x'")


def test_last_insert_rowid_goes_on_from_statement_to_statement(notes: Database) -> None:
    """The usual way to write a child after its parent, which our own bookkeeping must not disturb."""
    notes.execute("CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER)")
    with notes.write() as session:
        session.execute("INSERT INTO notes (id, title) VALUES (41, 'parent')")
        session.execute("UPDATE notes SET stars = 1")
        session.scalar("SELECT 1")
        with pytest.raises(ConstraintError):
            session.execute("INSERT INTO notes (id, title) VALUES (41, 'again')")
        assert result(1, 1) == session.execute("INSERT INTO child (parent) VALUES (last_insert_rowid())")
        assert result(1, 2) == session.execute("INSERT INTO child (parent) VALUES (Last_Insert_RowID())")
        assert 2 == session.scalar("SELECT last_insert_rowid()")

    assert [(41,), (1,)] == notes.many("SELECT parent FROM child ORDER BY id")


def test_execute_reads_to_the_end(notes: Database) -> None:
    """A statement that is left after its first row would not have done the rest."""
    notes.execute("INSERT INTO notes (title) SELECT value FROM json_each('[1,2,3,4,5]')")

    assert 5 == len(notes.execute("UPDATE notes SET stars = id RETURNING id").rows)
    assert 15 == notes.scalar("SELECT sum(stars) FROM notes")


def test_outside_a_session_each_is_a_transaction_of_its_own(notes: Database, stranger: Any) -> None:
    """Committed when it returns, and undone when it fails."""
    notes.execute("INSERT INTO notes (title) VALUES ('a')")
    assert 1 == stranger.execute("SELECT count(*) FROM notes").get
    with pytest.raises(ConstraintError):
        notes.execute("INSERT INTO notes (title) VALUES ('b'), ('a')")

    assert 1 == stranger.execute("SELECT count(*) FROM notes").get


@pytest.mark.parametrize(
    ("sql", "rows", "expected"),
    [
        ("INSERT INTO notes (title, stars) VALUES (?, ?)", [("a", 1), ("b", 2)], 2),
        ("INSERT INTO notes (title) VALUES (:t)", [{"t": "a"}, {"t": "b"}, {"t": "c"}], 3),
        ("INSERT OR IGNORE INTO notes (title) VALUES (?)", [("a",), ("a",), ("b",)], 2),
        ("INSERT INTO notes (title) SELECT value FROM json_each(?)", [("[1, 2]",), ("[3]",), ("[]",)], 3),
        ("INSERT INTO notes (title) VALUES (?) RETURNING id", [("a",), ("b",), ("c",)], 3),
        ("UPDATE notes SET stars = ? WHERE id = 99", [(1,), (2,)], 0),
        ("SELECT ?", [(1,), (2,)], 0),
        ("CREATE TABLE IF NOT EXISTS t (a)", [(), ()], 0),
        ("INSERT INTO notes (title) VALUES (?)", [], 0),
    ],
)
def test_executemany_counts_rows(writer: Any, sql: str, rows: list[Any], expected: int) -> None:
    """Those that the statement changed itself, over all rows of parameters; from a list or an iterator."""
    writer.execute("CREATE TABLE log (a)")
    writer.execute("CREATE TRIGGER noted AFTER INSERT ON notes BEGIN INSERT INTO log VALUES (1), (2), (3); END")

    assert expected == writer.executemany(sql, iter(rows))
    assert 3 * writer.scalar("SELECT count(*) FROM notes") == writer.scalar("SELECT count(*) FROM log")


def test_executemany_is_all_or_nothing(writer: Any) -> None:
    """In a session what was done before it stays."""
    writer.execute("INSERT INTO notes (title) VALUES ('before')")
    with pytest.raises(ConstraintError):
        writer.executemany("INSERT INTO notes (title) VALUES (?)", [("a",), ("b",), ("before",)])

    assert [("before",)] == writer.many("SELECT title FROM notes")


def test_executemany_tells_an_error_of_the_source_as_it_is(writer: Any) -> None:
    """It is the caller's, and nothing of the rows before it stays."""

    def source() -> Any:
        yield ("a",)
        raise ValueError("the source is dry")

    with pytest.raises(ValueError, match="the source is dry"):
        writer.executemany("INSERT INTO notes (title) VALUES (?)", source())
    assert 0 == writer.scalar("SELECT count(*) FROM notes")


def test_the_source_of_rows_may_use_the_session(notes: Database) -> None:
    """Between two rows; what it changes is not counted."""
    with notes.write() as session:

        def source() -> Any:
            for number in range(3):
                session.execute("INSERT INTO notes (title) VALUES (?)", (f"own {number}",))
                yield (session.scalar("SELECT 'row ' || count(*) FROM notes"),)

        assert 3 == session.executemany("INSERT INTO notes (title) VALUES (?)", source())

    assert 6 == notes.scalar("SELECT count(*) FROM notes")
