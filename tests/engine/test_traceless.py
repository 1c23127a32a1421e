"""Opening without a trace: which way is taken for what stands in the folder, and when an answer may be trusted."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import apsw
import pytest

from multidb import BusyError, CorruptError, StorageError, Tuning
from multidb.engine import traceless
from multidb.engine.connect import Handle
from multidb.engine.traceless import Traceless, state_of
from tests.faults import Child, damage, folder_fingerprint

NAMES = ["notes.sqlite", "with space.db", "a#b?c%41&d=e.db", "percent%2Fname", "ä😀.db", "no ending", "'quote\".db"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The owner's folder."""
    (tmp_path / "owner").mkdir()
    return tmp_path / "owner"


def write(path: Path, journal_mode: str = "wal", *titles: str) -> None:
    """The owner comes, writes, and leaves."""
    connection = apsw.Connection(str(path))
    connection.execute(f"PRAGMA journal_mode = {journal_mode}").fetchall()
    connection.execute("CREATE TABLE IF NOT EXISTS notes (title)")
    connection.executemany("INSERT INTO notes VALUES (?)", [(title,) for title in titles])
    connection.close(True)


def settle(path: Path) -> None:
    """Makes the folder's files an hour old."""
    for side in ("", "-wal", "-shm", "-journal"):
        if os.path.exists(f"{path}{side}"):
            os.utime(f"{path}{side}", (time.time() - 3600,) * 2)


def titles(handle: Handle) -> str:
    return "".join(title for (title,) in handle.ask("SELECT title FROM notes ORDER BY rowid"))


def owner(path: str, journal_mode: str, then: str) -> None:
    """Another program, in the middle of something."""
    from tests.faults.inside import barrier

    connection = apsw.Connection(path)
    connection.execute(f"PRAGMA journal_mode = {journal_mode}").fetchall()
    connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
    connection.execute("PRAGMA cache_size = 2").fetchall()
    connection.execute("CREATE TABLE IF NOT EXISTS notes (title)")
    connection.execute("INSERT INTO notes VALUES ('a'), ('b')")
    if then == "writing":
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE notes SET title = 'x' || zeroblob(9000)")
        connection.execute("INSERT INTO notes SELECT zeroblob(9000) FROM notes, notes, notes, notes")
    barrier("there")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
def test_a_file_at_rest_is_read_where_it_stands(folder: Path, name: str, journal_mode: str) -> None:
    """Whatever its name means in a URI; the handle may be kept, and holds no lock."""
    path = folder / name
    write(path, journal_mode, "a", "b")
    settle(path)
    before = folder_fingerprint(folder)
    way = Traceless(path, Tuning())
    handle = way.open()

    assert ("ab", True, True, False) == (
        titles(handle),
        way.is_current(handle),
        way.keeps(handle),
        way.is_snapshot(handle),
    )
    handle.close()
    assert before == folder_fingerprint(folder)


@pytest.mark.parametrize("name", NAMES)
def test_a_living_owners_log_is_read_as_it_grows(folder: Path, name: str) -> None:
    """SQLite itself keeps each reading to one moment; the handle is for one use."""
    path = folder / name
    with Child(owner, str(path), "wal", "resting") as child:
        child.wait_for("there")
        before = folder_fingerprint(folder)
        way = Traceless(path, Tuning())
        handle = way.open()
        assert ("ab", False, True) == (titles(handle), way.keeps(handle), way.is_snapshot(handle))
        handle.close()
        assert before == folder_fingerprint(folder)
        child.release()


def test_a_killed_owners_log_is_read(folder: Path) -> None:
    """Its rows stand in the log alone; the crash stays as it is, for the owner to mend."""
    path = folder / "notes.sqlite"
    with Child(owner, str(path), "wal", "writing") as child:
        child.wait_for("there")
        child.kill()
    settle(path)
    before = folder_fingerprint(folder)
    way = Traceless(path, Tuning())
    handle = way.open()

    assert "ab" == titles(handle)
    handle.close()
    assert before == folder_fingerprint(folder)


def test_a_log_without_its_index_is_copied(folder: Path) -> None:
    """As it is found in repositories; the copy is private, and gone afterwards."""
    path = folder / "notes.sqlite"
    with Child(owner, str(path), "wal", "resting") as child:
        child.wait_for("there")
        child.kill()
    damage.delete(path, "-shm")
    settle(path)
    before = folder_fingerprint(folder)
    way = Traceless(path, Tuning())
    handle = way.open()
    scratch = handle.scratch
    assert scratch is not None

    assert "ab" == titles(handle)
    assert (True, True, True) == (way.keeps(handle), way.is_current(handle), way.is_snapshot(handle))
    assert [0o700, 0o600] == [scratch.stat().st_mode & 0o777, (scratch / "copy.sqlite").stat().st_mode & 0o777]
    with pytest.raises(Exception, match="readonly"):
        handle.ask("INSERT INTO notes VALUES ('ours')")
    handle.close()
    assert not scratch.exists()
    assert before == folder_fingerprint(folder)


@pytest.mark.parametrize("is_alive", [True, False])
def test_a_hot_journal_is_rolled_back_in_a_copy(folder: Path, is_alive: bool) -> None:
    """The file holds half of a transaction; what was committed is what is read, and the owner's is let be."""
    path = folder / "notes.sqlite"
    with Child(owner, str(path), "delete", "writing") as child:
        child.wait_for("there")
        if not is_alive:
            child.kill()
        settle(path)
        assert Path(f"{path}-journal").stat().st_size > 0
        before = folder_fingerprint(folder)
        way = Traceless(path, Tuning())
        handle = way.open()
        found, scratch = titles(handle), handle.scratch
        handle.close()
        after = folder_fingerprint(folder)

    assert "ab" == found
    assert scratch is not None
    assert before == after


def test_a_folder_that_may_not_be_written(folder: Path) -> None:
    """A clean file of WAL mode wants to make its log there; immutable, it does not."""
    path = folder / "notes.sqlite"
    write(path, "wal", "a")
    settle(path)
    with damage.unwritable(folder):
        handle = Traceless(path, Tuning()).open()
        assert "a" == titles(handle)
        handle.close()


def test_an_answer_is_trusted_while_the_file_stays_as_it_was(folder: Path) -> None:
    """A byte more, another time, another file, a log or a journal beside it: it is read anew."""
    path = folder / "notes.sqlite"
    write(path, "delete", "a")
    settle(path)
    way = Traceless(path, Tuning())
    handle = way.open()
    assert way.is_current(handle)
    for change in (
        lambda: os.utime(path),
        lambda: path.with_name("notes.sqlite-wal").touch(),
        lambda: path.with_name("notes.sqlite-wal").unlink(),
        lambda: path.with_name("notes.sqlite-journal").touch(),
        lambda: path.with_name("notes.sqlite-journal").unlink(),
        lambda: damage.replace(path),
    ):
        was = state_of(path)
        change()
        assert was != state_of(path)
        assert not way.is_current(handle)
    handle.close()


def test_a_file_that_changed_this_moment_is_not_trusted_yet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second write within the clock's tick would not show, so the tick is waited for."""
    path = folder / "notes.sqlite"
    write(path, "delete", "a")
    settle(path)
    written = path.stat().st_mtime_ns
    now = [written + 1_000_000]
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += int(seconds * 1e9)

    monkeypatch.setattr(traceless.time, "time_ns", lambda: now[0])
    monkeypatch.setattr(traceless.time, "sleep", sleep)
    handle = Traceless(path, Tuning()).open()

    assert 2 == len(waits)
    assert "a" == titles(handle)
    handle.close()


def test_a_time_in_the_future_is_nobodys_who_writes_now(folder: Path) -> None:
    """A clock that was wrong once must not make a file unreadable."""
    path = folder / "notes.sqlite"
    write(path, "delete", "a")
    os.utime(path, (time.time() + 86_400,) * 2)
    handle = Traceless(path, Tuning()).open()

    assert "a" == titles(handle)
    handle.close()


def test_an_owner_that_never_rests_is_busy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than a torn answer."""
    path = folder / "notes.sqlite"
    write(path, "delete", "a")
    path.with_name("notes.sqlite-journal").write_bytes(b"\0" * 512)
    settle(path)
    copied = traceless._child_copy

    def disturbed(source: Path, target: Path) -> None:
        copied(source, target)
        was = path.stat()
        os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns - 1))

    monkeypatch.setattr(traceless, "_child_copy", disturbed)
    monkeypatch.setattr(traceless.time, "sleep", lambda seconds: None)
    with pytest.raises(BusyError, match="each time it was copied") as caught:
        Traceless(path, Tuning()).open()

    assert ("changed", True) == (caught.value.kind, caught.value.retryable)


def test_a_file_that_goes_in_between_is_told(folder: Path) -> None:
    """Not as an owner that is busy."""
    with pytest.raises(StorageError, match="gone"):
        Traceless(folder / "nothing", Tuning()).open()


@pytest.mark.parametrize("beside", ["", "-wal", "-journal"])
def test_damage_is_told_as_damage(folder: Path, beside: str) -> None:
    """Whichever way it was opened."""
    path = folder / "notes.sqlite"
    damage.garbage(path)
    if beside:
        path.with_name(f"notes.sqlite{beside}").write_bytes(b"\0" * 40)
    settle(path)
    before = folder_fingerprint(folder)
    with pytest.raises(CorruptError):
        Traceless(path, Tuning()).open()

    assert before == folder_fingerprint(folder)


def test_a_copy_that_fails_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No folder full of somebody's rows."""
    path = folder / "notes.sqlite"
    write(path, "delete", "a")
    path.with_name("notes.sqlite-journal").write_bytes(b"\0" * 512)
    settle(path)
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises((StorageError, FileNotFoundError)):
        Traceless(path, Tuning()).open()

    assert [] == list((tmp_path / "scratch").iterdir())


def test_a_stopped_owner_does_not_stop_us(folder: Path) -> None:
    """It holds its lock and does nothing; a reading that waited for it would wait for ever."""
    path = folder / "notes.sqlite"
    with Child(owner, str(path), "wal", "writing") as child:
        child.wait_for("there")
        os.kill(child.pid, signal.SIGSTOP)
        child.wait_stopped()
        handle = Traceless(path, Tuning()).open()
        found = titles(handle)
        handle.close()
        child.cont()
        child.release()

    assert "ab" == found
