"""Each damage is what its name says, to a database at rest and to one that this process has open."""

from __future__ import annotations

import ctypes
import os
import stat
from pathlib import Path

import apsw
import pytest

from tests.faults import NOBODY, damage, folder_fingerprint, run_child


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database at rest, of several pages of 1024 bytes."""
    path = tmp_path / "chat.sqlite"
    db = apsw.Connection(str(path))
    db.pragma("page_size", 1024)
    db.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, a)")
    db.executemany("INSERT INTO t(a) VALUES (?)", [(b"payload" * 20,)] * 50)
    db.close()
    return path


def reading_fails_with(path: Path) -> type[apsw.Error] | None:
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        for _ in db.execute("SELECT sum(length(a)) FROM t"):
            pass
    except apsw.Error as error:
        return type(error)
    finally:
        db.close()
    return None


def test_a_flipped_byte_is_that_byte(path: Path) -> None:
    """Twice is as before; SQLite sees nothing in a payload."""
    before = path.read_bytes()
    offset = before.rindex(b"payload")
    damage.flip(path, offset, mask=0x01)
    after = path.read_bytes()
    damage.flip(path, offset, mask=0x01)

    assert [offset] == [at for at, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    assert before == path.read_bytes()


def test_a_corrupt_page_is_met_on_reading(path: Path) -> None:
    """The page size comes from the header, other pages stay as they are."""
    before = path.read_bytes()
    damage.corrupt(path, 2)
    after = path.read_bytes()

    assert apsw.CorruptError is reading_fails_with(path)
    assert before[:1024] + before[2048:] == after[:1024] + after[2048:]
    assert before[1024:2048] != after[1024:2048]


def test_a_corrupt_first_page_is_malformed_with_its_header_and_no_database_without(path: Path) -> None:
    """Two different errors that a tired operator meets."""
    damage.corrupt(path, 1, skip_bytes=100)
    assert apsw.CorruptError is reading_fails_with(path)

    damage.zero_page(path)
    assert apsw.NotADBError is reading_fails_with(path)


def test_garbage_is_no_database_and_empty_is_a_new_one(path: Path) -> None:
    """Garbage fails by name; zero bytes do not fail before the table is missed."""
    damage.garbage(path)
    assert apsw.NotADBError is reading_fails_with(path)

    damage.empty(path)
    assert 0 == path.stat().st_size
    assert apsw.SQLError is reading_fails_with(path)


def test_garbage_and_empty_files_are_made_where_none_were(tmp_path: Path) -> None:
    """A test need not make a database first."""
    damage.empty(tmp_path / "empty")
    damage.garbage(tmp_path / "garbage", size_bytes=100)

    assert [0, 100] == [(tmp_path / name).stat().st_size for name in ("empty", "garbage")]


@pytest.mark.parametrize(("size_bytes", "left"), [(1500, 1500), (-2000, None)])
def test_a_truncated_file_has_that_size(path: Path, size_bytes: int, left: int | None) -> None:
    """From the front, or so much off the end."""
    before = path.stat().st_size
    damage.truncate(path, size_bytes)

    assert (left or before - 2000) == path.stat().st_size
    assert apsw.CorruptError is reading_fails_with(path)


def test_a_replaced_file_has_the_same_bytes_and_another_inode(path: Path) -> None:
    """What `sed -i`, a sync program or a careless restore does; a live connection stays on the old file."""
    before, inode = path.read_bytes(), path.stat().st_ino
    db = apsw.Connection(str(path))
    damage.replace(path)
    has_moved = ctypes.c_int()
    db.file_control("main", apsw.SQLITE_FCNTL_HAS_MOVED, ctypes.addressof(has_moved))
    db.close()

    assert 1 == has_moved.value
    assert before == path.read_bytes()
    assert inode != path.stat().st_ino
    assert [path.name] == os.listdir(path.parent)


def test_side_files_are_deleted_alone(tmp_path: Path) -> None:
    """The rows that were only in the -wal go with it."""
    path = tmp_path / "chat.sqlite"
    source = """
    import apsw, os
    db = apsw.Connection(args[0])
    db.pragma("journal_mode", "wal")
    db.execute("CREATE TABLE t(a)")
    os._exit(0)
    """
    with pytest.raises(AssertionError):
        run_child(source, str(path))
    damage.delete(path, "-wal", "-shm")

    assert [path.name] == os.listdir(tmp_path)
    assert apsw.SQLError is reading_fails_with(path)
    damage.delete(path)
    assert [] == os.listdir(tmp_path)


def test_other_things_take_the_place_of_a_file(path: Path) -> None:
    """A folder, a pipe, a link to the file moved aside, a link to nowhere."""
    target = damage.symlink_in_place(path)
    assert path.is_symlink()
    assert reading_fails_with(path) is None
    assert target == path.resolve()

    damage.symlink_in_place(path, Path("nowhere"))
    assert path.is_symlink()
    assert not path.exists()

    damage.directory_in_place(path)
    assert path.is_dir()

    damage.fifo_in_place(path)
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_an_unreadable_file_is_so_for_root_too(path: Path) -> None:
    """CantOpenError from SQLite; afterwards all is as it was."""
    before = folder_fingerprint(path.parent)
    with damage.unreadable(path), pytest.raises(apsw.CantOpenError):
        apsw.Connection(str(path))

    assert before == folder_fingerprint(path.parent)
    assert reading_fails_with(path) is None


def test_an_unwritable_folder_refuses_new_files(path: Path) -> None:
    """No journal, so no write; reading goes on."""
    db = apsw.Connection(str(path))
    with damage.unwritable(path.parent):
        with pytest.raises((apsw.CantOpenError, apsw.ReadOnlyError)):
            db.execute("DELETE FROM t")
        with pytest.raises(PermissionError):
            (path.parent / "new").touch()
        assert 50 == db.execute("SELECT count(*) FROM t").get
    db.close()


def test_a_file_is_given_away(path: Path) -> None:
    """To look like another user's."""
    damage.give_to(path, NOBODY)

    assert NOBODY == path.stat().st_uid


def test_damage_to_an_open_database_keeps_its_locks(path: Path) -> None:
    """A raw write in this process would drop them: another process still finds the lock held."""
    db = apsw.Connection(str(path))
    db.execute("BEGIN IMMEDIATE")
    db.execute("DELETE FROM t WHERE id = 1")
    damage.flip(path, path.stat().st_size - 1)
    source = """
    import apsw
    db = apsw.Connection(args[0])
    try:
        db.execute("BEGIN IMMEDIATE")
        result = "lock lost"
    except apsw.BusyError:
        result = "locked"
    """

    assert "locked" == run_child(source, str(path))
    db.execute("ROLLBACK")
    db.close()


def test_a_shm_is_not_damaged_from_here(path: Path) -> None:
    """Its locks would go even through SQLite's own door."""
    with pytest.raises(ValueError, match="in a child"):
        damage.flip(Path(f"{path}-shm"), 0)
