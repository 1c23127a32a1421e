"""Fixtures that every test may use; the nouns of the library, each in a folder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import multidb
from multidb import Database, MultiDB

pytest_plugins = ["tests.faults.plugin"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The path of a root that does not exist yet."""
    return tmp_path / "db"


@pytest.fixture
def dbs(root: Path) -> Iterator[MultiDB]:
    """The seven standard databases, open and migrated."""
    with multidb.open(root) as desk:
        desk.migrate()
        yield desk


@pytest.fixture
def chat(dbs: MultiDB) -> Database:
    """The migrated chat database."""
    return dbs["chat"]
