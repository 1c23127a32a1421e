"""The write lease: one holder, strictly first come, first served, and no wait without an end."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multidb import ClosedError, WriterTimeoutError
from multidb.engine.lease import Lease, named

FOR_EVER = 1e9


def spin_until(condition: Callable[[], object]) -> None:
    """Gives way to other threads until it is so."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it never came to pass"


@contextmanager
def queued(
    lease: Lease, count: int, work: Callable[[int], object], timeout: float = 30
) -> Iterator[list[BaseException]]:
    """Threads 0 to count - 1 stand in the queue in this order; each does its work with the lease."""
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            lease.acquire(time.monotonic() + timeout, f"thread {number}")
            try:
                work(number)
            finally:
                lease.release()
        except BaseException as error:
            errors.append(error)

    threads = []
    for number in range(count):
        thread = threading.Thread(target=run, args=(number,))
        thread.start()
        threads.append(thread)
        spin_until(lambda number=number: lease.facts()["waiting"] == number + 1)
    yield errors
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def test_a_free_lease_is_taken_at_once() -> None:
    """With a deadline long past, too."""
    lease = Lease()
    lease.acquire(-FOR_EVER, "me")

    assert "me" == lease.facts()["holder"]
    lease.release()
    assert lease.holder() is None


def test_the_queue_is_served_in_order() -> None:
    """Whoever comes later waits longer, whatever the threads' luck."""
    lease, served = Lease(), []
    lease.acquire(FOR_EVER, "me")
    with queued(lease, 8, served.append) as errors:
        lease.release()

    assert (list(range(8)), []) == (served, errors)
    assert (None, 0) == (lease.facts()["holder"], lease.facts()["waiting"])


def test_nobody_comes_in_between() -> None:
    """A lease that is handed on is never free, so whoever comes at that moment joins the queue."""
    lease, served = Lease(), []
    lease.acquire(FOR_EVER, "me")
    with queued(lease, 3, served.append):
        lease.release()
        lease.acquire(time.monotonic() + 30, "me again")
        served.append(99)
        lease.release()

    assert [0, 1, 2, 99] == served


@given(leaves=st.lists(st.booleans(), min_size=1, max_size=7))
@settings(max_examples=25, deadline=None)
def test_those_who_give_up_hold_nobody_up(leaves: list[bool]) -> None:
    """The others are served in their order."""
    lease, served, gave_up = Lease(), [], []
    lease.acquire(FOR_EVER, "me")

    def stand(number: int) -> None:
        try:
            lease.acquire(time.monotonic() + (0.02 if leaves[number] else 30), f"thread {number}")
        except WriterTimeoutError:
            gave_up.append(number)
            return
        served.append(number)
        lease.release()

    threads = []
    for number in range(len(leaves)):
        before = lease.facts()["waiting"] + len(gave_up)
        threads.append(threading.Thread(target=stand, args=(number,)))
        threads[-1].start()
        spin_until(lambda before=before: lease.facts()["waiting"] + len(gave_up) > before)
    spin_until(lambda: len(gave_up) == sum(leaves))
    lease.release()
    for thread in threads:
        thread.join(30)

    assert [number for number, leaves_early in enumerate(leaves) if not leaves_early] == served
    assert sum(leaves) == lease.timeouts


def test_a_timeout_names_the_holder() -> None:
    """And for how long it has been writing."""
    lease = Lease()
    lease.acquire(FOR_EVER, "thread of the long night")
    with pytest.raises(WriterTimeoutError) as caught:
        lease.acquire(time.monotonic() + 0.01, "me")

    assert "thread of the long night, for 0.0 s" == caught.value.holder
    assert ("writer", True, 1) == (caught.value.kind, caught.value.retryable, lease.timeouts)
    assert 0 == lease.facts()["waiting"]


def test_a_number_is_a_threads_and_becomes_its_name() -> None:
    """Only when somebody asks."""
    lease = Lease()
    lease.acquire(FOR_EVER, threading.get_ident())

    assert f"thread {threading.current_thread().name}" == lease.facts()["holder"]
    assert "thread 5" == named(5)
    assert "a task" == named("a task")


def test_a_lease_that_comes_at_the_last_moment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline and the hand-over meet: whoever got it has it, and it is not lost between the two."""
    lease = Lease()
    lease.acquire(FOR_EVER, "me")
    withdraw = Lease._withdraw

    def meet(self: Lease, waiter: object) -> bool:
        self.release()  # comes just before the one who waits leaves the queue
        return withdraw(self, waiter)  # type: ignore[arg-type]  # as the lease made it

    monkeypatch.setattr(Lease, "_withdraw", meet)
    lease.acquire(time.monotonic() + 0.01, "you")

    assert "you" == lease.facts()["holder"]
    lease.release()
    assert lease.facts()["holder"] is None


@pytest.mark.parametrize("is_served", [False, True])
def test_an_exception_while_waiting_passes_the_lease_on(is_served: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C leaves the queue; a lease that came at that moment goes to the next."""
    lease = Lease()
    lease.acquire(FOR_EVER, "me")

    class Turn:
        def acquire(self, timeout: float = 0) -> bool:
            if is_served:
                lease.release()
            raise KeyboardInterrupt

        def release(self) -> None:
            pass

    import multidb.engine.lease as module

    made = module._Waiter.__init__

    def make(self: object, label: str | int) -> None:
        made(self, label)  # type: ignore[arg-type]  # as the class itself does
        self.turn = Turn()  # type: ignore[attr-defined]

    monkeypatch.setattr(module._Waiter, "__init__", make)
    with pytest.raises(KeyboardInterrupt):
        lease.acquire(time.monotonic() + 30, "you")

    assert (None if is_served else "me", 0) == (lease.facts()["holder"], lease.facts()["waiting"])


def test_a_shut_lease_refuses_who_waits_and_who_comes() -> None:
    """The holder may finish."""
    lease = Lease()
    lease.acquire(FOR_EVER, "me")
    with queued(lease, 3, lambda _: None) as errors:
        lease.shut()
        spin_until(lambda: len(errors) == 3)
        with pytest.raises(ClosedError):
            lease.acquire(FOR_EVER, "late")
        assert "me" == lease.facts()["holder"]
        assert not lease.wait_until_free(time.monotonic() + 0.01)
        lease.release()
        assert lease.wait_until_free(time.monotonic())

    assert [ClosedError] * 3 == [type(error) for error in errors]


def test_many_threads_and_one_holder_at_a_time() -> None:
    """Whatever the order of things, nobody holds it beside another, and all get their turns."""
    lease, inside, turns = Lease(), [], itertools.count()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(200):
                lease.acquire(time.monotonic() + 30, threading.get_ident())
                try:
                    inside.append(1)
                    assert 1 == len(inside)
                    next(turns)
                    inside.pop()
                finally:
                    lease.release()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert ([], 1600) == (errors, next(turns))
    assert lease.facts() == {"holder": None, "held_seconds": 0.0, "waiting": 0}
