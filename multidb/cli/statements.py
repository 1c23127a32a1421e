"""Cutting typed lines into statements, as SQLite itself sees where one ends."""

from __future__ import annotations

from multidb.engine.tokens import TOKEN, is_complete, words


class Statements:
    """Takes lines and gives back what they complete: statements, and commands that begin with a dot."""

    def __init__(self) -> None:
        self._text = ""

    @property
    def is_inside(self) -> bool:
        """Whether a statement has begun and not ended."""
        return any(True for _ in words(self._text))

    def feed(self, line: str) -> list[str]:
        """What is complete with this line; a semicolon in a literal, a comment or a trigger's body ends nothing."""
        if line.lstrip().startswith(".") and not self.is_inside:
            self._text = ""
            return [line.strip()]
        self._text += line
        if ";" not in line:
            return []
        found = []
        begin = 0
        for token in TOKEN.finditer(self._text):
            if token.lastgroup == "end" and is_complete(self._text[begin : token.end()]):
                found.append(self._text[begin : token.end()])
                begin = token.end()
        self._text = self._text[begin:]
        return [statement.strip() for statement in found if set(words(statement)) != {";"}]

    def rest(self) -> list[str]:
        """What stands there without its semicolon, at the end of the input; it is forgotten."""
        found = [self._text.strip()] if self.is_inside else []
        self._text = ""
        return found
