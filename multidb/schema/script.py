"""One migration file: its header, its Up and Down sections, its statements.

    -- Label: 1.1.0                       header, optional; see `header`
    -- Description: add performance tables
    -- Up foreign_keys:immediate          a marker is a whole line between two statements; see `layout`, `options`
    CREATE TABLE …;
    -- Down                               left out: the migration cannot be undone
    DROP TABLE …;

A file without any marker is all Up. The text is UTF-8; see `source` for what is done to it before it is run,
hashed or stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import attrs

from multidb.engine.tokens import normal_form
from multidb.schema.header import Requirement, read_header
from multidb.schema.layout import Part, lay_out
from multidb.schema.options import Options, read_options
from multidb.schema.source import Source

_BLANK = " \t\n\f"


class Step(NamedTuple):  # a script may have hundreds of thousands
    """One statement and where it begins in its file, both counted from 1."""

    text: str
    line: int
    column: int


@attrs.frozen(kw_only=True)
class Section:
    """The Up or the Down of a script: its marker as it is written, and what stands below."""

    direction: str
    marker: str
    options: Options
    text: str = attrs.field(repr=False)
    steps: tuple[Step, ...] = attrs.field(repr=False)

    @property
    def with_marker(self) -> str:
        """All that is needed to run the section when the file is gone: its options stand in the marker."""
        return f"{self.marker}\n{self.text}"

    @property
    def checksum(self) -> str:
        """Differs after every edit, but for space at the ends and the options."""
        return digest(self.text)

    @property
    def checksum_tokens(self) -> str:
        """Equal after edits of comments and white space, which SQLite does not read."""
        return digest(normal_form(self.text))


@attrs.frozen(kw_only=True)
class Script:
    """One migration, read and checked; nothing of it has been run.

    `down` is None where the migration cannot be undone; `irreversible` is the reason, if the file gives one.
    """

    database: str
    version: int
    name: str
    path: str
    up: Section
    down: Section | None
    label: str | None = None
    description: str | None = None
    compat: str = "additive"
    irreversible: str | None = None
    requires: tuple[Requirement, ...] = ()
    checksum: str

    @property
    def is_reversible(self) -> bool:
        return self.down is not None


def parse(raw: bytes, *, database: str, version: int, name: str, path: str) -> Script:
    """The script in a file's bytes. Raises MigrationFileError with line and column for anything doubtful."""
    source = Source(database=database, version=version, name=name, path=path).read(raw)
    layout = lay_out(source)
    header = read_header(source, layout)
    up = _section(source, layout.up)
    if not up.steps:
        source.fail("the Up section holds no statement", layout.up.mark.begin)
    return Script(
        database=database,
        version=version,
        name=name,
        path=path,
        up=up,
        down=None if layout.down is None else _down(source, layout.down),
        label=header.label,
        description=header.description,
        compat=header.compat,
        irreversible=header.irreversible,
        requires=header.requires,
        checksum=up.checksum,
    )


def _down(source: Source, part: Part) -> Section | None:
    """The Down; None where it holds only comments: that cannot be undone, and must not look as if it had been."""
    down = _section(source, part)
    if down.options.noop and down.steps:
        source.fail("a Down with noop:true holds a statement", part.pieces[0].code, hint="take one of them out")
    return down if down.steps or down.options.noop else None


def _section(source: Source, part: Part) -> Section:
    text = source.text
    return Section(
        direction=part.mark.direction,
        marker=text[part.mark.begin : part.mark.end],
        options=read_options(source, part.mark),
        text=text[part.begin : part.end].strip(_BLANK),
        steps=tuple(_steps(source, part)),
    )


def _steps(source: Source, part: Part) -> Iterator[Step]:
    text = source.text
    places = source.places(piece.code for piece in part.pieces)
    for piece, (line, column) in zip(part.pieces, places, strict=True):
        yield Step(text[piece.code : piece.end], line, column)


def digest(text: str) -> str:
    """The checksum of a text, with its algorithm in front."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
