"""How a migration file is laid out: where its markers stand, and which statements belong to which.

A marker is a whole line, `-- Up` or `-- Down`, with options as `key:value`, and stands between two statements:
one in a literal, a block comment or the body of a trigger is ordinary text. Up stands first, each at most once.
A line that looks like a marker and is none is refused: a file that is misread runs its Down with its Up, or
loses half of itself, and is noted as applied.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from multidb.engine.tokens import Piece, UnclosedError, comments, split
from multidb.schema.source import Source

_CANDIDATE: Final = re.compile(r"--[ \t]*(?:up|down|migrate:|\+goose|\+migrate)", re.IGNORECASE)
_MARKER: Final = re.compile(r"--[ \t]*(up|down)[ \t]*:?((?:[ \t]+[a-z_]+:[^ \t]+)*)[ \t]*", re.IGNORECASE)
_SPOILT: Final = re.compile(r"--[ \t]*(up|down)[ \t]*(?:[^\w\s.,;'\")].*|\w+[ \t]*[:=].*)", re.IGNORECASE)
"""`-- Up (initial)`, `--Down!`, `-- Up transaction: false`; not `-- Up to here`, nor the second line of a sentence."""
_HEADING: Final = re.compile(r"--[ \t]*(D)own\b.*|--[ \t]*(D)OWN\b.*")
_STRANGERS: Final = {
    "dbmate": re.compile(r"--[ \t]*migrate:(?:up|down)", re.IGNORECASE),
    "goose": re.compile(r"--[ \t]*\+goose\b", re.IGNORECASE),
    "sql-migrate": re.compile(r"--[ \t]*\+migrate\b", re.IGNORECASE),
}


@attrs.frozen
class Mark:
    """One marker, its options as they are written, and where it stands."""

    direction: str
    options: str
    begin: int
    end: int


@attrs.frozen
class Part:
    """What follows one marker, or the whole of a file without any: the text from `begin` to `end`."""

    mark: Mark
    end: int
    pieces: tuple[Piece, ...] = attrs.field(repr=False)

    @property
    def begin(self) -> int:
        return self.mark.end


@attrs.frozen(kw_only=True)
class Layout:
    """A file cut up. The header is what stands before `header_end`; below it the first statement is at `first`."""

    header_end: int
    first: int
    up: Part
    down: Part | None


def lay_out(source: Source) -> Layout:
    """Cut the file up; raises MigrationFileError with the place of what is doubtful in its form."""
    text = source.text
    try:
        pieces = split(text)
    except UnclosedError as error:
        hint = "the last statement of its body is followed by END;" if error.what == "trigger" else None
        source.fail(f"this {error.what} is never closed", error.at, hint=hint)
    marks = _marks(source, pieces)
    statements = [piece for piece in pieces if piece.code < piece.end and text[piece.code] != ";"]
    first = statements[0].code if statements else len(text)
    if not marks:
        return Layout(
            header_end=first, first=first, up=Part(Mark("up", "", 0, 0), len(text), tuple(statements)), down=None
        )
    if first < marks[0].begin:
        source.fail("SQL stands before the first marker", first)
    ends = [*(mark.begin for mark in marks[1:]), len(text)]
    parts = [
        Part(mark, end, tuple(piece for piece in statements if mark.end <= piece.code < end))
        for mark, end in zip(marks, ends, strict=True)
    ]
    return Layout(header_end=marks[0].begin, first=first, up=parts[0], down=parts[1] if len(parts) == 2 else None)


def _marks(source: Source, pieces: Sequence[Piece]) -> list[Mark]:
    """The markers, in an order that has been checked: none, Up, or Up and Down."""
    marks: list[Mark] = []
    doubts: list[tuple[str, int]] = []
    for at, comment, is_whole_line, piece in _candidates(source.text, pieces):
        marker = _MARKER.fullmatch(comment)
        if at > piece.code:
            if marker is not None and is_whole_line:
                source.fail("the statement before this marker has no semicolon", piece.code)
        elif marker is not None and is_whole_line:
            marks.append(Mark(marker.group(1).lower(), marker.group(2), at, at + len(comment)))
        elif marker is not None:
            doubts.append((marker.group(1).lower(), at))
        elif is_whole_line:
            _refuse_strangers(source, comment, at)
            if spoilt := _SPOILT.fullmatch(comment):
                doubts.append((spoilt.group(1).lower(), at))
            elif _HEADING.fullmatch(comment):
                doubts.append(("down", at))
    found = [mark.direction for mark in marks]
    for direction, at in doubts:
        if direction not in found:  # beside a real marker it is a comment
            source.fail(
                "this line looks like a marker and is none",
                at,
                hint=f"write -- {direction.capitalize()} alone on its line, or reword the comment",
            )
    for place, mark in enumerate(marks):
        if mark.direction in found[:place]:
            source.fail(f"a second {mark.direction.capitalize()} marker", mark.begin)
        if place == 0 and mark.direction == "down":
            source.fail("Down stands before Up", mark.begin)
    return marks


def _candidates(text: str, pieces: Sequence[Piece]) -> Iterator[tuple[int, str, bool, Piece]]:
    """Comments that may be markers, outside of triggers: place, text, whether alone on the line, in which piece."""
    ends = [piece.end for piece in pieces]
    real: dict[int, int] = {}
    looked_at: Piece | None = None
    for candidate in _CANDIDATE.finditer(text):
        at = candidate.start()
        piece = pieces[bisect.bisect_right(ends, at)]
        if piece.is_trigger and at > piece.code:
            continue
        if piece is not looked_at:
            looked_at, real = piece, dict(comments(text, piece.begin, piece.end))
        if at in real:
            before = text[text.rfind("\n", 0, at) + 1 : at]
            yield at, text[at : real[at]], not before.strip(" \t\ufeff"), piece


def _refuse_strangers(source: Source, comment: str, at: int) -> None:
    for tool, pattern in _STRANGERS.items():
        if pattern.match(comment):
            source.fail(f"this is a file for {tool}", at, hint="convert its markers to -- Up and -- Down")
