"""The file is moved, deleted or replaced while it is open: no write goes into the void, no rows are mixed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

import multidb
from multidb import Concern, CorruptError, Database, FailedError, State, StorageError
from tests.faults import damage

NOTES = Concern("notes", migrations=None)


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db" / "notes.sqlite"


@pytest.fixture
def notes(path: Path, clock: Clock) -> Iterator[Database]:
    """A database with three rows, all of them in its -wal so far."""
    path.parent.mkdir()
    database = Database(NOTES, path, clock=clock)
    database.open()
    database.execute("CREATE TABLE notes (text TEXT NOT NULL) STRICT")
    database.executemany("INSERT INTO notes VALUES (?)", [("one",), ("two",), ("three",)])
    yield database
    database.close()


def other_database(path: Path) -> Path:
    """Another file with a table of the same name and one row, in WAL mode, at rest."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("CREATE TABLE notes (text TEXT NOT NULL) STRICT")
    connection.execute("INSERT INTO notes VALUES ('another')")
    connection.close()
    return path


def rows_of(path: Path) -> list[str]:
    """What a fresh connection of a program that knows nothing of us reads."""
    connection = apsw.Connection(str(path), apsw.SQLITE_OPEN_READWRITE)
    rows = [text for (text,) in connection.execute("SELECT text FROM notes")]
    assert "ok" == connection.execute("PRAGMA integrity_check").get
    connection.close()
    return rows


def test_a_write_after_a_move_is_refused(notes: Database, path: Path) -> None:
    """The next write fails by name and is rolled back; the rows before it are safe."""
    os.rename(path, path.with_name("elsewhere"))

    with pytest.raises(FailedError) as refusal:
        notes.execute("INSERT INTO notes VALUES ('four')")

    assert StorageError is type(refusal.value.__cause__)
    assert "reopen" in (refusal.value.hint or "")
    assert State.FAILED is notes.state


def test_a_move_in_the_middle_of_a_write_rolls_it_back(notes: Database, path: Path) -> None:
    """The transaction had begun on the right file: its commit is what would be lost."""
    with pytest.raises(FailedError), notes.write() as session:
        session.execute("INSERT INTO notes VALUES ('four')")
        os.rename(path, path.with_name("elsewhere"))

    os.rename(path.with_name("elsewhere"), path)
    notes.reopen()

    assert ["one", "two", "three"] == [text for (text,) in notes.many("SELECT text FROM notes")]


def test_a_file_that_is_put_back_is_whole(notes: Database, path: Path, clock: Clock) -> None:
    """After the back-off the next use opens it again, with the rows of its -wal."""
    os.rename(path, path.with_name("elsewhere"))
    with pytest.raises(FailedError):
        notes.execute("INSERT INTO notes VALUES ('four')")
    os.rename(path.with_name("elsewhere"), path)

    with pytest.raises(FailedError):  # a second has to pass first
        notes.many("SELECT text FROM notes")
    clock.now += 1

    assert [("one",), ("two",), ("three",)] == notes.many("SELECT text FROM notes")
    assert State.READY is notes.state


def test_a_deleted_file_is_not_made_again(notes: Database, path: Path, clock: Clock) -> None:
    """An empty database in its place would hide the loss; reopening says so each time."""
    path.unlink()
    with pytest.raises(FailedError):
        notes.execute("INSERT INTO notes VALUES ('four')")
    clock.now += 100

    with pytest.raises(FailedError):
        notes.execute("INSERT INTO notes VALUES ('four')")
    with pytest.raises(StorageError, match="taken away") as refusal:
        notes.reopen()

    assert refusal.value.hint
    assert not path.exists()


def test_a_replaced_file_is_taken_up_by_reopen_unmixed(notes: Database, path: Path, tmp_path: Path) -> None:
    """SQLite would replay the -wal of the old file into the new one; both keep their own rows, and no others."""
    replacement = other_database(tmp_path / "replacement")
    os.link(path, tmp_path / "old")  # whoever replaced it kept the old one
    os.replace(replacement, path)

    with pytest.raises(FailedError):
        notes.execute("INSERT INTO notes VALUES ('four')")
    notes.reopen()
    notes.execute("INSERT INTO notes VALUES ('five')")
    answer = [text for (text,) in notes.many("SELECT text FROM notes")]
    notes.close()

    assert ["another", "five"] == answer
    assert ["another", "five"] == rows_of(path)
    assert ["one", "two", "three"] == rows_of(tmp_path / "old")


def test_closing_after_a_replacement_leaves_no_strange_log(notes: Database, path: Path, tmp_path: Path) -> None:
    """Also where nobody wrote in between: the next program to open the new file finds its rows alone."""
    os.link(path, tmp_path / "old")
    os.replace(other_database(tmp_path / "replacement"), path)

    notes.close()

    assert ["another"] == rows_of(path)
    assert ["one", "two", "three"] == rows_of(tmp_path / "old")


def test_a_log_that_cannot_be_settled_is_not_replayed(notes: Database, path: Path, tmp_path: Path) -> None:
    """Another program still reads the old file, so its -wal must stay: the new file is refused until it is gone."""
    reader = apsw.Connection(str(path), apsw.SQLITE_OPEN_READONLY)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM notes").get  # noqa: B018  # pins its moment of the -wal
    notes.execute("INSERT INTO notes VALUES ('four')")
    os.replace(other_database(tmp_path / "replacement"), path)

    with pytest.raises(CorruptError, match="belongs to the file that stood here before") as refusal:
        notes.reopen()

    assert refusal.value.hint
    reader.close()
    os.rename(f"{path}-wal", tmp_path / "old-wal")
    notes.reopen()
    assert [("another",)] == notes.many("SELECT text FROM notes")


def test_a_new_reader_does_not_open_the_new_file_beside_the_old_writer(
    notes: Database, path: Path, tmp_path: Path
) -> None:
    """Two files in one pool would answer by turns."""
    os.replace(other_database(tmp_path / "replacement"), path)

    with pytest.raises(FailedError):
        notes.many("SELECT text FROM notes")  # the first reader of this database

    assert State.FAILED is notes.state


def test_maintenance_looks_first(notes: Database, path: Path, tmp_path: Path) -> None:
    """A vacuum of the file that was moved away, or of the one that came, is refused alike."""
    os.replace(other_database(tmp_path / "replacement"), path)

    with pytest.raises(FailedError):
        notes.vacuum()

    assert ["another"] == rows_of(path)


def test_a_link_that_leads_elsewhere_now_is_followed_by_reopen(tmp_path: Path) -> None:
    """Until then the work goes on in the file that was opened, which is still where it was."""
    first, second, link = tmp_path / "first.sqlite", tmp_path / "second.sqlite", tmp_path / "notes.sqlite"
    other_database(first), other_database(second)
    link.symlink_to(first)
    database = Database(NOTES, link)
    database.open()
    link.unlink()
    link.symlink_to(second)

    database.execute("INSERT INTO notes VALUES ('in the first')")
    path_before = database.path
    database.reopen()
    database.execute("INSERT INTO notes VALUES ('in the second')")
    path_after = database.path
    database.close()

    assert (first, second) == (path_before, path_after)
    assert ["another", "in the first"] == rows_of(first)
    assert ["another", "in the second"] == rows_of(second)


def test_a_folder_that_moves_and_returns(used: Path, tmp_path: Path) -> None:
    """The whole root is moved away and back under an open desk: refused meanwhile, whole afterwards."""
    with multidb.open(used) as dbs:
        dbs["chat"].execute("INSERT INTO chats(id, title) VALUES ('c2', 'Before')")
        os.rename(used, tmp_path / "moved")
        with pytest.raises(FailedError):
            dbs["chat"].execute("INSERT INTO chats(id, title) VALUES ('c3', 'Meanwhile')")
        assert not used.exists()
        os.rename(tmp_path / "moved", used)
        dbs["chat"].reopen()

        dbs["chat"].execute("INSERT INTO chats(id, title) VALUES ('c4', 'After')")

        assert ["c1", "c2", "c4"] == [row[0] for row in dbs["chat"].many("SELECT id FROM chats ORDER BY id")]
        assert State.READY is dbs["code"].state


def test_a_damaged_page_fails_the_statement_by_name(used: Path) -> None:
    """Damage that comes while the database is open: CorruptError where it is read, and the others go on."""
    with multidb.open(used) as dbs:
        dbs["chat"].checkpoint()
        damage.corrupt(used / "chat.sqlite", 1, skip_bytes=100)
        with pytest.raises(CorruptError) as in_verb:
            dbs["chat"].many("SELECT * FROM messages")
        with pytest.raises(CorruptError) as in_session, dbs["chat"].read() as session:
            session.many("SELECT * FROM messages")

        assert ("chat", "chat") == (in_verb.value.concern, in_session.value.concern)
        assert [] == dbs["code"].many("SELECT * FROM sqlite_schema WHERE name = 'nothing'")
    shutil.rmtree(used)
