"""What is looked at before the first statement: a run that cannot end well does not begin."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from multidb.errors import AbsentError, CorruptError, DiskFullError, ExtensionMissingError, ReadOnlyFileError
from tests.faults import damage, folder_fingerprint
from tests.schema.notes import Notes


@pytest.fixture
def notes(notes: Notes) -> Notes:
    """The concern with rows in a table, and a migration pending."""
    notes.write("001_initial.sql", "CREATE TABLE a (x, CHECK (x <> 'bad'));")
    notes.up()
    notes.run(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
        " INSERT INTO a SELECT hex(i) FROM n"
    )
    notes.write("002_more.sql", "CREATE TABLE b (x);")
    return notes


def disk_of(free_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    room = SimpleNamespace(f_bavail=free_bytes // 512, f_frsize=512, f_blocks=1 << 20)
    monkeypatch.setattr(os, "statvfs", lambda path: room)


def test_a_disk_without_room_for_a_rewrite_is_refused(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three times the file, and a little: the log first, the file afterwards."""
    before = notes.everything()
    size = notes.path.stat().st_size

    disk_of(3 * size, monkeypatch)
    error = notes.fails()

    assert isinstance(error, DiskFullError)
    assert (21, "notes") == (error.exit_status, error.concern)
    assert before == notes.everything()
    disk_of(3 * size + (1 << 19), monkeypatch)
    assert (2,) == notes.up()


def test_a_disk_is_not_asked_for_when_nothing_is_pending(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is no reason against a program that has nothing to migrate."""
    notes.up()
    disk_of(0, monkeypatch)

    assert () == notes.up()


def test_a_damaged_file_is_not_migrated(notes: Notes) -> None:
    """A migration would spread what is wrong, and the copy from before be as bad."""
    damage.corrupt(notes.path, notes.rows("SELECT rootpage FROM sqlite_schema WHERE name = 'a'")[0][0])

    error = notes.fails()

    assert isinstance(error, CorruptError)
    assert (20, "notes") == (error.exit_status, error.concern)
    assert [(1, "initial")] == notes.applied()


def test_rows_that_break_a_rule_do_not_stand_in_the_way(notes: Notes) -> None:
    """The migration that mends them has to run."""
    notes.run("PRAGMA ignore_check_constraints = ON", "INSERT INTO a VALUES ('bad')")
    notes.write("002_more.sql", "UPDATE a SET x = 'good' WHERE x = 'bad';")

    assert (2,) == notes.up()


def test_a_module_that_is_not_loaded_is_named_before_anything_runs(notes: Notes) -> None:
    """Not after the twenty migrations before it."""
    notes.write("003_third.sql", 'CREATE VIRTUAL TABLE IF NOT EXISTS v -- vectors\n USING "vec0"(e float[3]);')

    error = notes.fails()

    assert isinstance(error, ExtensionMissingError)
    assert "the module vec0 is not loaded" in error.message
    assert {"a"} == notes.tables()


def test_a_module_that_the_concern_asks_for_is_there(notes: Notes) -> None:
    """And FTS5 always is; what is made rolls back with the rest."""
    notes.write("002_more.sql", "CREATE VIRTUAL TABLE v USING vec0(e float[3]); CREATE VIRTUAL TABLE f USING fts5(t);")
    vectors = Notes(notes.root, notes.folder, {"extensions": ("sqlite_vec",)})

    assert (2,) == vectors.up()
    vectors.write("003_third.sql", "DROP TABLE v; CREATE VIRTUAL TABLE w USING vec0(e float[3]); SELECT nosuch;")
    before = vectors.rows("SELECT name FROM sqlite_schema")
    vectors.fails()
    assert before == vectors.rows("SELECT name FROM sqlite_schema")


def test_a_file_that_can_only_be_read_is_refused_without_a_trace(notes: Notes) -> None:
    """No lock file, no folder for it, no -wal."""
    with notes.open(read_only=True) as desk:
        before = folder_fingerprint(notes.root)
        with pytest.raises(ReadOnlyFileError) as caught:
            desk.migrator("notes").up()

        assert (21, "notes") == (caught.value.exit_status, caught.value.concern)
        assert before == folder_fingerprint(notes.root)


def test_a_file_that_is_not_there_is_not_made_by_a_reader(notes: Notes) -> None:
    """A desk for reading tells what would be pending, and makes neither the file nor a folder."""
    other = Notes(notes.root.with_name("other"), notes.folder)
    with other.open(read_only=True) as desk:
        assert (1, 2) == desk.migrator("notes").plan().pending_versions
        with pytest.raises(AbsentError):
            desk.migrator("notes").up()
        assert "failed" == desk.migrate(on_error="continue")["notes"].outcome

    assert not other.root.exists()
