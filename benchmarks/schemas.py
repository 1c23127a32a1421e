"""The shipped schemas against raw APSW on the same tables: indexed messages, search, ready tasks."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

import multidb
from benchmarks.fixtures import SEED, raw_connection
from benchmarks.measure import Figure, medians, micros
from multidb import OPENAGENTS, Concern, Database

MESSAGES = 10_000
TASKS = 100_000
WORDS = tuple(
    f"{first}{last}" for first in "bdfgklmnprstvz" for last in ("ack", "end", "ill", "ope", "umb", "aft", "ern")
)
INSERT = "INSERT INTO messages (id, chat_id, role, content, timestamp) VALUES (?, ?, ?, ?, ?)"
SEARCH = """
SELECT m.id, highlight(messages_fts, 0, '<b>', '</b>') AS highlighted
FROM messages_fts
JOIN messages AS m ON m.pk = messages_fts.rowid
WHERE messages_fts MATCH ?
ORDER BY rank
LIMIT 20
"""
READY = "SELECT id, title, priority FROM ready_tasks ORDER BY priority, created_at LIMIT 50"


def messages() -> list[dict[str, str]]:
    """The same messages in every run, of about 200 bytes each."""
    dice = random.Random(SEED)
    return [
        {
            "id": f"m{number:06}",
            "chat_id": f"c{number % 50}",
            "role": "user",
            "content": " ".join(dice.choices(WORDS, k=40)),
            "timestamp": f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}.000Z",
        }
        for number in range(MESSAGES)
    ]


@contextmanager
def both(
    folder: Path, concern: Concern, fill: Callable[[Database], None]
) -> Iterator[tuple[Database, apsw.Connection]]:
    """A migrated database of multidb and a copy of its file, opened by APSW alone."""
    with multidb.open(folder / "db", concerns=[concern]) as dbs:
        dbs.migrate()
        database = dbs[concern.name]
        fill(database)
        database.checkpoint()
        raw = raw_connection(Path(shutil.copyfile(database.path, folder / f"raw-{concern.name}.sqlite")))
        try:
            yield database, raw
        finally:
            raw.close()


def figures(folder: Path) -> Iterator[Figure]:
    yield from _inserting(folder / "inserting")
    yield from _searching(folder / "searching")
    yield from _ready(folder / "ready")


def _chats(database: Database) -> None:
    database.insert_many("chats", [{"id": f"c{number}", "title": ""} for number in range(50)])


def _inserting(folder: Path) -> Iterator[Figure]:
    folder.mkdir()
    mappings = messages()
    with both(folder, Concern("chat"), _chats) as (database, raw):

        def emptied() -> None:
            database.execute("DELETE FROM messages")
            database.checkpoint()
            raw.execute("DELETE FROM messages")
            raw.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

        def ours() -> float:
            emptied()
            started = time.perf_counter()
            database.insert_many("messages", mappings)
            return time.perf_counter() - started

        def theirs() -> float:
            emptied()
            started = time.perf_counter()
            raw.execute("BEGIN IMMEDIATE")
            raw.executemany(INSERT, [tuple(row.values()) for row in mappings])
            raw.execute("COMMIT")
            return time.perf_counter() - started

        mine, bare = medians(ours, theirs, rounds=7)
    note = f"{micros(bare / MESSAGES)} / {micros(mine / MESSAGES)} a message"
    yield Figure(f"raw executemany / insert_many of {MESSAGES} indexed messages", bare / mine, floor=0.85, note=note)


def _searching(folder: Path) -> Iterator[Figure]:
    folder.mkdir()

    def fill(database: Database) -> None:
        _chats(database)
        database.insert_many("messages", messages())

    with both(folder, Concern("chat"), fill) as (database, raw):
        queries = [f"{WORDS[n]} {WORDS[n + 30]}" for n in range(0, 60, 3)]

        def ours() -> float:
            started = time.perf_counter()
            for query in queries:
                database.many(SEARCH, (query,))
            return time.perf_counter() - started

        def theirs() -> float:
            started = time.perf_counter()
            for query in queries:
                raw.execute(SEARCH, (query,)).fetchall()
            return time.perf_counter() - started

        mine, bare = medians(ours, theirs, rounds=31)
    note = f"{micros(mine / len(queries))} / {micros(bare / len(queries))} a search"
    yield Figure(f"search of {MESSAGES} messages / the same SQL raw", mine / bare, ceiling=1.3, note=note)


def _tasks(database: Database) -> None:
    dice = random.Random(SEED)

    def row(number: int) -> dict[str, Any]:
        return {
            "id": f"t{number}",
            "title": f"task {number}",
            "description": "",
            "status": "open" if number % 20 == 0 else "closed",
            "priority": dice.randrange(5),
            "type": "task",
            "created_at": f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}.{number % 1000:03}Z",
        }

    database.insert_many("tasks", map(row, range(TASKS)))
    links = [(number, dice.randrange(TASKS)) for number in range(0, TASKS, 20)]
    database.insert_many(
        "task_dependencies",
        [
            {"task_id": f"t{task}", "depends_on_task_id": f"t{other}", "dependency_type": "blocks"}
            for task, other in links
            if task != other
        ],
    )


def _ready(folder: Path) -> Iterator[Figure]:
    folder.mkdir()
    with both(folder, OPENAGENTS, _tasks) as (database, raw):
        steps = [step.detail for step in database.explain(READY).steps]
        sorts = sum("TEMP B-TREE" in step or step.startswith("SCAN") for step in steps)

        def ours() -> float:
            started = time.perf_counter()
            for _ in range(20):
                database.many(READY)
            return time.perf_counter() - started

        def theirs() -> float:
            started = time.perf_counter()
            for _ in range(20):
                raw.execute(READY).fetchall()
            return time.perf_counter() - started

        mine, bare = medians(ours, theirs, rounds=9)
    note = f"{micros(mine / 20)} / {micros(bare / 20)} a query"
    yield Figure(f"50 ready of {TASKS} tasks / the same SQL raw", mine / bare, note=note)
    yield Figure("sorts and scans in the plan of the ready tasks", sorts, ceiling=0)
