"""The reading verbs, on the database and on each kind of session: they mean the same everywhere."""

from __future__ import annotations

import threading
from typing import Any

import attrs
import pytest

from multidb import (
    Database,
    NoRowError,
    SessionMisuseError,
    StatementError,
    TooManyRowsError,
)

ALL = "SELECT id, title, stars FROM notes ORDER BY id"
ROWS = [(1, "one", 1), (2, "two", 2), (3, "three", None)]


@attrs.frozen
class Note:
    id: int
    title: str
    stars: int | None = 5


@attrs.define(kw_only=True)
class Named:
    stars: int | None
    title: str
    id: int


@attrs.define
class Dressed:
    """Private names, aliases, converters, and a field that is made and not given."""

    _title: str = attrs.field(converter=str.upper)
    identity: int = attrs.field(alias="number")
    length: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.length = len(self._title)


# --- how many rows ---------------------------------------------------------------------------------------


def test_one_is_the_only_row(reader: Any) -> None:
    """Not the first of several."""
    assert (1, "one", 1) == reader.one(f"{ALL} LIMIT 1")
    with pytest.raises(NoRowError) as none:
        reader.one("SELECT id FROM notes WHERE id = ?", (99,))
    with pytest.raises(TooManyRowsError) as many:
        reader.one(ALL)

    assert ("notes", ALL) == (many.value.concern, many.value.sql)
    assert "99" not in str(none.value)


def test_first_is_a_row_or_none(reader: Any) -> None:
    """Further rows are not read."""
    assert (1, "one", 1) == reader.first(ALL)
    assert reader.first("SELECT id FROM notes WHERE id = 99") is None
    assert reader.first("SELECT id FROM notes WHERE id = 99", into=dict) is None
    assert {"id": 1} == reader.first("SELECT id FROM notes ORDER BY id", into=dict)


def test_many_is_all_rows(reader: Any) -> None:
    """In a list, which may be empty."""
    assert ROWS == reader.many(ALL)
    assert [] == reader.many("SELECT id FROM notes WHERE id > ?", (3,))


def test_scalar_is_the_one_value(reader: Any) -> None:
    """None is for no row, and for NULL."""
    assert 3 == reader.scalar("SELECT count(*) FROM notes")
    assert reader.scalar("SELECT id FROM notes WHERE id = 99") is None
    assert reader.scalar("SELECT stars FROM notes WHERE id = 3") is None


def test_scalar_reads_one_column_of_one_row(reader: Any) -> None:
    """Whether there is a row or not."""
    for sql in (ALL, "SELECT id, title FROM notes WHERE id = 99"):
        with pytest.raises(StatementError, match="one column"):
            reader.scalar(sql)
    with pytest.raises(TooManyRowsError):
        reader.scalar("SELECT id FROM notes")


def test_a_statement_without_columns_reads_nothing(notes: Database) -> None:
    """It is an update, and has no value to give."""
    with notes.write() as session:
        assert session.first("UPDATE notes SET stars = 1") is None
        assert [] == session.many("UPDATE notes SET stars = 1")
        with pytest.raises(StatementError, match="not 0"):
            session.scalar("UPDATE notes SET stars = 1")
        with pytest.raises(NoRowError):
            session.one("UPDATE notes SET stars = 1")


def test_returning_can_be_read(writer: Any) -> None:
    """By `execute` everywhere; the verbs that read may do it where they may write."""
    result = writer.execute("INSERT INTO notes (title) VALUES ('a'), ('b') RETURNING id, title")

    assert [(1, "a"), (2, "b")] == result.rows
    if not isinstance(writer, Database):
        assert (3,) == writer.one("INSERT INTO notes (title) VALUES ('c') RETURNING id")
        assert {"id": 4} == writer.first("INSERT INTO notes (title) VALUES ('d'), ('e') RETURNING id", into=dict)
        assert 5 == writer.scalar("SELECT count(*) FROM notes")


# --- what a row becomes ----------------------------------------------------------------------------------


def test_rows_into_dictionaries(reader: Any) -> None:
    """With the names that the statement gives its columns."""
    assert [{"id": 1, "n": "one"}] == reader.many("SELECT id, title AS n FROM notes WHERE id = 1", into=dict)
    assert {"count(*)": 3} == reader.one("SELECT count(*) FROM notes", into=dict)


def test_a_dictionary_cannot_hold_a_name_twice(reader: Any) -> None:
    """One value would be lost; whether there are rows or not, on every verb."""
    for sql in ("SELECT id, id FROM notes", "SELECT a.id, b.id FROM notes a, notes b WHERE 0"):
        for verb in (reader.one, reader.first, reader.many, reader.iterate):
            with pytest.raises(StatementError, match="two columns called 'id'"):
                verb(sql, into=dict)
    assert (1, 1) == reader.first("SELECT id, id FROM notes ORDER BY id")


def test_rows_into_a_class(reader: Any) -> None:
    """By name, whatever the order of the columns; a default is for whoever makes one by hand."""
    assert [Note(*row) for row in ROWS] == reader.many(ALL, into=Note)
    assert Note(1, "one", 1) == reader.first("SELECT stars, id, title FROM notes ORDER BY id", into=Note)
    assert Named(id=2, title="two", stars=2) == reader.one(
        "SELECT id, stars, title FROM notes WHERE id = 2", into=Named
    )
    assert [Note(*row) for row in ROWS] == list(reader.iterate(ALL, into=Note))


def test_the_class_makes_its_values_as_ever(reader: Any) -> None:
    """Aliases, converters and what its hooks do."""
    row = reader.one("SELECT id AS identity, title AS _title FROM notes WHERE id = 3", into=Dressed)

    assert ("THREE", 3, 5) == (row._title, row.identity, row.length)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT id, title FROM notes", "missing stars"),
        ("SELECT id, title, stars, body FROM notes", "not a field: body"),
        ("SELECT id, title, stars AS rating FROM notes", "missing stars not a field: rating"),
        ("SELECT id, title, stars, stars FROM notes", "repeated"),
        ("SELECT id, title, stars FROM notes WHERE 0 UNION ALL SELECT 1, 2, 3 FROM notes WHERE 0", None),
    ],
)
def test_the_fields_are_the_columns(reader: Any, sql: str, said: str | None) -> None:
    """Checked where there are no rows, too."""
    for verb in (reader.first, reader.many, reader.iterate):
        if said is None:
            verb(sql, into=Note)
        else:
            with pytest.raises(StatementError, match=said):
                verb(sql, into=Note)


@pytest.mark.parametrize("into", [list, int, object, "dict", None, dict[str, int]])
def test_into_is_a_tuple_a_dict_or_an_attrs_class(reader: Any, into: Any) -> None:
    """Nothing else is guessed at."""
    for verb in (reader.one, reader.first, reader.many, reader.iterate):
        with pytest.raises(StatementError, match="into must be"):
            verb("SELECT 1", into=into)


def test_an_error_of_the_class_is_the_callers_own(reader: Any) -> None:
    """A converter that fails is no mistake in the SQL."""

    @attrs.define
    class Strict:
        title: int = attrs.field(converter=int)

    with pytest.raises(ValueError, match="invalid literal"):
        reader.many("SELECT title FROM notes", into=Strict)
    with (
        pytest.raises(ValueError, match="invalid literal"),
        reader.iterate("SELECT title FROM notes", into=Strict) as s,
    ):
        list(s)
    assert 3 == reader.scalar("SELECT count(*) FROM notes")


def test_a_class_may_read_while_it_is_made(notes: Database) -> None:
    """Rows are fetched before the first is made."""
    notes.execute("INSERT INTO notes (title) VALUES ('a'), ('b')")
    with notes.read() as session:

        @attrs.define
        class Curious:
            id: int
            count: int = attrs.field(init=False)

            def __attrs_post_init__(self) -> None:
                self.count = session.scalar("SELECT count(*) FROM notes")

        assert [(1, 2), (2, 2)] == [
            (row.id, row.count) for row in session.many("SELECT id FROM notes ORDER BY id", into=Curious)
        ]


# --- the rest --------------------------------------------------------------------------------------------


def test_explain_tells_the_plan_and_runs_nothing(reader: Any) -> None:
    """As a tree; a statement that writes may be explained where it may not be run."""
    plan = reader.explain("SELECT id FROM notes WHERE title = ? AND stars IN (SELECT max(id) FROM notes)", ("a",))
    assert "SEARCH notes" in plan.steps[0].detail
    assert 0 == plan.steps[0].depth
    assert max(step.depth for step in plan.steps) > 0
    assert str(plan).count("\n") == len(plan.steps) - 1

    reader.explain("DELETE FROM notes")
    assert 3 == reader.scalar("SELECT count(*) FROM notes")


@pytest.mark.parametrize("kind", ["read", "write", "exclusive"])
def test_a_session_ends_with_its_block(notes: Database, kind: str) -> None:
    """Every verb says so."""
    with getattr(notes, kind)() as session:
        session.many("SELECT 1")

    calls = [
        lambda: session.many("SELECT 1"),
        lambda: session.one("SELECT 1"),
        lambda: session.first("SELECT 1"),
        lambda: session.scalar("SELECT 1"),
        lambda: session.execute("SELECT 1"),
        lambda: session.executemany("SELECT ?", [(1,)]),
        lambda: session.executemany("SELECT ?", []),
        lambda: session.explain("SELECT 1"),
        lambda: session.iterate("SELECT 1"),
        lambda: session.page("SELECT 1 AS a", key=[("a", "asc")]),
        lambda: session.insert_many("notes", [{"title": "a"}]),
    ]
    for call in calls:
        with pytest.raises(SessionMisuseError, match="ended"):
            call()


def test_many_different_statements_are_all_looked_at(notes: Database) -> None:
    """What is remembered of statements is bounded; forgetting means looking again."""
    with notes.read() as session:
        for number in range(3000):
            assert number == session.scalar(f"SELECT {number}")
        with pytest.raises(SessionMisuseError):
            session.execute("BEGIN")


def test_a_reader_is_not_left_half_read(notes: Database, stranger: Any) -> None:
    """It would pin its moment of the file, and the log would grow for ever."""
    notes.execute("INSERT INTO notes (title) VALUES ('a'), ('b'), ('c')")
    notes.first("SELECT id FROM notes")
    with pytest.raises(TooManyRowsError):
        notes.one("SELECT id FROM notes")
    with pytest.raises(TooManyRowsError):
        notes.scalar("SELECT id FROM notes")
    notes.execute("INSERT INTO notes (title) VALUES ('d')")

    assert not notes.checkpoint().busy


def test_the_same_readers_serve_many_threads(notes: Database) -> None:
    """Each call has a connection of its own for as long as it takes."""
    notes.execute("INSERT INTO notes (title) VALUES ('a')")
    seen: list[int] = []

    def work() -> None:
        for _ in range(200):
            seen.append(notes.scalar("SELECT count(*) FROM notes"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [1] * 1600 == seen
    assert notes.activity()["readers"]["open"] <= 4
