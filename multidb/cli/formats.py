"""Rows as text: CSV and JSON lines for programs, aligned columns for people; all of them stream.

A NULL is told from an empty text, a BLOB is `{"$base64": …}` and an infinity `Infinity`, as in the library's
JSON. Text in a table cannot move the cursor or colour the terminal of whoever looks at it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final

from multidb.errors import StatementError
from multidb.reports import plain

Row = tuple[Any, ...]

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False)
_SIMPLE: Final = frozenset({str, int, bool, type(None)})

SIGHT: Final = 500
"""Rows that are looked at before the first is printed, to know how wide the columns are."""

_WIDEST: Final = 80
_QUOTED: Final = frozenset(',"\r\n')
_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_CONTROLS: Final = str.maketrans(
    {chr(code): _NAMED.get(chr(code), f"\\x{code:02x}") for code in (*range(0x20), *range(0x7F, 0xA0))}
    | {chr(code): f"\\u{code:04x}" for code in (0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))}
)


def cell(value: Any) -> str:
    """A value for a table: on one line, and nothing in it that a terminal would obey."""
    if isinstance(value, str):
        return value.translate(_CONTROLS)
    return "NULL" if value is None else _text(value)


def encoded(value: Any) -> str:
    """JSON text on one line, characters as they are."""
    return _ENCODER.encode(_plain(value))


def _plain(value: Any) -> Any:
    """`reports.plain`, quick for what most rows are made of."""
    if type(value) in _SIMPLE:
        return value
    if type(value) is tuple:
        return [_plain(item) for item in value]
    if type(value) is dict:
        return {key: _plain(item) for key, item in value.items()}
    return plain(value)


def jsonl(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """One object a row. Raises StatementError for a repeated column name, whose value would be lost."""
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        raise StatementError(
            f"an object cannot hold two columns called {repeated[0]!r}", hint="give each a name of its own with AS"
        )
    for row in rows:
        yield encoded(dict(zip(columns, row, strict=True))) + "\n"


def csv(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """A header and the rows, quoted as RFC 4180 says: nothing between two commas is NULL, `""` the empty text."""
    if columns:
        for row in chain([tuple(columns)], rows):
            yield ",".join(map(_field, row)) + "\n"


def _field(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else _text(value)
    if text and not _QUOTED.intersection(text) and text[0] != " " != text[-1]:
        return text
    return '"' + text.replace('"', '""') + '"'


def table(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """A header and aligned rows, two spaces apart; columns of numbers to the right. No row is cut.

    A cell beyond the first `SIGHT` rows that is wider than those shifts the rest of its line.
    """
    if not columns:
        return
    remaining = iter(rows)
    seen = list(islice(remaining, SIGHT))
    widths = [
        min(_WIDEST, max([len(cell(name)), *(len(cell(row[place])) for row in seen)]))
        for place, name in enumerate(columns)
    ]
    sides = [str.rjust if is_right else str.ljust for is_right in numeric(columns, seen)]
    for row in chain([tuple(columns)], seen, remaining):
        cells = (side(cell(value), width) for value, width, side in zip(row, widths, sides, strict=True))
        yield "  ".join(cells).rstrip() + "\n"


def numeric(columns: Sequence[str], rows: Sequence[Row]) -> list[bool]:
    """Which columns hold numbers, and NULLs, and nothing else."""
    kinds = [{type(row[place]) for row in rows} - {type(None)} for place in range(len(columns))]
    return [bool(kind) and kind <= {int, float} for kind in kinds]


def _text(value: Any) -> str:
    """A value that is no text and no NULL."""
    value = plain(value)
    return value if isinstance(value, str) else json.dumps(value)
