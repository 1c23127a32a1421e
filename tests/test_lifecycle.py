"""A database's states: how it comes to each, how it leaves it, and what is held open meanwhile."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from multidb import (
    AbsentError,
    ClosedError,
    Concern,
    ConfigError,
    Database,
    DiskFullError,
    FailedError,
    NotADatabaseError,
    ReaderTimeoutError,
    SessionMisuseError,
    State,
    StorageError,
    Tuning,
    WriterTimeoutError,
    lifecycle,
)
from tests.faults import armed, damage, folder_fingerprint

BACK_OFF = [1, 2, 4, 8, 16, 32, 60, 60]


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
    (tmp_path / "db").mkdir()
    return tmp_path / "db" / "notes.sqlite"


Open = Callable[..., Database]


@pytest.fixture
def opened(path: Path, clock: Clock) -> Iterator[Open]:
    """Opens the database `notes`, with the given values of a Concern; closed at the end."""
    with contextlib.ExitStack() as stack:

        def make(*, read_only: bool = False, at: Path = path, **values: object) -> Database:
            concern = Concern("notes", migrations=None, **values)  # type: ignore[arg-type]  # fields of Concern
            database = Database(concern, at, read_only=read_only, clock=clock)
            stack.callback(lambda: database.close(timeout=0))
            if not concern.lazy:
                database.open()
            return database

        yield make


@pytest.fixture
def notes(opened: Open) -> Database:
    """A database with one empty table."""
    database = opened(tuning=Tuning(writer_timeout_ms=50, reader_timeout_ms=50))
    database.execute("CREATE TABLE notes (text TEXT NOT NULL) STRICT")
    return database


class Elsewhere:
    """A thread that enters a session and stays in it until it is let go; what it met is in `error`."""

    def __init__(self, enter: Callable[[], contextlib.AbstractContextManager[object]]) -> None:
        self._enter = enter
        self._is_inside, self._may_go = threading.Event(), threading.Event()
        self.then: Callable[[object], object] = lambda session: None
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="elsewhere")

    def _run(self) -> None:
        try:
            with self._enter() as session:
                self._is_inside.set()
                assert self._may_go.wait(30)
                self.then(session)
        except BaseException as error:
            self.error = error
        self._is_inside.set()

    def __enter__(self) -> Elsewhere:
        self._thread.start()
        assert self._is_inside.wait(30)
        return self

    def let_go(self) -> None:
        self._may_go.set()
        self._thread.join(30)

    def __exit__(self, *_: object) -> None:
        self.let_go()


# --- opening -------------------------------------------------------------------------------------------


def test_a_new_database_is_ready_and_private(opened: Open, path: Path) -> None:
    """Created 0600; SQLite gives its side files the same mode."""
    database = opened()

    database.execute("CREATE TABLE t (x) ")

    assert (State.READY, True) == (database.state, database.was_created)
    modes = {entry.name: entry.stat().st_mode & 0o777 for entry in path.parent.iterdir()}
    assert dict.fromkeys(["notes.sqlite", "notes.sqlite-wal", "notes.sqlite-shm"], 0o600) == modes


def test_a_wider_mode_is_somebodys_choice(opened: Open, path: Path) -> None:
    """An existing file keeps its mode, and its side files get it too."""
    apsw.Connection(str(path)).execute("CREATE TABLE t (x)").connection.close()
    path.chmod(0o640)

    opened().execute("INSERT INTO t VALUES (1)")

    assert {0o640} == {entry.stat().st_mode & 0o777 for entry in path.parent.iterdir()}


def test_opening_twice_is_once(opened: Open) -> None:
    """`open()` of an open database changes nothing, so that a caller need not know."""
    database = opened()
    writer = database._writer

    database.open()

    assert writer is database._writer


def test_a_lazy_database_opens_at_its_first_use(opened: Open, path: Path) -> None:
    """Until then there is no file, and looking does not make one."""
    database = opened(lazy=True)

    assert State.UNOPENED is database.state
    with pytest.raises(AbsentError):
        database.probe(lambda handle: None)
    assert not path.exists()
    database.execute("CREATE TABLE t (x)")
    assert State.READY is database.state


def test_a_lazy_database_can_be_looked_at_without_opening_it(opened: Open, path: Path) -> None:
    """A probe reads an existing file without a trace and leaves the state as it was."""
    apsw.Connection(str(path)).execute("CREATE TABLE t (x)").connection.close()
    before = folder_fingerprint(path.parent)
    database = opened(lazy=True)

    tables = database.probe(lambda handle: handle.ask("SELECT name FROM sqlite_schema"))

    assert [("t",)] == tables
    assert State.UNOPENED is database.state
    assert before == folder_fingerprint(path.parent)


def test_many_first_users_open_it_once(opened: Open) -> None:
    """Threads that all come first wait for one opening, and all get in."""
    database = opened(lazy=True)
    start = threading.Barrier(8)
    answers: list[object] = []

    def use() -> None:
        start.wait()
        answers.append(database.scalar("SELECT 7"))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [7] * 8 == answers


def test_a_missing_folder_is_told(opened: Open, tmp_path: Path) -> None:
    """The library makes the root, not every folder that a path names."""
    database = opened(at=tmp_path / "nowhere" / "notes.sqlite")

    assert State.FAILED is database.state
    assert "folder" in str(database.error)
    assert not (tmp_path / "nowhere").exists()


def test_no_room_for_the_file_itself(opened: Open, path: Path, clock: Clock) -> None:
    """A full disk at the very first moment: DiskFullError, and the next try succeeds."""
    with armed("open.after_create=full"):
        database = opened()
    error = database.error
    clock.now += 1

    database.execute("CREATE TABLE t (x)")

    assert DiskFullError is type(error)
    assert State.READY is database.state


def test_an_inspection_that_refuses_leaves_nothing_open(path: Path) -> None:
    """What looks at the database after opening may fail it; no connection stays behind."""

    def refuse(handle: object) -> None:
        raise StorageError("no")

    database = Database(Concern("notes", migrations=None), path, inspect=refuse)
    database.open()

    assert (State.FAILED, "no") == (database.state, database.error.message if database.error else None)
    assert not Path(f"{path}-wal").exists()
    database.close()


# --- failing and trying again ----------------------------------------------------------------------------


def test_a_failed_database_is_tried_again_with_a_growing_back_off(opened: Open, path: Path, clock: Clock) -> None:
    """1, 2, 4 … 60 seconds, not sooner, as often as it takes."""
    damage.garbage(path)
    database = opened()
    tries = []
    for seconds in BACK_OFF:
        error = database.error
        clock.now += seconds - 0.001
        with pytest.raises(FailedError):
            database.many("SELECT 1")
        assert error is database.error  # not tried so far
        clock.now += 0.001
        with pytest.raises(FailedError):
            database.many("SELECT 1")
        tries.append(database.error is not error)

    assert [True] * len(BACK_OFF) == tries


def test_success_forgets_the_back_off(opened: Open, path: Path, clock: Clock) -> None:
    """After a recovery the next failure begins at one second again."""
    damage.garbage(path)
    database = opened()
    for seconds in (1, 2, 4):
        clock.now += seconds
        with pytest.raises(FailedError):
            database.many("SELECT 1")
    damage.empty(path)
    database.reopen()
    damage.garbage(path)
    with pytest.raises(NotADatabaseError):
        database.reopen()
    first = database.error

    clock.now += 1
    with pytest.raises(FailedError):
        database.many("SELECT 1")

    assert first is not database.error


def test_reopen_does_not_wait_for_the_back_off(opened: Open, path: Path) -> None:
    """The operator has mended the file and says so."""
    damage.garbage(path)
    database = opened()
    damage.empty(path)

    database.reopen()

    assert State.READY is database.state
    assert database.error is None


def test_a_failure_is_told_with_its_cause(opened: Open, path: Path) -> None:
    """FailedError carries the hint, the exit status and the cause itself."""
    damage.garbage(path)
    database = opened()

    with pytest.raises(FailedError) as refusal:
        database.execute("CREATE TABLE t (x)")

    assert database.error is refusal.value.__cause__
    assert (20, "notes", str(path)) == (refusal.value.exit_status, refusal.value.concern, refusal.value.path)


def test_a_probe_does_not_try_again(opened: Open, path: Path, clock: Clock) -> None:
    """Health looks; it does not make a file whose time has come."""
    folder = path.parent
    folder.rmdir()
    database = opened()
    folder.mkdir()
    clock.now += 100

    with pytest.raises(FailedError):
        database.probe(lambda handle: None)

    assert [] == list(folder.iterdir())


def test_sessions_of_the_time_before_are_not_cut_off_by_a_retry(notes: Database, path: Path, clock: Clock) -> None:
    """While somebody still reads what was open before the failure, nothing is opened anew."""
    with Elsewhere(notes.read) as reader:
        path.rename(path.with_name("moved"))
        with pytest.raises(FailedError):
            notes.execute("INSERT INTO notes VALUES ('x')")
        path.with_name("moved").rename(path)
        clock.now += 100

        with pytest.raises(FailedError):
            notes.execute("INSERT INTO notes VALUES ('x')")

        reader.let_go()
    assert reader.error is None
    notes.execute("INSERT INTO notes VALUES ('x')")


# --- alone -----------------------------------------------------------------------------------------------


def test_reopen_waits_for_sessions_and_names_who_has_one(notes: Database) -> None:
    """A reader or a writer elsewhere keeps it waiting until the deadline."""
    notes.many("SELECT 1")
    with Elsewhere(notes.read), pytest.raises(ReaderTimeoutError) as by_reader:
        notes.reopen()
    with Elsewhere(notes.write), pytest.raises(WriterTimeoutError) as by_writer:
        notes.reopen()

    assert "elsewhere" in str(by_reader.value.holder)
    assert "elsewhere" in str(by_writer.value.holder)
    assert State.READY is notes.state
    assert [] == notes.many("SELECT * FROM notes")


@pytest.mark.parametrize("enter", [Database.read, Database.write, Database.exclusive])
@pytest.mark.parametrize("verb", [Database.reopen, Database.vacuum, Database.close])
def test_what_would_wait_for_ones_own_session_is_refused(
    notes: Database,
    enter: Callable[[Database], contextlib.AbstractContextManager[object]],
    verb: Callable[[Database], None],
) -> None:
    """At once, not at the deadline; the session goes on."""
    with enter(notes):
        with pytest.raises(SessionMisuseError):
            verb(notes)
        notes.many("SELECT * FROM notes")

    assert State.READY is notes.state


def test_upkeep_inside_ones_own_write_is_refused_at_once(notes: Database) -> None:
    """A checkpoint cannot run inside a transaction, and the lease is one's own."""
    with notes.write() as session:
        session.execute("INSERT INTO notes VALUES ('x')")
        with pytest.raises(SessionMisuseError):
            notes.checkpoint()
        with pytest.raises(SessionMisuseError):
            notes.optimize()
        assert notes.tuning_in_force().foreign_keys

    assert [("x",)] == notes.many("SELECT * FROM notes")


# --- closing ---------------------------------------------------------------------------------------------


def test_closing_tidies_up(notes: Database, path: Path) -> None:
    """Readers first, then the writer, which takes the -wal and -shm with it."""
    notes.execute("INSERT INTO notes VALUES ('x')")
    notes.many("SELECT * FROM notes")

    notes.close()

    assert ["notes.sqlite"] == [entry.name for entry in path.parent.iterdir()]


def test_closing_twice_is_once(notes: Database) -> None:
    """Whoever comes second has nothing left to do."""
    notes.close()
    notes.close()

    assert State.CLOSED is notes.state


@pytest.mark.parametrize(
    "use",
    [
        lambda db: db.many("SELECT 1"),
        lambda db: db.execute("DELETE FROM notes"),
        lambda db: db.read().__enter__(),
        lambda db: db.write().__enter__(),
        lambda db: db.exclusive().__enter__(),
        lambda db: db.iterate("SELECT 1"),
        lambda db: db.insert_many("notes", [{"text": "x"}]),
        lambda db: db.reopen(),
        lambda db: db.open(),
        lambda db: db.vacuum(),
        lambda db: db.optimize(),
        lambda db: db.checkpoint(),
        lambda db: db.tuning_in_force(),
        lambda db: db.probe(lambda handle: None),
    ],
)
def test_use_after_close(notes: Database, path: Path, use: Callable[[Database], object]) -> None:
    """Every door is shut, says so, and makes no file."""
    notes.close()
    before = folder_fingerprint(path.parent)

    with pytest.raises(ClosedError) as refusal:
        use(notes)

    assert refusal.value.hint
    assert "notes" == refusal.value.concern
    assert before == folder_fingerprint(path.parent)


def test_the_file_may_be_opened_again_after_close(notes: Database, opened: Open) -> None:
    """The claim goes with the last connection."""
    notes.execute("INSERT INTO notes VALUES ('x')")
    notes.close()

    again = opened()

    assert [("x",)] == again.many("SELECT * FROM notes")


def test_close_waits_for_a_writer(notes: Database, path: Path) -> None:
    """Work that was accepted is finished, and committed whole."""
    with Elsewhere(notes.write) as writer:
        writer.then = lambda session: session.execute("INSERT INTO notes VALUES ('last')")  # type: ignore[attr-defined]
        closer = threading.Thread(target=notes.close)
        closer.start()
        writer.let_go()
        closer.join(30)

    assert (None, State.CLOSED) == (writer.error, notes.state)
    assert ["notes.sqlite"] == [entry.name for entry in path.parent.iterdir()]
    check = apsw.Connection(str(path))
    assert "last" == check.execute("SELECT text FROM notes").get
    check.close()


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stragglers get no second after they were interrupted."""
    monkeypatch.setattr(lifecycle, "_GRACE", 0.0)


@pytest.mark.usefixtures("no_grace")
def test_a_straggling_writer_loses_its_transaction_whole(notes: Database, path: Path) -> None:
    """At the deadline its connection is closed under it: ClosedError, and not half of it is committed."""
    with Elsewhere(notes.write) as writer:
        writer.then = lambda session: session.execute("INSERT INTO notes VALUES ('second')")  # type: ignore[attr-defined]
        notes_session = notes._writer
        assert notes_session is not None
        notes.close(timeout=0)
        writer.let_go()

    assert ClosedError is type(writer.error)
    check = apsw.Connection(str(path))
    assert 0 == check.execute("SELECT count(*) FROM notes").get
    check.close()


@pytest.mark.usefixtures("no_grace")
def test_a_straggler_that_swallows_the_error_still_learns_of_it(notes: Database) -> None:
    """Leaving the block without an exception must not look like a commit."""

    def carry_on(session: object) -> None:
        with contextlib.suppress(ClosedError):
            session.execute("INSERT INTO notes VALUES ('x')")  # type: ignore[attr-defined]

    with Elsewhere(notes.write) as writer:
        writer.then = carry_on
        notes.close(timeout=0)
        writer.let_go()

    assert ClosedError is type(writer.error)


@pytest.mark.usefixtures("no_grace")
@pytest.mark.parametrize("enter", [Database.read, Database.exclusive])
def test_other_stragglers_are_cut_off_too(
    notes: Database, path: Path, enter: Callable[[Database], contextlib.AbstractContextManager[object]]
) -> None:
    """A reader, and somebody in `exclusive()`, whose end does not open the database again."""
    with Elsewhere(lambda: enter(notes)) as straggler:
        straggler.then = lambda session: session.many("SELECT * FROM notes")  # type: ignore[attr-defined]
        notes.close(timeout=0)
        straggler.let_go()

    assert (ClosedError, State.CLOSED) == (type(straggler.error), notes.state)
    assert ["notes.sqlite"] == [entry.name for entry in path.parent.iterdir()]


def test_a_running_statement_is_interrupted_at_the_deadline(notes: Database) -> None:
    """A query that would run for ever gets ClosedError and the process goes on."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with Elsewhere(notes.read) as reader:
        reader.then = lambda session: session.scalar(endless)  # type: ignore[attr-defined]
        reader._may_go.set()
        notes.close(timeout=0)
        reader.let_go()

    assert ClosedError is type(reader.error)


def test_those_in_the_queue_are_refused_when_it_closes(notes: Database, opened: Open) -> None:
    """Whoever waits for the lease or for a reader does not wait for the end of their patience."""
    notes.close()
    database = opened(readers=1, tuning=Tuning(writer_timeout_ms=30_000, reader_timeout_ms=30_000))
    errors: list[BaseException] = []

    def use(enter: Callable[[], contextlib.AbstractContextManager[object]]) -> None:
        try:
            with enter():
                pass
        except BaseException as error:
            errors.append(error)

    with Elsewhere(database.read) as reader, Elsewhere(database.write) as writer:
        waiting = [threading.Thread(target=use, args=[enter]) for enter in (database.read, database.write)]
        for thread in waiting:
            thread.start()
        while (database.activity()["readers"]["waiting"], database.activity()["writer"]["waiting"]) != (1, 1):
            waiting[0].join(0.001)
        closer = threading.Thread(target=database.close)
        closer.start()
        for thread in waiting:
            thread.join(30)
        reader.let_go()
        writer.let_go()
        closer.join(30)

    assert [ClosedError, ClosedError] == [type(error) for error in errors]
    assert (None, None) == (reader.error, writer.error)


def test_ones_own_half_read_stream_is_not_waited_for(notes: Database) -> None:
    """Nobody else could close it: it ends with the database, at once."""
    notes.executemany("INSERT INTO notes VALUES (?)", [("x",)] * 9)
    stream = notes.iterate("SELECT text FROM notes", chunk=1)
    next(stream)

    notes.close(timeout=3600)

    with pytest.raises(ClosedError):
        list(stream)


def test_interrupting_the_wait_still_closes(notes: Database, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while close() waits for a session: passed on, with every connection closed."""

    def interrupted(self: object, deadline: float) -> bool:
        raise KeyboardInterrupt

    with Elsewhere(notes.write) as writer:
        monkeypatch.setattr(type(notes._gate.lease), "wait_until_free", interrupted)
        with pytest.raises(KeyboardInterrupt):
            notes.close()
        writer.then = lambda session: session.execute("DELETE FROM notes")  # type: ignore[attr-defined]
        writer.let_go()

    assert (ClosedError, State.CLOSED) == (type(writer.error), notes.state)
    assert ["notes.sqlite"] == [entry.name for entry in path.parent.iterdir()]


def test_one_file_is_not_opened_twice(notes: Database, path: Path) -> None:
    """What the second closes would drop the locks of the first."""
    second = Database(Concern("again", migrations=None), path)

    with pytest.raises(ConfigError) as refusal:
        second.open()

    assert "notes" in str(refusal.value) and refusal.value.hint
    notes.execute("INSERT INTO notes VALUES ('x')")
    second.close()
    assert [("x",)] == notes.many("SELECT * FROM notes")
