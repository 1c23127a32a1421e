"""`iterate` over a million rows: the memory that it takes, and its speed against a raw cursor."""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

from benchmarks.fixtures import notes, raw_connection
from benchmarks.measure import Figure, medians, micros

COUNT = 1_000_000
FILL = """
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT ?)
INSERT INTO notes (id, title, stars) SELECT printf('note-%08d', i), 'Note ' || i, i % 6 FROM n"""
SQL = "SELECT id, title, stars FROM notes"
PEAK_KIB = 512


def figures(folder: Path) -> Iterator[Figure]:
    with notes(folder) as database:
        database.execute(FILL, (COUNT,))
        raw = raw_connection(database.path, read_only=True)

        def ours() -> float:
            started = time.perf_counter()
            with database.iterate(SQL) as stream:
                for _ in stream:
                    pass
            return time.perf_counter() - started

        def theirs() -> float:
            started = time.perf_counter()
            for _ in raw.execute(SQL):
                pass
            return time.perf_counter() - started

        mine, other = medians(ours, theirs, rounds=5)
        gc.collect()
        tracemalloc.start()
        with database.iterate(SQL) as stream:
            count = sum(1 for _ in stream)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        raw.close()
    assert count == COUNT
    yield Figure("iterate a million rows: peak memory in KiB", peak / 1024, ceiling=PEAK_KIB)
    note = f"{micros(other / COUNT)} / {micros(mine / COUNT)} a row"
    yield Figure("raw cursor / iterate, a million rows", other / mine, note=note)
