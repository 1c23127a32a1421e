"""Transactions and savepoints: what is undone with what, and what SQLite undoes by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multidb import (
    BusyError,
    ConstraintError,
    Database,
    DiskFullError,
    MultidbError,
    SessionMisuseError,
    StatementTimeoutError,
    StorageError,
    WriterTimeoutError,
)
from multidb.engine import transaction
from tests.engine.conftest import TABLE, Opened
from tests.faults import Child, Fault, disks, watch_storage

ADD = "INSERT INTO notes (title) VALUES (?)"
TITLES = "SELECT title FROM notes ORDER BY title"


class Undo(Exception):
    """Leaves a block in a hurry."""


def titles(database: Any) -> str:
    return "".join(title for (title,) in database.many(TITLES))


# --- savepoints ------------------------------------------------------------------------------------------


def test_a_savepoint_undoes_itself_alone(notes: Database) -> None:
    """What came before and after it stays."""
    with notes.write() as session:
        session.execute(ADD, ("a",))
        with pytest.raises(Undo), session.savepoint():
            session.execute(ADD, ("b",))
            raise Undo
        with session.savepoint() as same:
            assert same is session
            session.execute(ADD, ("c",))

    assert "ac" == titles(notes)


ACTS = st.recursive(
    st.just("write"),
    lambda inner: st.tuples(st.sampled_from(["savepoint", "nested"]), st.booleans(), st.lists(inner, max_size=4)),
    max_leaves=12,
)


@given(plan=st.lists(ACTS, max_size=4), fails=st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_blocks_in_blocks_undo_what_is_in_them(notes: Database, plan: list[Any], fails: bool) -> None:
    """Rows and callbacks alike; a callback is called once, in order, after the commit, or never."""
    notes.execute("DELETE FROM notes")
    counter = iter(range(10_000))
    called: list[str] = []

    def act(session: Any, steps: list[Any]) -> list[str]:
        kept = []
        for step in steps:
            if step == "write":
                title = f"{next(counter):04}"
                session.execute(ADD, (title,))
                session.on_commit(lambda title=title: called.append(title))
                kept.append(title)
                continue
            kind, is_kept, inner = step
            try:
                with session.savepoint() if kind == "savepoint" else notes.write():
                    found = act(session, inner)
                    if not is_kept:
                        raise Undo
                kept += found
            except Undo:
                pass
        return kept

    try:
        with notes.write() as session:
            kept = act(session, plan)
            assert [] == called
            if fails:
                raise Undo
    except Undo:
        kept = []

    assert kept == called == [title for (title,) in notes.many(TITLES)]


def test_many_savepoints_in_a_row_and_in_depth(notes: Database) -> None:
    """Their names are used again, and their statements stay compiled."""
    with notes.write() as session:

        def down(depth: int) -> None:
            with session.savepoint():
                session.execute(ADD, (f"{depth:03}",))
                if depth < 100:
                    down(depth + 1)

        down(1)
        for _ in range(300):
            with session.savepoint():
                pass

    assert 100 == notes.scalar("SELECT count(*) FROM notes")


# --- transactions that SQLite ends by itself ---------------------------------------------------------------


def interrupted(session: Any) -> None:
    """A write that somebody interrupts."""
    session.execute("CREATE TABLE big (i)")
    timer = threading.Thread(target=lambda: [session.interrupt() for _ in iter(lambda: done.wait(0.001), True)])
    done = threading.Event()
    timer.start()
    try:
        session.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO big SELECT i FROM n"
        )
    finally:
        done.set()
        timer.join()


ENDINGS: dict[str, tuple[Callable[[Any], object], type[MultidbError]]] = {
    "RAISE(ROLLBACK)": (lambda session: session.execute(ADD, ("forbidden",)), ConstraintError),
    "OR ROLLBACK": (
        lambda session: session.execute("INSERT OR ROLLBACK INTO notes (id, title) VALUES (1, 'x')"),
        ConstraintError,
    ),
    "OR ROLLBACK among many": (
        lambda session: session.executemany("INSERT OR ROLLBACK INTO notes (id, title) VALUES (?, 'x')", [(7,), (1,)]),
        ConstraintError,
    ),
    "RAISE(ROLLBACK) in insert_many": (
        lambda session: session.insert_many("notes", [{"title": "x"}, {"title": "forbidden"}]),
        ConstraintError,
    ),
    "RAISE(ROLLBACK) in a savepoint": (lambda session: within(session, ADD, "forbidden"), ConstraintError),
    "RAISE(ROLLBACK) while streaming": (
        lambda session: list(session.iterate("INSERT INTO notes (title) VALUES ('forbidden') RETURNING id")),
        ConstraintError,
    ),
    "an interrupt": (interrupted, StatementTimeoutError),
}


def within(session: Any, sql: str, *params: Any) -> None:
    with session.savepoint():
        session.execute(sql, params)


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_committed_one_by_one_afterwards(notes: Database, ending: str, stranger: apsw.Connection) -> None:
    """SQLite rolled the whole back; who swallows the error and goes on is refused, at every verb and at the end."""
    act, kind = ENDINGS[ending]
    notes.execute(
        "CREATE TRIGGER t BEFORE INSERT ON notes WHEN NEW.title = 'forbidden' BEGIN SELECT RAISE(ROLLBACK, 'no'); END"
    )
    notes.execute("INSERT INTO notes (id, title) VALUES (1, 'old')")
    called: list[bool] = []

    with pytest.raises(SessionMisuseError, match="rolled this transaction back"), notes.write() as session:
        session.execute(ADD, ("first",))
        session.on_commit(lambda: called.append(True))
        with pytest.raises(kind):
            act(session)
        for call in (
            lambda: session.execute(ADD, ("second",)),
            lambda: session.many("SELECT 1"),
            lambda: session.one(TITLES),
            lambda: session.executemany(ADD, [("third",)]),
            lambda: session.executemany(ADD, []),
            lambda: session.insert_many("notes", [{"title": "fourth"}]),
            lambda: session.savepoint().__enter__(),
            lambda: session.on_commit(print),
            lambda: session.iterate("SELECT 1"),
            lambda: session.page("SELECT 1 AS a", key=[("a", "asc")]),
            lambda: notes.execute(ADD, ("fifth",)),
            lambda: notes.many("SELECT 1"),
        ):
            with pytest.raises(SessionMisuseError, match="rolled this transaction back"):
                call()

    assert [("old",)] == stranger.execute(TITLES).fetchall()
    assert [] == called
    notes.execute(ADD, ("after",))
    assert "afterold" == titles(notes)


def test_a_view_of_a_lost_transaction_is_lost_too(notes: Database) -> None:
    """And the other way round: a statement of the view may end the transaction."""
    notes.execute("CREATE TRIGGER t BEFORE INSERT ON notes BEGIN SELECT RAISE(ROLLBACK, 'no'); END")
    with pytest.raises(ConstraintError), notes.write() as session, notes.read() as view:
        with pytest.raises(ConstraintError):
            session.execute(ADD, ("x",))
        for one in (view, session):
            with pytest.raises(SessionMisuseError):
                one.many("SELECT 1")
        raise ConstraintError("as the statement's error would")


def test_an_error_that_leaves_the_block_is_the_statements_own(notes: Database) -> None:
    """Whoever swallows nothing sees what went wrong, not what followed from it."""
    notes.execute("CREATE TRIGGER t BEFORE INSERT ON notes BEGIN SELECT RAISE(ROLLBACK, 'no'); END")
    with pytest.raises(ConstraintError, match="no"), notes.write() as session:
        session.execute(ADD, ("x",))


def test_a_failed_statement_that_leaves_the_transaction_is_only_itself(notes: Database, stranger: Any) -> None:
    """A broken rule, a mistake in the SQL, a refusal: the rest is committed."""
    with notes.write() as session:
        session.execute(ADD, ("a",))
        for sql in ("INSERT INTO notes (title) VALUES ('b'), ('a')", "SELEC", "BEGIN"):
            with pytest.raises(MultidbError):
                session.execute(sql)
        session.execute(ADD, ("c",))

    assert [("a",), ("c",)] == stranger.execute(TITLES).fetchall()


def test_a_rule_that_is_checked_at_the_end_undoes_all(notes: Database) -> None:
    """A deferred foreign key fails COMMIT, which leaves the transaction standing: we end it."""
    notes.execute("CREATE TABLE child (parent REFERENCES notes DEFERRABLE INITIALLY DEFERRED)")
    called: list[bool] = []
    with pytest.raises(ConstraintError) as caught, notes.write() as session:
        session.execute(ADD, ("a",))
        session.execute("INSERT INTO child VALUES (99)")
        session.on_commit(lambda: called.append(True))

    assert "foreign_key" == caught.value.kind
    assert ("", []) == (titles(notes), called)
    notes.execute(ADD, ("b",))


def test_a_full_disk_in_the_middle(small_disk: Path) -> None:
    """Everything of the transaction is gone, everything before it stands, and with space it goes on."""
    from multidb import Concern

    database = Database(Concern("notes", migrations=None), small_disk / "notes.sqlite")
    database.open()
    try:
        database.execute(TABLE)
        database.execute(ADD, ("before",))
        ballast = disks.fill(small_disk, leave_bytes=64 * 1024)
        with pytest.raises(DiskFullError), database.write() as session:
            for number in range(1000):
                session.execute("INSERT INTO notes (title, body) VALUES (?, zeroblob(4000))", (f"x{number}",))
        assert "before" == titles(database)
        ballast.unlink()
        database.execute(ADD, ("after",))
        assert "afterbefore" == titles(database)
    finally:
        database.close()


def test_a_commit_that_cannot_be_written_undoes_all(path: Path, opened: Opened) -> None:
    """The disk fails at the moment of COMMIT."""
    with watch_storage() as storage:
        database = opened(wal_autocheckpoint=0)
        database.execute(TABLE)
        database.execute(ADD, ("before",))
        with pytest.raises(StorageError), database.write() as session:
            session.execute(ADD, ("lost",))
            storage._fault = Fault(at=1, operation="write", kind="wal", action="io_error")
        assert "before" == titles(database)
        database.execute(ADD, ("after",))
        assert "afterbefore" == titles(database)
        database.close()


# --- waiting for other processes ---------------------------------------------------------------------------


def holds_the_lock(path: str) -> None:
    """Another program's process, in the middle of a write."""
    from tests.faults.inside import barrier

    connection = apsw.Connection(path)
    connection.execute("BEGIN IMMEDIATE")
    barrier("writing")
    connection.execute("INSERT INTO notes (title) VALUES ('theirs')")
    connection.execute("COMMIT")
    connection.close()


def test_another_process_is_named_by_its_pid(notes: Database, path: Path) -> None:
    """After the deadline, with the lease given back."""
    with Child(holds_the_lock, str(path)) as child:
        child.wait_for("writing")
        with pytest.raises(WriterTimeoutError) as caught, notes.write(timeout=0.05):
            pass
        assert f"pid {child.pid} (" in str(caught.value.holder)
        assert (apsw.SQLITE_BUSY, True, "writer") == (
            caught.value.sqlite_code,
            caught.value.retryable,
            caught.value.kind,
        )
        assert notes.activity()["writer"]["holder"] is None
        child.release()
        child.result()
    notes.execute(ADD, ("ours",))

    assert "ourstheirs" == titles(notes)


def test_no_time_at_all_is_one_try(notes: Database, path: Path) -> None:
    """Which succeeds where nobody is in the way."""
    with notes.write(timeout=0) as session:
        session.execute(ADD, ("a",))
    with Child(holds_the_lock, str(path)) as child:
        child.wait_for("writing")
        with pytest.raises(WriterTimeoutError), notes.write(timeout=0):
            pass
        child.release()
        child.result()


def test_a_wait_ends_when_the_other_does(notes: Database, path: Path) -> None:
    """SQLite is asked again until the deadline."""
    with Child(holds_the_lock, str(path)) as child:
        child.wait_for("writing")
        waiter = threading.Thread(target=lambda: notes.execute(ADD, ("ours",)))
        waiter.start()
        while notes.activity()["writer"]["holder"] is None:
            pass
        child.release()
        child.result()
        waiter.join(30)

    assert "ourstheirs" == titles(notes)


def test_the_busy_timeout_is_back_after_a_wait(notes: Database, path: Path) -> None:
    """Waiting in slices must not be what the next statement gets."""
    with Child(holds_the_lock, str(path)) as child:
        child.wait_for("writing")
        with pytest.raises(WriterTimeoutError), notes.write(timeout=0.01):
            pass
        child.release()
        child.result()

    assert notes.tuning_in_force() == notes.concern.tuning


def reads_in_rollback_mode(path: str) -> None:
    """Another program's process that keeps a shared lock, which keeps our COMMIT out."""
    from tests.faults.inside import barrier

    connection = apsw.Connection(path)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM notes").fetchall()
    barrier("reading")
    connection.execute("ROLLBACK")
    connection.close()


def test_a_commit_that_stays_busy_undoes_all(opened: Opened, path: Path) -> None:
    """With a rollback journal readers keep a commit out; it is tried until the deadline."""
    database = opened(journal_mode="delete", busy_timeout_ms=20)
    database.execute(TABLE)
    with Child(reads_in_rollback_mode, str(path)) as child:
        child.wait_for("reading")
        with pytest.raises(BusyError), database.write() as session:
            session.execute(ADD, ("lost",))
        assert "" == titles(database)
        child.release()
        child.result()
    database.execute(ADD, ("kept",))

    assert "kept" == titles(database)


def test_a_busy_commit_is_tried_again(opened: Opened, path: Path) -> None:
    """The reader leaves in time."""
    database = opened(journal_mode="delete", busy_timeout_ms=10_000)
    database.execute(TABLE)
    with Child(reads_in_rollback_mode, str(path)) as child:
        child.wait_for("reading")
        with database.write() as session:
            session.execute(ADD, ("kept",))
            child.release()
        child.result()

    assert "kept" == titles(database)


# --- checkpoints -----------------------------------------------------------------------------------------


def log_frames(database: Database) -> int:
    """Frames in the log that are not yet in the file."""
    from multidb.engine.facts import wal_frames

    frames, copied = database.probe(wal_frames) or (0, 0)
    return frames - copied


def test_a_commit_that_somebody_waits_for_does_not_checkpoint(opened: Opened) -> None:
    """The next one that nobody waits for does; the tuning in force stays what it is."""
    database = opened(wal_autocheckpoint=1)
    database.execute(TABLE)
    database.execute(ADD, ("a",))
    assert 0 == log_frames(database)

    entered = threading.Event()
    with database.write() as session:
        session.execute(ADD, ("b",))

        def wait() -> None:
            with database.write():
                entered.wait(30)

        waiter = threading.Thread(target=wait)
        waiter.start()
        while not database.activity()["writer"]["waiting"]:
            pass
    seen = log_frames(database)
    entered.set()
    waiter.join(30)
    database.execute(ADD, ("c",))

    assert seen > 0
    assert 0 == log_frames(database)
    assert 1 == database.tuning_in_force().wal_autocheckpoint


def test_the_log_is_not_left_to_grow_without_bound(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait, past a multiple of the mark the checkpoint comes."""
    database = opened(wal_autocheckpoint=2)
    database.execute(TABLE)
    monkeypatch.setattr(type(database._gate.lease), "is_awaited", property(lambda _: True))
    peak = 0
    for number in range(200):
        database.execute(ADD, (str(number),))
        peak = max(peak, log_frames(database))

    assert 2 < peak <= 2 * transaction._PATIENCE + 3
    assert 2 == database.tuning_in_force().wal_autocheckpoint


def test_a_log_that_is_never_checkpointed_by_itself_stays_so(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """wal_autocheckpoint=0 is somebody's choice."""
    database = opened(wal_autocheckpoint=0)
    database.execute(TABLE)
    monkeypatch.setattr(type(database._gate.lease), "is_awaited", property(lambda _: True))
    before = log_frames(database)
    for number in range(40):
        database.execute(ADD, (str(number),))

    assert log_frames(database) >= before + 40


def test_time_is_what_the_deadline_is_measured_by(notes: Database) -> None:
    """A deadline that has passed is no reason not to take what is free."""
    transaction.begin_write(notes._writer, time.monotonic() - 5)  # type: ignore[arg-type]  # it is open
    transaction.roll_back(notes._writer)  # type: ignore[arg-type]
