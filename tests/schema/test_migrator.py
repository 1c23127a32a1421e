"""The migrator of one database: looking changes nothing, nothing to do writes nothing, one at a time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from multidb.engine.migrating import Migrating
from multidb.errors import (
    ChecksumMismatchError,
    ForeignDatabaseError,
    LockTimeoutError,
    MultidbError,
    SessionMisuseError,
)
from multidb.schema.compare import Standing
from multidb.schema.migrator import Migrator
from tests.faults import Child, folder_fingerprint
from tests.schema.notes import Notes


@pytest.fixture
def notes(notes: Notes) -> Notes:
    """The concern with three files."""
    notes.write("001_initial.sql", "CREATE TABLE a (x);")
    notes.write("002_more.sql", "-- Label: 1.1\n-- Up\nCREATE TABLE b (x);\n-- Down\nDROP TABLE b;")
    notes.write("003_third.sql", "CREATE TABLE c (x);")
    return notes


def states(migrator: Migrator) -> list[tuple[int, Standing]]:
    return [(entry.version, entry.state) for entry in migrator.status().migrations]


def test_a_status_knows_every_migration(notes: Notes) -> None:
    """Before, in the middle, afterwards; and what up would do."""
    with notes.migrator() as migrator:
        before = migrator.status()
        assert (0, 3, False, None) == (before.version, before.pending, before.ahead, before.error)
        migrator.up("1.1")
        after = migrator.status()

    assert (2, 1) == (after.version, after.pending)
    assert [("applied", False), ("applied", True), ("pending", False)] == [
        (entry.state, entry.is_reversible) for entry in after.migrations
    ]
    assert ["1.1", str(notes.folder / "002_more.sql")] == [after.migrations[1].label, after.migrations[1].path]


def test_a_status_tells_what_is_wrong_and_never_raises(notes: Notes) -> None:
    """An edited file, a missing one, a bad one."""
    notes.up()
    notes.write("001_initial.sql", "CREATE TABLE a (x, y);")
    notes.write("003_third.sql", "CREATE TABLE c (x); -- a comment\n")
    with notes.migrator() as migrator:
        status = migrator.status()
        assert isinstance(status.error, ChecksumMismatchError)
        assert [Standing.MODIFIED, Standing.APPLIED, Standing.COSMETIC] == [entry.state for entry in status.migrations]
        (notes.folder / "002_more.sql").unlink()
        assert (2, Standing.MISSING) in states(migrator)
        notes.write("001_initial.sql", "-- Up (oops)\nSELECT 1;")
        broken = migrator.status()

    assert (3, 0, "migration_file") == (broken.version, broken.pending, broken.error.code if broken.error else None)
    assert "migration_file" == broken.to_dict()["error"]["code"]


def test_looking_changes_nothing(notes: Notes) -> None:
    """Status and plan of an unmigrated, a migrated and an absent database leave no trace."""
    with notes.open() as desk:
        migrator = desk.migrator("notes")
        before = folder_fingerprint(notes.root)
        migrator.status(), migrator.plan(), desk.status(), desk.migrate(dry_run=True)
        assert before == folder_fingerprint(notes.root)

    other = Notes(notes.root.with_name("other"), notes.folder)
    with other.open(read_only=True) as desk:
        status = desk.migrator("notes").status()
        assert (None, 3, None) == (status.version, status.pending, status.error)
    assert not other.root.exists()


def test_nothing_to_do_writes_nothing(notes: Notes) -> None:
    """Not a byte, not a time stamp, not a lock."""
    notes.up()
    with notes.migrator() as migrator:
        before = folder_fingerprint(notes.root)
        outcome = migrator.up()

        assert ("current", 3, 3) == (outcome.outcome, outcome.from_version, outcome.to_version)
        assert before == folder_fingerprint(notes.root)


def test_a_database_of_another_program_has_no_migrations(notes: Notes) -> None:
    """Naming it is an error; its status is empty."""
    with notes.open() as desk:
        from multidb import Concern

        desk.add(Concern("beads"))
        migrator = desk.migrator("beads")

        assert not migrator.is_managed
        assert ((), None) == (migrator.status().migrations, migrator.status().version)
        with pytest.raises(ForeignDatabaseError):
            migrator.up()


def test_a_session_of_ones_own_is_not_waited_for(notes: Notes) -> None:
    """It would wait for itself; no lock is taken."""
    with notes.open() as desk, desk["notes"].write() as session:
        with pytest.raises(SessionMisuseError):
            desk.migrator("notes").up()
        session.execute("CREATE TABLE mine (x)")

    assert not (notes.root / ".multidb").exists()


def migrate_and_stop(notes: Notes) -> tuple[int, ...]:
    return notes.up()


def test_one_process_migrates_at_a_time(notes: Notes) -> None:
    """Another one waits, tells after its deadline who holds the lock, and goes on when the holder was killed."""
    with Child(migrate_and_stop, notes, failpoint="migration.after_begin=stop") as child:
        child.wait_stopped()
        with notes.migrator() as migrator:
            impatient = Migrator(migrator.database, migrator.lock, migrator.elsewhere, 0.05)
            with pytest.raises(LockTimeoutError) as caught:
                impatient.up()
        child.kill()

    assert (11, True, "notes") == (caught.value.exit_status, caught.value.retryable, caught.value.concern)
    assert f"pid {child.pid} on " in (caught.value.holder or "")
    assert (1, 2, 3) == notes.up()


def test_threads_that_migrate_at_once_apply_each_migration_once(notes: Notes) -> None:
    """One of them does the work, the others find nothing left to do."""
    with notes.open() as desk, ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: desk.migrate()["notes"], range(4)))

    assert [(), (), (), (1, 2, 3)] == sorted(report.applied for report in reports)
    assert {3} == {report.to_version for report in reports}


def test_a_desk_that_is_closed_meanwhile_ends_the_migration(notes: Notes) -> None:
    """What runs is interrupted and rolled back; the error says that the desk was closed."""
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n;"
    notes.write("004_endless.sql", f"CREATE TABLE d (x); {endless}")
    begun = threading.Event()
    run = Migrating.run

    def tell(self: Migrating, sql: str) -> None:
        if sql == endless:
            begun.set()
        run(self, sql)

    with notes.open() as desk, ThreadPoolExecutor(1) as pool, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Migrating, "run", tell)
        migrating = pool.submit(desk.migrator("notes").up)
        assert begun.wait(30)
        desk.close(timeout=0)

        error = migrating.exception(30)

    assert isinstance(error, MultidbError)
    assert [1, 2, 3] == [version for version, _ in notes.applied()]
    assert "d" not in notes.tables()


def test_a_target_by_number_or_label(notes: Notes) -> None:
    """To 1, to a label, to the end."""
    assert (1,) == notes.up(1)
    assert () == notes.up("001")
    assert (2,) == notes.up("1.1")
    assert (3,) == notes.up()
