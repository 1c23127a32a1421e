"""Statements that run too long, are interrupted, or meet Ctrl-C; and the transaction afterwards."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import apsw
import pytest

from multidb import Database, SessionMisuseError, StatementTimeoutError
from tests.engine.conftest import TABLE, Clock, Opened
from tests.faults import Child

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS c FROM n"
FILLING = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO notes (title) SELECT i FROM n"


@pytest.fixture
def hasty(opened: Opened, clock: Clock) -> Database:
    """A database whose statements may take a second of the test's clock."""
    database = opened(statement_timeout_ms=1000)
    database.execute(TABLE)
    return database


VERBS = {
    "one": lambda target: target.one(ENDLESS),
    "first": lambda target: target.first(ENDLESS),
    "many": lambda target: target.many(ENDLESS),
    "scalar": lambda target: target.scalar(ENDLESS),
    "execute": lambda target: target.execute(ENDLESS),
    "executemany": lambda target: target.executemany(ENDLESS, [()]),
    "iterate": lambda target: next(target.iterate(ENDLESS)),
    "page": lambda target: target.page(ENDLESS, key=[("c", "asc")]),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", ["database", "read", "write", "exclusive"])
def test_every_verb_has_the_time_that_is_set(hasty: Database, clock: Clock, verb: str, kind: str) -> None:
    """Past it the statement is stopped; reading goes on in the same session, at the same moment."""
    if verb == "executemany" and kind == "read":
        return
    if kind == "database":
        clock.step = 0.7
        with pytest.raises(StatementTimeoutError, match="ran past its time") as caught:
            VERBS[verb](hasty)
    else:
        with getattr(hasty, kind)() as session:
            clock.step = 0.7
            with pytest.raises(StatementTimeoutError, match="ran past its time") as caught:
                VERBS[verb](session)
            clock.step = 0.0
            assert 1 == session.scalar("SELECT 1")
    clock.step = 0.0

    assert ("statement", True, "notes") == (caught.value.kind, caught.value.retryable, caught.value.concern)
    assert "RECURSIVE" in str(caught.value.sql)
    assert 1 == hasty.scalar("SELECT 1")
    hasty.execute("INSERT INTO notes (title) VALUES ('after')")


def test_a_write_that_runs_out_of_time_undoes_the_transaction(hasty: Database, clock: Clock) -> None:
    """SQLite rolls it back whole, and the session refuses to go on."""
    with pytest.raises(SessionMisuseError), hasty.write() as session:
        session.execute("INSERT INTO notes (title) VALUES ('first')")
        clock.step = 0.7
        with pytest.raises(StatementTimeoutError):
            session.execute(FILLING)
        clock.step = 0.0
        with pytest.raises(SessionMisuseError):
            session.execute("INSERT INTO notes (title) VALUES ('second')")

    assert 0 == hasty.scalar("SELECT count(*) FROM notes")


def test_the_time_of_one_statement_is_not_the_nexts(hasty: Database, clock: Clock) -> None:
    """Nor of COMMIT, nor of the next user of the connection, however long nothing ran."""
    with hasty.write() as session:
        for number in range(5):
            session.execute("INSERT INTO notes (title) VALUES (?)", (number,))
            clock.now += 5
        session.executemany("INSERT INTO notes (title) VALUES (?)", ticking(clock, 5))
        clock.now += 5
        session.insert_many("notes", ({"title": f"many {row[0]}"} for row in ticking(clock, 120)))
        clock.now += 5
        with session.savepoint():
            clock.now += 5
    clock.now += 5
    hasty.vacuum()
    clock.now += 5
    with hasty.read() as session:
        clock.now += 5
        assert 130 == sum(1 for _ in session.iterate("SELECT id FROM notes"))


def ticking(clock: Clock, count: int) -> Any:
    for number in range(count):
        clock.now += 5
        yield (f"row {number}",)


def test_a_hundred_rows_may_take_longer_than_one(hasty: Database, clock: Clock) -> None:
    """The time is a statement's, and each row of executemany is a statement."""
    clock.step = 0.4

    assert 100 == hasty.executemany("INSERT INTO notes (title) VALUES (?)", ((str(n),) for n in range(100)))


# --- interrupt -------------------------------------------------------------------------------------------


def interrupting(target: Any, work: Any) -> BaseException:
    """What the work raises, while another thread interrupts for as long as it runs."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.0005):
            target.interrupt()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        with pytest.raises(StatementTimeoutError) as caught:
            work()
    finally:
        over.set()
        thread.join()
    return caught.value


def test_interrupt_stops_what_runs(notes: Database) -> None:
    """From any thread; the error says that somebody did it, and reading goes on."""
    with notes.read() as session:
        error = interrupting(session, lambda: session.scalar(ENDLESS))
        assert "the statement was interrupted" == str(error)
        assert 0 == session.scalar("SELECT count(*) FROM notes")
    error = interrupting(notes, lambda: notes.scalar(ENDLESS))

    assert "the statement was interrupted" == str(error)


def test_an_interrupt_that_meets_nothing_meets_nothing_later(notes: Database) -> None:
    """It is not kept for the next statement."""
    with notes.write() as session:
        session.interrupt()
        notes.interrupt()
        session.execute("INSERT INTO notes (title) VALUES ('kept'), ('too')")
        session.interrupt()
    notes.interrupt()
    with notes.read() as session:
        session.interrupt()
        assert "kept" == session.scalar("SELECT title FROM notes WHERE id = 1")
        assert ("kept",) == session.first("SELECT title FROM notes ORDER BY id")  # is left half-read
        session.interrupt()
        assert ("too",) == session.first("SELECT title FROM notes ORDER BY id DESC")
        session.interrupt()
        assert ("kept",) == session.first("SELECT title FROM notes ORDER BY id")


# --- Ctrl-C ----------------------------------------------------------------------------------------------


def writes_until_ctrl_c(path: str) -> list[str]:
    """A program whose user loses patience; it goes on in the worst way."""
    from multidb import Concern

    told = []
    database = Database(Concern("notes", migrations=None), Path(path))
    database.open()
    try:
        with database.write() as session:
            session.execute("INSERT INTO notes (title) VALUES ('first')")
            tell_when_it_runs(session, "writing")
            try:
                session.execute(FILLING)
            except KeyboardInterrupt:
                told.append("interrupted")
            session.execute("INSERT INTO notes (title) VALUES ('second')")
    except SessionMisuseError:
        told.append("refused")
    with database.read() as session:
        tell_when_it_runs(session, "reading")
        try:
            session.scalar(ENDLESS)
        except KeyboardInterrupt:
            told.append("interrupted")
        told.append(str(session.scalar("SELECT count(*) FROM notes")))
    database.execute("INSERT INTO notes (title) VALUES ('third')")
    database.close()
    return told


def tell_when_it_runs(session: Any, word: str) -> None:
    """Says the word from another thread once the connection is at work for longer than it takes to compile."""
    from tests.faults.inside import say

    def watch() -> None:
        seen = 0
        while seen < 2000:
            try:
                session._handle.connection.total_changes()
                seen = 0
            except apsw.ThreadingViolationError:
                seen += 1
        say(word)

    threading.Thread(target=watch, daemon=True).start()


def test_ctrl_c_stops_a_statement_and_undoes_its_transaction(notes: Database, path: Path) -> None:
    """At once, not at the statement's end; what comes after is not committed alone, and the program may go on."""
    notes.close()
    with Child(writes_until_ctrl_c, str(path)) as child:
        for word in ("writing", "reading"):
            assert word == child.hear()
            os.kill(child.pid, signal.SIGINT)
        told = child.result()

    assert ["interrupted", "refused", "interrupted", "0"] == told
