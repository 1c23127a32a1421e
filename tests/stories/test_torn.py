"""Another program writes its database while we read it: never a half of what it did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import pytest

import multidb
from multidb import BusyError, Concern, Database
from tests.faults import Child

ACCOUNTS = 200
TOTAL = 100 * ACCOUNTS
BURSTS = 12
BURST = 40
SUMS = "SELECT count(*), sum(amount), (SELECT sum(amount) FROM accounts), (SELECT moves FROM journal) FROM accounts"


def owner(path: str, journal_mode: str, leaves: bool) -> int:
    """Moves money from account to account, in bursts of many transactions, until it is stopped; how many it made."""
    import random

    from tests.faults.inside import barrier

    dice = random.Random(7)

    def opened() -> apsw.Connection:
        connection = apsw.Connection(path)
        connection.set_busy_timeout(30_000)
        connection.execute(f"PRAGMA journal_mode = {journal_mode}").fetchall()
        connection.execute("PRAGMA cache_size = 4").fetchall()  # spills in the middle of a transaction
        connection.execute("PRAGMA synchronous = OFF").fetchall()
        return connection

    connection = opened()
    connection.execute("CREATE TABLE IF NOT EXISTS accounts (id INTEGER PRIMARY KEY, amount, filling)")
    connection.execute("CREATE TABLE IF NOT EXISTS journal (moves)")
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO accounts VALUES (?, 100, zeroblob(400))", [(n,) for n in range(ACCOUNTS)])
    connection.execute("INSERT INTO journal VALUES (0)")
    connection.execute("COMMIT")
    moves = 0
    while moves < BURSTS * BURST:
        if moves % BURST == 0:
            barrier("resting")
        connection.execute("BEGIN IMMEDIATE")
        for _ in range(dice.randrange(1, 30)):
            here, there = dice.sample(range(ACCOUNTS), 2)
            connection.execute("UPDATE accounts SET amount = amount - 5 WHERE id = ?", (here,))
            connection.execute("UPDATE accounts SET amount = amount + 5 WHERE id = ?", (there,))
        moves += 1
        connection.execute("UPDATE journal SET moves = ?", (moves,))
        connection.execute("COMMIT")
        if leaves and moves % 5 == 0:
            connection.close()
            connection = opened()
    connection.close()
    return moves


def seen(read: Any) -> int | None:
    """How many moves the reading saw, or None where the owner was too busy; every sum must be whole."""
    try:
        count, total, again, moves = read()
    except BusyError as error:
        assert "changed" == error.kind
        return None
    assert (ACCOUNTS, TOTAL, TOTAL) == (count, total, again)
    return int(moves)


def one_by_one(database: Database) -> tuple[Any, ...]:
    """A stream whose rows are added up here, row by row."""
    count = total = 0
    with database.iterate("SELECT amount FROM accounts", chunk=7) as stream:
        for (amount,) in stream:
            count, total = count + 1, total + amount
    return count, total, total, -1


def in_a_session(database: Database) -> tuple[Any, ...]:
    """Several statements, which must see one moment."""
    with database.read() as session:
        count, total, _, moves = session.one(SUMS)
        again = session.scalar("SELECT sum(amount) FROM accounts")
        assert moves == session.scalar("SELECT moves FROM journal")
    return count, total, again, moves


@pytest.mark.parametrize("leaves", [False, True], ids=["stays", "comes and goes"])
@pytest.mark.parametrize("journal_mode", ["wal", "delete", "truncate", "persist"])
def test_no_reading_is_torn(tmp_path: Path, root: Path, journal_mode: str, leaves: bool) -> None:
    """Money is neither made nor lost, and what was seen once does not go away again."""
    (tmp_path / "owner").mkdir()
    path = tmp_path / "owner" / "money.db"
    with Child(owner, str(path), journal_mode, leaves, timeout=60) as child:
        child.wait_for("resting")
        with multidb.open(root, concerns=[Concern("money", path=path, owner="foreign")]) as dbs:
            money = dbs["money"]
            found = [seen(lambda: money.one(SUMS))]
            for _ in range(BURSTS):
                child.wait_for("resting")
                child.release()
                found.append(seen(lambda: money.one(SUMS)))
                found.append(seen(lambda: in_a_session(money)))
                seen(lambda: one_by_one(money))
            assert BURSTS * BURST == child.result()
            found.append(seen(lambda: money.one(SUMS)))

    readings = [one for one in found if one is not None]
    assert sorted(readings) == readings
    assert (0, BURSTS * BURST) == (readings[0], readings[-1])
    if journal_mode == "wal" and not leaves:
        assert len(found) == len(readings)
