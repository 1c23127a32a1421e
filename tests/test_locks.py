"""The lock between processes: one holder, whoever waits is told who, and it goes with its holder."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from multidb import LockTimeoutError, StorageError
from multidb.locks import process_lock
from tests.faults import Child, damage

HOLD = """
    from pathlib import Path
    from multidb.locks import process_lock
    with process_lock(Path(args[0]), 5, concern="notes"):
        barrier("held")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".multidb" / "notes.migrate.lock"


def test_another_process_waits_and_learns_who_holds_it(path: Path) -> None:
    """The pid, the host and since when are in the error; afterwards the lock is free."""
    with Child(HOLD, str(path)) as child:
        child.wait_for("held")
        with pytest.raises(LockTimeoutError) as refusal, process_lock(path, 0, concern="notes"):
            pass
        child.release()
        child.result()
    with process_lock(path, 0, concern="notes"):
        pass

    assert f"pid {child.pid} on " in str(refusal.value.holder)
    assert ("notes", True, 11) == (refusal.value.concern, refusal.value.retryable, refusal.value.exit_status)
    assert refusal.value.hint


def test_a_killed_holder_leaves_it_free(path: Path) -> None:
    """The kernel gives it back; no file has to be removed."""
    with Child(HOLD, str(path)) as child:
        child.wait_for("held")
        child.kill()

    with process_lock(path, 0, concern="notes"):
        assert path.exists()


def test_threads_of_one_process_exclude_each_other_too(path: Path) -> None:
    """It is a lock between holders, wherever they run."""
    raised: list[BaseException] = []

    def take() -> None:
        try:
            with process_lock(path, 0, concern="notes"):
                pass
        except LockTimeoutError as error:
            raised.append(error)

    with process_lock(path, 0, concern="notes"):
        thread = threading.Thread(target=take)
        thread.start()
        thread.join()

    assert 1 == len(raised)


def test_an_error_inside_lets_it_go(path: Path) -> None:
    """As does Ctrl-C."""
    with pytest.raises(KeyboardInterrupt), process_lock(path, 0, concern="notes"):
        raise KeyboardInterrupt

    with process_lock(path, 0, concern="notes"):
        pass


def test_the_file_is_private_and_stays(path: Path) -> None:
    """Removing it would let two processes hold two files of one name."""
    with process_lock(path, 0, concern="notes"):
        inode = path.stat().st_ino
    with process_lock(path, 0, concern="notes"):
        pass

    assert (inode, 0o600) == (path.stat().st_ino, stat.S_IMODE(path.stat().st_mode))
    assert 0o700 == stat.S_IMODE(path.parent.stat().st_mode)


def test_a_place_where_no_lock_can_stand(path: Path) -> None:
    """Named like every storage error; a link is not followed."""
    path.parent.mkdir()
    path.symlink_to(path.with_name("elsewhere"))
    with pytest.raises(StorageError), process_lock(path, 0, concern="notes"):
        pass
    os.unlink(path)
    with damage.unwritable(path.parent), pytest.raises(StorageError), process_lock(path, 0, concern="notes"):
        pass

    assert [] == list(path.parent.iterdir())


def test_the_page_about_locks_names_what_there_is() -> None:
    """docs/locks.md speaks of every error that ends a wait, and of every timeout that can be set."""
    page = (Path(__file__).parent.parent / "docs" / "locks.md").read_text(encoding="utf-8")

    for word in (
        "WriterTimeoutError",
        "ReaderTimeoutError",
        "StatementTimeoutError",
        "LockTimeoutError",
        "ClosedError",
        "writer_timeout_ms",
        "reader_timeout_ms",
        "busy_timeout_ms",
        "statement_timeout_ms",
    ):
        assert word in page
