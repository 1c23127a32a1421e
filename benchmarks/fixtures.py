"""What every comparison stands on, seeded in one place: databases, raw connections with the same pragmas, rows."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

import multidb
from multidb import STANDARD, Concern, Database, Tuning
from multidb.engine.connect import wanted_pragmas

SEED = 20
NOTES = Concern("notes", migrations=None)
TABLE = "CREATE TABLE notes (id TEXT PRIMARY KEY, title TEXT NOT NULL, body TEXT, stars INTEGER, score REAL) STRICT"
INSERT = "INSERT INTO notes (id, title, body, stars, score) VALUES (?, ?, ?, ?, ?)"

Row = dict[str, str | int | float]


def rows(count: int) -> list[Row]:
    """The same rows in every run, of about 100 bytes each."""
    dice = random.Random(SEED)
    return [
        {
            "id": f"note-{number:08}",
            "title": f"Note {number}",
            "body": "".join(dice.choices("abcdefgh ", k=60)),
            "stars": dice.randrange(6),
            "score": dice.random(),
        }
        for number in range(count)
    ]


def raw_connection(path: Path, *, read_only: bool = False) -> apsw.Connection:
    """APSW alone, set as multidb sets its own connections, nothing read back."""
    tuning = Tuning()
    flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(str(path), flags, statementcachesize=tuning.statement_cache)
    connection.set_busy_timeout(tuning.busy_timeout_ms)
    if not read_only:
        connection.execute("PRAGMA journal_mode = wal").fetchall()
    for name, value in wanted_pragmas(tuning).items():
        connection.execute(f"PRAGMA {name} = {value}").fetchall()
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
    return connection


@contextmanager
def notes(folder: Path, count: int = 0) -> Iterator[Database]:
    """A database of one table with `count` rows, opened by multidb."""
    with multidb.open(folder / "db", concerns=[NOTES]) as dbs:
        dbs["notes"].execute(TABLE)
        if count:
            dbs["notes"].insert_many("notes", rows(count))
        yield dbs["notes"]


@contextmanager
def raw_notes(folder: Path) -> Iterator[apsw.Connection]:
    """The same table, empty, in a file of its own, opened by APSW alone."""
    connection = raw_connection(folder / "raw.sqlite")
    connection.execute(TABLE)
    try:
        yield connection
    finally:
        connection.close()


def migrated_root(folder: Path) -> Path:
    """A root with the seven standard databases, migrated and closed."""
    root = folder / "root"
    with multidb.open(root) as dbs:
        dbs.migrate()
    return root


def files_of(root: Path) -> list[Path]:
    """The seven files in the order in which they are opened."""
    return [root / f"{concern.name}.sqlite" for concern in STANDARD]
