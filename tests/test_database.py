"""The thread rules of a database: who may use what, who waits for whom, and what nests in what."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from multidb import (
    BusyError,
    Concern,
    ConstraintError,
    Database,
    ReaderTimeoutError,
    ReadOnlySessionError,
    SessionMisuseError,
    State,
    Tuning,
    WriterTimeoutError,
)
from tests.faults import Child

IMPATIENT = Tuning(writer_timeout_ms=30, reader_timeout_ms=30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "db").mkdir()
    return tmp_path / "db" / "notes.sqlite"


@pytest.fixture
def notes(path: Path) -> Iterator[Database]:
    """A database with one table and two readers, whose waits are short."""
    database = Database(Concern("notes", migrations=None, readers=2, tuning=IMPATIENT), path)
    database.open()
    database.execute("CREATE TABLE notes (text TEXT NOT NULL UNIQUE) STRICT")
    yield database
    database.close()


def texts(database: Database) -> list[str]:
    return [text for (text,) in database.many("SELECT text FROM notes ORDER BY text")]


def add(session: Any, text: str) -> None:
    session.execute("INSERT INTO notes VALUES (?)", (text,))


def in_thread(work: Callable[[], object]) -> BaseException | None:
    """Does the work in another thread; what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, name="the other")
    thread.start()
    thread.join(30)
    return raised[0] if raised else None


# --- nesting -------------------------------------------------------------------------------------------


def test_a_write_commits_at_its_end(notes: Database) -> None:
    """And not before: another reader sees nothing of it meanwhile."""
    seen: list[list[str]] = []
    with notes.write() as session:
        add(session, "one")
        in_thread(lambda: seen.append(texts(notes)))

    assert ([[]], ["one"]) == (seen, texts(notes))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, asyncio.CancelledError, GeneratorExit])
def test_whatever_leaves_a_write_undoes_it(notes: Database, error: type[BaseException]) -> None:
    """Cancellation and Ctrl-C pass through after the rollback, and the lease is free again."""
    with contextlib.suppress(error), notes.write() as session:
        add(session, "one")
        raise error

    add(notes, "two")

    assert ["two"] == texts(notes)


def test_a_write_inside_ones_own_write_is_a_savepoint(notes: Database) -> None:
    """Its failure undoes it alone; the outer one decides about all."""
    with notes.write() as outer:
        add(outer, "outer")
        with contextlib.suppress(ValueError), notes.write() as inner:
            add(inner, "inner")
            raise ValueError
        with notes.write() as inner:
            add(inner, "kept")

    assert ["kept", "outer"] == texts(notes)


def test_a_failed_outer_write_undoes_its_inner_ones(notes: Database) -> None:
    """A savepoint that was released is part of what is rolled back."""
    with contextlib.suppress(ValueError), notes.write():
        with notes.write() as inner:
            add(inner, "inner")
        raise ValueError

    assert [] == texts(notes)


def test_verbs_of_the_database_run_in_ones_own_write(notes: Database) -> None:
    """Code that is given a database need not know whether a transaction is open around it."""
    with contextlib.suppress(ValueError), notes.write():
        add(notes, "one")
        assert ["one"] == texts(notes)
        notes.insert_many("notes", [{"text": "two"}])
        with notes.iterate("SELECT text FROM notes") as stream:
            assert 2 == len(list(stream))
        assert ["one"] == [row[0] for row in notes.page("SELECT text FROM notes", key=[("text", "asc")], limit=1).items]
        raise ValueError

    assert [] == texts(notes)


def test_a_read_inside_ones_own_write_sees_its_writes(notes: Database) -> None:
    """And cannot write: it is a view, which ends before the write goes on."""
    with notes.write() as session:
        add(session, "one")
        with notes.read() as view:
            assert [("one",)] == view.many("SELECT text FROM notes")
            with pytest.raises(ReadOnlySessionError):
                view.execute("DELETE FROM notes")
        with pytest.raises(SessionMisuseError):
            view.many("SELECT 1")
        add(session, "two")

    assert ["one", "two"] == texts(notes)


def test_a_write_inside_ones_own_read_is_a_transaction_of_its_own(notes: Database) -> None:
    """The reader keeps its moment; the writer commits beside it."""
    with notes.read() as session:
        before = session.many("SELECT text FROM notes")
        with notes.write() as w:
            add(w, "one")
            assert ["one"] == texts(notes)
        after = session.many("SELECT text FROM notes")

    assert ([], []) == (before, after)
    assert ["one"] == texts(notes)


def test_a_read_inside_ones_own_read_is_the_same_moment(notes: Database) -> None:
    """It takes no second reader."""
    with notes.read() as outer, notes.read() as inner:
        in_thread(lambda: add(notes, "later"))

        assert [] == outer.many("SELECT text FROM notes") == inner.many("SELECT text FROM notes")
        assert 1 == notes.activity()["readers"]["busy"]


def test_sessions_inside_exclusive_are_its_own(notes: Database) -> None:
    """A write there is a transaction on that one connection; it does not wait for itself."""
    with notes.exclusive() as session:
        with notes.write() as w:
            add(w, "one")
        with notes.read() as r:
            assert [("one",)] == r.many("SELECT text FROM notes")
        session.execute("VACUUM")
        assert ["one"] == texts(notes)
        notes.checkpoint()

    assert ["one"] == texts(notes)


def test_what_exclusive_changes_on_the_connection_is_gone_afterwards(notes: Database) -> None:
    """A pragma, a transaction that was left open, an attached file, a temporary table."""
    with notes.exclusive() as session:
        session.execute("PRAGMA foreign_keys = 0")
        session.execute("PRAGMA journal_mode = delete")
        session.execute("CREATE TEMP TABLE passing (x)")
        session.execute("ATTACH ':memory:' AS other")
        session.execute("BEGIN")
        add(session, "undone")

    tuning = notes.tuning_in_force()
    assert (True, "wal", []) == (tuning.foreign_keys, tuning.journal_mode, texts(notes))
    assert 0 == notes.scalar("SELECT count(*) FROM pragma_database_list WHERE name <> 'main'")


def test_exclusive_ends_whatever_happens_in_it(notes: Database) -> None:
    """The database is open again after an exception, too."""
    with contextlib.suppress(ValueError), notes.exclusive():
        assert State.MAINTENANCE is notes.state
        raise ValueError

    assert State.READY is notes.state
    add(notes, "one")


# --- on_commit -----------------------------------------------------------------------------------------


def test_on_commit_is_called_when_the_lease_is_free(notes: Database) -> None:
    """So that it may write; in order, once."""
    calls: list[object] = []
    with notes.write() as session:
        session.on_commit(lambda: calls.append(notes.activity()["writer"]["holder"]))
        session.on_commit(lambda: add(notes, "from the callback"))
        session.on_commit(lambda: calls.append(texts(notes)))
        assert [] == calls

    assert [None, ["from the callback"]] == calls


def test_on_commit_is_not_called_after_a_rollback(notes: Database) -> None:
    """Neither of the whole, nor of the savepoint that it was given in."""
    calls: list[str] = []
    with contextlib.suppress(ValueError), notes.write() as session:
        session.on_commit(lambda: calls.append("whole"))
        raise ValueError
    with notes.write() as session:
        session.on_commit(lambda: calls.append("outer"))
        with contextlib.suppress(ValueError), notes.write() as inner:
            inner.on_commit(lambda: calls.append("inner"))
            raise ValueError

    assert ["outer"] == calls


def test_an_error_in_on_commit_does_not_undo_the_commit(notes: Database) -> None:
    """The others are called, the error is raised, the rows stay."""
    calls: list[str] = []

    def fail() -> None:
        raise ValueError("in the callback")

    with pytest.raises(ValueError, match="in the callback"), notes.write() as session:
        add(session, "one")
        session.on_commit(fail)
        session.on_commit(lambda: calls.append("second"))

    assert (["second"], ["one"]) == (calls, texts(notes))


# --- threads -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("enter", [Database.read, Database.write, Database.exclusive])
def test_a_session_belongs_to_the_thread_that_entered_it(
    notes: Database, enter: Callable[[Database], contextlib.AbstractContextManager[Any]]
) -> None:
    """Another thread is refused, and nothing of the session is harmed."""
    with enter(notes) as session:
        raised = in_thread(lambda: session.many("SELECT * FROM notes"))
        session.many("SELECT * FROM notes")
        raised_again = in_thread(lambda: session.many("SELECT * FROM notes"))  # the statement is known by now

    assert SessionMisuseError is type(raised) is type(raised_again)


def test_a_stream_belongs_to_the_thread_that_asked_for_it(notes: Database) -> None:
    """Rows are not drawn from two threads."""
    notes.executemany("INSERT INTO notes VALUES (?)", [(f"{n}",) for n in range(3)])
    with notes.iterate("SELECT text FROM notes", chunk=1) as stream:
        next(stream)
        raised = in_thread(lambda: list(stream))

    assert SessionMisuseError is type(raised)


def test_the_database_may_be_used_from_another_thread_meanwhile(notes: Database) -> None:
    """A reader beside one's own write sees what was committed before."""
    seen: list[list[str]] = []
    with notes.write() as session:
        add(session, "one")
        raised = in_thread(lambda: seen.append(texts(notes)))

    assert (None, [[]]) == (raised, seen)


def test_a_second_writer_waits_and_learns_who_is_writing(notes: Database) -> None:
    """At its deadline the error names the holder, and says that waiting helps."""
    with notes.write():
        raised = in_thread(lambda: notes.execute("DELETE FROM notes"))

    assert isinstance(raised, WriterTimeoutError)
    assert "MainThread" in str(raised.holder)
    assert ("notes", True, "writer", 11) == (raised.concern, raised.retryable, raised.kind, raised.exit_status)


def test_a_reader_too_many_waits_and_learns_who_is_reading(notes: Database) -> None:
    """A pool has its bound; a longer timeout waits longer."""
    with notes.iterate("SELECT 1") as first, notes.iterate("SELECT 1") as second:
        next(first), next(second)
        raised = in_thread(lambda: notes.many("SELECT 1"))

    assert isinstance(raised, ReaderTimeoutError)
    assert "MainThread" in str(raised.holder)
    assert 2 == notes.activity()["readers"]["limit"]
    assert [(1,)] == notes.many("SELECT 1")


def test_another_process_that_writes_is_named(notes: Database, path: Path) -> None:
    """Behind the lease is SQLite's own lock; its holder's pid is in the error."""
    hold = """
        import apsw
        owner = apsw.Connection(args[0])
        owner.execute("BEGIN IMMEDIATE")
        barrier("held")
        owner.execute("ROLLBACK")
    """
    with Child(hold, str(path)) as child:
        child.wait_for("held")
        with pytest.raises(WriterTimeoutError) as refusal:
            notes.execute("DELETE FROM notes")
        assert [] == texts(notes)  # readers do not wait for writers
        child.release()
        child.result()

    assert f"pid {child.pid}" in str(refusal.value.holder)


def test_a_finished_thread_leaves_no_session_to_its_number(notes: Database) -> None:
    """Numbers are used again: what the next thread of that number wrote would go down with the dead one's session."""
    entered = notes.write()
    in_thread(lambda: add(entered.__enter__(), "never committed"))

    seen: list[list[str]] = []
    raised = [in_thread(lambda: seen.append(texts(notes))) for _ in range(5)]
    entered.__exit__(ValueError, ValueError(), None)

    assert ([None] * 5, [[]] * 5) == (raised, seen)
    assert [] == texts(notes)


# --- tasks ---------------------------------------------------------------------------------------------


def test_a_session_belongs_to_its_task(notes: Database) -> None:
    """Two tasks of one thread are two owners; a child task, too, although it inherits the context."""

    async def other(session: Any) -> str:
        try:
            session.many("SELECT * FROM notes")
        except SessionMisuseError:
            return "refused"
        return "allowed"

    async def main() -> list[str]:
        with notes.write() as session:
            add(session, "one")
            answers = [await asyncio.create_task(other(session)), await asyncio.to_thread(asyncio.run, other(session))]
            add(session, "two")
        return answers

    assert ["refused", "refused"] == asyncio.run(main())
    assert ["one", "two"] == texts(notes)


def test_another_task_reads_beside_ones_write(notes: Database) -> None:
    """The database's own verbs do not run in somebody else's session."""

    async def read() -> list[str]:
        return texts(notes)

    async def main() -> list[list[str]]:
        with notes.write() as session:
            add(session, "one")
            return [await asyncio.create_task(read()), await asyncio.to_thread(texts, notes), await read()]

    assert [[], [], ["one"]] == asyncio.run(main())


def test_another_task_that_writes_is_told_who_holds_the_lease(notes: Database) -> None:
    """It blocks the loop, so it can only end at its deadline: the error names the task."""

    async def main() -> BaseException:
        async def write() -> None:
            add(notes, "two")

        with notes.write():
            results = await asyncio.gather(asyncio.create_task(write()), return_exceptions=True)
        assert isinstance(results[0], BaseException)
        return results[0]

    error = asyncio.run(main())

    assert isinstance(error, WriterTimeoutError)
    assert "task" in str(error.holder)


def test_a_cancelled_task_rolls_back(notes: Database) -> None:
    """CancelledError at an await inside the block."""

    async def main() -> None:
        async def write() -> None:
            with notes.write() as session:
                add(session, "one")
                inside.set()
                await asyncio.Event().wait()

        inside = asyncio.Event()
        task = asyncio.create_task(write())
        await inside.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())
    add(notes, "two")

    assert ["two"] == texts(notes)


# --- upkeep and facts ------------------------------------------------------------------------------------


def test_checkpoint_tells_who_was_in_the_way(notes: Database) -> None:
    """It never waits: with a reader there it copies what it may and says busy."""
    add(notes, "one")
    with notes.read():
        in_thread(lambda: add(notes, "two"))
        blocked: list[Any] = []
        in_thread(lambda: blocked.append(notes.checkpoint()))
    free = notes.checkpoint()

    assert (True, False) == (blocked[0].busy, free.busy)
    assert free.wal_frames == free.checkpointed


def test_vacuum_gives_the_space_back(notes: Database, path: Path) -> None:
    """As the only connection of this process; another one's waits are its own affair."""
    notes.executemany("INSERT INTO notes VALUES (?)", [(f"{n} {'x' * 500}",) for n in range(500)])
    notes.execute("DELETE FROM notes")
    notes.checkpoint()
    before = path.stat().st_size

    notes.vacuum()
    notes.checkpoint()

    assert path.stat().st_size < before / 10


def test_a_broken_rule_leaves_the_transaction_standing(notes: Database) -> None:
    """A ConstraintError undoes its statement alone."""
    with notes.write() as session:
        add(session, "one")
        with pytest.raises(ConstraintError):
            add(session, "one")
        add(session, "two")

    assert ["one", "two"] == texts(notes)


def test_interrupt_stops_what_runs_and_nothing_else(notes: Database) -> None:
    """From any thread; the next statement is not hit."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    raised: list[BaseException | None] = []
    thread = threading.Thread(target=lambda: raised.append(in_thread(lambda: notes.scalar(endless))))
    thread.start()
    while not raised:
        notes.interrupt()
        thread.join(0.001)

    assert isinstance(raised[0], BusyError)
    assert [] == texts(notes)


def test_activity_counts_who_uses_it(notes: Database) -> None:
    """Readers, the writer and who waited in vain, without taking a connection."""
    with notes.read(), notes.write():
        in_thread(lambda: notes.execute("DELETE FROM notes"))
        activity = notes.activity()

    assert 1 == activity["readers"]["busy"]
    assert "MainThread" in activity["writer"]["holder"]
    assert {"reader": 0, "writer": 1} == activity["busy"]


def waits_to_be_alone(database: Database) -> tuple[threading.Thread, list[BaseException | None]]:
    """A thread that stands before `exclusive()` now, and what it will have raised."""
    outcome: list[BaseException | None] = []

    def enter() -> None:
        with database.exclusive(timeout=60):
            pass

    thread = threading.Thread(target=lambda: outcome.append(in_thread(enter)))
    thread.start()
    while database.activity()["exclusive"]["holder"] is None:
        thread.join(0.001)
    return thread, outcome


def test_who_reads_already_may_read_on_while_somebody_waits_to_be_alone(notes: Database) -> None:
    """A query for each row of a stream, and a vacuum that waits for the stream to end: both get through."""
    notes.executemany("INSERT INTO notes VALUES (?)", [(f"{n}",) for n in range(3)])

    with notes.iterate("SELECT text FROM notes", chunk=1) as stream:
        next(stream)
        thread, outcome = waits_to_be_alone(notes)
        with notes.read() as session:
            seen = [session.scalar("SELECT count(*) FROM notes")]
        refused = in_thread(lambda: texts(notes))
        add(notes, "and may write")
        seen += [notes.scalar("SELECT count(*) FROM notes WHERE text = ?", row) for row in stream]
    thread.join()

    assert ([3, 1, 1], [None]) == (seen, outcome)
    assert ReaderTimeoutError is type(refused)


def test_a_reader_that_writes_goes_before_somebody_who_waits_to_be_alone(notes: Database) -> None:
    """They would wait for each other otherwise: one for the reader, the other for the lease."""
    with notes.read() as session:
        thread, outcome = waits_to_be_alone(notes)
        with notes.write() as w:
            add(w, "one")
        session.many("SELECT text FROM notes")
    thread.join()

    assert ([None], ["one"]) == (outcome, texts(notes))
