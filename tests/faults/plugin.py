"""The fixtures of the fault harness, for `pytest_plugins = ["tests.faults.plugin"]` in the top conftest."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import apsw
import pytest

from tests.faults import guard, leaks
from tests.faults.disks import tmpfs
from tests.faults.rights import skip_unless_root

_HAS_FAILED = pytest.StashKey[bool]()


def pytest_configure() -> None:
    guard.install()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[_HAS_FAILED] = report.failed
    return report


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails the test that leaves a connection, thread or child, or that opened a live database's file itself.

    What was there before the test, from fixtures of a wider scope, may stay. After a test that failed by
    itself the leaks are only cleared away: its traceback holds the connections.
    """
    connections, threads = apsw.connections(), set(threading.enumerate())
    guard.forget_violations()
    yield
    left = leaks.clear_away(leaks.open_connections(connections))
    running = [thread.name for thread in leaks.left_threads(threads)]
    killed = leaks.killed_children()
    faults = [f"a connection is open on {name}" for name in left]
    faults += [f"the thread {name} runs" for name in running]
    faults += [f"the child {pid} lived" for pid in killed]
    faults += guard.seen_violations()
    if faults and not request.node.stash.get(_HAS_FAILED, False):
        pytest.fail("left behind by this test: " + "; ".join(faults), pytrace=False)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 1 MiB of its own; skips where mounting is not allowed."""
    with tmpfs(tmp_path / "small_disk") as folder:
        yield folder


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that any user may enter and write, which tmp_path is not; for `Child(as_nobody=True)`."""
    skip_unless_root("another uid")
    folder = Path(tempfile.mkdtemp(prefix="multidb-public-"))
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
