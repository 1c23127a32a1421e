"""The text of one migration file: bytes made into what is run, hashed and stored, and places named in it.

UTF-8 only. One byte-order mark is dropped and CRLF becomes LF; a carriage return alone would hide the statement
after a comment from SQLite, and a NUL would end the text there, so that neither is let in.
"""

from __future__ import annotations

import bisect
import functools
import re
from collections.abc import Iterable, Iterator
from typing import Final, NoReturn, Self

import attrs

from multidb.errors import MigrationFileError

_LINE_END: Final = re.compile("\n")
_MARK: Final = b"\xef\xbb\xbf"
_REFUSED: Final = (
    ("\r", "a carriage return without a line feed", "save it with LF or CRLF line ends"),
    ("\0", "a NUL character", "save it as UTF-8"),
)


@attrs.frozen(kw_only=True)
class Source:
    """The normalised text of one file, and whose migration it is."""

    database: str
    version: int
    name: str
    path: str
    text: str = attrs.field(default="", repr=False)

    @functools.cached_property
    def _line_starts(self) -> list[int]:
        return [0, *(found.end() for found in _LINE_END.finditer(self.text))]

    def read(self, raw: bytes) -> Self:
        """This source with the text of `raw`; MigrationFileError names the line and column of what cannot be text."""
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise self.error("the file is UTF-16", 1, 1, hint="save it as UTF-8")
        raw = raw.removeprefix(_MARK)
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            head = raw[: error.start].decode()
            raise self.error("the file is not UTF-8", *_place(head), hint="save it as UTF-8") from None
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        for character, what, hint in _REFUSED:
            head, found, _ = text.partition(character)
            if found:
                raise self.error(f"the file holds {what}", *_place(head), hint=hint)
        return attrs.evolve(self, text=text)

    def place(self, at: int) -> tuple[int, int]:
        """Line and column, both counted from 1, of the character at `at`."""
        line = bisect.bisect_right(self._line_starts, at)
        return line, at - self._line_starts[line - 1] + 1

    def places(self, ascending: Iterable[int]) -> Iterator[tuple[int, int]]:
        """`place` of many characters, in the order of the text."""
        starts, line = [*self._line_starts, len(self.text) + 1], 0
        for at in ascending:
            while starts[line + 1] <= at:
                line += 1
            yield line + 1, at - starts[line] + 1

    def fail(self, message: str, at: int, hint: str | None = None) -> NoReturn:
        """Raise MigrationFileError for the place `at`."""
        raise self.error(message, *self.place(at), hint=hint)

    def error(self, message: str, line: int, column: int, hint: str | None = None) -> MigrationFileError:
        """The error for a line and column of this file."""
        return MigrationFileError(
            f"{self.path}:{line}:{column}: {message}",
            concern=self.database,
            database=self.database,
            version=self.version,
            name=self.name,
            path=self.path,
            line=line,
            column=column,
            hint=hint,
        )


def _place(head: str) -> tuple[int, int]:
    """The place of the character that follows `head`."""
    return head.count("\n") + 1, len(head) - head.rfind("\n")
