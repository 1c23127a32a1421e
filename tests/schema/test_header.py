"""The header: what a file says of itself, and the lines that would be lost if they were taken for comments."""

from __future__ import annotations

import pytest

from multidb.errors import MigrationFileError
from multidb.schema.header import Requirement
from tests.schema.notes import script

UP = "-- Up\nSELECT 1;\n"


def test_every_line_of_the_header_is_read() -> None:
    """Keys in any case, prose and empty lines between them."""
    found = script(
        "-- Label: 1.10.0\n--description:  Adds: a table \n--\n-- Some prose. Note: this is no key.\n\n"
        "/* Compat: breaking, not here */\n-- COMPAT: breaking\n-- Requires: app:3, chat:1.1.0 code:007\n\n" + UP
    )

    assert ("1.10.0", "Adds: a table", "breaking") == (found.label, found.description, found.compat)
    assert (Requirement("app", "3"), Requirement("chat", "1.1.0"), Requirement("code", "007")) == found.requires


def test_a_file_without_markers_has_a_header_too() -> None:
    """It stands above the first statement."""
    found = script("-- Description: no markers\n-- Compat: breaking\nSELECT 1; -- Label: 2.0\n")

    assert ("no markers", "breaking", None) == (found.description, found.compat, found.label)


def test_without_a_header_the_change_is_additive() -> None:
    """An older program may go on with the database unless the file says otherwise."""
    found = script(UP)

    assert ("additive", None, None, (), None) == (
        found.compat,
        found.label,
        found.description,
        found.requires,
        found.irreversible,
    )


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("-- Lable: 1.0", "'lable' is no key of a header"),
        ("-- Compatibility: breaking", "'compatibility' is no key of a header"),
        ("-- Require: app:3", "'require' is no key of a header"),
        ("-- Desc: something", "'desc' is no key of a header"),
        ("-- Label: first", "the label 'first' is no version"),
        ("-- Label: v1.0", "the label 'v1.0' is no version"),
        ("-- Label: 3", "the label '3' is no version"),
        ("-- Label: \u0661.\u0662", "the label '\u0661.\u0662' is no version"),
        ("-- Label:", "Label says nothing"),
        ("-- Compat: braking", "compat cannot be 'braking'"),
        ("-- Compat: additive\n-- Compat: breaking", "a second Compat line"),
        ("-- Requires: app", "Requires cannot be 'app'"),
        ("-- Requires: app:three", "Requires cannot be 'app:three'"),
        ("-- Requires: the chat table", "Requires cannot be 'the'"),
        ("-- Requires: notes:1", "Requires names this database itself"),
        ("-- Replaces: 1-7", "Replaces is not carried out by this version of multidb"),
        ("-- Vars: dim:int", "Vars is not carried out by this version of multidb"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused(header: str, message: str) -> None:
    """A misspelt key would be a comment: its meaning would be lost without a word."""
    with pytest.raises(MigrationFileError) as caught:
        script(f"-- Description: a change\n{header}\n{UP}")

    assert caught.value.message.endswith(f": {message}")
    assert (2 + header.count("\n"), 1) == (caught.value.line, caught.value.column)


@pytest.mark.parametrize("line", ["-- Compat: breaking", "-- Label: 1.0", "-- Requires: app:3"])
def test_a_line_below_the_marker_is_refused(line: str) -> None:
    """It stands where it means nothing."""
    with pytest.raises(MigrationFileError, match="stands below the marker"):
        script(f"-- Up\n{line}\nSELECT 1;\n")


def test_a_description_below_the_marker_is_a_comment() -> None:
    """And one between statements is none of a header's."""
    assert (
        script("-- Up\n-- Description: words\nSELECT 1;\n-- Compat: is discussed here\nSELECT 2;").description is None
    )


def test_irreversible_needs_no_down() -> None:
    """The reason is kept; a Down beside it is a contradiction."""
    assert "drops a column" == script(f"-- Irreversible: drops a column\n{UP}").irreversible
    with pytest.raises(MigrationFileError, match="is said to be irreversible, and has a Down"):
        script(f"-- Irreversible: drops a column\n{UP}-- Down\nSELECT 1;")


@pytest.mark.parametrize(
    ("version", "number", "label", "is_met"),
    [
        ("3", 3, None, True),
        ("003", 3, "1.0", True),
        ("3", 30, "3.0", False),
        ("1.1.0", 7, "1.1.0", True),
        ("1.1.0", 110, None, False),
    ],
)
def test_a_requirement_names_a_number_or_a_label(version: str, number: int, label: str | None, is_met: bool) -> None:
    """A point makes it a label."""
    assert is_met == Requirement("app", version).is_met_by(number, label)
