"""Eight processes find a root that nobody has made, open it and migrate it, all at once."""

from __future__ import annotations

import contextlib
from pathlib import Path

import apsw
import pytest

import multidb
from multidb.concerns import MANAGED_NAMES, STANDARD
from tests.faults import number, run_children

PROCESSES = 8


def migrate(root: Path) -> tuple[dict[str, tuple[int, ...]], list[str]]:
    """What this process applied, and what went wrong with opening."""
    with multidb.open(root) as dbs:
        report = dbs.migrate()
        return (
            {name: entry.applied for name, entry in report.items()},
            [str(entry.error) for entry in dbs.open_report.values() if entry.error],
        )


def migrate_notes(root: Path, folder: Path) -> tuple[int, ...]:
    """As above for one concern, with a write of one's own after it."""
    with multidb.open(root, concerns=[multidb.Concern("notes", migrations=folder)]) as dbs:
        applied = dbs.migrate()["notes"].applied
        dbs["notes"].execute("INSERT INTO t1 VALUES (?)", (number(),))
        return applied


def ledger(path: Path) -> tuple[list[int], list[int], list[int]]:
    """Versions in the ledger, those that the log says were applied, and the order of applying."""
    with contextlib.closing(apsw.Connection(str(path), apsw.SQLITE_OPEN_READONLY)) as connection:
        assert "ok" == connection.pragma("integrity_check")
        columns = "SELECT version, applied_seq FROM _migrations ORDER BY version"
        rows = connection.execute(columns).fetchall()
        log = connection.execute("SELECT version FROM _migration_log WHERE action = 'up' AND ok ORDER BY id").fetchall()
    return [row[0] for row in rows], [row[0] for row in log], [row[1] for row in rows]


def one_round(root: Path) -> None:
    told = run_children(PROCESSES, migrate, root)

    assert [] == [error for _, errors in told for error in errors]
    for concern in STANDARD:
        by_all = sorted(version for applied, _ in told for version in applied[concern.name])
        if concern.name in MANAGED_NAMES:
            versions, logged, order = ledger(root / f"{concern.name}.sqlite")
            assert versions == by_all == logged
            assert list(range(1, len(versions) + 1)) == order
        else:
            assert [] == by_all


@pytest.mark.parametrize("turn", range(2))
def test_eight_processes_make_and_migrate_one_root(tmp_path: Path, turn: int) -> None:
    """No error, every migration once, and each process finds its databases ready."""
    one_round(tmp_path / "db")


@pytest.mark.whole
@pytest.mark.parametrize("turn", range(20))
def test_eight_processes_make_and_migrate_one_root_twenty_times(tmp_path: Path, turn: int) -> None:
    """The long form of the above."""
    one_round(tmp_path / "db")


def test_eight_processes_and_many_small_migrations(tmp_path: Path) -> None:
    """Some process applies each, none twice, whoever comes to the lock in between; and all can write at once."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for version in range(1, 41):
        (folder / f"{version}_t.sql").write_text(f"CREATE TABLE t{version} (x);")

    told = run_children(PROCESSES, migrate_notes, tmp_path / "db", folder)

    versions, logged, _ = ledger(tmp_path / "db" / "notes.sqlite")
    assert list(range(1, 41)) == versions == logged == sorted(version for applied in told for version in applied)
    with contextlib.closing(apsw.Connection(str(tmp_path / "db" / "notes.sqlite"))) as connection:
        assert list(range(PROCESSES)) == sorted(row[0] for row in connection.execute("SELECT x FROM t1"))
