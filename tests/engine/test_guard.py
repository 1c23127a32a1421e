"""What SQL text may do on a session: everything but end its transaction, or change its connection."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from multidb import Database, MultidbError, ReadOnlySessionError, SessionMisuseError, StatementError
from multidb.engine.guard import ASKING_PRAGMAS, READING_PRAGMAS

FORBIDDEN = (
    "BEGIN",
    "BEGIN IMMEDIATE",
    "BEGIN EXCLUSIVE TRANSACTION",
    "COMMIT",
    "END",
    "END TRANSACTION",
    "ROLLBACK",
    "ROLLBACK TO x",
    "SAVEPOINT x",
    "RELEASE x",
    "ATTACH ':memory:' AS other",
    "DETACH main",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA journal_mode(delete)",
    "PRAGMA main.journal_mode = delete",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA foreign_keys(0)",
    "PRAGMA synchronous = 0",
    "PRAGMA query_only = 0",
    "PRAGMA writable_schema = 1",
    "PRAGMA user_version = 7",
    "PRAGMA application_id = 7",
    "PRAGMA busy_timeout = 0",
    "PRAGMA wal_checkpoint",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA optimize",
    "PRAGMA optimize = 0x10002",
    "PRAGMA incremental_vacuum",
    "PRAGMA shrink_memory",
    "PRAGMA case_sensitive_like = 1",
    "PRAGMA data_version = 1",
    "PRAGMA nothing_of_the_kind",
    "PRAGMA trusted_schema = 1",
    "VACUUM",
    "VACUUM INTO 'copy.sqlite'",
    "PRAGMA temp_store = 1",
)
SPELLINGS = (
    lambda sql: sql,
    lambda sql: sql.lower(),
    lambda sql: f"/* a reason */ {sql} -- and another\n;",
    lambda sql: f"--;\n\t{sql.swapcase()}\f ;;",
)
REFUSALS = (SessionMisuseError, ReadOnlySessionError)


@pytest.mark.parametrize("kind", ["read", "write"])
@pytest.mark.parametrize("sql", FORBIDDEN)
def test_a_session_keeps_its_transaction_and_its_connection(notes: Database, kind: str, sql: str) -> None:
    """In whatever spelling, and however often it is tried; the session goes on."""
    with getattr(notes, kind)() as session:
        for spelling, verb in itertools.product(SPELLINGS, (session.many, session.execute, session.scalar)):
            with pytest.raises(REFUSALS):
                verb(spelling(sql))

        assert 0 == session.scalar("SELECT count(*) FROM notes")
    notes.execute("INSERT INTO notes (title) VALUES ('after')")
    assert notes.tuning_in_force() == notes.concern.tuning


@pytest.mark.parametrize("sql", FORBIDDEN)
def test_nor_does_a_verb_of_the_database_let_it_pass(notes: Database, sql: str) -> None:
    """They are sessions of one statement."""
    for verb in (notes.many, notes.execute, notes.one):
        with pytest.raises(REFUSALS):
            verb(sql)  # type: ignore[operator]  # of different overloads


def test_our_own_control_statements_are_not_to_be_found_in_the_cache(notes: Database) -> None:
    """They are compiled, and past the guard, in the connection that a session's text runs on."""
    for _ in range(3):
        with notes.write() as session, session.savepoint() as inner:
            for sql in ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK", "SAVEPOINT multidb_0", "RELEASE multidb_0"):
                with pytest.raises(SessionMisuseError):
                    inner.execute(sql)
    notes.optimize()
    with notes.write() as session, pytest.raises(SessionMisuseError):
        session.execute("PRAGMA optimize = 0x10002")


def test_the_refusal_says_what_is_for_whom(notes: Database) -> None:
    """And has the statement in a field."""
    with notes.write() as session:
        with pytest.raises(SessionMisuseError, match="begins and ends its own transaction") as begun:
            session.execute("BEGIN")
        with pytest.raises(SessionMisuseError, match="exclusive") as attached:
            session.execute("ATTACH ':memory:' AS a")

    assert ("BEGIN", "notes") == (begun.value.sql, begun.value.concern)
    assert "ATTACH ':memory:' AS a" == attached.value.sql


@pytest.mark.parametrize("name", sorted(READING_PRAGMAS - {"soft_heap_limit", "hard_heap_limit"}))
def test_pragmas_that_only_tell_are_allowed(notes: Database, name: str) -> None:
    """Without a value each reads, and reading changes nothing."""
    with notes.read() as session:
        first = session.many(f"PRAGMA {name}")
        assert first == session.many(f"PRAGMA {name.upper()}")


@pytest.mark.parametrize("name", sorted(ASKING_PRAGMAS))
def test_pragmas_that_ask_about_something_are_allowed(notes: Database, name: str) -> None:
    """Their value is the name of what they report on."""
    with notes.read() as session:
        session.many(f"PRAGMA {name}('notes')")


def test_pragma_functions_are_allowed(notes: Database) -> None:
    """They have no side effect by definition."""
    assert ["id", "title", "stars", "body"] == [
        name for (name,) in notes.many("SELECT name FROM pragma_table_info('notes')")
    ]


WRITES = (
    "INSERT INTO notes (title) VALUES ('x')",
    "UPDATE notes SET title = 'x'",
    "DELETE FROM notes",
    "REPLACE INTO notes (id, title) VALUES (1, 'x')",
    "INSERT INTO notes (title) VALUES ('x') RETURNING id",
    "CREATE TABLE t (a)",
    "DROP TABLE notes",
    "ALTER TABLE notes ADD COLUMN x",
    "CREATE INDEX i ON notes (title)",
    "CREATE TEMP TABLE t (a)",
    "CREATE VIEW v AS SELECT 1",
    "REINDEX",
    "ANALYZE",
    "WITH a AS (SELECT 1) INSERT INTO notes (title) SELECT 'x' FROM a",
)


@pytest.mark.parametrize("sql", WRITES)
def test_reading_never_writes(notes: Database, sql: str) -> None:
    """Not by any verb, in a session or outside, on a reader or on a view of one's own write."""
    verbs = ("one", "first", "many", "scalar", "iterate")
    for verb in verbs:
        with pytest.raises(ReadOnlySessionError):
            getattr(notes, verb)(sql)
    with notes.read() as session:
        for verb in (*verbs, "execute"):
            with pytest.raises(ReadOnlySessionError):
                getattr(session, verb)(sql)
    with notes.write(), notes.read() as view:
        for verb in (*verbs, "execute"):
            with pytest.raises((ReadOnlySessionError, StatementError)):
                getattr(view, verb)(sql)

    assert [] == notes.many("SELECT * FROM notes")


def test_the_hint_of_a_refused_write_is_the_way_to_write(notes: Database) -> None:
    """`execute` outside a session is a transaction of its own."""
    with pytest.raises(ReadOnlySessionError, match="execute"):
        notes.first("DELETE FROM notes")


def test_every_kind_of_table_works_under_the_guard(opened: Any) -> None:
    """Extensions run statements of their own, which the guard sees too."""
    database = opened(extensions=("sqlite_vec",))
    with database.write() as session:
        for sql in (
            "CREATE VIRTUAL TABLE f USING fts5(a, tokenize = 'porter unicode61')",
            "INSERT INTO f VALUES ('running')",
            "INSERT INTO f (f) VALUES ('rebuild')",
            "INSERT INTO f (f, rank) VALUES ('integrity-check', 1)",
            "INSERT INTO f (f) VALUES ('optimize')",
            "CREATE VIRTUAL TABLE r USING rtree(id, x0, x1)",
            "INSERT INTO r VALUES (1, 0.0, 2.0)",
            "CREATE VIRTUAL TABLE v USING vec0(id INTEGER PRIMARY KEY, e float[2])",
            "INSERT INTO v VALUES (1, '[1, 0]'), (2, '[0, 1]')",
            "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT AS (json_extract('{\"b\": 5}', '$.b')) STORED) STRICT",
            "INSERT INTO t (a) VALUES (1)",
            "CREATE TRIGGER log AFTER INSERT ON t BEGIN INSERT INTO f VALUES ('logged'); END",
            "ALTER TABLE t ADD COLUMN c ANY",
            "CREATE TEMP TABLE scratch (a)",
            "REINDEX t",
            "ANALYZE",
        ):
            session.execute(sql)

    assert ("running",) == database.one("SELECT a FROM f WHERE f MATCH 'run'")
    assert 1 == database.scalar("SELECT id FROM r WHERE x0 <= 1 AND x1 >= 1")
    assert [(1,)] == database.many("SELECT id FROM v WHERE e MATCH '[1, 0]' AND k = 1")
    assert "5" == database.scalar("SELECT b FROM t")
    assert {"a": 1, "b": 2} == dict(database.many("SELECT key, value FROM json_each(?)", ('{"a": 1, "b": 2}',)))
    for name in ("f", "r", "v", "t"):
        database.execute(f"DROP TABLE {name}")


def test_load_extension_stays_closed(opened: Any) -> None:
    """Also where an extension was loaded for the concern."""
    database = opened(extensions=("sqlite_vec",))

    with pytest.raises(MultidbError, match="not authorized"):
        database.execute("SELECT load_extension('vec0')")


def test_exclusive_is_the_door_for_the_rest(notes: Database, tmp_path: Any) -> None:
    """PRAGMAs, VACUUM, ATTACH and a transaction of one's own."""
    (tmp_path / "other.sqlite").touch()
    with notes.exclusive() as session:
        session.execute("PRAGMA user_version = 7")
        session.execute("VACUUM")
        session.execute("ATTACH ? AS other", (str(tmp_path / "other.sqlite"),))
        session.execute("CREATE TABLE other.t (a)")
        session.execute("DETACH other")
        session.execute("BEGIN")
        session.execute("INSERT INTO notes (title) VALUES ('x')")
        session.execute("COMMIT")

    assert (7, 1) == notes.one("SELECT user_version, (SELECT count(*) FROM notes) FROM pragma_user_version")


def test_the_door_closes_behind_it(notes: Database) -> None:
    """What was allowed there, and stands compiled, is refused again."""
    with notes.exclusive() as session:
        session.execute("PRAGMA user_version = 7")
        session.execute("BEGIN")
    with notes.write() as session:
        for sql in ("PRAGMA user_version = 7", "BEGIN"):
            with pytest.raises(SessionMisuseError):
                session.execute(sql)
