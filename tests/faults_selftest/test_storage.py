"""Storage under watch: what is counted, what fails, and that SQLite does not notice the watcher otherwise."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from tests.faults import Child, Fault, Step, run_child, watch_storage
from tests.faults.steps import Action, Kind, Operation, kind_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database in WAL mode with the empty table `t`, at rest."""
    path = tmp_path / "chat.sqlite"
    db = apsw.Connection(str(path))
    db.pragma("journal_mode", "wal")
    db.execute("CREATE TABLE t(a)")
    db.close()
    return path


def opened(path: Path, synchronous: str = "full") -> apsw.Connection:
    db = apsw.Connection(str(path))
    db.pragma("synchronous", synchronous)
    return db


def rows(path: Path) -> int:
    db = apsw.Connection(str(path))
    count: int = db.execute("SELECT count(*) FROM t").get
    assert "ok" == db.execute("PRAGMA integrity_check").get
    db.close()
    return count


@pytest.mark.parametrize(("synchronous", "syncs"), [("full", 1), ("normal", 0)])
def test_a_commit_is_as_many_syncs_as_its_synchronous_says(path: Path, synchronous: str, syncs: int) -> None:
    """The counter proves that FULL makes a commit durable and NORMAL does not, and of which file."""
    with watch_storage() as storage:
        db = opened(path, synchronous)
        db.execute("INSERT INTO t VALUES (1)")  # the first one in a new -wal syncs its header too
        before = storage.syncs["wal"]
        db.execute("INSERT INTO t VALUES (2)")
        after = storage.syncs
        db.close()

    assert syncs == after["wal"] - before
    assert 0 == after["db"]
    assert 1 == storage.syncs["db"]  # the checkpoint at close
    assert 2 == rows(path)


def test_steps_come_in_order_with_their_files(path: Path) -> None:
    """Write before sync is what a write-ahead log is about."""
    with watch_storage() as storage:
        db = opened(path)
        db.execute("INSERT INTO t VALUES (1)")
        steps = list(storage.steps)
        db.close()

    wal = f"{path}-wal"
    assert Step("create", "wal", wal, "sqlite") == steps[0]
    assert Step("write", "wal", wal, "sqlite") in steps
    assert Step("sync", "wal", wal, "sqlite") == steps[-1]
    assert Step("delete", "wal", wal, "sqlite") == storage.steps[-1]


def test_whole_or_absent_writing_is_seen_step_by_step(tmp_path: Path) -> None:
    """Create, write, sync, rename, sync of the folder: what must not be left out and what order it has."""
    part, whole = tmp_path / "manifest.part", tmp_path / "manifest"
    with watch_storage() as storage:
        descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        os.write(descriptor, b"content")
        os.fsync(descriptor)
        os.close(descriptor)
        part.replace(whole)
        folder = os.open(tmp_path, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    assert [
        Step("create", "other", str(part), "python"),
        Step("write", "other", str(part), "python"),
        Step("sync", "other", str(part), "python"),
        Step("rename", "other", str(whole), "python"),
        Step("sync", "dir", str(tmp_path), "python"),
    ] == storage.steps
    assert {"other": 1, "dir": 1} == storage.syncs
    assert b"content" == whole.read_bytes()


@pytest.mark.parametrize(
    ("call", "operation"),
    [
        (lambda folder: (folder / "new").mkdir(), "mkdir"),
        (lambda folder: (folder / "sub").rmdir(), "rmdir"),
        (lambda folder: (folder / "file").unlink(), "delete"),
        (lambda folder: os.truncate(folder / "file", 0), "truncate"),
        (lambda folder: os.link(folder / "file", folder / "second"), "link"),
        (lambda folder: (folder / "third").symlink_to("file"), "link"),
    ],
)
def test_each_change_of_a_folder_is_a_step(
    tmp_path: Path, call: Callable[[Path], object], operation: Operation
) -> None:
    """Between any two of them a process may die."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "file").touch()
    with watch_storage() as storage:
        call(tmp_path)

    assert [operation] == [step.operation for step in storage.steps]


def test_pipes_are_not_storage() -> None:
    """What is written to another process is nobody's durability."""
    reading, writing = os.pipe()
    with watch_storage() as storage:
        os.write(writing, b"x")
    os.close(reading)
    os.close(writing)

    assert [] == storage.steps


@pytest.mark.parametrize(
    ("operation", "action", "error", "code"),
    [
        ("sync", "io_error", apsw.IOError, apsw.SQLITE_IOERR_FSYNC),
        ("write", "io_error", apsw.IOError, apsw.SQLITE_IOERR_WRITE),
        ("write", "disk_full", apsw.FullError, apsw.SQLITE_FULL),
    ],
)
def test_a_commit_fails_as_sqlite_would_fail(
    path: Path, operation: Operation, action: Action, error: type[apsw.Error], code: int
) -> None:
    """The extended code of the real thing; afterwards the connection works and the file is sound."""
    fault = Fault(at=1, operation=operation, kind="wal", action=action)
    with watch_storage(fault):
        db = opened(path)
        with pytest.raises(error) as caught:
            db.execute("INSERT INTO t VALUES (1)")
        db.execute("INSERT INTO t VALUES (2)")
        db.close()

    assert code == caught.value.extendedresult  # type: ignore[attr-defined]  # apsw's stubs lack it
    assert 1 <= rows(path) <= 2


def test_a_disk_that_stays_full_fails_until_the_end(path: Path) -> None:
    """Nothing is lost that was committed before, and reading goes on."""
    fault = Fault(at=2, operation="write", kind="wal", action="disk_full", is_lasting=True)
    with watch_storage(fault):
        db = opened(path)
        for _ in range(3):
            with pytest.raises(apsw.FullError):
                db.execute("INSERT INTO t VALUES (1)")
        assert 0 == db.execute("SELECT count(*) FROM t").get
        db.close()

    assert 0 == rows(path)


@pytest.mark.parametrize(("action", "number"), [("io_error", errno.EIO), ("disk_full", errno.ENOSPC)])
def test_pythons_own_calls_fail_as_the_kernel_would_fail(tmp_path: Path, action: Action, number: int) -> None:
    """An OSError with its number and path; the file is as it was before the call."""
    with (tmp_path / "file").open("wb", buffering=0) as file, watch_storage(Fault(at=1, action=action)):
        with pytest.raises(OSError, match="file") as caught:
            os.write(file.fileno(), b"lost")
        os.write(file.fileno(), b"kept")

    assert number == caught.value.errno
    assert b"kept" == (tmp_path / "file").read_bytes()


def test_a_torn_write_leaves_half_and_kills(path: Path) -> None:
    """The commit whose frame is torn is gone, the one before it stands."""
    source = """
    import apsw
    db = apsw.Connection(args[0])
    db.execute("INSERT INTO t VALUES (1)")
    db.execute("INSERT INTO t VALUES (2)")
    """
    writes = Fault(at=5, operation="write", kind="wal", action="torn")  # header, frame, page, frame, *page*
    with Child(source, str(path), fault=writes) as child:
        assert -9 == child.exit_status()

    assert 32 + 24 + 4096 + 24 + 2048 == Path(f"{path}-wal").stat().st_size
    assert 1 == rows(path)


def test_an_nth_fault_of_one_kind_counts_only_that_kind(path: Path) -> None:
    """The second sync of the -wal, whatever else is written."""
    with watch_storage(Fault(at=2, operation="sync", kind="wal", action="io_error")) as storage:
        db = opened(path)
        with pytest.raises(apsw.IOError):
            db.execute("INSERT INTO t VALUES (1)")
        db.close()

    assert storage.count("sync", "wal") >= 2
    assert storage.count("write") > 2


def test_a_watch_ends_with_its_block(path: Path) -> None:
    """The default VFS and `os` are what they were; watches nest."""
    vfs_names, fsync = apsw.vfs_names(), os.fsync
    with watch_storage() as outer, watch_storage() as inner:
        db = opened(path)
        db.execute("INSERT INTO t VALUES (1)")
        db.close()

    assert outer.steps == inner.steps != []
    assert vfs_names == apsw.vfs_names()
    assert fsync is os.fsync


def test_two_watched_connections_and_an_unwatched_one_share_locks(path: Path) -> None:
    """Underneath it is the same unix VFS: a watched writer keeps out everybody."""
    plain = opened(path)
    with watch_storage():
        first, second = opened(path), opened(path)
        first.execute("BEGIN IMMEDIATE")
        for other in (second, plain):
            with pytest.raises(apsw.BusyError):
                other.execute("BEGIN IMMEDIATE")
        for db in (first, second):
            db.close()
    plain.close()


def test_a_fault_that_kills_is_for_a_child() -> None:
    """Here it would kill the test run; and only a write can be torn."""
    with pytest.raises(ValueError, match="kill the test run"), watch_storage(Fault(at=1)):
        pass
    with pytest.raises(ValueError, match="only a write"):
        Fault(at=1, action="torn")
    with pytest.raises(ValueError, match="at"):
        Fault(at=0)


def test_a_child_reports_its_steps() -> None:
    """What a child did is counted from here."""
    with Child("import os; os.fsync(os.memfd_create('x'))", is_watched=True) as child:
        child.result()
        assert ["sync"] == [step.operation for step in child.steps]
    assert run_child("result = 'unwatched'") == "unwatched"


def test_steps_of_a_childs_exit_are_counted_too(tmp_path: Path) -> None:
    """Work that was accepted and is finished at exit can be killed there."""
    source = """
    import atexit, os
    atexit.register(os.mkdir, f"{args[0]}/at exit")
    os.mkdir(f"{args[0]}/at work")
    """
    with Child(source, tmp_path, is_watched=True) as child:
        child.result()

    assert ["at work", "at exit"] == [Path(step.path).name for step in child.steps]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.sqlite", "db"),
        ("a.sqlite-wal", "wal"),
        ("a.db-journal", "journal"),
        ("a.db-shm", "shm"),
        ("a", "other"),
    ],
)
def test_a_file_is_known_by_its_name(name: str, kind: Kind) -> None:
    """Python's descriptors carry no SQLite flags."""
    assert kind == kind_of(name)
