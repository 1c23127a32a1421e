"""`insert_many` in one transaction, against raw `executemany` of the same rows in one transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from benchmarks.fixtures import INSERT, notes, raw_notes, rows
from benchmarks.measure import Figure, medians, micros

COUNT = 50_000
NAMED = "INSERT INTO notes (id, title, body, stars, score) VALUES (:id, :title, :body, :stars, :score)"


def figures(folder: Path) -> Iterator[Figure]:
    mappings = rows(COUNT)
    tuples = [tuple(row.values()) for row in mappings]
    with notes(folder) as database, raw_notes(folder) as raw:

        def emptied() -> None:
            database.execute("DELETE FROM notes")
            database.checkpoint()
            raw.execute("DELETE FROM notes")
            raw.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

        def ours() -> float:
            emptied()
            started = time.perf_counter()
            database.insert_many("notes", mappings)
            return time.perf_counter() - started

        def theirs(sql: str, values: Any) -> float:
            emptied()
            started = time.perf_counter()
            raw.execute("BEGIN IMMEDIATE")
            raw.executemany(sql, values() if callable(values) else values)
            raw.execute("COMMIT")
            return time.perf_counter() - started

        mine, prepared, made, named = medians(
            ours,
            lambda: theirs(INSERT, tuples),
            lambda: theirs(INSERT, lambda: [tuple(row.values()) for row in mappings]),
            lambda: theirs(NAMED, mappings),
            rounds=15,
        )
    for how, seconds in (
        ("tuples made from the dicts", made),
        ("the dicts by name", named),
        ("tuples made beforehand", prepared),
    ):
        note = f"{micros(seconds / COUNT)} / {micros(mine / COUNT)} a row"
        yield Figure(f"raw executemany of {how} / insert_many", seconds / mine, floor=0.85, note=note)
