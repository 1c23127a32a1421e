"""Opening all seven migrated databases, against seven raw connections with the same pragmas and a schema read."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import multidb
from benchmarks.fixtures import files_of, migrated_root, raw_connection
from benchmarks.measure import Figure, medians, micros


def figures(folder: Path) -> Iterator[Figure]:
    root = migrated_root(folder)
    files = files_of(root)

    def ours() -> float:
        started = time.perf_counter()
        dbs = multidb.open(root)
        seconds = time.perf_counter() - started
        dbs.close()
        return seconds

    def raw() -> float:
        started = time.perf_counter()
        connections = [raw_connection(file) for file in files]
        for connection in connections:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        seconds = time.perf_counter() - started
        for connection in connections:
            connection.close()
        return seconds

    mine, theirs = medians(ours, raw, rounds=101)
    yield Figure(
        "open seven, migrated / seven raw connections",
        mine / theirs,
        ceiling=1.3,
        note=f"{micros(mine)} / {micros(theirs)}",
    )
