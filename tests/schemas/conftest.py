"""The eight schemas as databases: each alone, migrated, empty or with rows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

import multidb
from multidb import DEVSTREAM, EPISODIC, OPENAGENTS, Concern, Database
from tests.schemas.rows import fill

VECTORS = ("sqlite_vec",)


@pytest.fixture
def opened(root: Path) -> Iterator[Callable[[Concern], Database]]:
    """Opens one concern and migrates it."""
    with contextlib.ExitStack() as stack:

        def make(concern: Concern) -> Database:
            desk = stack.enter_context(multidb.open(root, concerns=[concern]))
            desk.migrate()
            return desk[concern.name]

        yield make


@pytest.fixture
def filled(opened: Callable[[Concern], Database]) -> Callable[[str], Database]:
    """Opens one concern by its name, migrated and with a few rows in every table."""

    def make(concern: str) -> Database:
        database = opened(Concern(concern))
        with database.write() as w:
            fill(concern, w.execute)
        return database

    return make


@pytest.fixture
def openagents(opened: Callable[[Concern], Database]) -> Database:
    """The pack openagents, empty, with the vector functions."""
    return opened(attrs.evolve(OPENAGENTS, extensions=VECTORS))


@pytest.fixture
def devstream(opened: Callable[[Concern], Database]) -> Database:
    """The pack devstream, empty, with the vector functions."""
    return opened(attrs.evolve(DEVSTREAM, extensions=VECTORS))


@pytest.fixture
def episodic(opened: Callable[[Concern], Database]) -> Database:
    """The pack episodic, empty."""
    return opened(EPISODIC)
