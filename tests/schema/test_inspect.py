"""The look at a ledger after opening: whose file it is, and whether this program may use it."""

from __future__ import annotations

import apsw
import pytest

from multidb import Concern
from multidb.errors import DatabaseTooNewError, FailedError, WrongDatabaseError
from multidb.places import State
from tests.schema.notes import Notes


@pytest.fixture
def notes(notes: Notes) -> Notes:
    """A concern whose program knew three versions."""
    notes.write("001_initial.sql", "CREATE TABLE a (x);")
    notes.write("002_more.sql", "CREATE TABLE b (x);")
    notes.write("003_third.sql", "-- Compat: breaking\n-- Up\nCREATE TABLE c (x);")
    return notes


def test_the_file_of_another_concern_is_refused(notes: Notes) -> None:
    """Two paths were exchanged: the file is not read as something that it is not."""
    notes.up()
    notes.run("UPDATE _migration_meta SET value = 'code' WHERE key = 'database'")
    before = notes.everything()

    with notes.open() as desk:
        error = desk["notes"].error

        assert isinstance(error, WrongDatabaseError)
        assert (State.FAILED, 30, "notes") == (desk["notes"].state, error.exit_status, error.concern)
        assert "this is the database of code, not of notes" == error.message
        with pytest.raises(FailedError):
            desk.migrator("notes").up()
    assert before == notes.everything()


def test_a_breaking_migration_of_a_newer_program_is_refused(notes: Notes) -> None:
    """This program does not know what it would break."""
    notes.up()
    (notes.folder / "003_third.sql").unlink()

    with notes.open() as desk:
        error = desk["notes"].error

    assert isinstance(error, DatabaseTooNewError)
    assert ("notes is at version 3, this program knows 2", 30, 3) == (error.message, error.exit_status, error.version)
    assert "--to 2" in (error.hint or "")


def test_an_additive_migration_of_a_newer_program_is_let_be(notes: Notes) -> None:
    """READY, and the status says ahead."""
    notes.up(2)
    for name in ("002_more.sql", "003_third.sql"):
        (notes.folder / name).unlink()

    with notes.open() as desk:
        status = desk.status()["notes"]

        assert ("ready", True, 2, 0, None) == (
            status.state,
            status.ahead,
            status.schema_version,
            status.pending,
            status.error,
        )
        assert "current" == desk.migrate()["notes"].outcome


def test_a_folder_that_is_not_there_is_not_a_newer_database(notes: Notes) -> None:
    """What is known cannot be told: the rows can be read, and migrating says what is missing."""
    notes.up()
    for path in notes.folder.iterdir():
        path.unlink()
    notes.folder.rmdir()

    with notes.open() as desk:
        assert State.READY == desk["notes"].state
        assert "the folder cannot be read" in str(desk.status()["notes"].error)


def test_a_ledger_of_another_shape_does_not_close_the_database(notes: Notes) -> None:
    """Another program's `_migrations`: readable, and not to be migrated."""
    with notes.open(), apsw.Connection(str(notes.path)) as other:
        pass
    other.execute("CREATE TABLE _migrations (id INTEGER PRIMARY KEY, version TEXT, description TEXT)")
    other.close()

    with notes.open() as desk:
        assert State.READY == desk["notes"].state


class Unmanaged(Notes):
    """The same file for a program that has no migrations for it."""

    @property
    def concern(self) -> Concern:
        return Concern("notes", migrations=None)


def test_a_database_without_migrations_is_let_be(notes: Notes) -> None:
    """Who says `migrations=None` may mean anybody's file; what is applied there is nobody's business."""
    notes.up()
    (notes.folder / "003_third.sql").unlink()
    notes.run("UPDATE _migration_meta SET value = 'code' WHERE key = 'database'")

    with Unmanaged(notes.root, notes.folder).open() as desk:
        assert State.READY == desk["notes"].state
        assert "unmanaged" == desk.migrate()["notes"].outcome
