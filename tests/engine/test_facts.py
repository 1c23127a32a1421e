"""Facts about a file, read without changing it."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from multidb import Database
from multidb.engine import facts
from tests.engine.conftest import TABLE, Opened
from tests.faults import Child, folder_fingerprint


def test_frames_are_counted_and_not_copied(notes: Database, path: Path) -> None:
    """`PRAGMA wal_checkpoint` would copy them."""
    notes.execute("INSERT INTO notes (title) VALUES ('a')")
    notes.scalar("SELECT 1")  # opens the reader, which leaves its mark in the -shm
    before = folder_fingerprint(path.parent)
    frames, copied = notes.probe(facts.wal_frames) or (0, 0)

    assert frames > copied == 0
    assert before == folder_fingerprint(path.parent)
    notes.checkpoint()
    assert (0, 0) == notes.probe(facts.wal_frames)


def test_a_file_without_a_log_has_no_frames(opened: Opened) -> None:
    """Nor has one that is looked at from inside a transaction."""
    database = opened(journal_mode="delete")
    database.execute(TABLE)

    assert database.probe(facts.wal_frames) is None
    with database.write() as session:
        assert facts.wal_frames(session._handle) is None


def at_work(path: str) -> None:
    from tests.faults.inside import barrier

    connection = apsw.Connection(path)
    connection.execute("INSERT INTO notes (title) VALUES ('theirs')")
    barrier("at work")
    connection.close()


def test_a_log_that_is_read_without_a_trace_is_not_counted(notes: Database, path: Path) -> None:
    """The count takes a lock in a file that is another program's."""
    from multidb import Concern

    notes.close()
    with Child(at_work, str(path)) as child:
        child.wait_for("at work")
        foreign = Database(Concern("theirs", path=path, owner="foreign"), path)
        assert "theirs" == foreign.scalar("SELECT title FROM notes")
        assert foreign.probe(facts.wal_frames) is None
        foreign.close()
        child.release()
        child.result()


def test_pages_and_the_statement_cache(notes: Database) -> None:
    """In SQLite's and APSW's own numbers."""
    found = notes.probe(facts.page_facts)
    notes.scalar("SELECT 1")
    notes.scalar("SELECT 1")

    assert (4096, 0) == (found["page_size"], found["freelist_pages"])
    assert found["pages"] >= 2
    assert {"hits", "misses", "size"} == set(notes.probe(facts.statement_cache))


@pytest.mark.parametrize("truncate", [True, False])
def test_a_checkpoint_that_nobody_hinders_copies_all(notes: Database, truncate: bool, path: Path) -> None:
    """And empties the log where it is asked to."""
    notes.execute("INSERT INTO notes (title) VALUES ('a')")
    with notes.exclusive() as session:
        frames, copied, busy = facts.checkpoint(session._handle, truncate=truncate)

        assert (frames, False) == (copied, busy)
        assert frames > 0
        assert truncate == (Path(f"{path}-wal").stat().st_size == 0)
        assert 5000 == session.scalar("PRAGMA busy_timeout")


def test_a_checkpoint_beside_a_reader_does_not_wait(notes: Database) -> None:
    """It copies what it may and says that somebody was in the way."""
    notes.execute("INSERT INTO notes (title) VALUES ('a')")
    with notes.read():
        with notes.write() as session:
            session.execute("INSERT INTO notes (title) VALUES ('b')")
        report = notes.checkpoint()

    assert report.busy
    assert report.checkpointed < report.wal_frames
