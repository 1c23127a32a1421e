"""SQL text as SQLite's own tokenizer sees it: where comments, literals and statements end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

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
