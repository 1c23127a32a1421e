"""The desk: a mapping of names to databases, and the verbs that concern them all."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

import multidb
from multidb import (
    STANDARD,
    Concern,
    ConfigError,
    Database,
    MultiDB,
    ReaderTimeoutError,
    Settings,
    State,
    Tuning,
)
from tests.faults import folder_fingerprint

SEVEN = [concern.name for concern in STANDARD]


def test_the_program_of_the_contract(root: Path) -> None:
    """Open, migrate, write, read."""
    with multidb.open(root) as dbs:
        dbs.migrate()
        with dbs["chat"].write() as w:
            w.execute("INSERT INTO chats(id, title) VALUES (?, ?)", ("c1", "Hello"))
        rows = dbs["chat"].many("SELECT id, title FROM chats WHERE title = :t", {"t": "Hello"}, into=dict)

    assert [{"id": "c1", "title": "Hello"}] == rows


def test_it_is_a_mapping(dbs: MultiDB) -> None:
    """In the order of the concerns; the seven are properties, too."""
    assert isinstance(dbs, Mapping)
    assert SEVEN == list(dbs)
    assert [dbs[name] for name in SEVEN] == list(dbs.values()) == [getattr(dbs, name) for name in SEVEN]
    assert all(isinstance(database, Database) for database in dbs.values())
    assert dbs["chat"] is dbs.chat and "chat ready" in repr(dbs)


def test_a_standard_name_that_was_not_asked_for(root: Path) -> None:
    """The property is there, the database is not: told like every unknown name."""
    with multidb.open(root, concerns=[Concern("chat")]) as dbs:
        assert (True, False) == (hasattr(dbs, "chat"), hasattr(dbs, "code"))
        with pytest.raises(AttributeError, match="code"):
            dbs.code  # noqa: B018  # the attribute is what is tested


def test_private_names_are_not_looked_up_as_concerns(dbs: MultiDB) -> None:
    """Copying and pickling ask for them; they get a plain AttributeError."""
    for name in ("__wrapped__", "_repr_html_", "_nothing"):
        assert not hasattr(dbs, name)


def test_the_root_is_private(root: Path) -> None:
    """0700, and no side folder before something needs it."""
    with multidb.open(root) as dbs:
        assert 0o700 == root.stat().st_mode & 0o777
        dbs.status(), dbs.stats()
        assert not (root / ".multidb").exists()


def test_opening_does_not_migrate(root: Path) -> None:
    """A new root has seven empty files and everything pending."""
    with multidb.open(root) as dbs:
        status = dbs.status()

    assert {name: None if name in ("beads", "tempolite") else 0 for name in SEVEN} == {
        name: entry.schema_version for name, entry in status.items()
    }
    assert all(status[name].pending > 0 for name in SEVEN if name not in ("beads", "tempolite"))


def test_status_tells_of_each(dbs: MultiDB, root: Path) -> None:
    """State, owner, path, sizes and schema."""
    dbs["chat"].execute("INSERT INTO chats(id, title) VALUES ('c1', 'Hello')")
    entry = dbs.status()["chat"]

    assert ("ready", "multidb", str(root / "chat.sqlite"), 0, False, None) == (
        entry.state,
        entry.owner,
        entry.path,
        entry.pending,
        entry.ahead,
        entry.error,
    )
    assert entry.schema_version and entry.size_bytes and entry.wal_bytes
    assert entry.size_bytes == os.stat(root / "chat.sqlite").st_size


def test_looking_opens_nothing_and_makes_nothing(root: Path) -> None:
    """Lazy databases stay as they are, whether their file is there or not."""
    multidb.open(root, concerns=[Concern("code")]).close()
    lazy = [Concern("chat", lazy=True), Concern("code", lazy=True)]
    before = folder_fingerprint(root)

    with multidb.open(root, concerns=lazy) as dbs:
        status, stats = dbs.status(), dbs.stats()
        states = {database.state for database in dbs.values()}

    assert {State.UNOPENED} == states
    assert {"unopened"} == {entry.state for entry in status.values()} == {entry.state for entry in stats.values()}
    assert (None, 0) == (status["chat"].size_bytes, status["chat"].schema_version or 0)
    assert status["chat"].pending > 0 and status["code"].pending > 0
    assert before == folder_fingerprint(root)


def test_a_migrated_lazy_database_is_told_as_such(root: Path) -> None:
    """Its ledger is read without a trace."""
    with multidb.open(root, concerns=[Concern("chat")]) as dbs:
        newest = dbs.migrate()["chat"].to_version

    with multidb.open(root, concerns=[Concern("chat", lazy=True)]) as dbs:
        status = dbs.status()["chat"]

    assert ("unopened", newest, 0) == (status.state, status.schema_version, status.pending)


def test_looking_waits_for_nobody(root: Path) -> None:
    """All readers in use, the lease held, the database in maintenance: the answer says so, soon."""
    patient = Tuning(reader_timeout_ms=3_600_000, writer_timeout_ms=3_600_000)
    with multidb.open(root, concerns=[Concern("chat", readers=1, tuning=patient)]) as dbs:
        dbs.migrate()
        inside, done = threading.Event(), threading.Event()

        def maintain() -> None:
            with dbs["chat"].exclusive():
                inside.set()
                done.wait(30)

        thread = threading.Thread(target=maintain)
        thread.start()
        inside.wait(30)
        status, stats = dbs.status()["chat"], dbs.stats()["chat"]
        done.set()
        thread.join()

    assert ("maintenance", "maintenance") == (status.state, stats.state)
    assert ReaderTimeoutError is type(status.error) is type(stats.error)


def test_stats_tell_numbers(dbs: MultiDB) -> None:
    """Pages, the log, caches and who uses the connections; another level is not there yet."""
    dbs["chat"].execute("INSERT INTO chats(id, title) VALUES ('c1', 'Hello')")
    entry = dbs.stats()["chat"]

    assert entry.pages and entry.page_size == 4096 and entry.freelist_pages is not None
    assert entry.wal_frames and entry.readers and entry.writer and entry.busy == {"reader": 0, "writer": 0}
    with pytest.raises(ConfigError) as refusal:
        dbs.stats("chaep")  # type: ignore[arg-type]
    assert "did you mean 'cheap'?" == refusal.value.hint


def test_read_only_writes_nothing_at_all(root: Path) -> None:
    """Seven databases looked at from end to end, and not a byte, name or time has changed."""
    with multidb.open(root) as dbs:
        dbs.migrate()
        dbs["chat"].execute("INSERT INTO chats(id, title) VALUES ('c1', 'Hello')")
    before = folder_fingerprint(root)

    with multidb.open(root, read_only=True) as dbs:
        assert {State.READ_ONLY} == {database.state for database in dbs.values()}
        assert "Hello" == dbs["chat"].scalar("SELECT title FROM chats")
        dbs.status(), dbs.stats()
        with pytest.raises(multidb.ReadOnlyFileError):
            dbs["chat"].execute("DELETE FROM chats")
        with pytest.raises(multidb.MigrationError):
            dbs.migrate("chat", to=99)

    assert before == folder_fingerprint(root)


def test_one_concern_may_be_read_only(root: Path) -> None:
    """The others are written as ever."""
    multidb.open(root, concerns=[Concern("a"), Concern("b")]).close()

    with multidb.open(root, concerns=[Concern("a", read_only=True), Concern("b")]) as dbs:
        dbs["b"].execute("CREATE TABLE t (x)")
        with pytest.raises(multidb.ReadOnlyFileError):
            dbs["a"].execute("CREATE TABLE t (x)")


def test_a_read_only_concern_appears_later(tmp_path: Path) -> None:
    """ABSENT until somebody makes it."""
    root = tmp_path / "db"
    with multidb.open(root, concerns=[Concern("a", read_only=True, migrations=None)]) as dbs:
        with pytest.raises(multidb.AbsentError) as refusal:
            dbs["a"].many("SELECT 1")
        multidb.open(tmp_path / "b", concerns=[Concern("a")]).close()
        os.rename(tmp_path / "b" / "a.sqlite", root / "a.sqlite")

        assert [(1,)] == dbs["a"].many("SELECT 1")
    assert refusal.value.hint


def test_settings_and_root_together(tmp_path: Path) -> None:
    """The root that is named beats that of the settings."""
    settings = Settings(root=tmp_path / "a")

    with multidb.open(tmp_path / "b", settings=settings, concerns=[Concern("x")]) as dbs:
        assert tmp_path / "b" == dbs.settings.root

    assert not (tmp_path / "a").exists()
