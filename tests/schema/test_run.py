"""A run over several databases: all checked first, an honest outcome for each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

import multidb
from multidb import Concern, MultiDB
from multidb.errors import (
    ChecksumMismatchError,
    ConfigError,
    DuplicateVersionError,
    ForeignDatabaseError,
    MigrationError,
    MigrationFileError,
    OutOfOrderError,
    UnknownConcernError,
    VersionNotFoundError,
)
from tests.faults import damage

NAMES = ("one", "two", "three")


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Migration folders of three concerns, with two files in each."""
    for name in NAMES:
        put(tmp_path / "migrations", name, 1, "CREATE TABLE a (x);")
        put(tmp_path / "migrations", name, 2, "CREATE TABLE b (x);")
    return tmp_path / "migrations"


def put(folders: Path, name: str, version: int, text: str) -> None:
    (folders / name).mkdir(parents=True, exist_ok=True)
    (folders / name / f"00{version}_m{version}.sql").write_text(text)


@contextlib.contextmanager
def desk(root: Path, folders: Path) -> Iterator[MultiDB]:
    concerns = [Concern(name, migrations=folders / name) for name in NAMES]
    with multidb.open(root, concerns=[*concerns, Concern("beads")]) as dbs:
        yield dbs


def outcomes(report: Any) -> dict[str, tuple[str, tuple[int, ...], tuple[int, ...]]]:
    return {name: (entry.outcome, entry.applied, entry.pending) for name, entry in report.items()}


def tables(root: Path, name: str) -> set[str]:
    with contextlib.closing(apsw.Connection(str(root / f"{name}.sqlite"), apsw.SQLITE_OPEN_READONLY)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


BEADS = {"beads": ("unmanaged", (), ())}


def test_every_database_is_migrated_and_told(root: Path, folders: Path) -> None:
    """Applied the first time, current the second, unmanaged always."""
    with desk(root, folders) as dbs:
        first, second = dbs.migrate(), dbs.migrate()

    assert {**dict.fromkeys(NAMES, ("applied", (1, 2), ())), **BEADS} == outcomes(first)
    assert {**dict.fromkeys(NAMES, ("current", (), ())), **BEADS} == outcomes(second)
    assert [(0, 2), (2, 2)] == [(report["one"].from_version, report["one"].to_version) for report in (first, second)]


def test_a_bad_file_anywhere_keeps_everything_from_running(root: Path, folders: Path) -> None:
    """All files of all databases are read before the first statement of the first."""
    put(folders, "three", 3, "-- Up (oops)\nSELECT 1;")

    with desk(root, folders) as dbs, pytest.raises(MigrationFileError) as caught:
        dbs.migrate()

    assert "three" == caught.value.concern
    report = caught.value.report
    assert {
        "one": ("untouched", (), (1, 2)),
        "two": ("untouched", (), (1, 2)),
        "three": ("failed", (), ()),
        **BEADS,
    } == outcomes(report)
    assert set() == tables(root, "one")


def test_two_files_of_one_number_anywhere_keep_everything_from_running(root: Path, folders: Path) -> None:
    """Not only the database that they are of."""
    (folders / "two" / "002_twin.sql").write_text("SELECT 1;")

    with desk(root, folders) as dbs, pytest.raises(DuplicateVersionError):
        dbs.migrate()

    assert set() == tables(root, "one")


def test_the_first_failure_leaves_the_rest_untouched(root: Path, folders: Path) -> None:
    """What was done before stays; what failed left nothing; what comes after was not begun."""
    put(folders, "two", 3, "CREATE TABLE c (x); SELECT nosuch;")

    with desk(root, folders) as dbs, pytest.raises(MigrationError) as caught:
        dbs.migrate()

    assert {
        "one": ("applied", (1, 2), ()),
        "two": ("failed", (1, 2), (3,)),
        "three": ("untouched", (), (1, 2)),
        **BEADS,
    } == outcomes(caught.value.report)
    entry = caught.value.report["two"]
    assert (0, 2, caught.value) == (entry.from_version, entry.to_version, entry.error)
    assert (("two", 3), (13, False)) == (
        (caught.value.database, caught.value.version),
        (caught.value.exit_status, caught.value.retryable),
    )


def test_a_failure_can_be_passed_over(root: Path, folders: Path) -> None:
    """With continue the others go on, and the report is answered instead of raised."""
    put(folders, "two", 3, "SELECT nosuch;")

    with desk(root, folders) as dbs:
        report = dbs.migrate(on_error="continue")

    assert ["applied", "failed", "applied", "unmanaged"] == [entry.outcome for entry in report.values()]
    assert isinstance(report["two"].error, MigrationError)


def test_a_database_that_cannot_be_opened_does_not_stop_the_others(root: Path, folders: Path) -> None:
    """They go on, and then its error is raised."""
    with desk(root, folders):
        pass
    damage.garbage(root / "two.sqlite")

    with desk(root, folders) as dbs, pytest.raises(MigrationError) as caught:
        dbs.migrate()

    assert ["applied", "failed", "applied", "unmanaged"] == [entry.outcome for entry in caught.value.report.values()]
    assert (20, "two") == (caught.value.exit_status, caught.value.concern)


def test_an_edited_file_is_noticed_before_anything_runs(root: Path, folders: Path) -> None:
    """A 001 edited in place, as two of the projects behind the seeds did."""
    with desk(root, folders) as dbs:
        dbs.migrate()
    put(folders, "three", 1, "CREATE TABLE a (x, y);")
    put(folders, "one", 3, "CREATE TABLE c (x);")

    with desk(root, folders) as dbs, pytest.raises(ChecksumMismatchError):
        dbs.migrate()

    assert "c" not in tables(root, "one")


def test_a_dry_run_tells_and_does_nothing(root: Path, folders: Path) -> None:
    """Untouched, with what is pending."""
    with desk(root, folders) as dbs:
        report = dbs.migrate(dry_run=True)

    assert {**dict.fromkeys(NAMES, ("untouched", (), (1, 2))), **BEADS} == outcomes(report)
    assert set() == tables(root, "one")
    assert not (root / ".multidb").exists()


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"only": "ones"}, UnknownConcernError),
        ({"only": ["one", "beads"]}, ForeignDatabaseError),
        ({"to": 1}, ConfigError),
        ({"only": ["one", "two"], "to": 1}, ConfigError),
        ({"only": "one", "to": 9}, VersionNotFoundError),
        ({"on_error": "ignore"}, ConfigError),
    ],
)
def test_what_cannot_be_meant_is_refused(root: Path, folders: Path, arguments: Any, kind: type[Exception]) -> None:
    """Before anything is read or run."""
    with desk(root, folders) as dbs, pytest.raises(kind):
        dbs.migrate(**arguments)

    assert set() == tables(root, "one")


def test_one_database_to_one_version(root: Path, folders: Path) -> None:
    """The others are not in the report."""
    with desk(root, folders) as dbs:
        report = dbs.migrate("two", to=1)

    assert {"two": ("applied", (1,), ())} == outcomes(report)
    assert {"a"} <= tables(root, "two")
    assert set() == tables(root, "one")


def test_a_required_migration_of_another_database_comes_first(root: Path, folders: Path) -> None:
    """One waits for three in the middle of its own migrations; one outcome each."""
    put(folders, "one", 3, "-- Requires: three:2\n-- Up\nCREATE TABLE c (x);")
    put(folders, "three", 3, "-- Requires: one:3\n-- Up\nCREATE TABLE c (x);")

    with desk(root, folders) as dbs:
        report = dbs.migrate()
        stamps = {
            (name, version): at
            for name in ("one", "three")
            for version, at in dbs[name].many("SELECT version, applied_at FROM _migrations")
        }

    assert {
        "one": ("applied", (1, 2, 3), ()),
        "two": ("applied", (1, 2), ()),
        "three": ("applied", (1, 2, 3), ()),
        **BEADS,
    } == outcomes(report)
    assert (0, 3) == (report["one"].from_version, report["one"].to_version)
    assert stamps["one", 2] <= stamps["three", 2] <= stamps["one", 3] <= stamps["three", 3]


def test_a_requirement_that_is_not_met_keeps_everything_from_running(root: Path, folders: Path) -> None:
    """In a circle, or of a version that does not exist."""
    put(folders, "three", 3, "-- Requires: one:7\n-- Up\nCREATE TABLE c (x);")

    with desk(root, folders) as dbs, pytest.raises(OutOfOrderError, match="three: migration 3 m3 requires one:7"):
        dbs.migrate()

    assert set() == tables(root, "one")


def test_a_requirement_holds_for_one_database_alone(root: Path, folders: Path) -> None:
    """Named, or through its migrator: what is required elsewhere must be applied already."""
    put(folders, "one", 3, "-- Requires: three:2\n-- Up\nCREATE TABLE c (x);")

    with desk(root, folders) as dbs:
        with pytest.raises(OutOfOrderError):
            dbs.migrate("one")
        with pytest.raises(OutOfOrderError, match="requires three:2, which is not applied"):
            dbs.migrator("one").up()
        assert {"b"} & tables(root, "one") == set()
        dbs.migrate("three")
        assert (1, 2, 3) == dbs.migrate("one")["one"].applied


def test_what_requires_a_database_that_failed_is_not_run(root: Path, folders: Path) -> None:
    """With continue, too: it would run on what is not there."""
    put(folders, "one", 3, "SELECT nosuch;")
    put(folders, "two", 3, "-- Requires: one:3\n-- Up\nCREATE TABLE c (x);")

    with desk(root, folders) as dbs:
        report = dbs.migrate(on_error="continue")

    assert ["failed", "failed", "applied", "unmanaged"] == [entry.outcome for entry in report.values()]
    assert isinstance(report["two"].error, OutOfOrderError)
    assert "c" not in tables(root, "two")
