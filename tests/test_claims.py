"""Which files this process has open: one Database for each, and none after a fork."""

from __future__ import annotations

import gc
import os
import weakref
from pathlib import Path

import pytest

from multidb import Concern, ConfigError, Database, ForkedError, claims
from tests.faults import run_child


class Watcher:
    """Notes that it was carried into a child."""

    was_forked = False

    def after_fork(self) -> None:
        self.was_forked = True


def test_a_file_is_claimed_once() -> None:
    """The refusal names who has it; after the release it is free."""
    claims.claim((0, 1), "first")
    with pytest.raises(ConfigError, match="first") as refusal:
        claims.claim((0, 1), "second")
    claims.release((0, 1))
    claims.claim((0, 1), "second")
    claims.release((0, 1))

    assert refusal.value.hint and "second" == refusal.value.concern


def test_releasing_what_nobody_has_is_nothing() -> None:
    """Closing twice is once, here too."""
    claims.release((0, 2))


def test_the_child_is_told_and_refused(tmp_path: Path) -> None:
    """What was claimed stays void in the child; what was not is free."""
    program = """
        import os
        from multidb import claims, ForkedError
        from tests.test_claims import Watcher
        watcher = Watcher()
        claims.watch_forks(watcher)
        claims.claim((0, 1), "notes")
        pid = os.fork()
        if pid == 0:
            try:
                claims.claim((0, 1), "notes")
            except ForkedError:
                claims.claim((0, 2), "others")
                os._exit(0 if watcher.was_forked else 2)
            os._exit(1)
        result = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), watcher.was_forked
    """

    assert (0, False) == run_child(program)


def test_watching_keeps_nothing_alive() -> None:
    """A database that nobody has any more is not kept for the sake of a fork."""
    watcher = Watcher()
    claims.watch_forks(watcher)
    gone = weakref.ref(watcher)

    del watcher
    gc.collect()

    assert gone() is None


def test_a_database_claims_its_file_as_long_as_it_is_open(tmp_path: Path) -> None:
    """By what the file is, not by its name."""
    path = tmp_path / "a.sqlite"
    database = Database(Concern("a", migrations=None), path)
    database.open()
    os.link(path, tmp_path / "b.sqlite")
    second = Database(Concern("b", migrations=None), tmp_path / "b.sqlite")

    with pytest.raises(ConfigError):
        second.open()
    database.close()
    second.reopen()

    second.close()
    assert not isinstance(second.error, ForkedError)
