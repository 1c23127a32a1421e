"""kill -9 at any step of opening, migrating and writing: what was promised is there, and nothing is half-done."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import multidb
from multidb import MultiDB
from tests.faults import Child, ChildFailed, Fault, kill_points, say, storage_steps

MANAGED = ("chat", "code", "app")
CONCERNS = tuple(concern for concern in multidb.STANDARD if concern.name in MANAGED)


def first_day(root: Path) -> None:
    """Opens a root, migrates it and writes; says each thing as soon as it was promised to be durable."""
    with multidb.open(root, concerns=CONCERNS) as dbs:
        for name in MANAGED:
            dbs.migrate(name)
            say(("migrated", name))
        for n in range(4):
            with dbs["chat"].write() as w:
                w.insert_many("chats", [{"id": f"{n}-{half}", "title": "x" * 5000} for half in ("one", "two")])
            say(("wrote", n))
        dbs["chat"].checkpoint()
        dbs["chat"].vacuum()
        with dbs["chat"].write() as w:
            w.execute("UPDATE chats SET title = 'short'")
        say(("updated", 4))


def promises_until_death(root: Path, fault: Fault) -> list[tuple[str, object]]:
    """What the first day promised before it was killed."""
    promised: list[tuple[str, object]] = []
    with Child(first_day, root, fault=fault) as child:
        try:
            while True:
                promised.append(child.hear())
        except ChildFailed:
            pass
    return promised


def check(dbs: MultiDB, promised: list[tuple[str, object]]) -> None:
    """Everything promised is there, pairs are whole, and the day can go on."""
    done = dict.fromkeys(promised)
    before = dbs.status()
    for name in MANAGED:
        assert "ready" == before[name].state, before[name].error
        if ("migrated", name) in done:
            assert 0 == before[name].pending
    assert set(dbs.migrate(MANAGED).databases) == set(MANAGED)
    for name in MANAGED:
        assert [("ok",)] == dbs[name].many("PRAGMA integrity_check")
        assert [] == dbs[name].many("PRAGMA foreign_key_check")
        assert 1 == dbs[name].scalar("SELECT count(*) FROM _migration_meta WHERE key = 'uuid'")
    ids = {row[0] for row in dbs["chat"].many("SELECT id FROM chats")}
    for n in range(4):
        pair = {f"{n}-one", f"{n}-two"}
        assert pair & ids in (pair, set())
        assert pair <= ids or ("wrote", n) not in done
    titles = {row[0] for row in dbs["chat"].many("SELECT DISTINCT title FROM chats")}
    assert len(titles) <= 1
    assert ("updated", 4) not in done or {"short"} == titles


def killed_and_checked(folder: Path, fault: Fault) -> None:
    root = folder / f"{fault.action}-{fault.at}"
    promised = promises_until_death(root, fault)
    with multidb.open(root, concerns=CONCERNS) as dbs:
        check(dbs, promised)


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many storage steps the first day has, unharmed."""
    return len(storage_steps(first_day, tmp_path_factory.mktemp("unharmed") / "db"))


def test_killed_at_some_steps(tmp_path: Path, steps: int) -> None:
    """First, last, and a few in between; others each week, since the seed is the number of steps."""
    for at in kill_points(steps, count=8, seed=steps):
        killed_and_checked(tmp_path, Fault(at=at))


def test_killed_in_the_middle_of_a_write(tmp_path: Path, steps: int) -> None:
    """Half of the bytes reached the file."""
    for at in random.Random(steps).sample(range(1, steps // 2), 4):
        killed_and_checked(tmp_path, Fault(at=at, operation="write", action="torn"))


@pytest.mark.whole
def test_killed_at_every_step(tmp_path: Path, steps: int) -> None:
    """The long form, whole and torn."""
    for at in kill_points(steps, count=300, seed=1):
        killed_and_checked(tmp_path, Fault(at=at))
    for at in kill_points(steps // 2, count=100, seed=2):
        killed_and_checked(tmp_path, Fault(at=at, operation="write", action="torn"))


@pytest.mark.parametrize(
    "failpoint",
    [
        "open.after_create",
        "open.after_create:2",
        "migration.after_begin",
        "migration.before_commit:2",
        "migration.after_commit",
        "write.before_commit",
        "write.before_commit:3",
    ],
)
def test_killed_at_the_named_places(tmp_path: Path, failpoint: str) -> None:
    """Where the code itself says that it matters."""
    root = tmp_path / "db"
    promised: list[tuple[str, object]] = []
    with Child(first_day, root, failpoint=failpoint) as child:
        assert -9 == child.exit_status()
        while child._said:
            promised.append(child.hear())

    with multidb.open(root, concerns=CONCERNS) as dbs:
        check(dbs, promised)
