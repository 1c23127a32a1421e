"""Running a plan: one transaction a migration, what others did meanwhile, and what is as before after every exit."""

from __future__ import annotations

from typing import Any

import pytest

from multidb import MultiDB, Tuning
from multidb.engine.migrating import Migrating
from multidb.errors import (
    BusyError,
    ChecksumMismatchError,
    DiskFullError,
    MigrationError,
    MigrationFailedError,
)
from multidb.schema.migrator import Migrator
from tests.faults import Child, armed, run_child
from tests.schema.notes import Notes

PRAGMAS = ("foreign_keys", "legacy_alter_table", "recursive_triggers", "defer_foreign_keys", "busy_timeout")


@pytest.fixture
def notes(notes: Notes) -> Notes:
    """The concern with one migration applied and one pending."""
    notes.write("001_initial.sql", "CREATE TABLE a (x);")
    notes.up()
    notes.write("002_more.sql", "CREATE TABLE b (x);")
    return notes


def migrate_elsewhere(root: Any, folder: Any, to: int | None = None) -> tuple[int, ...]:
    """What another process does."""
    return Notes(root, folder).up(to)


def test_a_migration_that_another_process_applied_meanwhile_is_not_run_again(notes: Notes) -> None:
    """Between the plan and the lock somebody else was faster: nothing is left to do, and nothing is an error."""
    with notes.migrator() as migrator:
        todo = migrator.plan()
        assert (2,) == run_child(migrate_elsewhere, notes.root, notes.folder)

        outcome = migrator.carry_out(todo)

    assert ("current", (), 2, 2) == (outcome.outcome, outcome.applied, outcome.from_version, outcome.to_version)
    assert [(1, "initial"), (2, "more")] == notes.applied()


def test_what_is_left_of_a_plan_is_carried_out(notes: Notes) -> None:
    """One of three was applied by somebody else."""
    notes.write("003_third.sql", "CREATE TABLE c (x);")
    with notes.migrator() as migrator:
        todo = migrator.plan()
        run_child(migrate_elsewhere, notes.root, notes.folder, 2)

        outcome = migrator.carry_out(todo)

    assert ("applied", (3,), 2, 3) == (outcome.outcome, outcome.applied, outcome.from_version, outcome.to_version)


def test_the_ledger_is_read_again_inside_the_transaction(notes: Notes) -> None:
    """A program without our lock, as seed 002's, commits between our look and our BEGIN."""
    begin = Migrating.begin
    theirs = """
        import apsw
        apsw.Connection(args[0]).execute("INSERT INTO _migrations (version, name) VALUES (2, 'more')")
    """

    def be_late(self: Migrating, timeout: float) -> None:
        run_child(theirs, str(notes.path))
        begin(self, timeout)

    with notes.migrator() as migrator, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Migrating, "begin", be_late)
        outcome = migrator.up()

    assert ((), "current") == (outcome.applied, outcome.outcome)
    assert {"a"} == notes.tables()


def test_another_text_of_the_same_number_is_noticed_inside(notes: Notes) -> None:
    """Two branches with one number: the second must not take the first for its own."""
    with notes.migrator() as migrator:
        todo = migrator.plan()
        notes.write("002_more.sql", "CREATE TABLE of_another_branch (x);")
        run_child(migrate_elsewhere, notes.root, notes.folder)

        with pytest.raises(ChecksumMismatchError):
            migrator.carry_out(todo)

    assert {"a", "of_another_branch"} == notes.tables()


def test_the_files_are_those_that_were_checked(notes: Notes) -> None:
    """An edit between the check and the run has no effect: what was validated is what runs."""
    with notes.migrator() as migrator:
        todo = migrator.plan()
        notes.write("002_more.sql", "this is no SQL")

        assert (2,) == migrator.carry_out(todo).applied


def in_force(desk: MultiDB) -> dict[str, Any]:
    with desk["notes"].exclusive() as session:
        return {name: session.scalar(f"PRAGMA {name}") for name in PRAGMAS}


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE b (x);",
        "-- Up legacy_alter:on foreign_keys:unchecked\nCREATE TABLE b (x);",
        "-- Up legacy_alter:on\nSELECT nosuch;",
        "-- Up transaction:false legacy_alter:on\nSELECT nosuch;",
        "-- Up transaction:false\nPRAGMA journal_mode = delete; VACUUM;",
        "PRAGMA defer_foreign_keys = ON;",
        "COMMIT;",
    ],
)
def test_pragmas_and_connection_are_as_before(notes: Notes, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After success, after failure, and on the very connection that the migration ran on."""
    notes.write("002_more.sql", text)
    seen: list[dict[str, Any]] = []
    leave = Migrating.__exit__

    def look(self: Migrating, *error: Any) -> None:
        leave(self, *error)
        seen.append({name: self.ask(f"PRAGMA {name}")[0][0] for name in PRAGMAS})
        assert not self.in_transaction

    monkeypatch.setattr(Migrating, "__exit__", look)
    with notes.open() as desk:
        before = in_force(desk)
        try:
            desk.migrator("notes").up()
        except MigrationError:
            pass

        assert [before] == seen
        assert before == in_force(desk)
        desk["notes"].execute("INSERT INTO a VALUES (1)")


def test_the_log_tells_of_a_failure_and_the_ledger_does_not(notes: Notes) -> None:
    """One line with the error, in a transaction of its own."""
    notes.write("002_more.sql", "SELECT nosuch;")

    notes.fails()

    assert [(1, "initial")] == notes.applied()
    ((action, version, ok, error),) = notes.rows("SELECT action, version, ok, error FROM _migration_log WHERE ok = 0")
    assert ("fail", 2, 0) == (action, version, ok)
    assert "no such column: nosuch" in error


def test_the_first_migration_fails_without_a_trace(notes: Notes) -> None:
    """No ledger is left in a database that has nothing else."""
    other = Notes(notes.root.with_name("other"), notes.folder.with_name("others"))
    other.write("001_initial.sql", "CREATE TABLE a (x); SELECT nosuch;")

    other.fails()

    assert [] == other.rows("SELECT name FROM sqlite_schema")


def test_the_log_and_statistics_are_in_order_after_a_run(notes: Notes) -> None:
    """The write-ahead log is empty and the planner knows the tables, as far as nobody was in the way."""
    notes.write("003_rows.sql", "CREATE INDEX a_x ON a (x); INSERT INTO a VALUES (1), (2), (3);")
    with notes.migrator() as migrator:
        migrator.up()

        assert 0 == (notes.root / "notes.sqlite-wal").stat().st_size
    assert [("a", "a_x")] == notes.rows("SELECT tbl, idx FROM sqlite_stat1 WHERE tbl = 'a'")


def hold_a_read(path: str) -> None:
    import apsw

    from tests.faults import barrier

    connection = apsw.Connection(path)
    connection.execute("BEGIN; SELECT count(*) FROM sqlite_schema").fetchall()
    barrier("reading")
    connection.execute("COMMIT")


def hold_the_write_lock(path: str) -> None:
    import apsw

    from tests.faults import barrier

    connection = apsw.Connection(path)
    connection.execute("BEGIN IMMEDIATE")
    barrier("writing")
    connection.execute("ROLLBACK")


def test_a_reader_elsewhere_keeps_only_the_tidying_from_happening(notes: Notes) -> None:
    """Its snapshot needs the log; the migration is durable and nobody waited."""
    with Child(hold_a_read, str(notes.path)) as child:
        child.wait_for("reading")

        assert (2,) == notes.up()
        child.release()
        child.result()


def quick(notes: Notes, **tuning: Any) -> Notes:
    return Notes(notes.root, notes.folder, {"tuning": Tuning(busy_timeout_ms=50, writer_timeout_ms=200, **tuning)})


def test_a_writer_elsewhere_that_does_not_end_is_named(notes: Notes) -> None:
    """After the deadline the error can be tried again, and tells what is done and what is not."""
    with Child(hold_the_write_lock, str(notes.path)) as child:
        child.wait_for("writing")
        error = quick(notes).fails()
        child.release()
        child.result()

    assert isinstance(error, MigrationFailedError)
    assert (11, True, (), (2,)) == (error.exit_status, error.retryable, error.applied, error.pending)
    assert isinstance(error.__cause__, BusyError)
    assert (2,) == notes.up()


def test_a_commit_that_a_reader_blocks_is_taken_back_after_the_deadline(notes: Notes) -> None:
    """With a rollback journal readers keep COMMIT waiting; then nothing of the migration is there."""
    other = quick(Notes(notes.root.with_name("other"), notes.folder), journal_mode="delete")
    other.up(1)
    before = other.everything()
    with Child(hold_a_read, str(other.path)) as child:
        child.wait_for("reading")
        error = other.fails()
        child.release()
        child.result()

    assert isinstance(error, MigrationFailedError)
    assert (11, True, 2) == (error.exit_status, error.retryable, error.version)
    assert before == other.everything()
    assert (2,) == other.up()


def test_what_is_committed_before_a_failure_is_told(notes: Notes) -> None:
    """Also where the failure is none of SQLite's statements: the lock, the disk."""
    notes.write("003_third.sql", "CREATE TABLE c (x);")

    with armed("migration.before_commit:2=full"):
        error = notes.fails()

    assert isinstance(error, MigrationFailedError)
    assert ((2,), (3,), 3, 21) == (error.applied, error.pending, error.version, error.exit_status)
    assert isinstance(error.__cause__, DiskFullError)
    assert {"a", "b"} == notes.tables()
    assert (3,) == notes.up()


def test_events_tell_what_was_done(notes: Notes, listening: list[dict[str, Any]]) -> None:
    """One for each migration, at the place that knows; one for a pragma that had no effect, of its own migration."""
    notes.write("003_third.sql", "PRAGMA foreign_keys = OFF; CREATE TABLE c (x);")
    notes.write("004_fourth.sql", "CREATE TABLE d (x);")
    notes.write("005_fifth.sql", "SELECT nosuch;")

    notes.fails()

    told = [(event["event"], event.get("version")) for event in listening if "version" in event]
    assert [
        ("multidb.migration_applied", 2),
        ("multidb.pragma_ignored", 3),
        ("multidb.migration_applied", 3),
        ("multidb.migration_applied", 4),
        ("multidb.migration_failed", 5),
    ] == told


def test_an_interrupt_leaves_nothing(notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of a transaction: everything as before, the lock free, the desk at work."""
    before = notes.everything()
    run = Migrating.run

    def interrupted(self: Migrating, sql: str) -> None:
        run(self, sql)
        raise KeyboardInterrupt

    def migrator_again(desk: MultiDB) -> Migrator:
        monkeypatch.undo()
        return desk.migrator("notes")

    with notes.open() as desk:
        monkeypatch.setattr(Migrating, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            desk.migrator("notes").up()
        assert before == notes.everything()
        assert (2,) == migrator_again(desk).up().applied
