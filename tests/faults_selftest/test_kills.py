"""Work dies at each of its steps, and the file is as if the transaction never was, or was whole."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults import ChildFailed, kill_points, killed_at, storage_steps

TRANSFER = """
import apsw
db = apsw.Connection(args[0])
db.pragma("journal_mode", "wal")
db.execute("CREATE TABLE IF NOT EXISTS account(name TEXT PRIMARY KEY, cents INT)")
db.execute("BEGIN IMMEDIATE")
db.execute("INSERT INTO account VALUES ('a', 100)")
db.execute("INSERT INTO account VALUES ('b', -100)")
db.execute("COMMIT")
db.close()
"""


@pytest.mark.parametrize("is_torn", [False, True])
def test_a_transaction_survives_a_kill_at_any_step_whole_or_not_at_all(tmp_path: Path, is_torn: bool) -> None:
    """The driver reaches every place, and SQLite keeps its promise at each."""
    steps = storage_steps(TRANSFER, str(tmp_path / "whole.sqlite"))
    total = len([step for step in steps if step.operation == "write" or not is_torn])
    outcomes = set()
    for at in kill_points(total, count=12, seed=7):
        path = tmp_path / f"{at}.sqlite"
        assert killed_at(at, TRANSFER, str(path), is_torn=is_torn)
        db = apsw.Connection(str(path))
        has_table = db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'account'").get
        outcomes.add(db.execute("SELECT count(*), sum(cents) FROM account").get if has_table else None)
        db.close()

    assert {(2, 0)} < outcomes <= {None, (0, None), (2, 0)}


def test_work_with_fewer_steps_finishes(tmp_path: Path) -> None:
    """A caller that counts too far learns it."""
    assert not killed_at(10_000, TRANSFER, str(tmp_path / "chat.sqlite"))


def test_work_that_dies_of_something_else_is_no_kill() -> None:
    """A typo in the work must not look like a survived kill."""
    with pytest.raises(ChildFailed, match="NameError"):
        killed_at(1, "this_is_no_name")


@given(st.integers(0, 300), st.integers(1, 80), st.integers())
def test_kill_points_are_distinct_and_in_range(total: int, count: int, seed: int) -> None:
    """As many as asked for or as there are, with both ends, the same for the same seed."""
    points = kill_points(total, count=count, seed=seed)

    assert sorted(set(points)) == points == kill_points(total, count=count, seed=seed)
    assert min(total, count) == len(points)
    assert not points or (points[0] == 1 and points[-1] <= total)
    assert count < 2 or total < 2 or points[-1] == total
