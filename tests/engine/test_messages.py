"""No message holds a bound value, whatever SQLite or an extension has to say about it."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from multidb import Concern, Database, MultidbError

SETUP = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, small INTEGER CHECK (small < 10), j TEXT) STRICT",
    "CREATE TABLE child (parent INTEGER NOT NULL REFERENCES t)",
    "CREATE TRIGGER told BEFORE INSERT ON t WHEN NEW.j LIKE 'told%'"
    " BEGIN SELECT RAISE(ABORT, 'refused because of ' || NEW.name); END",
    "CREATE TRIGGER gone BEFORE INSERT ON t WHEN NEW.j LIKE 'gone%'"
    " BEGIN SELECT RAISE(ROLLBACK, 'it''s: gone for good'); END",
    "CREATE VIRTUAL TABLE f USING fts5(a, b)",
    "CREATE VIRTUAL TABLE thin USING fts5(a, detail=none)",
    "CREATE VIRTUAL TABLE v USING vec0(id INTEGER PRIMARY KEY, e float[3], tag TEXT)",
    "INSERT INTO f VALUES ('x', 'y')",
    "INSERT INTO t (id, name) VALUES (1, 'taken')",
)
PLACES = (
    "SELECT a FROM f WHERE f MATCH ?",
    "SELECT a FROM f WHERE f MATCH '\"' || ?",
    "SELECT a FROM f WHERE f MATCH ? || ':x'",
    "SELECT a FROM f WHERE f MATCH '{' || ? || '} : x'",
    "SELECT a FROM f WHERE f MATCH 'NEAR(a b, ' || ? || ')'",
    "SELECT a FROM f WHERE f MATCH '*' || ?",
    "SELECT a FROM f WHERE f MATCH 'x' AND rank MATCH ?",
    "SELECT a FROM thin WHERE thin MATCH ?",
    "INSERT INTO f (f) VALUES (?)",
    "INSERT INTO f (f, rank) VALUES ('rank', ?)",
    "SELECT json(?)",
    "SELECT json_extract('{}', ?)",
    "SELECT json_set('{}', ?, 1)",
    "SELECT json_object(1, ?)",
    "SELECT value FROM json_each(?)",
    "SELECT value FROM json_each('{}', ?)",
    "SELECT 'a' LIKE 'b' ESCAPE ?",
    "SELECT date(?), strftime(?1, 'now'), datetime('now', ?1)",
    "SELECT unistr(?)",
    "SELECT 'a' MATCH ?",
    "SELECT abs(?), substr('a', ?1), printf(?1, 1)",
    "SELECT vec_f32(?)",
    "SELECT vec_f32('[' || ? || ']')",
    "SELECT id FROM v WHERE e MATCH ? AND k = 1",
    "INSERT INTO v (id, e, tag) VALUES (1, ?, 'x')",
    "INSERT INTO v (id, e, tag) VALUES (?, '[1,2,3]', 'x')",
    "INSERT INTO t (small) VALUES (?)",
    "INSERT INTO t (id, name) VALUES (1, ?)",
    "INSERT INTO t (name, j) VALUES (?, 'told')",
    "INSERT INTO t (name, j) VALUES (?, 'gone')",
    "INSERT INTO child VALUES (?)",
    "SELECT name FROM pragma_table_info(?)",
)
WORDS = re.compile(r"\w{4,}|[^\w\s]{3,}")


EXCLUSIVE = ("ATTACH ? AS other", "ATTACH ':memory:' AS ?", "DETACH ?", "VACUUM INTO ?")
SPELLINGS = ("S3CR3T", "S3CR3T(", "/no/S3CR3T", "{S3CR3T", "it's S3CR3T", '"S3CR3T', "[S3CR3T]", "S3CR3T:x")


ALWAYS = (
    "multidb.errors StatementError ConstraintError BusyError SessionMisuseError StorageError None True False"
    " Traceback (most recent call last): code concern message hint retryable exit statement constraint notes path"
    " <a bound value> fts5: syntax error near unterminated string expected integer, got no such column: unknown special"
    " query: parse error in rank function: bad JSON path: malformed JSON column queries are not supported"
    " (detail=none) phrase queries are not supported (detail!=full) SQL logic error"
)
"""What may stand in a message for any value."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = tmp_path_factory.mktemp("messages") / "notes.sqlite"
    database = Database(Concern("notes", migrations=None, extensions=["sqlite_vec"]), path)
    database.open()
    for sql in SETUP:
        database.execute(sql)
    yield database
    database.close()


class Undo(Exception):
    """Nothing of a trial stays."""


def told(database: Database, sql: str, value: object) -> str:
    """Everything that a log would show of the failure, or nothing where there was none."""
    try:
        with database.exclusive() if sql in EXCLUSIVE else database.write() as session:
            session.execute(sql, (value,))
            raise Undo
    except Undo:
        return ""
    except MultidbError as error:
        frames = "".join(traceback.format_tb(error.__traceback__))
        return "".join(traceback.format_exception(error)).replace(frames, "") + repr(error) + str(error.to_dict())


@pytest.mark.parametrize("sql", PLACES)
def test_a_secret_is_not_told(database: Database, sql: str) -> None:
    """In the spelling that each place chokes on."""
    for value in SPELLINGS:
        for bound in (value, value.encode()):
            assert "S3CR3T" not in told(database, sql, bound)


@pytest.mark.parametrize("sql", EXCLUSIVE)
def test_nor_is_one_in_an_exclusive_session(
    notes: Database, sql: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the value is a path or a name, too."""
    monkeypatch.chdir(tmp_path)
    for value in SPELLINGS:
        assert "S3CR3T" not in told(notes, sql, value)


@pytest.mark.parametrize("sql", PLACES)
@given(value=st.text(min_size=4, max_size=40) | st.from_regex(r"[a-z]{4,9}[:(\"'*+^{-][a-z ]{3,9}", fullmatch=True))
@example(value="syntax error near")
@example(value="$$$$")
@example(value="no such column: column")
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_is_told(database: Database, sql: str, value: str) -> None:
    """No word of it stands in the message that does not stand there for another value, too."""
    said = told(database, sql, value)
    always = " ".join([ALWAYS, sql, told(database, sql, "Q"), told(database, sql, "\0")])

    for word in WORDS.findall(value):
        assert word in always or word not in said


@given(number=st.integers(10**6, 2**63 - 1) | st.floats(1e6, 1e300, allow_subnormal=False))
@settings(max_examples=50, deadline=None)
@pytest.mark.parametrize(
    "sql", ["INSERT INTO t (name, j) VALUES (CAST(? AS TEXT), 'told')", "SELECT json_extract('{}', ?)"]
)
def test_no_number_is_told(database: Database, sql: str, number: float) -> None:
    """An amount says as much as a name."""
    assert str(number) not in told(database, sql, number)


def test_a_plain_message_of_a_trigger_is_told(database: Database) -> None:
    """It stands in the schema, quotes and all; only one that is put together from the row is withheld."""
    assert "it's: gone for good" in told(database, "INSERT INTO t (name, j) VALUES (?, 'gone')", "gone")
    assert "words that it took from the row" in told(database, "INSERT INTO t (name, j) VALUES (?, 'told')", "gone")


def test_a_mistake_in_the_sql_is_told_whole(database: Database) -> None:
    """What is wrong there was not bound, even where a value has the same letters."""
    for sql, said in (
        ("SELECT absent FROM t WHERE name = ?", "no such column: absent"),
        ("SELECT a FROM f WHERE f MATCH 'absent:x' AND a = ?", "no such column: absent"),
        ("SELEC absent", 'near "SELEC": syntax error'),
        ("SELECT * FROM absent", "no such table: absent"),
    ):
        with database.write() as session, pytest.raises(MultidbError, match=re.escape(said)):
            session.many(sql, ("absent",) if "?" in sql else ())
