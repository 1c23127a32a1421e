"""Mistakes that real projects have made with their migrations, and what `up` says to each.

They are those of the projects behind the seeds: a desktop chat whose runner split files with a pattern, a task
list whose runner compared the wrong names, libraries that keep a table of the same name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

import multidb
from multidb import Concern, MultiDB
from multidb.errors import (
    ChecksumMismatchError,
    DatabaseNotEmptyError,
    DuplicateVersionError,
    ForbiddenStatementError,
    MigrationError,
    MigrationFailedError,
    MigrationFileError,
    OutOfOrderError,
)
from multidb.schema.script import parse


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "migrations"
    path.mkdir()
    (path / "001_initial.sql").write_text("-- Up\nCREATE TABLE models (id TEXT);\n-- Down\nDROP TABLE models;\n")
    return path


@contextlib.contextmanager
def app(root: Path, folder: Path) -> Iterator[MultiDB]:
    with multidb.open(root, concerns=[Concern("app", migrations=folder)]) as dbs:
        yield dbs


def fails(root: Path, folder: Path) -> MigrationError:
    with app(root, folder) as dbs, pytest.raises(MigrationError) as caught:
        dbs.migrate()
    return caught.value


def names(root: Path) -> set[str]:
    with contextlib.closing(apsw.Connection(str(root / "app.sqlite"), apsw.SQLITE_OPEN_READONLY)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def test_two_files_numbered_006(root: Path, folder: Path) -> None:
    """One was skipped for ever where the other had run, and kept a fresh machine from starting; thirteen hand-written
    repairs at start-up were the answer."""
    for name in ("006_drafts", "006_extended_model_types"):
        (folder / f"{name}.sql").write_text(f"-- Up\nCREATE TABLE {name[4:]} (x);\n")

    error = fails(root, folder)

    assert isinstance(error, DuplicateVersionError)
    assert ["006_drafts.sql", "006_extended_model_types.sql"] == [Path(path).name for path in error.paths]
    assert set() == names(root)


def test_a_001_edited_in_place(root: Path, folder: Path) -> None:
    """New columns were put into the first file: new users had them, old ones never."""
    with app(root, folder) as dbs:
        dbs.migrate()
    (folder / "001_initial.sql").write_text(
        "-- Up\nCREATE TABLE models (id TEXT, metadata TEXT);\n-- Down\nDROP TABLE models;\n"
    )

    error = fails(root, folder)

    assert isinstance(error, ChecksumMismatchError)
    assert (1, "initial", str(folder / "001_initial.sql")) == (error.version, error.name, error.path)
    with app(root, folder) as dbs:
        assert [] == dbs["app"].many("SELECT id FROM models")


def test_a_file_from_a_branch_that_was_merged_late(root: Path, folder: Path) -> None:
    """A runner that keeps the highest number never sees it."""
    (folder / "003_third.sql").write_text("CREATE TABLE c (x);")
    with app(root, folder) as dbs:
        dbs.migrate()
    (folder / "002_from_a_branch.sql").write_text("CREATE TABLE b (x);")

    error = fails(root, folder)

    assert isinstance(error, OutOfOrderError)
    assert (2, "give it the next free number") == (error.version, error.hint)


def test_a_first_migration_that_makes_the_ledger_itself(root: Path, folder: Path) -> None:
    """And a Down that drops it, so that the runner's own bookkeeping failed afterwards."""
    ours = "-- Up\nCREATE TABLE chats (id TEXT);\n{}\n-- Down\nDROP TABLE IF EXISTS _migrations;\nDROP TABLE chats;\n"
    made = """CREATE TABLE IF NOT EXISTS _migrations (
      version INTEGER PRIMARY KEY,
      name TEXT NOT NULL,
      applied_at TEXT NOT NULL DEFAULT (datetime('now'))
    );"""
    (folder / "001_initial.sql").write_text(ours.format(made))

    error = fails(root, folder)

    assert isinstance(error, ForbiddenStatementError)
    assert "_migrations is the migrations' own bookkeeping" in error.message
    assert (1, 3) == (error.version, error.line)
    assert set() == names(root)
    (folder / "001_initial.sql").write_text(ours.format(""))
    with app(root, folder) as dbs:
        assert (1,) == dbs.migrate()["app"].applied


def test_files_without_markers(root: Path, folder: Path) -> None:
    """They are all Up, and told to be without a way back."""
    (folder / "004_proxy_configs.sql").write_text(
        "-- Proxy configs\nCREATE TABLE proxies (x);\nCREATE INDEX p ON proxies (x);\n"
    )

    with app(root, folder) as dbs:
        assert (1, 4) == dbs.migrate()["app"].applied
        assert [True, False] == [entry.is_reversible for entry in dbs.migrator("app").status().migrations]


@pytest.mark.parametrize(
    "text",
    [
        "-- Up: create it\nCREATE TABLE x (a);\n-- Down: drop it\nDROP TABLE x;\n",
        "-- +migrate Up\nCREATE TABLE x (a);\n-- +migrate Down\nDROP TABLE x;\n",
        "CREATE TABLE x (a);\n-- Down:drop it\nDROP TABLE x;\n",
        "-- ROLLBACK\n-- migrate:up\nCREATE TABLE x (a);\n-- migrate:down\nDROP TABLE x;\n",
    ],
)
def test_markers_that_seed_002_did_not_see(root: Path, folder: Path, text: str) -> None:
    """The whole file ran, Up and Down, and was noted as applied with nothing left of it."""
    (folder / "002_x.sql").write_text(text)

    assert isinstance(fails(root, folder), MigrationFileError)
    assert set() == names(root)


def test_a_comment_that_cut_a_table_in_half(root: Path, folder: Path) -> None:
    """Seed 004's own line; 499 of 940 characters were kept."""
    (folder / "002_artifacts.sql").write_text(
        "-- Up\nCREATE TABLE artifacts (\n  id TEXT PRIMARY KEY,\n  file_paths JSON, -- Downloaded/analyzed files\n"
        "  n INTEGER\n);\n-- Downloads table\nCREATE TABLE downloads (x);\n"
        "INSERT INTO downloads VALUES ('see --down below');\n-- Down\nDROP TABLE downloads;\n"
    )

    with app(root, folder) as dbs:
        dbs.migrate()
        assert ["id", "file_paths", "n"] == [
            row[0] for row in dbs["app"].many("SELECT name FROM pragma_table_info('artifacts')")
        ]
        assert 1 == dbs["app"].scalar("SELECT count(*) FROM downloads")


@pytest.mark.parametrize(
    "table",
    [
        "CREATE TABLE _migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, version TEXT, description TEXT)",
        "CREATE TABLE schema_migrations (version TEXT PRIMARY KEY, dirty INTEGER)",
        "CREATE TABLE _schema_version (version TEXT PRIMARY KEY, applied_at TEXT)",
        "CREATE TABLE tasks (id TEXT PRIMARY KEY)",
    ],
    ids=["another library's ledger", "golang-migrate", "seed 000", "no ledger at all"],
)
def test_a_database_that_was_made_elsewhere(root: Path, folder: Path, table: str) -> None:
    """Nobody knows which version it is: it is refused, and not one byte of its schema changes."""
    with app(root, folder):
        pass
    with contextlib.closing(apsw.Connection(str(root / "app.sqlite"))) as connection:
        connection.execute(table)

    error = fails(root, folder)

    assert isinstance(error, DatabaseNotEmptyError)
    assert "multidb migrate" in (error.hint or "")
    with contextlib.closing(apsw.Connection(str(root / "app.sqlite"))) as connection:
        assert [(table,)] == connection.execute(
            "SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite~_%' ESCAPE '~'"
        ).fetchall()


def test_a_check_at_the_end_that_is_no_sql(root: Path, folder: Path) -> None:
    """A column was added, the SELECT that verified it had a syntax error, and the column stayed."""
    (folder / "002_active_files.sql").write_text(
        "ALTER TABLE models ADD COLUMN active_files TEXT;\n\n"
        "SELECT CASE WHEN notnull = 0 THEN 'ok' END FROM pragma_table_info('models');\n"
    )

    error = fails(root, folder)

    assert isinstance(error, MigrationFailedError)
    assert (2, 3) == (error.version, error.line)
    with app(root, folder) as dbs:
        assert ["id"] == [row[0] for row in dbs["app"].many("SELECT name FROM pragma_table_info('models')")]


def test_an_inline_index(root: Path, folder: Path) -> None:
    """Another database's syntax: the error is told with its place and nothing is made."""
    (folder / "002_episodes.sql").write_text(
        "CREATE TABLE episodes (\n  id TEXT PRIMARY KEY,\n  kind TEXT,\n  INDEX by_kind (kind)\n);\n"
    )

    error = fails(root, folder)

    assert isinstance(error, MigrationFailedError)
    assert (4, 3) == (error.line, error.column)


def test_a_parent_that_was_rebuilt_with_its_children_deleted(root: Path, folder: Path) -> None:
    """Version 2 of a successor rebuilt `issues` with foreign keys on, and the events of all issues were gone."""
    (folder / "002_issues.sql").write_text(
        "CREATE TABLE issues (id TEXT PRIMARY KEY, title TEXT);\n"
        "CREATE TABLE issue_events (issue TEXT REFERENCES issues ON DELETE CASCADE);\n"
    )
    with app(root, folder) as dbs:
        dbs.migrate()
        with dbs["app"].write() as session:
            session.execute("INSERT INTO issues VALUES ('a', ''), ('b', '')")
            session.execute("INSERT INTO issue_events VALUES ('a'), ('b'), ('b')")
    (folder / "003_ids.sql").write_text(
        "CREATE TABLE issues_new (id TEXT NOT NULL PRIMARY KEY CHECK (id <> ''), title TEXT);\n"
        "INSERT INTO issues_new SELECT id, title FROM issues WHERE id IS NOT NULL AND id <> '';\n"
        "DROP TABLE issues;\nALTER TABLE issues_new RENAME TO issues;\n"
    )

    with app(root, folder) as dbs:
        assert (3,) == dbs.migrate()["app"].applied
        assert (2, 3) == dbs["app"].one("SELECT (SELECT count(*) FROM issues), (SELECT count(*) FROM issue_events)")


def test_a_file_from_another_editor(folder: Path) -> None:
    """Two files were joined: a mark in front of the trigger, CRLF, and a last line without an end."""
    text = "CREATE TABLE a (x);\r\n\ufeffCREATE TRIGGER t AFTER INSERT ON a BEGIN\r\n  SELECT 1;\r\n  SELECT 2;\r\nEND"

    found = parse(text.encode("utf-8-sig"), database="app", version=1, name="a", path="001_a.sql")

    assert 2 == len(found.up.steps)
