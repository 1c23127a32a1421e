"""`iterate`: rows one after the other, in constant memory, and a statement that is sure to be closed."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from itertools import islice
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multidb import Database, SessionMisuseError, StatementError, StatementTimeoutError
from tests.engine.conftest import Clock, Opened

NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?) SELECT i FROM n"


def is_free(database: Database) -> bool:
    """Whether nobody has a reader, and nothing is half-read."""
    return database.activity()["readers"]["busy"] == 0 and not database.checkpoint().busy


def test_a_stream_is_what_many_would_be(reader: Any) -> None:
    """In the same order, whichever way it is read."""
    sql = "SELECT id, title FROM notes ORDER BY id DESC"
    for chunk in (1, 2, 3, 4, 256):
        assert reader.many(sql) == list(reader.iterate(sql, chunk=chunk))
        with reader.iterate(sql, chunk=chunk) as stream:
            assert reader.many(sql) == [next(stream), *stream]
            assert [] == list(stream)
            assert next(stream, None) is None


@given(count=st.integers(0, 40), chunk=st.integers(1, 12), taken=st.lists(st.integers(0, 6), max_size=5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whoever_goes_on_goes_on_behind_the_last_row(notes: Database, count: int, chunk: int, taken: list[int]) -> None:
    """`next` and `for` share one place, and a `for` that was left may be followed by another."""
    rows: list[int] = []
    with notes.iterate(NUMBERS, (count,), chunk=chunk) as stream:
        for number in taken:
            rows += [row[0] for row in islice(stream, number)]
            rows += [row[0] for _ in range(number) if (row := next(stream, None))]
        rows += [row[0] for row in stream]

    assert list(range(1, count + 1)) == rows


def test_leaving_early_ends_the_statement(notes: Database) -> None:
    """By the end of the block, by an exception in it, by close."""
    notes.execute("INSERT INTO notes (title) VALUES ('a'), ('b'), ('c')")
    with notes.iterate("SELECT id FROM notes", chunk=1) as stream:
        next(stream)
        assert not is_free(notes)
    assert is_free(notes)

    with pytest.raises(ZeroDivisionError), notes.iterate("SELECT id FROM notes", chunk=1) as stream:
        for _ in stream:
            raise ZeroDivisionError
    assert is_free(notes)

    stream = notes.iterate("SELECT id FROM notes", chunk=1)
    next(stream)
    stream.close()
    stream.close()
    assert stream.closed
    assert [] == list(stream)
    assert is_free(notes)


def test_reading_to_the_end_closes(notes: Database) -> None:
    """Without a block, too."""
    stream = notes.iterate(NUMBERS, (10,), chunk=3)

    assert 10 == sum(1 for _ in stream)
    assert stream.closed
    assert is_free(notes)


def test_a_stream_that_is_dropped_ends_at_once(notes: Database) -> None:
    """Nobody has to wait for a collection: not the reader, not the log."""
    notes.execute("INSERT INTO notes (title) VALUES ('a'), ('b'), ('c')")
    gc.disable()
    try:
        for _ in notes.iterate("SELECT id FROM notes", chunk=1):
            break
        assert is_free(notes)
        stream = notes.iterate("SELECT id FROM notes", chunk=1)
        next(stream)
        del stream
        assert is_free(notes)
        with notes.read() as session:
            for _ in session.iterate("SELECT id FROM notes", chunk=1):
                break
    finally:
        gc.enable()
    assert is_free(notes)


def test_a_stream_that_was_never_read_holds_nothing_for_long(notes: Database) -> None:
    """It has a reader until it is dropped, and no statement."""
    notes.iterate("SELECT 1")

    assert is_free(notes)


def test_a_stream_in_a_circle_is_ended_by_the_collection(notes: Database) -> None:
    """In whichever thread that runs, and while anybody has the pool's lock."""
    notes.execute("INSERT INTO notes (title) VALUES ('a'), ('b'), ('c')")

    class Circle:
        def __init__(self) -> None:
            self.me = self
            self.stream = notes.iterate("SELECT id FROM notes", chunk=1)
            next(self.stream)

    Circle()
    thread = threading.Thread(target=gc.collect)
    thread.start()
    thread.join()
    assert is_free(notes)

    Circle()
    with notes._gate.readers._lock:  # a collection may begin at any place, this one too
        gc.collect()
    assert 3 == notes.scalar("SELECT count(*) FROM notes")
    assert is_free(notes)


def test_a_lost_reader_goes_to_whoever_waits(opened: Opened) -> None:
    """All readers were lost in circles; nobody needs to time out."""
    database = opened(readers=1)

    class Circle:
        def __init__(self) -> None:
            self.me = self
            self.stream = database.iterate(NUMBERS, (1000,), chunk=1)
            next(self.stream)

    Circle()
    answer: list[int] = []
    waiter = threading.Thread(target=lambda: answer.append(database.scalar("SELECT 1")))
    waiter.start()
    while not database.activity()["readers"]["waiting"]:
        pass
    gc.collect()
    waiter.join(30)

    assert [1] == answer


def test_a_stream_ends_with_its_session(notes: Database) -> None:
    """And says so, since the rows that are missing would not be missed."""
    notes.execute("INSERT INTO notes (title) VALUES ('a'), ('b'), ('c')")
    for kind in ("read", "write", "exclusive"):
        with getattr(notes, kind)() as session:
            begun = session.iterate("SELECT id FROM notes", chunk=2)
            assert (1,) == next(begun)
            fresh = session.iterate("SELECT id FROM notes")
            done = session.iterate("SELECT id FROM notes")
            assert 3 == len(list(done))
        for stream in (begun, fresh):
            with pytest.raises(SessionMisuseError, match="ended"):
                list(stream)
            with pytest.raises(SessionMisuseError, match="ended"):
                next(stream)
        assert [] == list(done)
    assert is_free(notes)


def test_several_streams_of_a_session_go_side_by_side(notes: Database) -> None:
    """Each has a place of its own, and other statements run between their rows."""
    notes.execute("INSERT INTO notes (title) VALUES ('a'), ('b'), ('c')")
    with notes.write() as session:
        pairs = []
        for (left,) in session.iterate("SELECT id FROM notes ORDER BY id", chunk=1):
            for (right,) in session.iterate("SELECT id FROM notes ORDER BY id", chunk=1):
                pairs.append((left, right))
                session.execute("UPDATE notes SET stars = ? WHERE id = ?", (left, right))

    assert [(a, b) for a in (1, 2, 3) for b in (1, 2, 3)] == pairs
    assert [(3,)] * 3 == notes.many("SELECT stars FROM notes")


def test_outside_a_session_it_sees_one_moment(notes: Database) -> None:
    """What is written meanwhile is not in it."""
    notes.execute("INSERT INTO notes (title) VALUES ('a'), ('b'), ('c')")
    with notes.iterate("SELECT title FROM notes ORDER BY id", chunk=1) as stream:
        first = next(stream)
        notes.execute("INSERT INTO notes (title) VALUES ('d')")
        notes.execute("UPDATE notes SET title = upper(title)")
        rest = list(stream)

    assert [("a",), ("b",), ("c",)] == [first, *rest]


def test_inside_ones_own_session_it_is_the_sessions(notes: Database) -> None:
    """So it sees what the session wrote, and takes no reader."""
    with notes.write() as session:
        session.execute("INSERT INTO notes (title) VALUES ('mine')")
        assert [("mine",)] == list(notes.iterate("SELECT title FROM notes"))
        assert 0 == notes.activity()["readers"]["busy"]


def test_an_error_in_the_middle_is_told_and_ends_it(notes: Database) -> None:
    """The rows before it were given."""
    notes.execute("INSERT INTO notes (title) VALUES ('1'), ('2'), ('{')")
    got = []
    with pytest.raises(StatementError, match="malformed JSON"):
        for (value,) in notes.iterate("SELECT json(title) FROM notes ORDER BY id", chunk=1):
            got.append(value)

    assert ["1", "2"] == got
    assert is_free(notes)


def test_an_error_of_the_class_leaves_the_stream_to_the_caller(notes: Database) -> None:
    """The row that could not be made is passed over where the caller goes on."""

    @attrs.define
    class Number:
        value: int = attrs.field(converter=int)

    with notes.iterate('SELECT value FROM json_each(\'["1", "x", "3"]\')', into=Number) as stream:
        assert Number(1) == next(stream)
        with pytest.raises(ValueError, match="invalid literal"):
            next(stream)
        assert [Number(3)] == list(stream)


@pytest.mark.parametrize("chunk", [0, -1, 1.5, None])
def test_a_chunk_is_one_row_or_more(notes: Database, chunk: Any) -> None:
    """Asked for at once, not at the first row."""
    with pytest.raises(StatementError, match="chunk"):
        notes.iterate("SELECT 1", chunk=chunk)
    assert is_free(notes)


def test_what_cannot_be_streamed_is_told_at_once(notes: Database) -> None:
    """Before the first row is asked for; the reader is given back."""
    for sql, into in (("SELEC 1", tuple), ("SELECT 1 AS a, 2 AS a", dict), ("SELECT 1; SELECT 2", tuple)):
        with pytest.raises(StatementError):
            notes.iterate(sql, into=into)
    assert is_free(notes)


def test_memory_does_not_grow_with_the_rows(notes: Database) -> None:
    """A hundred times the rows need no more of it."""

    def peak(count: int) -> int:
        tracemalloc.start()
        with notes.iterate(NUMBERS, (count,)) as stream:
            assert count == sum(1 for _ in stream)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1000)
    assert peak(100_000) < 2 * peak(1000) + 100_000


def test_a_statements_time_runs_while_rows_are_fetched(opened: Opened, clock: Clock) -> None:
    """Not while the caller looks at them, and not from the statement before."""
    database = opened(statement_timeout_ms=1000)
    with database.read() as session:
        session.scalar("SELECT 1")
        with session.iterate(NUMBERS, (30_000,), chunk=1000) as stream:
            rows = 0
            for _ in stream:
                rows += 1
                clock.now += 0.9
        assert 30_000 == rows

        clock.step = 2.0
        with pytest.raises(StatementTimeoutError, match="ran past its time"):
            list(session.iterate(NUMBERS + " WHERE i < 0", (100_000_000,)))
