"""Many threads at once: no update is lost, no sum is torn, nobody is refused who should not be."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import multidb
from multidb import ClosedError, Concern, MultiDB, State, Tuning

NAMES = ["a", "b", "c", "d", "e", "f", "g"]
PATIENT = Tuning(writer_timeout_ms=120_000, reader_timeout_ms=120_000)
ACCOUNTS, START = 5, 100
ROUNDS = 40


@pytest.fixture
def bank(root: Path) -> Iterator[MultiDB]:
    """Seven databases with five accounts of 100 each, and an empty book."""
    concerns = [Concern(name, migrations=None, readers=2, tuning=PATIENT) for name in NAMES]
    with multidb.open(root, concerns=concerns) as dbs:
        for database in dbs.values():
            with database.write() as w:
                w.execute("CREATE TABLE accounts (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL) STRICT")
                w.execute("CREATE TABLE book (id INTEGER PRIMARY KEY, thread INTEGER NOT NULL) STRICT")
                w.insert_many("accounts", [{"id": n, "amount": START} for n in range(ACCOUNTS)])
        yield dbs


def at_once(count: int, work: Callable[[int], None]) -> list[BaseException]:
    """Does the work in so many threads, let go together; what they raised."""
    start, raised = threading.Barrier(count), []

    def run(number: int) -> None:
        start.wait()
        try:
            work(number)
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


class Undo(Exception):
    """Leaves a block so that it is rolled back."""


def transfer(session: multidb.WriteSession, dice: random.Random, number: int) -> None:
    """Moves an amount between two accounts, in two statements, and books it."""
    one, two = dice.sample(range(ACCOUNTS), 2)
    amount = dice.randint(1, 9)
    session.execute("UPDATE accounts SET amount = amount - ? WHERE id = ?", (amount, one))
    session.execute("UPDATE accounts SET amount = amount + ? WHERE id = ?", (amount, two))
    session.execute("INSERT INTO book(thread) VALUES (?)", (number,))


def test_eight_threads_on_seven_databases(bank: MultiDB) -> None:
    """Transfers, savepoints, rollbacks, snapshots, streams, two databases at a time, vacuums and checkpoints."""
    booked = {name: itertools.count() for name in NAMES}
    sums: list[int] = []

    def work(number: int) -> None:
        dice = random.Random(number)
        for _ in range(ROUNDS):
            name, other = sorted(dice.sample(NAMES, 2))
            database = bank[name]
            match dice.randrange(10):
                case 0 | 1 | 2:
                    with database.write() as w:
                        transfer(w, dice, number)
                    next(booked[name])
                case 3:
                    with contextlib.suppress(Undo), database.write() as w:
                        transfer(w, dice, number)
                        raise Undo
                case 4:
                    with database.write() as w:
                        transfer(w, dice, number)
                        with contextlib.suppress(Undo), database.write() as inner:
                            transfer(inner, dice, number)
                            raise Undo
                        sums.append(database.scalar("SELECT sum(amount) FROM accounts"))
                    next(booked[name])
                case 5:
                    with bank[name].write() as w, bank[other].write() as v:
                        transfer(w, dice, number)
                        transfer(v, dice, number)
                    next(booked[name]), next(booked[other])
                case 6:
                    with database.read() as r:
                        before = r.scalar("SELECT count(*) FROM book")
                        sums.append(r.scalar("SELECT sum(amount) FROM accounts"))
                        with database.write() as w:
                            transfer(w, dice, number)
                        assert before == r.scalar("SELECT count(*) FROM book")
                    next(booked[name])
                case 7:
                    with database.iterate("SELECT amount FROM accounts", chunk=1) as stream:
                        sums.append(sum(amount for (amount,) in stream))
                case 8:
                    sums.append(database.scalar("SELECT sum(amount) FROM accounts"))
                case _:
                    dice.choice([database.vacuum, database.checkpoint, database.optimize, database.reopen])()

    assert [] == at_once(8, work)
    assert {ACCOUNTS * START} == set(sums)
    for name, database in bank.items():
        assert ACCOUNTS * START == database.scalar("SELECT sum(amount) FROM accounts")
        assert next(booked[name]) == database.scalar("SELECT count(*) FROM book")
        assert "ok" == database.scalar("PRAGMA integrity_check")
        activity = database.activity()
        assert (0, 0, None) == (
            activity["readers"]["busy"],
            activity["writer"]["waiting"],
            activity["writer"]["holder"],
        )


def test_exclusive_is_alone(bank: MultiDB) -> None:
    """While one thread is in it, no other is in any session of that database; all get their turn."""
    inside = [0]
    seen: list[int] = []

    def work(number: int) -> None:
        dice = random.Random(number)
        for _ in range(ROUNDS // 2):
            if number % 4 == 0:
                with bank["a"].exclusive() as session:
                    assert 0 == inside[0]
                    inside[0] += 100
                    session.execute("PRAGMA user_version")
                    assert 100 == inside[0]
                    inside[0] -= 100
            else:
                enter = bank["a"].write if dice.random() < 0.5 else bank["a"].read
                with enter() as session:
                    seen.append(inside[0])
                    session.many("SELECT * FROM accounts")

    assert [] == at_once(8, work)
    assert {0} == set(seen)


@pytest.mark.parametrize("seed", range(3))
def test_closing_in_the_middle_of_everything(bank: MultiDB, root: Path, seed: int) -> None:
    """Whoever is at work finishes or gets ClosedError; every booking that returned is there, and nothing hangs."""
    returned = {name: itertools.count() for name in NAMES}
    under_way = threading.Semaphore(0)

    def work(number: int) -> None:
        dice = random.Random(seed * 100 + number)
        if number == 0:
            for _ in range(dice.randrange(20, 60)):
                under_way.acquire()
            bank.close()
            return
        with contextlib.suppress(ClosedError):
            while True:
                name = dice.choice(NAMES)
                under_way.release()
                match dice.randrange(4):
                    case 0:
                        bank[name].reopen()
                    case 1:
                        bank[name].many("SELECT * FROM accounts")
                    case _:
                        with bank[name].write() as w:
                            transfer(w, dice, number)
                        next(returned[name])

    assert [] == at_once(6, work)
    assert {State.CLOSED} == {database.state for database in bank.values()}
    with multidb.open(root, concerns=[Concern(name, migrations=None) for name in NAMES]) as dbs:
        for name, database in dbs.items():
            assert ACCOUNTS * START == database.scalar("SELECT sum(amount) FROM accounts")
            assert next(returned[name]) == database.scalar("SELECT count(*) FROM book")
    assert [] == [path.name for path in root.iterdir() if path.name.endswith(("-wal", "-shm"))]
