"""A folder: which files are migrations, in which order, and which would be missed if nobody asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multidb import Concern
from multidb.concerns import MANAGED_NAMES
from multidb.errors import DuplicateVersionError, MigrationFileError
from multidb.schema import folder
from tests.faults import damage
from tests.schema.notes import Notes

SQL = "SELECT 1;"


def refusal(notes: Notes) -> MigrationFileError:
    with pytest.raises(MigrationFileError) as caught:
        folder.scripts(notes.concern)
    return caught.value


def test_the_number_alone_decides_the_order(notes: Notes) -> None:
    """10 comes after 9 and before a time stamp, however many zeros stand in front."""
    for name in ("010_j.sql", "9_i.sql", "0001_a.sql", "20260101120000_stamp.sql", "999999999999999999_last.sql"):
        notes.write(name, SQL)

    found = folder.scripts(notes.concern)

    assert [1, 9, 10, 20260101120000, 999999999999999999] == [script.version for script in found]
    assert ["a", "i", "j", "stamp", "last"] == [script.name for script in found]
    assert {1, 9, 10, 20260101120000, 999999999999999999} == folder.versions(notes.concern)
    assert str(notes.folder / "0001_a.sql") == found[0].path


@given(
    numbers=st.lists(st.integers(1, 10**18 - 1), unique=True, max_size=8), pads=st.lists(st.integers(0, 18), min_size=8)
)
@settings(max_examples=40)
def test_any_numbers_are_put_in_their_order(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], pads: list[int]
) -> None:
    """Sorted as numbers, never as text, and each once."""
    notes = Notes(Path("unused"), tmp_path_factory.mktemp("folder"))
    for number, pad in zip(numbers, pads, strict=False):
        notes.write(f"{number:0{pad}}_x.sql", SQL)

    if numbers:
        assert sorted(numbers) == [script.version for script in folder.scripts(notes.concern)]


@pytest.mark.parametrize(
    "name",
    [".hidden.sql", "._001_a.sql", "002_b.sql~", "002_b.sql.bak", "002_b.sql.orig", ".002_b.sql.swp", "002_b.swp",
     "README", "README.md", "README.sql", "__init__.py", "notes.txt", "002_b"],
)  # fmt: skip
def test_what_editors_and_packages_leave_is_let_be(notes: Notes, name: str) -> None:
    """They are nobody's migrations."""
    notes.write("001_a.sql", SQL)
    notes.write(name, "this is no SQL -- Up")

    assert [1] == [script.version for script in folder.scripts(notes.concern)]


def test_folders_inside_are_let_be(notes: Notes) -> None:
    """`__pycache__`, an archive of old files, a folder with the ending of one."""
    notes.write("001_a.sql", SQL)
    for name in ("__pycache__", "archive", "old.sql"):
        (notes.folder / name).mkdir()

    assert [1] == [script.version for script in folder.scripts(notes.concern)]


@pytest.mark.parametrize(
    "name",
    ["01-foo.sql", "foo.sql", "001_a.SQL", "002.sql", "002_.sql", "002__b.sql", "002_b c.sql", "v2_b.sql", "-1_b.sql",
     "002_é.sql", "٠٠٢_b.sql", "1234567890123456789_b.sql", "002_b.Sql", "b.py", "002-b.py"],
)  # fmt: skip
def test_a_file_that_is_named_almost_like_one_is_refused(notes: Notes, name: str) -> None:
    """A migration that is passed over in silence is missing later, in one place and not in the other."""
    notes.write("001_a.sql", SQL)
    path = notes.write(name, SQL)

    error = refusal(notes)

    assert f"{path}: this file is named almost like a migration" == error.message
    assert ("notes", str(path)) == (error.concern, error.path)
    assert "001_initial.sql" in (error.hint or "")


def test_a_migration_in_python_is_not_passed_over(notes: Notes) -> None:
    """This version cannot run it; to leave it out would be a hole."""
    notes.write("001_a.sql", SQL)
    notes.write("002_b.py", "def up(ctx): ...")

    assert "migrations in Python are not run by this version" in refusal(notes).message


def test_version_zero_is_refused(notes: Notes) -> None:
    """0 means that nothing is applied."""
    notes.write("000_a.sql", SQL)

    assert "version 0 means that nothing is applied" in refusal(notes).message


@pytest.mark.parametrize(
    "names",
    [("006_drafts.sql", "006_extended_model_types.sql"), ("6_a.sql", "006_b.sql"), ("006_a.sql", "006_A.sql"),
     ("006_a.sql", "006_a.py"), ("0037_a.sql", "0037_b.sql", "0037_c.sql", "0037_d.sql")],
)  # fmt: skip
def test_one_number_on_several_files_is_refused_with_all_of_them(notes: Notes, names: tuple[str, ...]) -> None:
    """In seed 002 the second 006 was never applied, or kept the program from starting."""
    notes.write("001_a.sql", SQL)
    paths = {str(notes.write(name, SQL)) for name in names}

    with pytest.raises(DuplicateVersionError) as caught:
        folder.scripts(notes.concern)

    assert paths == set(caught.value.paths)
    assert all(path in caught.value.message for path in paths)
    assert int(names[0].split("_")[0]) == caught.value.version


def test_every_twin_is_told_at_once(notes: Notes) -> None:
    """The folder of seed 000's successor has 37, 38 and 39 several times."""
    paths = [str(notes.write(f"00{n}_{name}.sql", SQL)) for n in (37, 38, 39) for name in ("a", "b")]

    with pytest.raises(DuplicateVersionError) as caught:
        folder.scripts(notes.concern)

    assert paths == list(caught.value.paths)


@pytest.mark.parametrize(("left", "right"), [("1.1.0", "1.1.0"), ("1.1", "1.1.0"), ("01.1", "1.1")])
def test_one_label_on_two_files_is_refused(notes: Notes, left: str, right: str) -> None:
    """A label is a version's other name; 1.10 and 1.1 are two."""
    notes.write("001_a.sql", f"-- Label: {left}\n-- Up\n{SQL}")
    notes.write("002_b.sql", f"-- Label: 1.10\n-- Up\n{SQL}")
    notes.write("003_c.sql", f"-- Label: {right}\n-- Up\n{SQL}")

    with pytest.raises(DuplicateVersionError, match="2 migrations of label"):
        folder.scripts(notes.concern)


@pytest.mark.parametrize("make", [None, Path.mkdir, Path.touch], ids=["missing", "empty", "a file"])
def test_a_managed_database_without_migrations_is_an_error(notes: Notes, make: object) -> None:
    """Nothing to do would be said of a folder that was not shipped."""
    if callable(make):
        make(notes.folder)

    assert str(notes.folder) == refusal(notes).path


def test_an_unreadable_file_or_folder_is_named(notes: Notes) -> None:
    """Permission denied is not the same as nothing there."""
    path = notes.write("001_a.sql", SQL)

    with damage.unreadable(path):
        assert f"{path}: the file cannot be read: Permission denied" == refusal(notes).message
    with damage.unreadable(notes.folder):
        assert f"{notes.folder}: the folder cannot be read: Permission denied" == refusal(notes).message


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("nowhere", path)])
def test_what_is_no_file_is_not_waited_for(notes: Notes, make: object) -> None:
    """A pipe of that name would keep the program for ever."""
    notes.folder.mkdir()
    assert callable(make)
    make(notes.folder / "001_a.sql")

    assert "this is no regular file" in refusal(notes).message


@pytest.mark.parametrize("name", MANAGED_NAMES)
def test_every_folder_of_ours_is_found(name: str) -> None:
    """AUTO leads to the package's own folder for the package's own names."""
    assert folder.scripts(Concern(name))


def test_nobody_elses_database_has_a_folder(tmp_path: Path) -> None:
    """beads and tempolite are other programs' schemas, at their default path too; so is a name that we do not know."""
    for concern in (
        Concern("beads"),
        Concern("tempolite", path=tmp_path / "t.db"),
        Concern("other"),
        Concern("chat", migrations=None),
    ):
        assert folder.folder_of(concern) is None
        assert folder.versions(concern) is None
        assert () == folder.scripts(concern)
