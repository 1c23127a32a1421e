"""Point selects, in a session and outside, against raw APSW on the same file, a new cursor a call or one for all."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.fixtures import SEED, notes, raw_connection
from benchmarks.measure import Figure, Timed, medians, micros

COUNT = 10_000
CALLS = 4_000
ROUNDS = 31
SQL = "SELECT id, title, stars FROM notes WHERE id = ?"
VERBS = ("first", "one", "many")


def figures(folder: Path) -> Iterator[Figure]:
    dice = random.Random(SEED)
    keys = [(f"note-{dice.randrange(COUNT):08}",) for _ in range(CALLS)]
    with notes(folder, COUNT) as database:
        raw = raw_connection(database.path, read_only=True)

        def ours(verb: Callable[..., Any]) -> float:
            started = time.perf_counter()
            for key in keys:
                verb(SQL, key)
            return time.perf_counter() - started

        def ours_in_session(name: str) -> float:
            with database.read() as session:
                return ours(getattr(session, name))

        def theirs(*, reuse: bool) -> float:
            cursor = raw.cursor()
            execute = cursor.execute if reuse else raw.execute
            started = time.perf_counter()
            for key in keys:
                execute(SQL, key).fetchone()
            seconds = time.perf_counter() - started
            cursor.close()  # half-read, it would keep a transaction open for the rounds that follow
            return seconds

        def theirs_in_transaction(*, reuse: bool) -> float:
            raw.execute("BEGIN")
            seconds = theirs(reuse=reuse)
            raw.execute("ROLLBACK")
            return seconds

        inside = [partial(ours_in_session, verb) for verb in VERBS]
        raw_inside = [partial(theirs_in_transaction, reuse=reuse) for reuse in (False, True)]
        yield from _compared("session", "raw in a transaction", inside, raw_inside, floor=0.75)
        outside = [partial(ours, getattr(database, verb)) for verb in VERBS]
        raw_outside = [partial(theirs, reuse=reuse) for reuse in (False, True)]
        yield from _compared("database", "raw autocommit", outside, raw_outside, floor=0.6)
        raw.close()


def _compared(ours: str, theirs: str, mine: list[Timed], raws: list[Timed], *, floor: float) -> Iterator[Figure]:
    *seconds, plain, reused = medians(*mine, *raws, rounds=ROUNDS)
    for verb, each in zip(VERBS, seconds, strict=True):
        note = f"{micros(plain / CALLS)} / {micros(each / CALLS)}"
        yield Figure(f"{theirs} / {ours}.{verb}", plain / each, floor=floor, note=note)
    for verb, each in zip(VERBS, seconds, strict=True):
        note = f"{micros(reused / CALLS)} / {micros(each / CALLS)}"
        yield Figure(f"{theirs}, one cursor for all / {ours}.{verb}", reused / each, note=note)
