"""The pool of readers: bounded, fair, and never poorer than it was."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from multidb import ClosedError, ReaderTimeoutError, StorageError, Tuning
from multidb.engine.connect import Handle, connect
from multidb.engine.pool import ReaderPool
from tests.engine.test_lease import spin_until


class Opener:
    """Opens readers, and fails or waits when it is told to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.opened = 0
        self.errors: list[BaseException] = []
        self.gate: threading.Event | None = None

    def __call__(self) -> Handle:
        if self.gate is not None:
            assert self.gate.wait(30)
        if self.errors:
            raise self.errors.pop(0)
        self.opened += 1
        return connect(str(self.path), self.path, Tuning(), read_only=True)


@pytest.fixture
def opener(path: Path) -> Opener:
    apsw.Connection(str(path)).close()
    return Opener(path)


@pytest.fixture
def pool(opener: Opener) -> Iterator[ReaderPool]:
    """Two readers at most."""
    pool = ReaderPool(opener, 2)
    yield pool
    pool.close()


def start(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_readers_are_opened_when_they_are_needed(pool: ReaderPool, opener: Opener) -> None:
    """And lent again, the last used first."""
    first = pool.borrow(1, "a")
    second = pool.borrow(1, "b")
    pool.give_back(first)
    pool.give_back(second)
    again = pool.borrow(1, "c")
    pool.give_back(again)

    assert (second, 2) == (again, opener.opened)
    assert {"open": 2, "busy": 0, "limit": 2, "waiting": 0} == {
        key: pool.facts()[key] for key in ("open", "busy", "limit", "waiting")
    }


def test_one_too_many_waits_and_names_the_oldest(pool: ReaderPool) -> None:
    """Its deadline passes, and nothing is left of its wait."""
    lent = [pool.borrow(1, "the oldest"), pool.borrow(1, "another")]
    with pytest.raises(ReaderTimeoutError, match=r"all 2 readers were in use for 0\.01 s") as caught:
        pool.borrow(0.01, "me")

    assert "the oldest, for 0.0 s" == caught.value.holder
    assert ("reader", True, 1, 0) == (caught.value.kind, caught.value.retryable, pool.timeouts, pool.facts()["waiting"])
    for handle in lent:
        pool.give_back(handle)


def test_the_queue_is_served_in_order(pool: ReaderPool) -> None:
    """A reader that comes back goes to who waits longest."""
    lent = [pool.borrow(1, "a"), pool.borrow(1, "b")]
    served: list[int] = []
    threads = []
    for number in range(6):

        def wait(number: int = number) -> None:
            handle = pool.borrow(30, f"thread {number}")
            served.append(number)
            pool.give_back(handle)

        threads.append(start(wait))
        spin_until(lambda number=number: pool.facts()["waiting"] == number + 1)
    pool.give_back(lent[0])
    for thread in threads:
        thread.join(30)
    pool.give_back(lent[1])

    assert list(range(6)) == served


def test_a_reader_that_cannot_be_opened_takes_no_place(pool: ReaderPool, opener: Opener) -> None:
    """The error is told, and the next one may try."""
    opener.errors = [StorageError("no descriptors left")] * 5
    for _ in range(5):
        with pytest.raises(StorageError):
            pool.borrow(1, "me")
    lent = [pool.borrow(1, "me"), pool.borrow(1, "me")]

    assert 2 == pool.facts()["busy"]
    for handle in lent:
        pool.give_back(handle)


def test_a_place_that_an_error_frees_goes_to_who_waits(pool: ReaderPool, opener: Opener) -> None:
    """Otherwise they would wait for a reader that never comes back."""
    lent = pool.borrow(1, "a")
    opener.gate, opener.errors = threading.Event(), [StorageError("no descriptors left")]
    failures: list[BaseException] = []
    results: list[Handle] = []

    def fail() -> None:
        try:
            pool.borrow(30, "fails")
        except StorageError as error:
            failures.append(error)

    failing = start(fail)
    spin_until(lambda: pool._opening == 1)
    waiting = start(lambda: results.append(pool.borrow(30, "waits")))
    spin_until(lambda: pool.facts()["waiting"] == 1)
    opener.gate.set()
    failing.join(30)
    waiting.join(30)

    assert (1, 1) == (len(failures), len(results))
    pool.give_back(lent)
    pool.give_back(results[0])


def test_a_closed_reader_is_not_lent_again(opener: Opener) -> None:
    """Whoever closes one, its place is free."""
    pool = ReaderPool(opener, 1, keeps=lambda handle: bool(handle.connection))
    handle = pool.borrow(1, "me")
    handle.close()
    pool.give_back(handle)
    other = pool.borrow(1, "me")

    assert 1 == other.connection.execute("SELECT 1").get
    pool.give_back(other)
    pool.close()


def test_a_reader_that_is_not_good_any_more_is_opened_anew(opener: Opener) -> None:
    """In its place, without a queue."""
    bad: set[Handle] = set()
    pool = ReaderPool(opener, 1, is_good=lambda handle: handle not in bad)
    handle = pool.borrow(1, "me")
    pool.give_back(handle)
    bad.add(handle)
    other = pool.borrow(1, "me")

    assert other is not handle
    assert not handle.connection
    pool.give_back(other)
    pool.close()


def test_draining_waits_for_all_and_lends_none(pool: ReaderPool) -> None:
    """Who comes meanwhile is served when it resumes."""
    lent = [pool.borrow(1, "a"), pool.borrow(1, "b")]
    drained: list[bool] = []
    draining = start(lambda: drained.append(pool.drain(time.monotonic() + 30)))
    spin_until(lambda: pool._is_paused)
    results: list[Handle] = []
    waiting = start(lambda: results.append(pool.borrow(30, "waits")))
    spin_until(lambda: pool.facts()["waiting"] == 1)
    pool.give_back(lent[0])
    assert [] == drained
    pool.give_back(lent[1])
    draining.join(30)
    assert ([True], []) == (drained, results)
    assert (0, 1) == (pool.facts()["open"], pool.facts()["waiting"])
    pool.resume()
    waiting.join(30)

    assert 1 == len(results)
    pool.give_back(results[0])


def test_draining_that_takes_too_long_is_given_up(pool: ReaderPool) -> None:
    """And the pool lends as before."""
    lent = pool.borrow(1, "a")

    assert not pool.drain(time.monotonic() + 0.01)
    other = pool.borrow(1, "b")
    pool.give_back(lent)
    pool.give_back(other)
    assert pool.drain(time.monotonic())


def test_draining_waits_for_readers_that_are_being_opened(pool: ReaderPool, opener: Opener) -> None:
    """They are nobody's yet, and connections all the same."""
    opener.gate = threading.Event()
    results: list[Handle] = []
    opening = start(lambda: results.append(pool.borrow(30, "a")))
    spin_until(lambda: pool._opening == 1)
    assert not pool.drain(time.monotonic() + 0.01)
    opener.gate.set()
    opening.join(30)

    assert not pool.drain(time.monotonic())
    pool.give_back(results[0])
    assert pool.drain(time.monotonic())


def test_a_shut_pool_refuses_who_waits_who_comes_and_who_is_late(pool: ReaderPool, opener: Opener) -> None:
    """What is lent stays lent until it comes back; a reader that was being opened is closed again."""
    lent = pool.borrow(1, "a")
    opener.gate = threading.Event()
    errors: list[BaseException] = []

    def refused() -> None:
        try:
            pool.borrow(30, "me")
        except ClosedError as error:
            errors.append(error)

    late = start(refused)
    spin_until(lambda: pool._opening == 1)
    waiting = start(refused)
    spin_until(lambda: pool.facts()["waiting"] == 1)
    pool.shut()
    with pytest.raises(ClosedError):
        pool.borrow(30, "me")
    opener.gate.set()
    late.join(30)
    waiting.join(30)

    assert 2 == len(errors)
    assert 1 == lent.connection.execute("SELECT 1").get
    pool.give_back(lent)


@pytest.mark.parametrize("served", ["not", "with a reader", "with a place"])
def test_an_exception_while_waiting_passes_its_turn_on(
    pool: ReaderPool, served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C leaves the queue; what came at that moment is for the next."""
    lent = [pool.borrow(1, "a"), pool.borrow(1, "b")]
    import multidb.engine.pool as module

    class Turn:
        def acquire(self, timeout: float = 0) -> bool:
            if served == "with a reader":
                pool.give_back(lent.pop())
            elif served == "with a place":
                pool._discard(lent.pop())
            raise KeyboardInterrupt

        def release(self) -> None:
            pass

    made = module._Waiter.__init__

    def make(self: Any, label: str | int) -> None:
        made(self, label)
        self.turn = Turn()

    with monkeypatch.context() as patch:
        patch.setattr(module._Waiter, "__init__", make)
        with pytest.raises(KeyboardInterrupt):
            pool.borrow(30, "me")

    assert (len(lent), 0, 0) == (pool.facts()["busy"], pool.facts()["waiting"], pool._opening)
    while len(lent) < 2:
        lent.append(pool.borrow(1, "again"))
    for handle in lent:
        pool.give_back(handle)


def test_what_a_finalizer_gives_back_is_taken_in(pool: ReaderPool) -> None:
    """At once where nobody has the lock, else by whoever comes next; never lost, never waited for."""
    lent = [pool.borrow(1, "a"), pool.borrow(1, "b")]
    pool.adopt(lent[0])
    assert 1 == pool.facts()["busy"]
    with pool._lock:
        pool.adopt(lent[1])
    first = pool.borrow(0, "me")
    second = pool.borrow(0, "me")

    assert set(lent) == {first, second}
    pool.give_back(first)
    with pool._lock:
        pool.adopt(second)
    assert pool.drain(time.monotonic())


def test_closing_closes_what_is_lent(pool: ReaderPool) -> None:
    """For a database that cannot wait any longer."""
    handle = pool.borrow(1, "a")
    pool.close()

    assert not handle.connection
