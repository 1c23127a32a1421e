"""Eight threads writing one database, a row a transaction, against raw APSW behind a plain lock."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs

from benchmarks.fixtures import notes, raw_notes
from benchmarks.measure import Figure

THREADS = 8
SECONDS = 1.0
ROUNDS = 7
SQL = "INSERT INTO notes (id, title) VALUES (?, ?)"

Write = Callable[[str], float]
"""Commits one row and answers with the seconds that it waited for its turn."""


@attrs.frozen
class Contest:
    """What came of one round; the waits are of all threads."""

    by_thread: list[int]
    waits: list[float]
    seconds: float
    errors: list[Exception]

    @property
    def throughput(self) -> float:
        return sum(self.by_thread) / self.seconds

    @property
    def p99_by_mean(self) -> float:
        return statistics.quantiles(self.waits, n=100)[-1] / statistics.fmean(self.waits)

    @property
    def least_share(self) -> float:
        return min(self.by_thread) / statistics.fmean(self.by_thread)


def figures(folder: Path) -> Iterator[Figure]:
    with notes(folder) as database, raw_notes(folder) as raw:
        lock = threading.Lock()

        def ours(name: str) -> float:
            asked = time.perf_counter()
            with database.write() as session:
                waited = time.perf_counter() - asked
                session.execute(SQL, (name, "a"))
            return waited

        def theirs(name: str) -> float:
            asked = time.perf_counter()
            with lock:
                waited = time.perf_counter() - asked
                raw.execute("BEGIN IMMEDIATE")
                raw.execute(SQL, (name, "a"))
                raw.execute("COMMIT")
            return waited

        pairs = [(_contest(ours, round), _contest(theirs, round)) for round in range(ROUNDS)]
    mine, other = zip(*pairs, strict=True)
    errors = [error for contest in mine for error in contest.errors]
    yield Figure("eight threads writing: errors", len(errors), ceiling=0, note=str(errors[0]) if errors else "")
    speeds = [statistics.median(one.throughput for one in contests) for contests in (mine, other)]
    yield Figure(
        "eight threads writing: transactions, ours / raw behind a lock",
        speeds[0] / speeds[1],
        floor=0.5,
        note=f"{speeds[0]:,.0f} / {speeds[1]:,.0f} a second",
    )
    for what, ceiling, floor in (("p99_by_mean", 4.0, None), ("least_share", None, 0.8)):
        found = [statistics.median(getattr(one, what) for one in contests) for contests in (mine, other)]
        yield Figure(
            f"eight threads writing: {what.replace('_', ' ')}",
            found[0],
            floor=floor,
            ceiling=ceiling,
            note=f"raw behind a lock {found[1]:.2f}",
        )


def _contest(write: Write, round: int) -> Contest:
    """Every thread writes as fast as it gets its turn, for some time."""
    by_thread = [0] * THREADS
    waits: list[list[float]] = [[] for _ in range(THREADS)]
    errors: list[Exception] = []
    start, over = threading.Barrier(THREADS + 1), threading.Event()

    def work(number: int) -> None:
        start.wait()
        try:
            while not over.is_set():
                waits[number].append(write(f"{round}-{number}-{by_thread[number]}"))
                by_thread[number] += 1
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    start.wait()
    started = time.perf_counter()
    over.wait(SECONDS)
    over.set()
    for thread in threads:
        thread.join()
    return Contest(by_thread, [wait for each in waits for wait in each], time.perf_counter() - started, errors)
