"""A whole file: what can be undone, and the two checksums that tell an edit of words from an edit of meaning."""

from __future__ import annotations

import pytest

from tests.schema.notes import script

TEXT = "-- Up\nCREATE TABLE a (x TEXT DEFAULT 'a  b');\nINSERT INTO a VALUES ('1');\n-- Down\nDROP TABLE a;\n"


@pytest.mark.parametrize(
    "down", ["", "-- Down\n", "-- Down\n-- DROP TABLE a;\n/* later */\n", "-- Down noop:false\n;\n"]
)
def test_without_statements_there_is_no_way_back(down: str) -> None:
    """A Down of comments must not look as if it had been run: nothing would have been taken back."""
    found = script(f"-- Up\nSELECT 1;\n{down}")

    assert found.down is None
    assert not found.is_reversible


@pytest.mark.parametrize(
    "edited",
    [
        TEXT.replace("(x TEXT", "(\n  x  TEXT -- the text\n"),
        TEXT.replace("-- Up\n", "-- Up\n/* new words */\n"),
        TEXT.replace("INSERT", "\tINSERT"),
    ],
)
def test_an_edit_of_comments_and_space_keeps_the_second_checksum(edited: str) -> None:
    """The exact one differs, the one over SQLite's tokens does not."""
    before, after = script(TEXT), script(edited)

    assert before.checksum != after.checksum
    assert before.up.checksum_tokens == after.up.checksum_tokens


@pytest.mark.parametrize(
    "edited", [TEXT.replace("a  b", "a b"), TEXT.replace("'1'", "'2'"), TEXT.replace("x TEXT", "xTEXT")]
)
def test_an_edit_of_meaning_changes_both(edited: str) -> None:
    """Space inside a literal is meaning."""
    before, after = script(TEXT), script(edited)

    assert before.checksum != after.checksum
    assert before.up.checksum_tokens != after.up.checksum_tokens


@pytest.mark.parametrize(
    "edited",
    [
        TEXT.replace("DROP TABLE a;", "DROP TABLE IF EXISTS a;"),
        "-- Description: told later\n" + TEXT,
        TEXT.replace("-- Up", "-- Up allow:row-loss"),
        TEXT + "\n\n",
        TEXT.replace("\n-- Down", "\n\n\n-- Down"),
    ],
)
def test_the_checksum_is_of_the_up_alone(edited: str) -> None:
    """The header, the options and the Down may be edited without a word."""
    assert script(TEXT).checksum == script(edited).checksum


def test_checksums_name_their_algorithm() -> None:
    """So that it can be another one later."""
    found = script(TEXT)

    assert found.checksum.startswith("sha256:")
    assert 71 == len(found.checksum) == len(found.up.checksum_tokens)


def test_a_down_carries_its_options_where_the_file_is_gone() -> None:
    """What the ledger keeps can be parsed again to the same section."""
    found = script("-- Up\nSELECT 1;\n-- Down foreign_keys:immediate\nSELECT 2;\n")
    assert found.down is not None

    again = script(f"-- Up\nSELECT 1;\n{found.down.with_marker}")

    assert again.down is not None
    assert (found.down.options, found.down.text) == (again.down.options, again.down.text)
