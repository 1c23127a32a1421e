"""A process is killed while it migrates: the next one goes on by itself, and there is nothing to clean up."""

from __future__ import annotations

import contextlib
import random
import signal
from pathlib import Path
from typing import Any

import apsw
import attrs
import pytest

import multidb
from multidb import Concern, Tuning
from multidb.failpoints import FAILPOINTS
from tests.faults import Child, kill_points, killed_at, storage_steps

ROWS = 400
REBUILD = """
CREATE TABLE new (id INTEGER PRIMARY KEY, x TEXT, extra TEXT);
INSERT INTO new SELECT id, x, hex(randomblob(200)) FROM a;
DROP TABLE a;
ALTER TABLE new RENAME TO a;
"""


@attrs.frozen
class Work:
    """A root and a folder of four migrations: tables, rows, a rebuild of them, one more table."""

    root: Path
    folder: Path
    journal_mode: Any = "wal"

    def prepare(self) -> Work:
        self.folder.mkdir(parents=True, exist_ok=True)
        rows = f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
        for version, sql in enumerate(
            (
                "CREATE TABLE a (id INTEGER PRIMARY KEY, x TEXT); CREATE TABLE b (a REFERENCES a ON DELETE CASCADE);",
                f"{rows} INSERT INTO a SELECT i, hex(i) FROM n; INSERT INTO b SELECT id FROM a;",
                REBUILD,
                "CREATE TABLE c (x);",
            ),
            1,
        ):
            (self.folder / f"{version}_m.sql").write_text(sql)
        return self

    def elsewhere(self, name: str) -> Work:
        return attrs.evolve(self, root=self.root.with_name(name))

    @property
    def path(self) -> Path:
        return self.root / "notes.sqlite"

    def up(self) -> tuple[int, ...]:
        tuning = Tuning(journal_mode=self.journal_mode)
        with multidb.open(self.root, concerns=[Concern("notes", migrations=self.folder, tuning=tuning)]) as dbs:
            return dbs.migrate()["notes"].applied

    def state(self) -> tuple[list[Any], ...]:
        """The ledger and the log, the rows that are there, and SQLite's word on the file."""
        with contextlib.closing(apsw.Connection(str(self.path))) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
            if "_migrations" not in tables:
                assert set() == tables
                return [], [], []
            versions = connection.execute("SELECT version FROM _migrations WHERE success ORDER BY version").fetchall()
            log = connection.execute("SELECT version FROM _migration_log WHERE ok ORDER BY id").fetchall()
            counts = [connection.execute(f"SELECT count(*) FROM {name}").get for name in ("a", "b")]
            assert "ok" == connection.pragma("integrity_check")
            assert [] == connection.execute("PRAGMA foreign_key_check").fetchall()
        return [row[0] for row in versions], [row[0] for row in log], counts


def migrate(work: Work) -> tuple[int, ...]:
    """What the child does."""
    return work.up()


def goes_on(work: Work) -> None:
    """After a kill: what is there is whole migrations, and one call brings the rest, each once."""
    applied, log, counts = work.state() if work.path.exists() else ([], [], [])
    assert list(range(1, len(applied) + 1)) == applied == log
    assert not applied or counts == [0 if len(applied) < 2 else ROWS] * 2

    rest = work.up()

    assert (1, 2, 3, 4) == (*applied, *rest)
    assert ([1, 2, 3, 4], [1, 2, 3, 4], [ROWS, ROWS]) == work.state()
    assert {"notes.migrate.lock"} == {path.name for path in (work.root / ".multidb").iterdir()}
    left = {path.name for path in work.root.iterdir()} - {".multidb", "notes.sqlite"}
    assert left <= (set() if rest else {"notes.sqlite-journal"})  # an unused one goes with the next write


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "db", tmp_path / "migrations").prepare()


POINTS = [f"{name}:{times}" for name in FAILPOINTS if name.startswith("migration.") for times in (1, 3)]


@pytest.mark.parametrize("point", ["open.after_create", *POINTS])
def test_killed_at_a_named_place(work: Work, point: str) -> None:
    """After the file was made, after BEGIN, before COMMIT, after COMMIT; in the first migration and in a rebuild."""
    with Child(migrate, work, failpoint=point) as child:
        assert -signal.SIGKILL == child.exit_status()

    goes_on(work)


@pytest.mark.parametrize("point", ["migration.before_commit:3", "migration.after_commit:3"])
def test_killed_with_a_rollback_journal(work: Work, point: str) -> None:
    """Without a write-ahead log it is the hot journal that the next one rolls back."""
    slow = attrs.evolve(work, journal_mode="delete")
    with Child(migrate, slow, failpoint=point) as child:
        assert -signal.SIGKILL == child.exit_status()

    goes_on(slow)


def kill_everywhere(work: Work, count: int, seed: int) -> None:
    steps = storage_steps(migrate, work.elsewhere("unharmed"))
    for at in kill_points(len(steps), count=count, seed=seed):
        again = work.elsewhere(f"killed{at}")
        killed_at(at, migrate, again)
        goes_on(again)


def test_killed_at_any_step_on_the_disk(work: Work) -> None:
    """Before a write, a sync, a truncation, a deletion: some of all the places there are."""
    kill_everywhere(work, count=8, seed=random.Random("migrating").randrange(1000))


@pytest.mark.whole
@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
def test_killed_at_two_hundred_steps(work: Work, journal_mode: str) -> None:
    """The long form of the above, in both journal modes."""
    kill_everywhere(attrs.evolve(work, journal_mode=journal_mode), count=200, seed=11)
