"""Migrations without a transaction: what they may do, and how honest they are about what stays done."""

from __future__ import annotations

import pytest

from multidb.engine.migrating import Migrating
from multidb.errors import DirtyDatabaseError, MigrationFailedError
from tests.schema.notes import Notes


@pytest.fixture
def notes(notes: Notes) -> Notes:
    """The concern with one migration applied."""
    notes.write("001_initial.sql", "CREATE TABLE a (x);")
    notes.up()
    return notes


def test_what_needs_no_transaction_runs_without_one(notes: Notes) -> None:
    """VACUUM and the pragmas of the file; the ledger's tables survive the rebuild."""
    notes.write(
        "002_more.sql",
        "-- Up transaction:false\nPRAGMA journal_mode = delete;\nPRAGMA page_size = 8192;\nVACUUM;\n"
        "PRAGMA journal_mode = wal;",
    )

    assert (2,) == notes.up()
    assert [(8192,)] == notes.rows("PRAGMA page_size")
    assert [(1, "initial"), (2, "more")] == notes.applied()
    assert [(1,), (1,)] == notes.rows("SELECT success FROM _migrations")


def test_a_migration_without_transaction_that_stops_half_way_is_dirty(notes: Notes) -> None:
    """What is done stays done and is told; nothing runs on top of it."""
    notes.write(
        "002_more.sql", "-- Up transaction:false\nCREATE TABLE b (x);\nCREATE TABLE c (x);\nSELECT nosuch;\nSELECT 1;"
    )
    notes.write("003_third.sql", "CREATE TABLE d (x);")

    error = notes.fails()
    assert isinstance(error, MigrationFailedError)
    assert "2 of 4 statements are done, and there is no transaction to take them back" in error.message
    assert "repair" in (error.hint or "")
    assert [(1, 1), (2, 0)] == notes.rows("SELECT version, success FROM _migrations")

    with notes.migrator() as migrator:
        assert isinstance(migrator.status().error, DirtyDatabaseError)
        with pytest.raises(DirtyDatabaseError) as caught:
            migrator.up()
    assert (2, "more") == (caught.value.version, caught.value.name)
    assert {"a", "b", "c"} == notes.tables()


def test_a_migration_without_transaction_that_did_nothing_is_not_dirty(notes: Notes) -> None:
    """Its first statement failed, and SQLite took that one back."""
    notes.write("002_more.sql", "-- Up transaction:false\nSELECT nosuch;\nCREATE TABLE c (x);")
    before = notes.everything()

    notes.fails()

    assert before == notes.everything()
    notes.write("002_more.sql", "CREATE TABLE b (x);")
    assert (2,) == notes.up()


@pytest.mark.parametrize(
    "statement",
    [
        "BEGIN",
        "SAVEPOINT s",
        "ATTACH '' AS x",
        "VACUUM INTO 'copy.sqlite'",
        "PRAGMA foreign_keys = OFF",
        "DROP TABLE _migrations",
    ],
)
def test_without_a_transaction_there_are_still_rules(notes: Notes, statement: str) -> None:
    """No transaction of its own, no other file, no ledger; and foreign keys stay as they are."""
    notes.write("002_more.sql", f"-- Up transaction:false\n{statement};")

    assert "ForbiddenStatementError" == type(notes.fails()).__name__


def test_foreign_keys_hold_without_a_transaction(notes: Notes) -> None:
    """There is no commit to check them before."""
    notes.write("002_more.sql", "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (p REFERENCES p);")
    notes.up()
    notes.write("003_third.sql", "-- Up transaction:false\nINSERT INTO c VALUES (9);")

    assert "FOREIGN KEY constraint failed" in notes.fails().message


def test_a_kill_in_the_middle_leaves_the_sign(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row with success = 0 is there before the first statement runs."""
    notes.write("002_more.sql", "-- Up transaction:false\nCREATE TABLE b (x);")
    run = Migrating.run

    def interrupted(self: Migrating, sql: str) -> None:
        run(self, sql)
        raise KeyboardInterrupt

    with notes.migrator() as migrator:
        monkeypatch.setattr(Migrating, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            migrator.up()

    assert [(1, 1), (2, 0)] == notes.rows("SELECT version, success FROM _migrations")
