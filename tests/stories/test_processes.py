"""Several processes on one root: nobody gets an error, nothing is done twice, nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

import multidb
from multidb import Concern
from tests.faults import Child, number, run_children

TALLY = Concern("tally", migrations=None)


def open_migrate_and_write(root: Path, rounds: int) -> dict[str, str]:
    """What each process of an application does on its first start."""
    with multidb.open(root) as dbs:
        report = dbs.migrate()
        for n in range(rounds):
            dbs["chat"].execute("INSERT INTO chats(id, title) VALUES (?, ?)", (f"{number()}-{n}", "Hello"))
            dbs["app"].scalar("SELECT count(*) FROM sqlite_schema")
        return {name: entry.outcome for name, entry in report.items()}


def count_up(root: Path, rounds: int) -> int:
    """Reads and writes one number in one transaction, again and again, with a vacuum in between."""
    with multidb.open(root, concerns=[TALLY]) as dbs:
        for n in range(rounds):
            with dbs["tally"].write() as w:
                w.execute("UPDATE tally SET n = ?", (w.scalar("SELECT n FROM tally") + 1,))
            if n == rounds // 2:
                dbs["tally"].checkpoint()
        seen: int = dbs["tally"].scalar("SELECT n FROM tally")
        return seen


def first_starts(root: Path, processes: int, rounds: int) -> None:
    outcomes = run_children(processes, open_migrate_and_write, root, rounds)

    with multidb.open(root) as dbs:
        assert processes * rounds == dbs["chat"].scalar("SELECT count(*) FROM chats")
        assert {"current", "unmanaged"} == {entry.outcome for entry in dbs.migrate().values()}
        for name in ("chat", "code", "imagegen", "app", "coordination"):
            assert ["ok"] == [row[0] for row in dbs[name].many("PRAGMA quick_check")]
            applied = dbs[name].scalar("SELECT count(*) FROM _migration_log WHERE action = 'up' AND ok = 1")
            assert applied == dbs[name].scalar("SELECT count(*) FROM _migrations")
            assert {"applied", "current"} >= {outcome[name] for outcome in outcomes}


def test_processes_that_start_at_once_on_a_new_root(root: Path) -> None:
    """Each migration is run once, by whoever comes first; every row of every process is there."""
    first_starts(root, processes=4, rounds=5)


@pytest.mark.whole
def test_many_processes_that_start_at_once_many_times(tmp_path: Path) -> None:
    """The long form: eight processes, twenty rounds."""
    for n in range(20):
        first_starts(tmp_path / str(n), processes=8, rounds=5)


def test_processes_that_count_do_not_lose_a_number(root: Path) -> None:
    """A read and a write in one transaction are one step for all processes."""
    with multidb.open(root, concerns=[TALLY]) as dbs:
        dbs["tally"].execute("CREATE TABLE tally (n INTEGER NOT NULL) STRICT")
        dbs["tally"].execute("INSERT INTO tally VALUES (0)")

    seen = run_children(3, count_up, root, 40)

    with multidb.open(root, concerns=[TALLY]) as dbs:
        assert 120 == dbs["tally"].scalar("SELECT n FROM tally") == max(seen)


def test_a_stopped_process_that_holds_the_lock_is_named(root: Path) -> None:
    """It stands still in the middle of its commit; ours waits to its deadline, and goes on when it is killed."""
    with multidb.open(root, concerns=[TALLY]) as dbs:
        dbs["tally"].execute("CREATE TABLE tally (n INTEGER NOT NULL) STRICT")
        dbs["tally"].execute("INSERT INTO tally VALUES (0)")
        with Child(count_up, root, 1, failpoint="write.before_commit=stop") as other:
            other.wait_stopped()
            with pytest.raises(multidb.WriterTimeoutError) as refusal, dbs["tally"].write(timeout=0.05):
                pass
            reading = dbs["tally"].scalar("SELECT n FROM tally")
            other.kill()
            dbs["tally"].execute("UPDATE tally SET n = n + 10")

        assert (0, 10) == (reading, dbs["tally"].scalar("SELECT n FROM tally"))
    assert f"pid {other.pid}" in str(refusal.value.holder)
