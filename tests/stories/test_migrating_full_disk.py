"""The disk is full in the middle of a migration: it has its name, nothing is lost, and with room it goes on."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import apsw
import pytest

import multidb
from multidb import Concern
from multidb.errors import DiskFullError, MigrationError
from tests.faults import fill, run_child, tmpfs

GROW = "INSERT INTO a SELECT randomblob(4000) FROM n"
FILES = {
    "1_initial.sql": "CREATE TABLE a (x); INSERT INTO a VALUES (1);",
    "2_grow.sql": f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150) {GROW};",
    "3_more.sql": "CREATE TABLE b (x);",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A migration that writes 600 KB, between two small ones."""
    path = tmp_path / "migrations"
    path.mkdir()
    for name, sql in FILES.items():
        (path / name).write_text(sql)
    return path


def migrate(root: Path, folder: Path) -> dict[str, Any]:
    """What came of it, from a process of its own; the desk goes on working."""
    with multidb.open(root, concerns=[Concern("notes", migrations=folder)]) as dbs:
        try:
            dbs.migrate()
        except MigrationError as error:
            cause = error.__cause__ or error
            outcome = error.report["notes"]
            return {
                "kind": type(cause),
                "exit": error.exit_status,
                "version": error.version,
                "applied": outcome.applied,
                "pending": outcome.pending,
                "hint": error.hint,
                "rows": dbs["notes"].scalar("SELECT count(*) FROM a") if 1 in outcome.applied else None,
                "foreign_keys": dbs["notes"].scalar("PRAGMA foreign_keys"),
            }
    return {"kind": None}


def content(root: Path) -> tuple[list[Any], int, Any]:
    with contextlib.closing(apsw.Connection(str(root / "notes.sqlite"))) as connection:
        return (
            [row[0] for row in connection.execute("SELECT version FROM _migrations ORDER BY version")],
            connection.execute("SELECT count(*) FROM a").get,
            connection.pragma("integrity_check"),
        )


def test_no_file_may_grow_any_more(root: Path, folder: Path) -> None:
    """A limit or a quota: SQLite says "I/O error", the error says that there is no space."""
    told = run_child(migrate, root, folder, file_size_bytes=400_000)

    assert (DiskFullError, 21, 2, (1,), (2, 3)) == tuple(
        told[key] for key in ("kind", "exit", "version", "applied", "pending")
    )
    assert (1, 1) == (told["rows"], told["foreign_keys"])
    assert "free some space" in told["hint"]
    assert ([1], 1, "ok") == content(root)

    assert {"kind": None} == run_child(migrate, root, folder)
    assert ([1, 2, 3], 151, "ok") == content(root)


def test_the_disk_has_too_little_room_to_begin(small_disk: Path, folder: Path) -> None:
    """It is told before the first statement, and nothing of ours grows."""
    root = small_disk / "db"
    fill(small_disk, leave_bytes=200_000)

    told = run_child(migrate, root, folder)

    assert (DiskFullError, 21, ()) == (told["kind"], told["exit"], told["applied"])
    with contextlib.closing(apsw.Connection(str(root / "notes.sqlite"))) as connection:
        assert [] == connection.execute("SELECT name FROM sqlite_schema").fetchall()


def test_the_disk_is_full_in_the_middle(tmp_path: Path, folder: Path) -> None:
    """A real full disk: the migration is taken back, the one before it stays, and with room again it goes on."""
    with tmpfs(tmp_path / "disk", size_bytes=4 << 20) as disk:
        root = disk / "db"
        ballast = fill(disk, leave_bytes=650_000)

        told = run_child(migrate, root, folder)

        assert (DiskFullError, 21, 2, (1,), 1) == tuple(
            told[key] for key in ("kind", "exit", "version", "applied", "rows")
        )
        assert ([1], 1, "ok") == content(root)
        ballast.unlink()
        assert {"kind": None} == run_child(migrate, root, folder)
        assert ([1, 2, 3], 151, "ok") == content(root)
