"""Bytes become text once, the same on every machine, or are refused with the place where they are no text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multidb.errors import MigrationFileError
from multidb.schema.source import Source
from tests.schema.notes import script

SOURCE = Source(database="notes", version=1, name="initial", path="001_initial.sql")


@given(st.text(alphabet=st.sampled_from("ab;'\n\ufeffé\U0001f600 -")), st.booleans(), st.booleans())
def test_text_is_read_as_it_is_and_reading_it_again_changes_nothing(text: str, has_mark: bool, has_cr: bool) -> None:
    """One byte-order mark goes, CRLF becomes LF, and what comes out goes in again unchanged."""
    raw = text.replace("\n", "\r\n" if has_cr else "\n").encode("utf-8-sig" if has_mark else "utf-8")
    if not has_mark and text.startswith("\ufeff"):
        text = text[1:]

    assert text == SOURCE.read(raw).text
    if not text.startswith("\ufeff"):
        assert text == SOURCE.read(text.encode()).text


@pytest.mark.parametrize(
    ("raw", "message", "line", "column"),
    [
        ("-- Up\nSELECT 1;".encode("utf-16"), "the file is UTF-16", 1, 1),
        (b"\xfe\xff\0-", "the file is UTF-16", 1, 1),
        ("SELECT 1;".encode("utf-16-le"), "the file holds a NUL character", 1, 2),
        ("-- é\nSELECT 'é".encode() + b"\xe9';", "the file is not UTF-8", 2, 10),
        (b"\xef\xbb\xbfa\xff", "the file is not UTF-8", 1, 2),
        (b"SELECT '\xed\xa0\x80';", "the file is not UTF-8", 1, 9),
        (b"-- c\rCREATE TABLE b(x);\r", "the file holds a carriage return without a line feed", 1, 5),
        (b"SELECT 1;\r\nSELECT 'a\rb';\r\n", "the file holds a carriage return without a line feed", 2, 10),
        (b"SELECT 1;\nSELECT '\0';\n", "the file holds a NUL character", 2, 9),
    ],
)
def test_what_is_no_text_is_refused_with_its_place(raw: bytes, message: str, line: int, column: int) -> None:
    """A lone CR would hide a statement behind a comment, a NUL would end the file for SQLite."""
    with pytest.raises(MigrationFileError) as caught:
        SOURCE.read(raw)

    error = caught.value
    assert (f"001_initial.sql:{line}:{column}: {message}", line, column) == (error.message, error.line, error.column)
    assert ("notes", "notes", 1, "initial", "001_initial.sql") == (
        error.concern,
        error.database,
        error.version,
        error.name,
        error.path,
    )
    assert error.hint is not None


@pytest.mark.parametrize("raw", [b"\xef\xbb\xbf%s", b"%s\r\n", b"\r\n%s"], ids=["a mark", "CRLF", "CRLF before"])
def test_the_checksum_is_that_of_the_text(raw: bytes) -> None:
    """The same file from another editor or another system is the same migration."""
    plain = script("-- Up\nCREATE TABLE a (x);\nCREATE TABLE b (x);\n")

    other = script(
        (raw % b"-- Up\nCREATE TABLE a (x);\nCREATE TABLE b (x);").replace(b"\n", b"\r\n").replace(b"\r\r", b"\r")
    )

    assert (plain.checksum, plain.up.text) == (other.checksum, other.up.text)


def test_places_count_characters_from_one() -> None:
    """A line with other letters than English ones is not longer than it looks."""
    source = SOURCE.read("é\U0001f600x\nzé".encode())

    assert [(1, 1), (1, 3), (1, 4), (2, 1), (2, 2)] == [source.place(at) for at in (0, 2, 3, 4, 5)]
