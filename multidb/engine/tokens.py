"""SQL text as SQLite's own tokenizer sees it: where comments, literals and statements end.

`split` cuts a script into its statements in one pass, whatever stands in it: asking `sqlite3_complete` at each
semicolon would read a long literal or trigger again and again. It follows the same rules, and a property test
holds the two together (https://www.sqlite.org/c3ref/complete.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

import apsw

TOKEN: Final = re.compile(
    r"(?P<comment>--[^\n]*|/\*(?:.*?\*/|.*))"
    r"|(?P<quoted>'[^']*'|\"[^\"]*\"|`[^`]*`|\[[^\]]*\])"
    r"|(?P<open>['\"`\[])"
    r"|(?P<end>;)",
    re.DOTALL,
)
"""What can hide a semicolon, and the semicolon. A doubled quote inside a literal reads as two literals side by
side, which ends in the same place."""

_WORD: Final = re.compile(
    r"(?P<skip>\s+|--[^\n]*|/\*(?:.*?\*/|.*))"
    r"|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\[[^\]]*\]|\w+|.",
    re.DOTALL,
)

# SQLite's white space, which is not Python's: a no-break space is a syntax error, a byte-order mark is none.
_BLANK: Final = r"[ \t\n\f\r\ufeff]++"
_COMMENT: Final = r"--[^\n]*+\n?|/\*(?s:.*?)\*/"
_QUOTED: Final = r"'[^']*+'|\"[^\"]*+\"|`[^`]*+`|\[[^\]]*+\]"
_LETTER: Final = r"[A-Za-z0-9_$\x80-\U0010ffff]"

_SPACE: Final = re.compile(rf"(?:{_BLANK}|{_COMMENT})*+")
_BODY: Final = re.compile(rf"(?:[^;'\"`\[/\-]++|{_QUOTED}|{_COMMENT}|-|/(?!\*))*+")
_TRIGGER: Final = re.compile(
    rf"(?:EXPLAIN(?:(?:{_BLANK}|{_COMMENT})++QUERY(?:{_BLANK}|{_COMMENT})++PLAN)?(?:{_BLANK}|{_COMMENT})++)?"
    rf"CREATE(?:{_BLANK}|{_COMMENT})++(?:TEMP(?:ORARY)?(?:{_BLANK}|{_COMMENT})++)?TRIGGER(?!{_LETTER})",
    re.IGNORECASE,
)
_END: Final = re.compile(rf"(?:{_BLANK}|{_COMMENT})*+END(?!{_LETTER})(?:{_BLANK}|{_COMMENT})*+", re.IGNORECASE)
_CHUNK: Final = re.compile(
    rf"(?:{_BLANK}|{_COMMENT})++"
    r"|([xX]?'(?:[^']|'')*+'|\"(?:[^\"]|\"\")*+\"|`(?:[^`]|``)*+`|\[[^\]]*+\]"
    r"|(?:[^ \t\n\f\r\ufeff'\"`\[/\-xX]|[xX](?!'))++|.)",
    re.DOTALL,
)
_NEEDLESS: Final = re.compile(r"\0(?=[(),;=<>+*/|.%&~!?:@\-])|(?<=[(),;=<>+*/|.%&~!?:@\-])\0")


class Piece(NamedTuple):
    """One statement of a text, with the space and comments before it: pieces stand side by side without a gap.

    The statement's own text begins at `code`, which is `end` where there is nothing but space and comments.
    `is_ended` tells of its semicolon.
    """

    begin: int
    code: int
    end: int
    is_trigger: bool
    is_ended: bool


class UnclosedError(ValueError):
    """A literal, comment, quoted name or trigger begins at `at` and does not end; `what` names it."""

    def __init__(self, what: str, at: int) -> None:
        super().__init__(f"{what} at {at} is never closed")
        self.what = what
        self.at = at


def split(text: str) -> list[Piece]:
    """The statements of `text` in order; the last one may lack its semicolon. Linear in the length of the text.

    Raises UnclosedError where the text ends inside a literal, a comment, a quoted name or a trigger's body.
    """
    pieces: list[Piece] = []
    begin, length = 0, len(text)
    while begin < length:
        code = _SPACE.match(text, begin).end()  # type: ignore[union-attr]  # it matches the empty text too
        is_trigger = code < length and text[code] in "cCeE" and _TRIGGER.match(text, code) is not None
        end = _end_of_trigger(text, code) if is_trigger else _semicolon(text, code)
        is_ended = end < length
        pieces.append(Piece(begin, code, end + is_ended, is_trigger, is_ended))
        begin = end + 1
    return pieces


def _semicolon(text: str, at: int) -> int:
    """Where the first semicolon outside of literals and comments stands, or the text's end."""
    end = _BODY.match(text, at).end()  # type: ignore[union-attr]  # it matches the empty text too
    if end < len(text) and text[end] != ";":
        raise UnclosedError("comment" if text[end] == "/" else text[end], end)
    return end


def _end_of_trigger(text: str, at: int) -> int:
    """Where the semicolon after the trigger's END stands, or the text's end behind that END."""
    end = _semicolon(text, at)
    while end < len(text):
        closing = _END.match(text, end + 1)
        if closing is not None and (closing.end() == len(text) or text[closing.end()] == ";"):
            return closing.end()
        end = _semicolon(text, end + 1)
    raise UnclosedError("trigger", at)


def comments(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Where each comment between `begin` and `end`, two borders of tokens, begins and ends."""
    for found in TOKEN.finditer(text, begin, end):
        if found.lastgroup == "comment":
            yield found.span()


def normal_form(text: str) -> str:
    """The text without comments and needless space: equal for two scripts that SQLite reads alike."""
    return _NEEDLESS.sub("", "\0".join(filter(None, _CHUNK.findall(text))))


def is_complete(text: str) -> bool:
    """Whether SQLite sees whole statements here: the last token is a semicolon that ends one.

    Knows the bodies of triggers, which hold semicolons that end nothing. Nothing but space is not complete.
    """
    return apsw.complete(text)


def words(text: str) -> Iterator[str]:
    """The tokens without comments and white space: equal for two texts that SQLite reads alike."""
    for found in _WORD.finditer(text):
        if found.lastgroup != "skip":
            yield found.group()
