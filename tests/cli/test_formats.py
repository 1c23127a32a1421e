"""Rows as text: what goes in comes out again, and nothing in a table can reach the terminal."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multidb import StatementError
from multidb.cli import formats

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | TEXTS | st.binary(max_size=8)
ROWS = st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[VALUES] * width), max_size=5))


@given(ROWS)
def test_csv_reads_back_what_was_written(rows: list[tuple[Any, ...]]) -> None:
    """As any reader of RFC 4180 sees it: NULL and the empty text are both empty there, all else is itself."""
    columns = [f"c{place}" for place in range(len(rows[0]) if rows else 1)]
    text = "".join(formats.csv(columns, rows))

    read = list(csv.reader(io.StringIO(text, newline="")))
    if len(columns) == 1:
        read = [row or [""] for row in read]  # a line of nothing is one NULL
    assert [columns, *([as_text(value) for value in row] for row in rows)] == read


def as_text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, float) and math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return json.dumps(json.loads(formats.encoded(value)))


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (None, ""),
        ("", '""'),
        ("a", "a"),
        (" a", '" a"'),
        ("a ", '"a "'),
        ("a,b", '"a,b"'),
        ('say "hi"', '"say ""hi"""'),
        ("two\nlines", '"two\nlines"'),
        (b"\x00\xff", '"{""$base64"": ""AP8=""}"'),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (1.5, "1.5"),
        (-(2**63), "-9223372036854775808"),
    ],
)
def test_csv_fields(value: object, field: str) -> None:
    """A NULL is nothing between two commas, an empty text is quoted."""
    assert f"a,b\n{field},1\n" == "".join(formats.csv(["a", "b"], [(value, 1)]))


@given(ROWS)
def test_json_lines_read_back_as_objects(rows: list[tuple[Any, ...]]) -> None:
    """One object a line, by the names of the columns; BLOBs and infinities as in the library's JSON."""
    columns = [f"c{place}" for place in range(len(rows[0]) if rows else 1)]
    lines = list(formats.jsonl(columns, rows))

    assert len(rows) == len(lines)
    for row, line in zip(rows, lines, strict=True):
        assert line.endswith("\n")
        assert 1 == len(line.split("\n")) - 1
        assert [json.loads(formats.encoded(value)) for value in row] == list(json.loads(line).values())
        assert columns == list(json.loads(line))


def test_json_lines_refuse_to_lose_a_column() -> None:
    """Two columns of one name are an error, before any row is printed."""
    with pytest.raises(StatementError, match="two columns called 'a'"):
        next(formats.jsonl(["a", "b", "a"], iter([(1, 2, 3)])))


@given(VALUES)
def test_a_cell_is_one_harmless_line(value: object) -> None:
    """No control character, no line break, no turned writing direction: a database may hold anybody's text."""
    text = formats.cell(value)

    assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in text)
    assert not set(text) & set("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, "NULL"),
        ("NULL", "NULL"),
        ("a\tb\nc", r"a\tb\nc"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\u202eevil", r"\u202eevil"),
        ("😀 é", "😀 é"),
        (b"\x01", '{"$base64": "AQ=="}'),
        (math.inf, "Infinity"),
    ],
)
def test_cells(value: object, cell: str) -> None:
    """Text stays readable, the rest is spelt out."""
    assert cell == formats.cell(value)


def test_a_table_is_aligned_numbers_to_the_right() -> None:
    """Two spaces between columns, so that `awk` and eyes find them."""
    rows = [("c1", 7, None), ("chat-22", 1000, "x")]

    assert "id          n  note\nc1          7  NULL\nchat-22  1000  x\n" == "".join(
        formats.table(["id", "n", "note"], rows)
    )


def test_a_table_streams() -> None:
    """Only so many rows are looked at before the first is printed."""
    taken = 0

    def rows() -> Iterator[tuple[int]]:
        nonlocal taken
        while True:
            taken += 1
            yield (taken,)

    texts = formats.table(["n"], rows())
    next(texts)
    next(texts)

    assert formats.SIGHT == taken


@pytest.mark.parametrize("form", [formats.table, formats.csv, formats.jsonl])
def test_no_columns_are_no_output(form: Any) -> None:
    """A statement that returns nothing prints nothing."""
    assert [] == list(form((), []))


@pytest.mark.parametrize(("form", "printed"), [(formats.table, "id\n"), (formats.csv, "id\n"), (formats.jsonl, "")])
def test_no_rows_are_a_header(form: Any, printed: str) -> None:
    """Whoever reads the CSV knows the columns all the same."""
    assert printed == "".join(form(["id"], []))
