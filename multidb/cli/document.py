"""The one JSON document that a verb prints with `--json`, written from the front to the back.

Rows stream into it before the end is known, and whatever happens then, `finish` closes what is open: it is
one whole document also when an error, or a signal, comes in the middle of the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import attrs

from multidb.cli.answer import Answer, Failure
from multidb.cli.formats import encoded
from multidb.cli.out import Out
from multidb.cli.signals import Signals

SCHEMA: Final = "multidb/1"
_CLOSING: Final = {"[": "]", "{": "}"}


class Document:
    """Fields and items in the order in which they are written.

    What was written and what is known to be open change together or not at all, so that a signal finds the two
    in step; only between two steps is anybody waited for.
    """

    def __init__(self, out: Out, signals: Signals, command: str | None) -> None:
        self._out = out
        self._signals = signals
        self._command = command
        self._open: list[str] = []
        self._has_items: list[bool] = []

    def field(self, name: str, value: Any) -> None:
        """One field of the object that is open."""
        self._begin()
        self._add(f"{encoded(name)}: {encoded(value)}")

    def item(self, value: Any) -> None:
        """One item of the list that is open."""
        self._add(encoded(value))

    def enter(self, bracket: str, name: str | None = None) -> None:
        """Open a list `[` or an object `{`, as a field of this name or as the next item."""
        self._begin()
        self._add(bracket if name is None else f"{encoded(name)}: {bracket}", opens=_CLOSING[bracket])

    def leave(self) -> None:
        """Close what was opened last."""
        with self._signals.held():
            self._has_items.pop()
            self._out.add(self._open.pop())
        self._out.relieve()

    def rows(self, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> None:
        """The fields `columns` and `rows`, the rows streamed."""
        self.field("columns", list(columns))
        self.enter("[", "rows")
        for row in rows:
            self.item(row)
        self.leave()

    def finish(self, answer: Answer) -> None:
        """Close everything that is open and write what every document ends with."""
        self._begin()
        while len(self._open) > 1:
            self.leave()
        self.field("ok", answer.exit == 0)
        self.field("exit", answer.exit)
        self.field("databases", answer.databases)
        self.field("errors", [_entry(failure) for failure in answer.failures])
        for name, value in answer.fields.items():
            self.field(name, value)
        self.leave()
        self._out.write("\n")

    def _begin(self) -> None:
        if not self._open:
            with self._signals.held():
                head = f'"schema": {encoded(SCHEMA)}, "command": {encoded(self._command)}'
                self._out.add("{" + head)
                self._open.append("}")
                self._has_items.append(True)

    def _add(self, text: str, *, opens: str | None = None) -> None:
        with self._signals.held():
            self._out.add(f", {text}" if self._has_items[-1] else text)
            self._has_items[-1] = True
            if opens is not None:
                self._open.append(opens)
                self._has_items.append(False)
        self._out.relieve()


def _entry(failure: Failure) -> dict[str, Any]:
    found = attrs.asdict(failure)
    return {key: found[key] for key in ("code", "concern", "message", "hint", "retryable", "exit")}
