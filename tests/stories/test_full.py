"""The disk is full, or the process has no descriptor left: nothing is half-written, and it goes on afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import multidb
from multidb import Concern, DiskFullError, FailedError, MultidbError, State, Tuning
from tests.faults import Fault, fill, run_child, watch_storage

NOTES = Concern("notes", migrations=None, tuning=Tuning(cache_kib=64))
OTHER = Concern("other", migrations=None)
BIG = "x" * 3000


def fill_up(session: Any) -> None:
    """Writes until it cannot be written any more."""
    for n in range(10_000):
        session.execute("INSERT INTO notes VALUES (?)", (f"{n} {BIG}",))


def make(dbs: multidb.MultiDB) -> None:
    dbs["notes"].execute("CREATE TABLE notes (text TEXT NOT NULL) STRICT")
    dbs["notes"].execute("INSERT INTO notes VALUES ('committed')")
    dbs["other"].execute("CREATE TABLE other (text TEXT NOT NULL) STRICT")


def test_a_disk_that_fills_up_in_the_middle_of_a_write(small_disk: Path) -> None:
    """DiskFullError, the transaction rolled back whole; with room again the same desk goes on."""
    with multidb.open(small_disk / "db", concerns=[NOTES, OTHER]) as dbs:
        make(dbs)
        ballast = fill(small_disk, leave_bytes=200_000)
        with pytest.raises(DiskFullError) as refusal, dbs["notes"].write() as session:
            fill_up(session)
        rows_meanwhile = dbs["notes"].many("SELECT text FROM notes")
        ballast.unlink()
        dbs["notes"].execute("INSERT INTO notes VALUES ('after')")
        dbs["other"].execute("INSERT INTO other VALUES ('after')")
        check = dbs["notes"].scalar("PRAGMA integrity_check")
        rows = dbs["notes"].many("SELECT text FROM notes")

    assert refusal.value.hint and refusal.value.retryable and "notes" == refusal.value.concern
    assert [("committed",)] == rows_meanwhile
    assert ("ok", [("committed",), ("after",)]) == (check, rows)


def test_a_disk_that_is_full_at_the_opening(small_disk: Path) -> None:
    """Each database is FAILED by name, nothing stays half-made, and reopening mends it."""
    (small_disk / "db").mkdir()
    ballast = fill(small_disk)

    with multidb.open(small_disk / "db", concerns=[NOTES]) as dbs:
        error = dbs["notes"].error
        with pytest.raises(FailedError) as refusal:
            dbs["notes"].execute("CREATE TABLE t (x)")
        ballast.unlink()
        dbs["notes"].reopen()
        dbs["notes"].execute("CREATE TABLE t (x)")

        assert State.READY is dbs["notes"].state
    assert DiskFullError is type(error)
    assert (21, True) == (refusal.value.exit_status, refusal.value.retryable)


def test_a_full_disk_during_a_migration(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that failed left nothing; with room the run goes on where it stopped."""
    with multidb.open(small_disk / "db", concerns=[Concern("chat")]) as dbs:
        ballast = fill(small_disk, leave_bytes=60_000)
        with pytest.raises(multidb.MigrationError) as refusal:
            dbs.migrate()
        applied = refusal.value.applied
        before = dbs.status()["chat"]
        ballast.unlink()
        report = dbs.migrate()

        assert "ok" == dbs["chat"].scalar("PRAGMA integrity_check")
    assert 21 == refusal.value.exit_status
    assert (max(applied, default=0), None) == (before.schema_version, before.error)
    assert "applied" == report["chat"].outcome


LIMITED = """
    import multidb
    from multidb import Concern, DiskFullError
    from tests.stories.test_full import NOTES, OTHER, fill_up, make
    from tests.faults import file_size_limit
    with multidb.open(args[0], concerns=[NOTES, OTHER]) as dbs:
        make(dbs)
        with file_size_limit(256 * 1024):
            try:
                with dbs["notes"].write() as session:
                    fill_up(session)
            except DiskFullError as error:
                first = error.concern, bool(error.hint)
            rows = dbs["notes"].many("SELECT text FROM notes")
            dbs["other"].execute("INSERT INTO other VALUES ('meanwhile')")
        dbs["notes"].execute("INSERT INTO notes VALUES ('after')")
        result = first, rows, dbs["notes"].many("SELECT text FROM notes")
"""


def test_a_limit_on_file_sizes_is_a_full_disk(root: Path) -> None:
    """A quota answers with another errno; the others go on meanwhile."""
    first, meanwhile, rows = run_child(LIMITED, str(root))

    assert ("notes", True) == first
    assert [("committed",)] == meanwhile
    assert [("committed",), ("after",)] == rows


@pytest.mark.parametrize("kind", ["wal", "db"])
@pytest.mark.parametrize("action", ["disk_full", "io_error"])
def test_storage_that_fails_at_any_write(root: Path, kind: Any, action: Any) -> None:
    """The N-th write of the -wal, or of a checkpoint, fails once: named, and every row that was promised is there."""
    promised: list[str] = []
    for at in (1, 2, 3, 5, 8, 13):
        fault = Fault(at=at, operation="write", kind=kind, action=action)
        with watch_storage(fault), multidb.open(root, concerns=[NOTES, OTHER]) as dbs:
            for n in range(3):
                try:
                    dbs["notes"].execute("CREATE TABLE IF NOT EXISTS notes (text TEXT NOT NULL) STRICT")
                    dbs["notes"].execute("INSERT INTO notes VALUES (?)", (f"{at}.{n}",))
                    promised.append(f"{at}.{n}")
                    dbs["notes"].checkpoint()
                except MultidbError as error:
                    assert isinstance(error, (multidb.StorageError, FailedError))
    with multidb.open(root, concerns=[NOTES]) as dbs:
        rows = [text for (text,) in dbs["notes"].many("SELECT text FROM notes ORDER BY rowid")]
        check = dbs["notes"].scalar("PRAGMA integrity_check")

    assert "ok" == check
    assert promised == [row for row in rows if row in promised]


DESCRIPTORS = """
    import os, resource
    import multidb
    from multidb import Concern, FailedError, MultidbError, TooManyOpenFilesError
    with multidb.open(args[0], concerns=[Concern("notes", migrations=None)]) as dbs:
        notes = dbs["notes"]
        notes.execute("CREATE TABLE notes (text TEXT NOT NULL) STRICT")
        taken = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
        try:
            while True:
                taken.append(os.dup(0))
        except OSError:
            pass
        names = []
        try:
            notes.many("SELECT * FROM notes")  # needs its first reader
        except TooManyOpenFilesError as error:
            names.append((type(error).__name__, error.concern, error.retryable, bool(error.hint)))
        opened = dbs.add(Concern("second", migrations=None))
        names.append((type(opened.error).__name__, opened.state.value))
        notes.execute("INSERT INTO notes VALUES ('the writer is open')")
        for handle in taken:
            os.close(handle)
        opened.reopen()
        result = names, notes.many("SELECT * FROM notes"), opened.many("SELECT 1")
"""


def test_too_many_open_files(root: Path) -> None:
    """Named; what is open goes on, and with descriptors again so does the rest."""
    names, rows, second = run_child(DESCRIPTORS, str(root))

    assert [("TooManyOpenFilesError", "notes", True, True), ("TooManyOpenFilesError", "failed")] == names
    assert ([("the writer is open",)], [(1,)]) == (rows, second)
