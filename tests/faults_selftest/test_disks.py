"""Full disks: what SQLite and Python meet there, and that room comes back."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from tests.faults import fill, run_child, tmpfs

WRITE_UNTIL_FULL = """
import apsw
db = apsw.Connection(args[0])
db.pragma("journal_mode", "wal")
db.execute("CREATE TABLE t(a)")
try:
    for _ in range(200):
        db.execute("INSERT INTO t VALUES (zeroblob(4000))")
except (apsw.IOError, apsw.FullError) as error:
    code = error.extendedresult
kept = db.execute("SELECT count(*) FROM t").get
db.close()
result = code, kept
"""


def test_a_child_meets_its_file_size_limit(tmp_path: Path) -> None:
    """The commit that does not fit fails; what was committed before is there for the next process."""
    path = tmp_path / "chat.sqlite"
    code, kept = run_child(WRITE_UNTIL_FULL, str(path), file_size_bytes=256 * 1024)
    db = apsw.Connection(str(path))

    assert apsw.SQLITE_IOERR_WRITE == code
    assert 0 < kept < 200
    assert kept == db.execute("SELECT count(*) FROM t").get
    db.close()


def test_the_limit_ends_with_its_block(tmp_path: Path) -> None:
    """A child may be full for a while and then go on."""
    source = """
    from tests.faults import file_size_limit
    with file_size_limit(10), open(args[0], "wb", buffering=0) as file:
        short = file.write(bytes(100))
        try:
            file.write(b"x")
        except OSError as error:
            said = error.errno
    with open(args[0], "ab", buffering=0) as file:
        file.write(b"y")
    result = short, said
    """
    assert (10, 27) == run_child(source, str(tmp_path / "file"))
    assert 11 == (tmp_path / "file").stat().st_size


def test_a_full_small_disk_answers_full_and_recovers(small_disk: Path) -> None:
    """ENOSPC is SQLITE_FULL; with the ballast gone the same connection writes again."""
    db = apsw.Connection(str(small_disk / "chat.sqlite"))
    db.execute("CREATE TABLE t(a)")
    ballast = fill(small_disk)
    with pytest.raises(apsw.FullError):
        db.execute("INSERT INTO t VALUES (zeroblob(100000))")
    ballast.unlink()
    db.execute("INSERT INTO t VALUES (zeroblob(100000))")

    assert 1 == db.execute("SELECT count(*) FROM t").get
    db.close()


def test_a_disk_is_filled_but_for_the_bytes_asked_for(small_disk: Path) -> None:
    """To the page: the last commit that fits, and the first that does not."""
    fill(small_disk, leave_bytes=8192)
    fits = small_disk / "fits"
    fits.write_bytes(bytes(8192))
    with pytest.raises(OSError, match="No space"):
        (small_disk / "too much").write_bytes(b"x")

    assert 8192 == fits.stat().st_size


def test_a_real_disk_is_never_filled(tmp_path: Path) -> None:
    """Only one that a test made for itself."""
    with pytest.raises(ValueError, match="not on a small disk"):
        fill(tmp_path)


def test_a_small_disk_is_gone_afterwards(tmp_path: Path) -> None:
    """Also when the test raised and left a file open on it."""
    folder = tmp_path / "disk"
    with pytest.raises(KeyError), tmpfs(folder), (folder / "file").open("w"):
        raise KeyError

    assert not folder.is_mount()
    assert [] == list(folder.iterdir())
