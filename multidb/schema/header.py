"""The header of a migration file: what it says of itself in `-- Key: value` lines above its first marker.

    -- Label: 1.1.0                    another name of the version, unique in its folder
    -- Description: add tool calls
    -- Compat: breaking                an older program must not open the database afterwards; else additive
    -- Requires: app:3                 what must be applied to other databases before
    -- Irreversible: drops the column  why there is no Down

Other comments may stand among them. A line that is nearly a key, one that stands below the marker and a value
that cannot be meant are refused: `-- Compatibility: breaking` would be lost without a word.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Final

import attrs

from multidb.concerns import closest
from multidb.engine.tokens import comments
from multidb.schema.layout import Layout
from multidb.schema.source import Source

_LINE: Final = re.compile(r"--[ \t]*([A-Za-z]+)[ \t]*:[ \t]*(.*?)[ \t]*")
_KEYS: Final = ("label", "description", "requires", "replaces", "compat", "irreversible", "vars")
_LATER: Final = ("replaces", "vars")
_ALIKE: Final = 0.8
"""From this ratio of `difflib` on, a word before a colon is taken for a misspelt key."""
_LABEL: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){1,3}")
_REQUIREMENT: Final = re.compile(r"([a-z][a-z0-9_]{0,62}):([0-9]{1,18}|[0-9]{1,9}(?:\.[0-9]{1,9}){1,3})")


@attrs.frozen
class Requirement:
    """A migration of another database that must be applied before; `version` is its number or its label."""

    database: str
    version: str

    def is_met_by(self, version: int, label: str | None) -> bool:
        """Whether the migration with this number and label is the one."""
        return self.version == label if "." in self.version else int(self.version) == version

    def __str__(self) -> str:
        return f"{self.database}:{self.version}"


@attrs.frozen(kw_only=True)
class Header:
    """What a file says of itself; `irreversible` is the reason that it gives for having no Down."""

    label: str | None = None
    description: str | None = None
    compat: str = "additive"
    irreversible: str | None = None
    requires: tuple[Requirement, ...] = ()


def read_header(source: Source, layout: Layout) -> Header:
    """The header's values; raises MigrationFileError with the place of one that cannot be meant."""
    _refuse_below(source, layout)
    found: dict[str, tuple[str, int]] = {}
    for key, value, at in _lines(source, 0, layout.header_end):
        if key not in _KEYS:
            _refuse_misspelt(source, key, at)
            continue
        if key in found:
            source.fail(f"a second {key.capitalize()} line", at)
        if not value:
            source.fail(f"{key.capitalize()} says nothing", at)
        if key in _LATER:
            source.fail(f"{key.capitalize()} is not carried out by this version of multidb", at)
        found[key] = value, at
    label, label_at = found.get("label", (None, 0))
    if label is not None and not _LABEL.fullmatch(label):
        source.fail(f"the label {label!r} is no version", label_at, hint="like 1.1.0")
    compat, compat_at = found.get("compat", ("additive", 0))
    if compat not in ("additive", "breaking"):
        source.fail(f"compat cannot be {compat!r}", compat_at, hint="additive or breaking")
    reason, reason_at = found.get("irreversible", (None, 0))
    if reason is not None and layout.down is not None:
        source.fail("the migration is said to be irreversible, and has a Down", reason_at, hint="take one of them out")
    requires, requires_at = found.get("requires", ("", 0))
    return Header(
        label=label,
        description=found.get("description", (None, 0))[0],
        compat=compat,
        irreversible=reason,
        requires=tuple(_requirements(source, requires, requires_at)),
    )


def _requirements(source: Source, text: str, at: int) -> Iterator[Requirement]:
    for item in filter(None, re.split(r"[,\s]+", text)):
        match = _REQUIREMENT.fullmatch(item)
        if match is None:
            source.fail(f"Requires cannot be {item!r}", at, hint="name a database and a version, like app:3")
        if match.group(1) == source.database:
            source.fail("Requires names this database itself", at, hint="the order of the numbers is enough")
        yield Requirement(match.group(1), match.group(2))


def _lines(source: Source, begin: int, end: int) -> Iterator[tuple[str, str, int]]:
    """Lines of comment with a word and a colon: the word in lower case, what follows, where."""
    if source.text.find(":", begin, end) < 0:
        return
    for start, stop in comments(source.text, begin, end):
        line = _LINE.fullmatch(source.text, start, stop)
        if line is not None:
            yield line.group(1).lower(), line.group(2), start


def _refuse_misspelt(source: Source, word: str, at: int) -> None:
    is_part = any(word.startswith(key) or (key.startswith(word) and len(word) >= 4) for key in _KEYS)
    if is_part or difflib.get_close_matches(word, _KEYS, n=1, cutoff=_ALIKE):
        source.fail(f"{word!r} is no key of a header", at, hint=closest(word, _KEYS))


def _refuse_below(source: Source, layout: Layout) -> None:
    """Refuse a header line between the marker and the first statement, where it would be a mere comment."""
    for key, _, at in _lines(source, layout.header_end, layout.first):
        if key in _KEYS and key != "description":
            source.fail(f"the {key.capitalize()} line stands below the marker", at, hint="put it above -- Up")
