"""The alarm: a raw open of a live database raises at its place and cannot be swallowed."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import threading
import timeit
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

from tests.faults import Child, ChildFailed, RawOpenError, guard, raw_opens_allowed


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A WAL database that this process has open, with a -wal and a -shm."""
    path = tmp_path / "chat.sqlite"
    db = apsw.Connection(str(path))
    db.pragma("journal_mode", "wal")
    db.execute("CREATE TABLE t(a)")
    yield path
    guard.forget_violations()
    db.close()


@pytest.mark.parametrize(
    "touch",
    [
        lambda path: path.read_bytes(),
        lambda path: path.open("ab"),
        lambda path: os.open(path, os.O_RDONLY),
        lambda path: os.open(os.fsencode(path), os.O_RDONLY),
        lambda path: open(f"{path}-wal", "rb"),  # noqa: SIM115 - it never opens
        lambda path: open(f"{path}-shm", "rb"),  # noqa: SIM115 - it never opens
        lambda path: shutil.copy(path, f"{path}.copy"),
        lambda path: shutil.copytree(path.parent, f"{path.parent}.copy"),
        lambda path: hashlib.file_digest(path.open("rb"), "sha256"),
        lambda path: sqlite3.connect(path),
        lambda path: sqlite3.connect(f"file:{path}?mode=ro", uri=True),
    ],
)
def test_every_way_to_open_a_live_database_is_refused(path: Path, touch: Callable[[Path], object]) -> None:
    """Read or write, the file or its side files, by Python or by a second SQLite."""
    with pytest.raises(RawOpenError, match=r"chat\.sqlite"):
        touch(path)

    assert 1 == len(guard.seen_violations())
    assert "test_guard.py" in guard.seen_violations()[0]


def test_other_names_of_the_file_are_the_file(path: Path) -> None:
    """Compared by device and inode: a symbolic link, a hard link, a relative path."""
    link, hard = path.with_name("link"), path.with_name("hard")
    link.symlink_to(path)
    hard.hardlink_to(path)

    for name in (link, hard, Path(os.path.relpath(path))):
        with pytest.raises(RawOpenError):
            name.read_bytes()


def test_an_attached_database_is_live_too(path: Path, tmp_path: Path) -> None:
    """Any file of any connection."""
    other = tmp_path / "other.sqlite"
    db = apsw.Connection(str(tmp_path / "third.sqlite"))
    db.execute("ATTACH ? AS o", (str(other),))
    db.execute("CREATE TABLE o.t(a)")
    with pytest.raises(RawOpenError):
        other.read_bytes()
    db.close()
    other.read_bytes()


def test_a_database_busy_in_another_thread_is_live_too(tmp_path: Path) -> None:
    """Its connection answers nothing meanwhile; the alarm remembers its file."""
    path = tmp_path / "chat.sqlite"
    path.touch()
    is_running, may_end = threading.Event(), threading.Event()

    def wait(*_: object) -> bool:
        is_running.set()
        return may_end.wait(10)

    def work() -> None:
        db = apsw.Connection(str(path))
        db.create_scalar_function("wait", wait, 0)
        assert db.execute("SELECT wait()").get
        db.close()

    thread = threading.Thread(target=work)
    thread.start()
    is_running.wait(10)
    with pytest.raises(RawOpenError):
        path.read_bytes()
    may_end.set()
    thread.join()
    guard.forget_violations()


def test_what_is_not_live_may_be_opened(path: Path, tmp_path: Path) -> None:
    """Other files beside it, new files, and the database itself once it is closed."""
    (tmp_path / "notes").write_text("mine")
    rested = tmp_path / "rested.sqlite"
    apsw.Connection(str(rested)).close()
    rested.read_bytes()

    assert [] == guard.seen_violations()


def test_an_allowed_open_is_silent_in_this_thread_only(path: Path) -> None:
    """A test that shows the harm says so, with its reason."""
    caught: list[BaseException] = []

    def elsewhere() -> None:
        try:
            path.read_bytes()
        except RawOpenError as error:
            caught.append(error)

    with raw_opens_allowed("to see that the alarm keeps still"):
        path.read_bytes()
        assert [] == guard.seen_violations()
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert 1 == len(caught)
    with pytest.raises(RawOpenError):
        path.read_bytes()


def test_a_child_is_guarded_too_and_cannot_swallow_it(tmp_path: Path) -> None:
    """Its work fails although it caught the exception."""
    source = """
    import apsw
    db = apsw.Connection(args[0])
    db.execute("CREATE TABLE t(a)")
    try:
        open(args[0], "rb")
    except Exception:
        pass
    """
    with Child(source, str(tmp_path / "chat.sqlite")) as child, pytest.raises(ChildFailed, match="open of"):
        child.result()


def test_the_alarm_costs_nothing_to_speak_of(tmp_path: Path) -> None:
    """An open of another file beside seven databases stays below a millisecond."""
    connections = [apsw.Connection(str(tmp_path / f"{number}.sqlite")) for number in range(7)]
    (tmp_path / "notes").touch()
    seconds = min(timeit.repeat(lambda: (tmp_path / "notes").read_bytes(), number=20, repeat=5)) / 20
    for db in connections:
        db.close()

    assert seconds < 1e-3
