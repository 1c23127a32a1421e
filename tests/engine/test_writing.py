"""`insert_many`: rows of any kind and number, every way of meeting one that is there, all or nothing or by batches."""

from __future__ import annotations

from collections import UserDict
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multidb import ConstraintError, Database, MultidbError, ReadOnlySessionError, StatementError
from multidb.reports import InsertResult

ALL = "SELECT id, title, stars FROM notes ORDER BY id"


@attrs.frozen
class Note:
    title: str
    stars: int | None = None


def numbered(count: int, start: int = 1) -> list[dict[str, Any]]:
    return [{"id": number, "title": f"t{number}", "stars": number % 5} for number in range(start, start + count)]


def told(inserted: int, updated: int = 0, ignored: int = 0) -> InsertResult:
    return InsertResult(inserted=inserted, updated=updated, ignored=ignored)


# --- rows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 49, 50, 51, 99, 100, 101, 237, 1000, 1001, 2500])
def test_any_number_of_rows(writer: Any, count: int) -> None:
    """Fifty go into one statement where there are as many; nobody can tell."""
    rows = numbered(count)

    assert told(count) == writer.insert_many("notes", iter(rows))
    assert [tuple(row.values()) for row in rows] == writer.many(ALL)


@pytest.mark.parametrize("batch", [1, 2, 7, 50, 64, 5000])
def test_any_size_of_batch(writer: Any, batch: int) -> None:
    """It is a matter of memory."""
    assert told(130) == writer.insert_many("notes", numbered(130), batch=batch)
    assert 130 == writer.scalar("SELECT count(*) FROM notes")


def test_rows_are_mappings_or_attrs_instances(writer: Any) -> None:
    """In one go, each naming its own columns; what it does not name gets its default."""
    rows = [
        {"title": "a", "stars": 1},
        {"stars": 2, "title": "b"},
        {"title": "c"},
        Note("d", 4),
        UserDict(title="e"),
        {"title": "f", "body": b"\0", "id": 70},
        Note("g"),
        {"title": "h"},
    ]

    assert told(8) == writer.insert_many("notes", rows)
    assert [
        ("a", 1, None),
        ("b", 2, None),
        ("c", None, None),
        ("d", 4, None),
        ("e", None, None),
        ("f", None, b"\0"),
        ("g", None, None),
        ("h", None, None),
    ] == writer.many("SELECT title, stars, body FROM notes ORDER BY id")


def test_many_instances_of_one_class(writer: Any) -> None:
    """The way of the many is the way of the few."""
    rows = [Note(f"t{number}", number) for number in range(123)]

    assert told(123) == writer.insert_many("notes", rows)
    assert [(row.title, row.stars) for row in rows] == writer.many("SELECT title, stars FROM notes ORDER BY id")


def test_rows_without_columns_are_all_defaults(writer: Any) -> None:
    """The table decides."""
    writer.execute("CREATE TABLE d (id INTEGER PRIMARY KEY, n INTEGER NOT NULL DEFAULT 7)")

    assert told(60) == writer.insert_many("d", [{}] * 60)
    assert (60, 420) == writer.one("SELECT count(*), sum(n) FROM d")


def test_one_column(writer: Any) -> None:
    """A row of one value is a row."""
    assert told(120) == writer.insert_many("notes", [{"title": str(number)} for number in range(120)])


def test_very_wide_rows(notes: Database) -> None:
    """SQLite takes 32,766 parameters a statement; rows of 1,999 columns go one by one."""
    names = [f"c{number}" for number in range(1999)]
    notes.execute(f"CREATE TABLE wide ({', '.join(names)})")

    assert told(60) == notes.insert_many("wide", [dict.fromkeys(names, 1)] * 60)
    assert 60 == notes.scalar("SELECT count(*) FROM wide WHERE c0 = 1 AND c1998 = 1")


def test_names_are_quoted(writer: Any) -> None:
    """Whatever stands in them."""
    writer.execute('CREATE TABLE "od""d; --" ("sel""ect" INTEGER PRIMARY KEY, "a b" TEXT)')

    assert told(2) == writer.insert_many('od"d; --', [{'sel"ect': 1, "a b": "x"}, {'sel"ect': 2, "a b": "y"}])
    assert told(0, 2) == writer.insert_many(
        'od"d; --', [{'sel"ect': 1, "a b": "X"}, {'sel"ect': 2, "a b": "Y"}], on_conflict="update"
    )
    assert [(1, "X"), (2, "Y")] == writer.many('SELECT * FROM "od""d; --"')


@pytest.mark.parametrize(
    ("table", "rows", "said"),
    [
        ("nothing", [{"a": 1}], "no such table: nothing"),
        ("notes", [{"colour": "red"}], "colour"),
        ("notes", [("a", 1)], "mapping or an attrs instance, not tuple"),
        ("notes", ["title"], "not str"),
        ("notes", [None], "not NoneType"),
        ("notes", [{"title": "a"}, 5], "not int"),
        ("notes", [{"title": object()}], "object"),
        ("notes", [{"title": "x"}] * 49 + [{"title": [1]}], "list"),
        ("notes\0", [{"a": 1}], "NUL"),
        ("notes", [{"a\0": 1}], "NUL"),
        (5, [{"a": 1}], "must be text"),
        ("notes; DROP TABLE notes", [{"a": 1}], "no such table"),
    ],
)
def test_what_cannot_be_a_row_is_told(writer: Any, table: Any, rows: Any, said: str) -> None:
    """And nothing is inserted."""
    with pytest.raises(MultidbError, match=said):
        writer.insert_many(table, rows)
    assert 0 == writer.scalar("SELECT count(*) FROM notes")


@pytest.mark.parametrize("option", [{"batch": 0}, {"batch": 1.5}, {"on_conflict": "skip"}, {"on_conflict": None}])
def test_options_that_cannot_be_meant(writer: Any, option: dict[str, Any]) -> None:
    """Checked before the first row."""
    with pytest.raises(StatementError):
        writer.insert_many("notes", numbered(1), **option)
    assert 0 == writer.scalar("SELECT count(*) FROM notes")


def test_a_read_session_inserts_nothing(notes: Database) -> None:
    """Like any other statement that writes."""
    with notes.read() as session:
        for count in (1, 60):
            with pytest.raises(ReadOnlySessionError):
                session.insert_many("notes", numbered(count))


# --- rows that are there already -------------------------------------------------------------------------


def test_error_is_for_rows_that_must_be_new(writer: Any) -> None:
    """The default."""
    writer.insert_many("notes", numbered(3))
    with pytest.raises(ConstraintError) as caught:
        writer.insert_many("notes", numbered(60, start=3))

    assert "primary_key" == caught.value.kind
    assert "VALUES (?, ?, ?)" in str(caught.value.sql)
    assert 3 == writer.scalar("SELECT count(*) FROM notes")


def test_ignore_keeps_the_old_row(writer: Any) -> None:
    """Whichever of its keys is taken."""
    writer.insert_many("notes", [{"id": 1, "title": "t1"}, {"id": 2, "title": "other"}])

    assert told(58, 0, 2) == writer.insert_many("notes", numbered(60), on_conflict="ignore")
    assert told(0, 0, 60) == writer.insert_many("notes", numbered(60), on_conflict="ignore")
    assert [(None,), (None,), (3,)] == writer.many("SELECT stars FROM notes WHERE id <= 3 ORDER BY id")


def test_replace_deletes_the_old_rows(writer: Any) -> None:
    """One may make room for two: its key, and another unique one. What is not named is the default again."""
    writer.insert_many("notes", [{"id": 1, "title": "a", "stars": 5}, {"id": 2, "title": "b"}, {"id": 3, "title": "c"}])

    assert told(1, 2) == writer.insert_many(
        "notes", [{"id": 1, "title": "b"}, {"id": 9, "title": "z"}, {"id": 3, "title": "c"}], on_conflict="replace"
    )
    assert [(1, "b", None), (3, "c", None), (9, "z", None)] == writer.many(ALL)


def test_update_writes_the_columns_that_are_given(writer: Any) -> None:
    """The others stay as they are."""
    writer.insert_many("notes", [{"id": 1, "title": "a", "stars": 5}, {"id": 2, "title": "b", "stars": 6}])

    assert told(1, 2) == writer.insert_many(
        "notes", [{"id": 1, "title": "A"}, {"id": 2, "title": "B"}, {"id": 3, "title": "C"}], on_conflict="update"
    )
    assert [(1, "A", 5), (2, "B", 6), (3, "C", None)] == writer.many(ALL)


@pytest.mark.parametrize("on_conflict", ["ignore", "replace", "update"])
@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"title": None}, "not_null"),
        ({"title": "a", "stars": 99}, "check"),
        ({"title": "a", "parent": 99}, "foreign_key"),
        ({"title": "a", "stars": "many"}, "datatype"),
    ],
)
def test_other_broken_rules_are_errors(writer: Any, on_conflict: Any, row: dict[str, Any], kind: str) -> None:
    """Only a key that is taken is a conflict."""
    writer.execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, title TEXT NOT NULL, stars INTEGER CHECK (stars < 10),"
        " parent INTEGER REFERENCES t) STRICT"
    )
    with pytest.raises(ConstraintError) as caught:
        writer.insert_many("t", [{"title": "before"}, row], on_conflict=on_conflict)

    assert kind == caught.value.kind
    assert 0 == writer.scalar("SELECT count(*) FROM t")


TABLES = {
    "an ordinary table": "CREATE TABLE t (k TEXT PRIMARY KEY, v)",
    "one without rowids": "CREATE TABLE t (k TEXT PRIMARY KEY, v) WITHOUT ROWID",
    "one with numbers for keys": "CREATE TABLE t (k INTEGER PRIMARY KEY, v)",
    "one with generated columns": "CREATE TABLE t (k TEXT PRIMARY KEY, v, w AS (v || '!') STORED, x AS (length(v)))",
    "a strict one with an index": "CREATE TABLE t (n INTEGER PRIMARY KEY, k ANY UNIQUE, v ANY) STRICT",
}


@pytest.mark.parametrize("ddl", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("on_conflict", ["ignore", "replace", "update"])
@given(old=st.sets(st.integers(0, 30)), new=st.lists(st.integers(0, 30), max_size=80), batch=st.integers(1, 90))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_counts_are_what_happened(
    notes: Database, ddl: str, on_conflict: Any, old: set[int], new: list[int], batch: int
) -> None:
    """For each kind of table, with triggers that write too, and rows that meet others of the same call."""
    notes.execute("DROP TABLE IF EXISTS t")
    notes.execute("CREATE TABLE IF NOT EXISTS log (a)")
    notes.execute(ddl)
    notes.execute("CREATE TRIGGER i AFTER INSERT ON t BEGIN INSERT INTO log VALUES (1), (2); END")
    notes.execute("CREATE TRIGGER u AFTER UPDATE ON t BEGIN INSERT INTO log VALUES (1), (2); END")
    notes.execute("CREATE TRIGGER d AFTER DELETE ON t BEGIN INSERT INTO log VALUES (1), (2); END")
    notes.insert_many("t", [{"k": key, "v": "old"} for key in old])

    found = notes.insert_many("t", [{"k": key, "v": "new"} for key in new], on_conflict=on_conflict, batch=batch)

    fresh = set(new) - old
    met = len(new) - len(fresh)
    assert told(len(fresh), 0, met) == found if on_conflict == "ignore" else told(len(fresh), met) == found
    rows = dict(notes.many("SELECT k, v FROM t"))
    expected = dict.fromkeys(old, "old") | {key: "new" for key in new if key not in old or on_conflict != "ignore"}
    assert expected == {int(key): value for key, value in rows.items()}


def test_a_text_index_takes_rows(writer: Any) -> None:
    """A virtual table has no upsert, which is told."""
    writer.execute("CREATE VIRTUAL TABLE f USING fts5(a)")

    assert told(60) == writer.insert_many("f", [{"rowid": n, "a": f"word{n}"} for n in range(1, 61)])
    assert told(1, 0) == writer.insert_many("f", [{"rowid": 1, "a": "other"}], on_conflict="replace")
    assert 60 == writer.scalar("SELECT count(*) FROM f")
    assert 1 == writer.scalar("SELECT rowid FROM f WHERE f MATCH 'other'")
    with pytest.raises(StatementError):
        writer.insert_many("f", [{"rowid": 1, "a": "x"}], on_conflict="update")


def test_a_vector_table_takes_rows(opened: Any) -> None:
    """Many to a statement, too."""
    database = opened(extensions=("sqlite_vec",))
    database.execute("CREATE VIRTUAL TABLE v USING vec0(id INTEGER PRIMARY KEY, e float[2])")

    assert told(70) == database.insert_many("v", [{"id": n, "e": f"[{n}, 0]"} for n in range(70)])
    assert [(33,)] == database.many("SELECT id FROM v WHERE e MATCH '[33, 0]' AND k = 1")


def test_a_view_takes_rows_by_its_trigger(writer: Any) -> None:
    """They count as inserted; where the trigger puts them is its affair."""
    writer.execute("CREATE VIEW titles AS SELECT title FROM notes")
    writer.execute(
        "CREATE TRIGGER t INSTEAD OF INSERT ON titles BEGIN INSERT INTO notes (title) VALUES (NEW.title); END"
    )

    assert told(60) == writer.insert_many("titles", [{"title": str(n)} for n in range(60)])
    assert 60 == writer.scalar("SELECT count(*) FROM notes")


def test_a_trigger_may_pass_a_row_over(writer: Any) -> None:
    """RAISE(IGNORE) is no error, and no insert."""
    writer.execute("CREATE TRIGGER t BEFORE INSERT ON notes WHEN NEW.stars = 0 BEGIN SELECT RAISE(IGNORE); END")

    assert told(48, 0, 12) == writer.insert_many("notes", numbered(60))


# --- all or nothing --------------------------------------------------------------------------------------


def broken(at: int, count: int = 10) -> list[dict[str, Any]]:
    rows = numbered(count)
    rows[at]["title"] = None
    return rows


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_an_error_undoes_all(writer: Any, batch: int) -> None:
    """Of this call; in a session what was done before it stays."""
    writer.execute("INSERT INTO notes (id, title) VALUES (500, 'before')")
    for count in (10, 130):
        with pytest.raises(ConstraintError) as caught:
            writer.insert_many("notes", broken(9, count), batch=batch)
        assert caught.value.inserted is None

    assert [(500,)] == writer.many("SELECT id FROM notes")


@pytest.mark.parametrize(("batch", "at", "kept"), [(3, 0, 0), (3, 2, 0), (3, 3, 3), (3, 9, 9), (1, 5, 5), (100, 9, 0)])
def test_without_atomic_whole_batches_stay(writer: Any, batch: int, at: int, kept: int) -> None:
    """Those before the failing one, and the error says how many rows that is."""
    with pytest.raises(ConstraintError) as caught:
        writer.insert_many("notes", broken(at), batch=batch, atomic=False)

    assert kept == caught.value.inserted
    assert kept == writer.scalar("SELECT count(*) FROM notes")


def test_without_atomic_each_batch_is_a_transaction(notes: Database, stranger: Any) -> None:
    """Outside a session: others see it while the next rows are made, and may write between two."""
    seen: list[int] = []

    def source() -> Any:
        for row in numbered(6):
            seen.append(stranger.execute("SELECT count(*) FROM notes").get)
            if row["id"] in (3, 5):
                notes.execute("UPDATE notes SET stars = 0")
            yield row

    assert told(6) == notes.insert_many("notes", source(), batch=2, atomic=False)
    assert [0, 0, 2, 2, 4, 4] == seen


def test_an_error_of_the_source_undoes_all(writer: Any) -> None:
    """And is the caller's own."""

    def source() -> Any:
        yield from numbered(60)
        raise ValueError("the source is dry")

    with pytest.raises(ValueError, match="the source is dry"):
        writer.insert_many("notes", source(), batch=50)
    assert 0 == writer.scalar("SELECT count(*) FROM notes")


def test_the_source_may_use_the_session(notes: Database) -> None:
    """What it writes is in the same transaction, and not counted."""
    with notes.write() as session:
        session.execute("CREATE TABLE log (a)")

        def source() -> Any:
            for row in numbered(120):
                session.execute("INSERT INTO log VALUES (?)", (row["id"],))
                session.insert_many("log", [{"a": 0}])
                yield row

        assert told(120) == session.insert_many("notes", source(), batch=60)

    assert (120, 240) == notes.one("SELECT (SELECT count(*) FROM notes), count(*) FROM log")
