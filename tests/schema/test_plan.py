"""Plans: what is pending, in which order, and every reason for which nothing is run."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multidb.errors import (
    ChecksumMismatchError,
    DatabaseNotEmptyError,
    DatabaseTooNewError,
    DirtyDatabaseError,
    MigrationError,
    MissingMigrationError,
    OutOfOrderError,
    RenamedMigrationError,
    VersionNotFoundError,
    WrongDatabaseError,
)
from multidb.schema.compare import Standing, compare
from multidb.schema.ledger import Ledger, Record
from multidb.schema.plan import plan
from multidb.schema.script import Script
from tests.schema.notes import script


def files(*versions: int, **header: str) -> tuple[Script, ...]:
    return tuple(
        script(f"-- Up\nCREATE TABLE t{n} (x);\n-- Down\nDROP TABLE t{n};", version=n, name=f"m{n}") for n in versions
    )


def record(of: Script, **changes: Any) -> Record:
    made = Record(
        version=of.version,
        name=of.name,
        applied_at="2026-01-01T00:00:00.000Z",
        label=of.label,
        checksum=of.checksum,
        checksum_tokens=of.up.checksum_tokens,
        is_whole=True,
        kind="sql",
        compat=of.compat,
        applied_seq=of.version,
    )
    return attrs.evolve(made, **changes)


def ledger(*records: Record, **changes: Any) -> Ledger:
    return attrs.evolve(Ledger(database="notes", records=records, is_there=True, is_empty=False), **changes)


ONE, TWO, THREE = files(1, 2, 3)
ALL = (ONE, TWO, THREE)


@given(st.sets(st.integers(1, 40)), st.integers(0, 40), st.integers(0, 3))
def test_a_plan_never_skips_and_never_repeats(versions: set[int], head: int, extra: int) -> None:
    """Whatever is applied from below, the rest is pending in the order of its numbers, each once."""
    scripts = files(*sorted(versions))
    applied = [one for one in scripts if one.version <= head]

    found = plan("notes", scripts, ledger(*map(record, applied)))

    assert sorted(versions) == [one.version for one in applied] + list(found.pending_versions)
    assert max(versions, default=0) == found.to_version
    if found.pending:
        last = found.pending[: extra + 1]
        again = plan("notes", scripts, ledger(*map(record, [*applied, *last])))
        assert found.pending[extra + 1 :] == again.pending
        part = plan("notes", scripts, ledger(*map(record, applied)), to=last[-1].version)
        assert last == part.pending


def test_a_fresh_database_has_everything_pending() -> None:
    """And an empty file is a fresh one."""
    for empty in (Ledger(), ledger()):
        found = plan("notes", ALL, empty)

        assert (0, 3, (1, 2, 3)) == (found.from_version, found.to_version, found.pending_versions)


@pytest.mark.parametrize(
    ("records", "kind", "version", "state"),
    [
        ((record(ONE, is_whole=False),), DirtyDatabaseError, 1, Standing.FAILED),
        ((record(ONE, checksum="sha256:0", checksum_tokens="sha256:0"),), ChecksumMismatchError, 1, Standing.MODIFIED),
        ((record(ONE, name="other"),), RenamedMigrationError, 1, Standing.RENAMED),
        ((record(ONE, name="other", checksum="sha256:0"),), ChecksumMismatchError, 1, Standing.MODIFIED),
        ((record(ONE), record(THREE)), OutOfOrderError, 2, Standing.OUT_OF_ORDER),
        ((record(ONE), record(files(4)[0], compat="breaking")), DatabaseTooNewError, 4, Standing.AHEAD),
    ],
)
def test_each_reason_to_run_nothing_has_its_name(
    records: tuple[Record, ...], kind: type[MigrationError], version: int, state: Standing
) -> None:
    """With the migration that it is about, and the same in a status."""
    with pytest.raises(kind) as caught:
        plan("notes", ALL, ledger(*records))

    assert ("notes", version) == (caught.value.database, caught.value.version)
    assert caught.value.hint is not None
    assert state == next(entry.state for entry in compare(ALL, ledger(*records)) if entry.version == version)


def test_a_file_that_is_gone_is_missing() -> None:
    """Below the newest file it was deleted or renumbered; a high-water mark would never notice."""
    with pytest.raises(MissingMigrationError) as caught:
        plan("notes", (ONE, THREE), ledger(record(ONE), record(TWO)))

    assert (2, "m2") == (caught.value.version, caught.value.name)


def test_an_additive_migration_of_a_newer_program_is_let_be() -> None:
    """The database is ahead; a file of ours below it would come too late."""
    newer = record(files(9)[0])

    found = plan("notes", ALL, ledger(*map(record, ALL), newer))
    assert ((), (9,), 9) == (found.pending_versions, found.ahead, found.from_version)

    with pytest.raises(OutOfOrderError):
        plan("notes", ALL, ledger(record(ONE), record(TWO), newer))


def test_an_edit_of_comments_is_told_and_forgiven() -> None:
    """The exact checksum differs, the one over tokens does not."""
    found = plan("notes", ALL, ledger(record(ONE, checksum="sha256:0")))

    assert ((1,), (2, 3)) == (found.cosmetic, found.pending_versions)


def test_a_row_without_checksums_is_trusted() -> None:
    """Seed 002's writers leave none; adopting fills them in."""
    found = plan("notes", ALL, ledger(record(ONE, checksum=None, checksum_tokens=None)))

    assert ((), (2, 3)) == (found.cosmetic, found.pending_versions)


@pytest.mark.parametrize("to", [2, "2", "002", "1.10.0"])
def test_a_target_is_a_number_or_a_label(to: int | str) -> None:
    """Written as one likes."""
    labelled = (ONE, attrs.evolve(TWO, label="1.10.0"), THREE)

    assert (1, 2) == plan("notes", labelled, Ledger(), to=to).pending_versions


@pytest.mark.parametrize("to", [0, 4, "4", "two", "1.1.0", "٢", "", True, -1, "2 "])
def test_a_target_that_nobody_knows_is_refused(to: Any) -> None:
    """Never the nearest one."""
    with pytest.raises(VersionNotFoundError) as caught:
        plan("notes", ALL, Ledger(), to=to)

    assert (10, "known: 1, 2, 3") == (caught.value.exit_status, caught.value.hint)


def test_a_target_below_leaves_everything_as_it_is() -> None:
    """`up` never goes down."""
    found = plan("notes", ALL, ledger(record(ONE), record(TWO)), to=1)

    assert ((), 2, 2) == (found.pending_versions, found.from_version, found.to_version)


def test_another_concerns_file_is_refused() -> None:
    """Two paths were exchanged, or a backup was put into the wrong place."""
    with pytest.raises(WrongDatabaseError) as caught:
        plan("notes", ALL, ledger(database="code"))

    assert 30 == caught.value.exit_status


def test_tables_without_a_ledger_are_refused() -> None:
    """Nobody knows which version they are."""
    with pytest.raises(DatabaseNotEmptyError, match="notes has tables and no ledger"):
        plan("notes", ALL, Ledger(is_empty=False))


def test_a_status_has_every_version_that_anybody_knows() -> None:
    """From the files, from the ledger, from both; in order."""
    found = compare((ONE, TWO), ledger(record(ONE), record(files(7)[0])))

    assert [(1, Standing.APPLIED, True), (2, Standing.OUT_OF_ORDER, True), (7, Standing.AHEAD, None)] == [
        (entry.version, entry.state, entry.is_reversible) for entry in found
    ]
    assert [True, False, True] == [entry.applied_at is not None for entry in found]
    assert "out_of_order" == found[1].to_dict()["state"]
