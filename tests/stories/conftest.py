"""Roots that were used before the story begins."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import multidb


@pytest.fixture(scope="session")
def used_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated root with a chat in it, closed; to be copied and never opened."""
    root = tmp_path_factory.mktemp("template") / "db"
    with multidb.open(root) as dbs:
        dbs.migrate()
        dbs["chat"].execute("INSERT INTO chats(id, title) VALUES ('c1', 'Hello')")
    return root


@pytest.fixture
def used(used_once: Path, root: Path) -> Path:
    """A root of this test's own, migrated, with a chat in it, closed."""
    shutil.copytree(used_once, root)
    return root
