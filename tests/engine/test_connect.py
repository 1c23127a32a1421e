"""Opening a connection: every value set, and read back from SQLite itself."""

from __future__ import annotations

import errno
import os
import resource
import sys
from pathlib import Path
from typing import Any

import apsw
import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multidb import (
    BusyError,
    ConfigError,
    ExtensionMissingError,
    NotADatabaseError,
    PermissionDeniedError,
    StorageError,
    Tuning,
)
from multidb.engine import connect as connecting
from multidb.engine.connect import connect, tuning_in_force
from tests.engine.conftest import Opened
from tests.faults import damage

TUNINGS = st.builds(
    Tuning,
    busy_timeout_ms=st.integers(1, 2**31 - 1),
    journal_mode=st.sampled_from(["wal", "delete", "truncate", "persist"]),
    synchronous=st.sampled_from(["off", "normal", "full", "extra"]),
    cache_kib=st.integers(1, 2**31 - 1),
    mmap_bytes=st.sampled_from([0, 4096, 2**20]),
    wal_autocheckpoint=st.integers(0, 2**31 - 1),
    journal_size_limit=st.sampled_from([-1, 0, 1, 2**40, 2**62]),
    temp_store=st.sampled_from(["default", "file", "memory"]),
    foreign_keys=st.booleans(),
    recursive_triggers=st.booleans(),
    trusted_schema=st.booleans(),
    defensive=st.booleans(),
    dqs=st.booleans(),
    statement_cache=st.integers(0, 512),
)


@pytest.fixture
def made(path: Path) -> Path:
    path.touch(0o600)
    return path


@given(tuning=TUNINGS)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_value_is_in_force(made: Path, tuning: Tuning) -> None:
    """As SQLite itself says, on the writer and on a reader; how to keep a rollback journal is the writer's affair."""
    for read_only in (False, True):
        handle = connect(str(made), made, tuning, read_only=read_only)
        try:
            found = tuning_in_force(handle)
        finally:
            handle.close()
        if read_only and tuning.journal_mode != "wal":
            found = attrs.evolve(found, journal_mode=tuning.journal_mode)
        assert tuning == found


def test_the_default_is_what_the_page_of_the_contract_says(opened: Opened) -> None:
    """In SQLite's own words."""
    database = opened()
    with database.exclusive() as session:
        found = {
            name: session.scalar(f"PRAGMA {name}")
            for name in (
                "busy_timeout",
                "journal_mode",
                "synchronous",
                "cache_size",
                "mmap_size",
                "wal_autocheckpoint",
                "journal_size_limit",
                "temp_store",
                "foreign_keys",
                "recursive_triggers",
                "trusted_schema",
            )
        }

    assert {
        "busy_timeout": 5000,
        "journal_mode": "wal",
        "synchronous": 1,
        "cache_size": -16384,
        "mmap_size": 0,
        "wal_autocheckpoint": 1000,
        "journal_size_limit": 67108864,
        "temp_store": 2,
        "foreign_keys": 1,
        "recursive_triggers": 1,
        "trusted_schema": 0,
    } == found
    assert Tuning() == database.tuning_in_force()


def test_a_value_that_sqlite_does_not_take_is_told(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong pragma is ignored without a word, and a promise with it."""
    wanted = connecting.wanted_pragmas
    monkeypatch.setattr(connecting, "wanted_pragmas", lambda tuning: {**wanted(tuning), "mmap_size": 2**60})
    with pytest.raises(ConfigError, match="SQLite keeps mmap_size"):
        connect(str(made), made, Tuning(slow_ms=1), read_only=False)
    assert not [connection for connection in apsw.connections() if connection]


def test_double_quotes_are_names(opened: Opened) -> None:
    """Not strings: a misspelt column would be one."""
    from multidb import StatementError

    database = opened()
    with pytest.raises(StatementError, match="no such column"):
        database.scalar('SELECT "hello"')


def test_a_reader_cannot_be_made_to_write(opened: Opened) -> None:
    """It is open for reading only, which no SQL text lifts."""
    database = opened()
    database.execute("CREATE TABLE t (a)")
    with database.read() as session:
        session._handle.guard.lifted = True
        session._handle.connection.execute("PRAGMA query_only = 0").fetchall()
        with pytest.raises(apsw.ReadOnlyError):
            session._handle.connection.execute("INSERT INTO t VALUES (1)")


def test_nothing_is_created(tmp_path: Path) -> None:
    """Making a file is another step."""
    target = tmp_path / "nothing.sqlite"
    for read_only in (False, True):
        with pytest.raises(StorageError):
            connect(str(target), target, Tuning(), read_only=read_only)

    assert [] == list(tmp_path.iterdir())


def test_garbage_is_told_and_left_open_by_nobody(made: Path) -> None:
    """`Connection()` opens anything; the first read finds out."""
    damage.garbage(made)
    with pytest.raises(NotADatabaseError):
        connect(str(made), made, Tuning(), read_only=False)

    assert not [connection for connection in apsw.connections() if connection]


def test_a_file_that_may_not_be_read(made: Path) -> None:
    """SQLite says "unable to open"; the system says why."""
    with damage.unreadable(made), pytest.raises(PermissionDeniedError):
        connect(str(made), made, Tuning(), read_only=True)


@pytest.mark.skipif(sys.platform == "win32", reason="the limit is POSIX")
def test_a_process_without_descriptors(made: Path) -> None:
    """Told by name: no file is damaged and none is missing."""
    from multidb import TooManyOpenFilesError

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        while True:
            try:
                taken.append(os.open(os.devnull, os.O_RDONLY))
            except OSError as error:
                assert errno.EMFILE == error.errno
                break
        with pytest.raises(TooManyOpenFilesError):
            connect(str(made), made, Tuning(), read_only=False)
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_switch_to_wal_waits_for_a_writer_of_a_moment(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite itself does not, whatever the busy timeout."""
    other = apsw.Connection(str(made))
    other.execute("CREATE TABLE t (a)")
    other.execute("BEGIN IMMEDIATE")
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            other.execute("COMMIT")

    monkeypatch.setattr("multidb.engine.connect.time.sleep", sleep)
    handle = connect(str(made), made, attrs.evolve(Tuning(), busy_timeout_ms=1000), read_only=False)

    assert (3, "wal") == (len(waits), handle.ask("PRAGMA journal_mode")[0][0])
    handle.close()
    other.close(True)


def test_the_switch_to_wal_does_not_wait_for_ever(made: Path) -> None:
    """A writer that stays is told."""
    other = apsw.Connection(str(made))
    other.execute("CREATE TABLE t (a)")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(BusyError):
        connect(str(made), made, attrs.evolve(Tuning(), busy_timeout_ms=1), read_only=False)
    other.close(True)


def test_an_extension_that_is_not_installed(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is optional, and has no build for some machines."""
    monkeypatch.setitem(sys.modules, "sqlite_vec", None)
    database = opened(extensions=("sqlite_vec",))

    assert isinstance(database.error, ExtensionMissingError)
    assert "install" in str(database.error.hint)


def test_an_extension_whose_build_cannot_be_loaded(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A library of another machine, or a broken download."""
    import sqlite_vec

    (tmp_path / "vec0.so").write_bytes(b"no library")
    monkeypatch.setattr(sqlite_vec, "loadable_path", lambda: str(tmp_path / "vec0"))
    database = opened(extensions=("sqlite_vec",))

    assert isinstance(database.error, ExtensionMissingError)


def test_an_extension_is_only_where_it_was_asked_for(opened: Opened) -> None:
    """On the writer and on the readers of that concern."""
    database = opened(extensions=("sqlite_vec",))

    assert str(database.scalar("SELECT vec_version()")).startswith("v")
    with database.write() as session:
        assert 2 == session.scalar("SELECT vec_length('[1, 2]')")


def test_a_handle_that_was_closed_twice_is_closed(made: Path) -> None:
    """And may still be interrupted, by whoever is late."""
    handle: Any = connect(str(made), made, Tuning(), read_only=False)
    handle.close()
    handle.close()
    handle.interrupt()

    assert not handle.in_transaction
