"""`page`: the pages put together are the whole, whatever the key's values are."""

from __future__ import annotations

import base64
import json
from typing import Any

import apsw
import attrs
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from multidb import CursorError, Database, ReadOnlySessionError, StatementError

TABLE = """
CREATE TABLE p (
  id INTEGER PRIMARY KEY,
  a,
  n TEXT COLLATE NOCASE,
  r TEXT COLLATE RTRIM,
  i INTEGER,
  f REAL,
  t TEXT,
  b BLOB
)"""
VALUES = st.one_of(
    st.none(),
    st.integers(-3, 3),
    st.sampled_from([2**53, 2**53 + 1, -(2**63), 2**63 - 1]),
    st.sampled_from([-1.5, 0.0, -0.0, 1.0, 2.0**53, 1e308, float("inf"), float("-inf")]),
    st.sampled_from(["", "a", "A", "b", "B ", "b", "é", "1", "1.0", "Infinity", "\0", "😀", '{"blob": ""}']),
    st.sampled_from([b"", b"a", b"A", b"\xff\0"]),
)
TEXTS = st.none() | st.sampled_from(["", "a", "A", "a ", "A  ", "b", "B", "ä", "Ä", "aB", "Ab"])
ROW = st.tuples(VALUES, TEXTS, TEXTS, VALUES, VALUES, VALUES, VALUES)
KEYS = st.lists(
    st.tuples(st.sampled_from(["a", "n", "r", "i", "f", "t", "b"]), st.sampled_from(["asc", "desc", "DESC"])),
    unique_by=lambda part: part[0],
    max_size=3,
).flatmap(lambda parts: st.sampled_from(["asc", "desc"]).map(lambda last: [*parts, ("id", last)]))
STYLES: list[tuple[str, Any]] = [
    ("SELECT * FROM p", ()),
    ("SELECT * FROM p WHERE id > ?", (-1,)),
    ("SELECT * FROM p WHERE id > ?1 AND id > ?1", [-1]),
    ("SELECT * FROM p WHERE id > :least", {"least": -1}),
    ("SELECT id, a, n, r, i, f, t, b FROM p UNION ALL SELECT * FROM p WHERE 0", ()),
    ("WITH q AS (SELECT * FROM p) SELECT q.*, ? AS more FROM q -- the end", ("x",)),
    ("SELECT * FROM p GROUP BY id HAVING id > ?;", (-1,)),
]


def fill(database: Database, rows: list[tuple[Any, ...]]) -> None:
    database.execute("CREATE TABLE IF NOT EXISTS p (id)")
    database.execute("DROP TABLE p")
    database.execute(TABLE)
    database.executemany("INSERT INTO p (a, n, r, i, f, t, b) VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def pages(database: Any, sql: str, params: Any, key: Any, limit: int) -> list[Any]:
    """All pages put together, each of them of the right length."""
    found: list[Any] = []
    after = None
    while True:
        page = database.page(sql, params, key=key, after=after, limit=limit)
        assert page.has_more == (page.next_cursor is not None)
        assert len(page.items) == limit or not page.has_more
        found += page.items
        after = page.next_cursor
        if after is None:
            return found


@given(rows=st.lists(ROW, max_size=14), key=KEYS, style=st.sampled_from(STYLES), limit=st.integers(1, 6))
@example(rows=[(None,) * 7] * 5, key=[("a", "desc"), ("id", "desc")], style=STYLES[0], limit=2)
@example(rows=[(float("inf"),) * 7] * 3, key=[("f", "asc"), ("id", "asc")], style=STYLES[3], limit=1)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_pages_are_the_whole(
    notes: Database, rows: list[tuple[Any, ...]], key: list[tuple[str, str]], style: tuple[str, Any], limit: int
) -> None:
    """In SQLite's own order: NULLs, blobs, mixed types, collations, up and down, either style of parameters."""
    fill(notes, rows)
    sql, params = style
    order = ", ".join(f"{column} {direction}" for column, direction in key)
    whole = notes.many(f"SELECT * FROM ({sql.rstrip(';')}\n) ORDER BY {order}", params)

    assert whole == pages(notes, sql, params, key, limit)


@given(rows=st.lists(ROW, min_size=1, max_size=14), column=st.sampled_from("anrifatb"), falls=st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_key_that_is_not_unique_loses_nothing_unsaid(
    notes: Database, rows: list[tuple[Any, ...]], column: str, falls: bool
) -> None:
    """Either all rows come, or the page where one would be lost is refused."""
    fill(notes, rows)
    try:
        found = pages(notes, "SELECT * FROM p", (), [(column, "desc" if falls else "asc")], 1)
    except StatementError as error:
        assert "two rows apart" in error.message
        assert len(rows) > 1
    else:
        assert len(rows) == len(found)


def test_rows_that_come_and_go_neither_repeat_nor_hide_others(notes: Database) -> None:
    """What OFFSET cannot promise."""
    notes.executemany("INSERT INTO notes (id, title) VALUES (?, ?)", [(n, f"t{n}") for n in range(10, 20)])
    key = [("id", "asc")]
    first = notes.page("SELECT id FROM notes", key=key, limit=4)
    notes.execute("DELETE FROM notes WHERE id IN (10, 13)")
    notes.execute("INSERT INTO notes (id, title) VALUES (1, 'early'), (99, 'late')")
    second = notes.page("SELECT id FROM notes", key=key, limit=4, after=first.next_cursor)
    rest = notes.page("SELECT id FROM notes", key=key, limit=50, after=second.next_cursor)

    assert [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 99] == [
        number for page in (first, second, rest) for (number,) in page.items
    ]


def test_the_last_page_says_so(notes: Database) -> None:
    """Also where it is full, or there is nothing at all."""
    notes.execute("INSERT INTO notes (title) VALUES ('a'), ('b')")
    for limit, has_more in ((1, True), (2, False), (3, False)):
        page = notes.page("SELECT id FROM notes", key=[("id", "asc")], limit=limit)
        assert (has_more, has_more) == (page.has_more, page.next_cursor is not None)
    empty = notes.page("SELECT id FROM notes WHERE 0", key=[("id", "asc")])
    assert ([], None, False) == (empty.items, empty.next_cursor, empty.has_more)


def test_pages_of_classes_and_dictionaries(reader: Any) -> None:
    """The cursor is the same whatever the rows become."""

    @attrs.frozen
    class Note:
        title: str
        id: int

    sql = "SELECT id, title FROM notes"
    first = reader.page(sql, key=[("title", "asc"), ("id", "asc")], limit=1, into=dict)
    second = reader.page(sql, key=[("title", "asc"), ("id", "asc")], limit=1, into=Note, after=first.next_cursor)

    assert [{"id": 1, "title": "one"}] == first.items
    assert [Note("three", 3)] == second.items
    with pytest.raises(StatementError, match="missing"):
        reader.page("SELECT id FROM notes", key=[("id", "asc")], into=Note)


def test_an_index_is_used_on_the_first_column(notes: Database) -> None:
    """A page deep in the table costs what the first one does."""
    notes.execute("CREATE INDEX by_stars ON notes (stars DESC, id DESC)")
    notes.executemany("INSERT INTO notes (title, stars) VALUES (?, ?)", [(str(n), n) for n in range(50)])
    key = [("stars", "desc"), ("id", "desc")]
    seen: list[str] = []
    with notes.write() as session:
        session._handle.connection.exec_trace = lambda _, sql, __: seen.append(sql) or True
        after = session.page("SELECT id, stars FROM notes", key=key, limit=10).next_cursor
        session.page("SELECT id, stars FROM notes", key=key, limit=10, after=after)
        session._handle.connection.exec_trace = None
        (ranged,) = [sql for sql in seen if "<=" in sql]
        plan = session.explain(ranged, (39, 39, 39, 40))

    assert "SEARCH notes USING COVERING INDEX by_stars (stars<?)" in plan.steps[0].detail


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ([], "needs a key"),
        ([("nothing", "asc")], "'nothing' is not selected"),
        ([("id", "up")], "no part of a key"),
        ([("id",)], "no part of a key"),
        (["id"], "no part of a key"),
        ([("id", "asc"), ("id", "desc")], "twice in the key"),
    ],
)
def test_a_key_is_columns_and_directions(reader: Any, key: Any, said: str) -> None:
    """Near misses are told."""
    with pytest.raises(StatementError, match=said):
        reader.page("SELECT id FROM notes", key=key)


@pytest.mark.parametrize("limit", [0, -1, None, "5", 2.5])
def test_a_page_has_a_row_or_more(reader: Any, limit: Any) -> None:
    """SQLite would take -1 for all."""
    with pytest.raises(StatementError, match="limit"):
        reader.page("SELECT id FROM notes", key=[("id", "asc")], limit=limit)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM notes ORDER BY id",
        "SELECT id FROM notes LIMIT 5",
        "SELECT id FROM notes ORDER BY title LIMIT 5 OFFSET 2",
        "VALUES (1), (2)",
        "PRAGMA table_list",
        "EXPLAIN SELECT id FROM notes",
    ],
)
def test_the_order_and_the_length_are_the_pages(reader: Any, sql: str) -> None:
    """The SQL has none of its own; inside a subquery it may."""
    with pytest.raises(StatementError):
        reader.page(sql, key=[("id", "asc")])


def test_an_order_inside_is_allowed(reader: Any) -> None:
    """It says which rows there are, not how they come."""
    page = reader.page("SELECT * FROM (SELECT id FROM notes ORDER BY title LIMIT 2)", key=[("id", "desc")])

    assert [(3,), (1,)] == page.items


@pytest.mark.parametrize("sql", ["DELETE FROM notes RETURNING id", "INSERT INTO notes (title) VALUES ('x')"])
def test_a_page_never_writes(reader: Any, sql: str) -> None:
    """Not even in a session that may."""
    with pytest.raises((StatementError, ReadOnlySessionError)):
        reader.page(sql, key=[("id", "asc")])
    assert 3 == reader.scalar("SELECT count(*) FROM notes")


def test_a_selected_name_twice_is_no_key(reader: Any) -> None:
    """Which of the two is meant?"""
    with pytest.raises(StatementError, match="selected twice"):
        reader.page("SELECT a.id, b.id FROM notes a, notes b", key=[("id", "asc")])


# --- cursors ---------------------------------------------------------------------------------------------


def cursor(reader: Any) -> str:
    found: str = reader.page("SELECT id, title FROM notes", key=[("title", "asc"), ("id", "asc")], limit=1).next_cursor
    return found


def test_a_cursor_is_bound_to_its_statement_and_key(reader: Any) -> None:
    """On another one it would begin anywhere; space and a semicolon around the SQL make no other."""
    after = cursor(reader)
    for sql, key in (
        ("SELECT id, title FROM notes WHERE id > 0", [("title", "asc"), ("id", "asc")]),
        ("SELECT id, title FROM notes", [("title", "asc")]),
        ("SELECT id, title FROM notes", [("title", "desc"), ("id", "asc")]),
        ("SELECT id, title FROM notes", [("id", "asc"), ("title", "asc")]),
    ):
        with pytest.raises(CursorError, match="another statement or key"):
            reader.page(sql, key=key, after=after)
    page = reader.page("  SELECT id, title FROM notes ;\n", key=[("title", "ASC"), ("id", "asc")], after=after)

    assert [(3, "three"), (2, "two")] == page.items


@pytest.mark.parametrize(
    "after", ["", " ", "a", "====", "e30", "W10", "bnVsbA", "WyJhIiwgW119XQ", "é", "a" * 10_000, 5, b"", []]
)
def test_what_is_no_cursor_is_told(reader: Any, after: Any) -> None:
    """An empty one too: it would silently begin anew."""
    with pytest.raises(CursorError):
        reader.page("SELECT id FROM notes", key=[("id", "asc")], after=after)


@given(data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_cursor_is_told_or_harmless(notes: Database, data: Any) -> None:
    """Whatever byte of it was changed: an error of ours, or a page."""
    if not notes.scalar("SELECT count(*) FROM notes"):
        notes.execute("INSERT INTO notes (title) VALUES ('one'), ('two'), ('three')")
    good = cursor(notes)
    place = data.draw(st.integers(0, len(good) - 1))
    bad = good[:place] + data.draw(st.text(max_size=2)) + good[place + data.draw(st.integers(0, 2)) :]
    try:
        notes.page("SELECT id, title FROM notes", key=[("title", "asc"), ("id", "asc")], after=bad)
    except CursorError:
        pass


@pytest.mark.parametrize(
    "values",
    [
        ["a"],
        ["a", 1, 2],
        ["a", [1]],
        ["a", {}],
        ["a", {"blob": 5}],
        ["a", {"blob": "***"}],
        ["a", {"float": "much"}],
        ["a", 2**63],
        ["a", True],
        "ab",
        None,
    ],
)
def test_a_forged_cursor_is_told(reader: Any, values: Any) -> None:
    """With the right digest and values that no row can have."""
    good = cursor(reader)
    digest = json.loads(base64.urlsafe_b64decode(good + "=" * (-len(good) % 4)))[0]
    forged = base64.urlsafe_b64encode(json.dumps([digest, values]).encode()).decode().rstrip("=")

    with pytest.raises(CursorError):
        reader.page("SELECT id, title FROM notes", key=[("title", "asc"), ("id", "asc")], after=forged)


def test_a_cursor_is_text_for_an_address(reader: Any) -> None:
    """It needs no escaping in one."""
    assert set(cursor(reader)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_another_connection_reads_on(notes: Database, stranger: apsw.Connection) -> None:
    """A cursor holds all that is needed; no session has to be kept for it."""
    notes.execute("INSERT INTO notes (title) VALUES ('one'), ('two'), ('three')")
    with notes.read() as session:
        after = cursor(session)
    with notes.read() as session:
        page = session.page("SELECT id, title FROM notes", key=[("title", "asc"), ("id", "asc")], after=after)

    assert [(3, "three"), (2, "two")] == page.items
