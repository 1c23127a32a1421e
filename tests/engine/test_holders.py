"""Who holds a database's write lock, by the kernel's own list."""

from __future__ import annotations

import os
from pathlib import Path

import apsw
import pytest

from multidb.engine import holders
from multidb.engine.holders import write_lock_holder
from tests.faults import Child


def holds(path: str, journal_mode: str) -> None:
    from tests.faults.inside import barrier

    connection = apsw.Connection(path)
    connection.execute(f"PRAGMA journal_mode = {journal_mode}").fetchall()
    connection.execute("CREATE TABLE IF NOT EXISTS t (a)")
    connection.execute("BEGIN IMMEDIATE")
    barrier("holding")
    connection.execute("ROLLBACK")
    barrier("free")
    connection.close()


@pytest.mark.parametrize("journal_mode", ["wal", "delete"])
def test_another_process_is_told_by_pid_and_name(path: Path, journal_mode: str) -> None:
    """Whichever file SQLite locks; and nobody when nobody does."""
    with Child(holds, str(path), journal_mode) as child:
        child.wait_for("holding")
        held = write_lock_holder(path)
        child.release()
        child.wait_for("free")
        free = write_lock_holder(path)
        child.release()
        child.result()

    assert held is not None
    assert held.startswith(f"pid {child.pid} (")
    assert free is None


def test_this_process_is_told_as_such(path: Path) -> None:
    """Another connection of ours may be the one."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = wal").fetchall()
    connection.execute("CREATE TABLE t (a)")
    connection.execute("BEGIN IMMEDIATE")

    assert f"pid {os.getpid()} (this process)" == write_lock_holder(path)
    connection.close(True)


def test_a_file_that_is_not_there_is_nobodys(tmp_path: Path) -> None:
    """No error: this is said beside another error."""
    assert write_lock_holder(tmp_path / "nothing") is None


LOCKS = """\
1: POSIX  ADVISORY  READ  11 {id} 120 120
2: POSIX  ADVISORY  WRITE 12 {id} 121 123
3: -> POSIX  ADVISORY  WRITE 13 {id} 120 120
4: FLOCK  ADVISORY  WRITE 14 {id} 0 EOF
5: POSIX  ADVISORY  WRITE 0 {id} 120 120
6: POSIX  ADVISORY  WRITE 15 00:00:1 120 120
7: OFDLCK ADVISORY  WRITE -1 {id} 120 120
torn line
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", None),
        ("8: POSIX  ADVISORY  WRITE 99999999 {id} 120 120\n", "pid 99999999"),
        ("8: POSIX  ADVISORY  WRITE 99999999 {id} 100 EOF\n", "pid 99999999"),
    ],
)
def test_only_the_lock_itself_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, expected: str | None
) -> None:
    """Not those who wait, who read, who lock other bytes or other files, or whom the kernel hides."""
    path = tmp_path / "notes.sqlite"
    path.touch()
    shm = tmp_path / "notes.sqlite-shm"
    shm.touch()
    found = os.stat(shm)
    identity = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    (tmp_path / "locks").write_text((LOCKS + line).replace("{id}", identity))
    opened = open

    def locks(name: object, *args: object, **options: object) -> object:
        return opened(tmp_path / "locks" if name == "/proc/locks" else name, *args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(holders, "open", locks, raising=False)

    assert expected == write_lock_holder(path)
