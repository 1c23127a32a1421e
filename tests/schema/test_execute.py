"""Statements of a migration: each runs to its end, none leaves its transaction or its database, errors have a place."""

from __future__ import annotations

import pickle

import pytest

from multidb import Tuning
from multidb.errors import ForbiddenStatementError, MigrationFailedError
from tests.schema.notes import Notes

BASE = "CREATE TABLE a (id INTEGER PRIMARY KEY, x TEXT NOT NULL DEFAULT '');\nCREATE TABLE b (y);\n"


@pytest.fixture
def notes(notes: Notes) -> Notes:
    """The concern with two tables and a row in each."""
    notes.write("001_initial.sql", BASE)
    notes.up()
    notes.run("INSERT INTO a (id, x) VALUES (1, 'one')", "INSERT INTO b VALUES (1)")
    return notes


@pytest.mark.parametrize(
    "middle",
    [
        "INSERT INTO a (x) VALUES ('two'), ('three') RETURNING id",
        "SELECT id FROM a UNION ALL SELECT id FROM a",
        "PRAGMA table_info(a)",
        "PRAGMA user_version = 7",
        "PRAGMA foreign_key_check",
        "EXPLAIN SELECT * FROM a",
        "ANALYZE",
        "REINDEX",
        "SAVEPOINT s; INSERT INTO a (x) VALUES ('two'); RELEASE s",
    ],
)
def test_a_statement_that_answers_does_not_end_the_script(notes: Notes, middle: str) -> None:
    """SQLite stops at the first row until somebody reads on; what follows was skipped, and COMMIT succeeded."""
    notes.write("002_more.sql", f"CREATE TABLE c (z);\n{middle};\nCREATE TABLE d (z);")

    assert (2,) == notes.up()
    assert {"a", "b", "c", "d"} == notes.tables()


@pytest.mark.parametrize(
    "statement",
    [
        "BEGIN",
        "BEGIN IMMEDIATE",
        "COMMIT",
        "END",
        "ROLLBACK",
        "ATTACH ':memory:' AS other",
        "ATTACH '' AS other",
        "DETACH main",
        "SELECT load_extension('evil')",
        "PRAGMA journal_mode = delete",
        "PRAGMA page_size = 8192",
        "PRAGMA encoding = 'UTF-16'",
        "PRAGMA auto_vacuum = full",
        "PRAGMA writable_schema = on",
        "PRAGMA recursive_triggers = off",
        "PRAGMA wal_checkpoint",
        "PRAGMA optimize",
        "DROP TABLE _migrations",
        "DROP TABLE IF EXISTS _migration_log",
        "DROP VIEW schema_migrations",
        "DELETE FROM _migrations",
        "DELETE FROM _MIGRATIONS",
        "INSERT INTO main.\"_migrations\" (version, name) VALUES (9, 'x')",
        "UPDATE _migration_meta SET value = 'other'",
        "INSERT INTO schema_migrations (version) VALUES ('9')",
        "ALTER TABLE _migrations RENAME TO old",
        "ALTER TABLE _migrations ADD COLUMN extra",
        "CREATE TABLE IF NOT EXISTS _migrations (version INTEGER PRIMARY KEY, name TEXT, applied_at TEXT)",
        "CREATE TEMP TABLE _migrations (version)",
        "CREATE TABLE _multidb_intents (x)",
        "CREATE VIEW _migration_log AS SELECT 1",
        "CREATE INDEX names ON _migrations (name)",
        "CREATE TRIGGER t AFTER INSERT ON _migrations BEGIN SELECT 1; END",
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM _migrations; END; INSERT INTO a (x) VALUES ('fires')",
        "DROP TRIGGER _multidb_no_insert",
        "DROP INDEX _multidb_migration_labels",
    ],
)
def test_a_statement_that_is_not_a_migrations_is_refused(notes: Notes, statement: str) -> None:
    """It would end the transaction, leave the database or touch the ledger: nothing of the migration stays."""
    notes.write("002_more.sql", f"CREATE TABLE c (z);\n{statement};\nCREATE TABLE d (z);")
    before = notes.everything()

    error = notes.fails()

    assert isinstance(error, ForbiddenStatementError), error
    assert (2, "more", 13) == (error.version, error.name, error.exit_status)
    assert (error.line, error.column) >= (2, 1)
    assert before == notes.everything()
    notes.write("002_more.sql", "CREATE TABLE c (z);")
    assert (2,) == notes.up()


def test_renaming_onto_the_ledger_fails_because_the_name_is_taken(notes: Notes) -> None:
    """The ledger is made before the first statement of the first migration."""
    notes.write("002_more.sql", "ALTER TABLE a RENAME TO schema_migrations;")

    assert "there is already another table" in notes.fails().message


def test_foreign_keys_are_switched_by_the_runner_and_the_script_is_passed_over(notes: Notes) -> None:
    """The two lines that every rebuild begins and ends with do no harm and have no effect."""
    notes.write("002_more.sql", "PRAGMA foreign_keys = OFF;\nCREATE TABLE c (z);\nPRAGMA foreign_keys = ON;")

    assert (2,) == notes.up()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("INSERT OR ROLLBACK INTO a (id, x) VALUES (1, 'again')", "UNIQUE constraint failed: a.id"),
        ("INSERT OR FAIL INTO a (id, x) VALUES (9, 'nine'), (1, 'again')", "UNIQUE constraint failed: a.id"),
        ("INSERT INTO a (id, x) VALUES (2, NULL)", "NOT NULL constraint failed: a.x"),
        ("SELECT nosuch FROM a", "no such column: nosuch"),
        ("CREATE TABLE b (z)", "table b already exists"),
        ("INSERT INTO b VALUES (?)", "1 bindings"),
        ("VACUUM", "cannot VACUUM from within a transaction"),
        ("PRAGMA user_version = 9; SELECT nosuch", "no such column: nosuch"),
        ("SELECT\u00a01", "syntax error"),
    ],
)
def test_what_fails_leaves_nothing(notes: Notes, statement: str, message: str) -> None:
    """Also where SQLite has ended the transaction by itself."""
    notes.write("002_more.sql", f"CREATE TABLE c (z);\nINSERT INTO b VALUES (2);\n  {statement};\nCREATE TABLE d (z);")
    before = notes.everything()

    error = notes.fails()

    assert isinstance(error, MigrationFailedError)
    assert message in error.message
    assert (3, f"{statement.split('; ')[-1]};") == (error.line, error.statement)
    assert before == notes.everything()


def test_a_trigger_that_rolls_back_leaves_nothing(notes: Notes) -> None:
    """RAISE(ROLLBACK) ends the runner's transaction; what came before goes with it, and nothing runs after."""
    notes.write(
        "002_more.sql",
        "CREATE TRIGGER t BEFORE INSERT ON a BEGIN SELECT RAISE(ROLLBACK, 'no'); END;\n"
        "INSERT INTO a (x) VALUES ('two');\nCREATE TABLE d (z);",
    )
    before = notes.everything()

    assert "notes 2 more: no" in notes.fails().message
    assert before == notes.everything()


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("-- Up\nCREATE TABLE c (z);\n\n  SELECT nosuch\n  FROM a;", 4, 10),
        ("-- Up\nSELECT\n  'é\U0001f600',\n  nosuch\nFROM a;", 4, 3),
        ("-- Up\nSELECT 'é', nosuch FROM a;", 2, 13),
        ("-- Up\nSELECT 1; SELECT 2 FRM a;", 2, 24),
        ("-- Up\n\tINSERT INTO a (id) VALUES (1);", 2, 2),
        ("-- Up\r\nSELECT 1;\r\nSELECT nosuch;\r\n", 3, 8),
    ],
)
def test_an_error_stands_where_the_reader_has_to_look(notes: Notes, text: str, line: int, column: int) -> None:
    """SQLite counts bytes in the statement, the reader characters in the file."""
    path = notes.write("002_more.sql", text)

    error = notes.fails()

    assert isinstance(error, MigrationFailedError)
    assert (line, column, str(path)) == (error.line, error.column, error.path)
    assert error.message.endswith(f"[{path}:{line}:{column}]")


def test_an_error_tells_everything(notes: Notes) -> None:
    """Which database, which migration, which way, what SQLite said, what is done and what is not; through a pickle."""
    notes.write("002_two.sql", "CREATE TABLE c (z);")
    notes.write("003_three.sql", "-- Up\nINSERT INTO a (id) VALUES (1);")
    notes.write("004_four.sql", "CREATE TABLE d (z);")

    error = pickle.loads(pickle.dumps(notes.fails()))

    assert isinstance(error, MigrationFailedError)
    assert ("notes", "notes", 3, "three", "up") == (
        error.concern,
        error.database,
        error.version,
        error.name,
        error.direction,
    )
    assert (1555, "INSERT INTO a (id) VALUES (1);") == (error.sqlite_code, error.statement)
    assert ((2,), (3, 4)) == (error.applied, error.pending)
    assert "a" in notes.tables() and "c" in notes.tables()


def test_the_temporary_database_is_empty_for_the_next_migration(notes: Notes) -> None:
    """A table or trigger left there would hide, or follow, what later scripts do."""
    notes.write(
        "002_two.sql", "CREATE TEMP TABLE b (z); INSERT INTO b VALUES (1), (2); INSERT INTO a (x) SELECT z FROM b;"
    )
    notes.write(
        "003_three.sql",
        "CREATE TEMP TRIGGER t AFTER INSERT ON b BEGIN DELETE FROM a; END; CREATE TEMP VIEW v AS SELECT 1;",
    )
    notes.write("004_four.sql", "INSERT INTO b VALUES (2); CREATE TEMP TABLE b (z);")

    assert (2, 3, 4) == notes.up()
    assert [(3,)] == notes.rows("SELECT count(*) FROM a")
    assert [(1,), (2,)] == notes.rows("SELECT y FROM b")


def test_journal_modes_other_than_wal_are_migrated_as_well(notes: Notes) -> None:
    """The state before is read by a second connection; a full cache must not lock it out."""
    other = Notes(notes.root.with_name("other"), notes.folder, {"tuning": Tuning(journal_mode="delete", cache_kib=64)})
    other.up()
    other.run(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
        " INSERT INTO a (id, x) SELECT i, hex(randomblob(400)) FROM n"
    )
    other.write(
        "002_rebuild.sql",
        "CREATE TABLE new (id INTEGER PRIMARY KEY, x TEXT); INSERT INTO new SELECT id, x FROM a WHERE id > 1;"
        " DROP TABLE a; ALTER TABLE new RENAME TO a;",
    )

    assert "rows would be lost that no statement deletes: 1 of a" in other.fails().message
    assert [(2000,)] == other.rows("SELECT count(*) FROM a")
