"""A database of one table, and the ways to use it that must agree."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

import multidb.engine.connect
import multidb.engine.session
from multidb import Concern, Database, Tuning

Opened = Callable[..., Database]

TABLE = "CREATE TABLE notes (id INTEGER PRIMARY KEY, title TEXT NOT NULL UNIQUE, stars INTEGER, body BLOB)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "db").mkdir()
    return tmp_path / "db" / "notes.sqlite"


@pytest.fixture
def opened(path: Path) -> Iterator[Opened]:
    """Opens the database with a tuning of the test's own; closes it."""
    with contextlib.ExitStack() as stack:

        def open_it(extensions: tuple[str, ...] = (), readers: int = 4, **tuning: Any) -> Database:
            concern = Concern("notes", migrations=None, readers=readers, extensions=extensions, tuning=Tuning(**tuning))
            database = Database(concern, path)
            database.open()
            stack.callback(database.close)
            return database

        yield open_it


@pytest.fixture
def notes(opened: Opened) -> Database:
    """An open database with the empty table `notes`."""
    database = opened()
    database.execute(TABLE)
    return database


@pytest.fixture(params=["database", "read", "write", "exclusive"])
def reader(request: pytest.FixtureRequest, notes: Database) -> Iterator[Any]:
    """What has the reading verbs: the database, and each kind of session on it."""
    notes.execute("INSERT INTO notes (title, stars) VALUES ('one', 1), ('two', 2), ('three', NULL)")
    if request.param == "database":
        yield notes
        return
    with getattr(notes, request.param)() as session:
        yield session


@pytest.fixture(params=["database", "write", "savepoint", "exclusive"])
def writer(request: pytest.FixtureRequest, notes: Database) -> Iterator[Any]:
    """What has the writing verbs; what it wrote is there when the test looks through it."""
    if request.param == "database":
        yield notes
    elif request.param == "savepoint":
        with notes.write() as session, session.savepoint():
            yield session
    else:
        with getattr(notes, request.param)() as session:
            yield session


class Clock:
    """What statements measure their time by; it stands still, or goes on by `step` whenever it is looked at."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.step = 0.0

    def monotonic(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock in the test's hand, for the time that statements may take."""
    clock = Clock()
    for module in (multidb.engine.session, multidb.engine.connect):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def stranger(path: Path) -> Iterator[apsw.Connection]:
    """A connection of somebody else's in this process, for looking from outside."""
    connection = apsw.Connection(str(path))
    yield connection
    connection.close(True)
