"""One migration file: its header, its Up and Down sections, its statements.

    -- Label: 1.1.0                       header, optional: Label, Description, Requires, Compat, …
    -- Description: add performance tables
    -- Up foreign_keys:immediate          a marker is a whole line between two statements
    CREATE TABLE …;
    -- Down                               left out: the migration cannot be undone
    DROP TABLE …;

A marker is `-- Up` or `-- Down` alone on its line, with options as `key:value`; Up stands first, each at most
once. Comments, literals and trigger bodies may hold what looks like one. A file without any marker is all Up.
The text is UTF-8; a BOM is dropped and CRLF becomes LF before it is run, hashed or stored.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import attrs

from multidb.concerns import closest
from multidb.engine.tokens import TOKEN, is_complete, words
from multidb.errors import MigrationFileError

_MARKER: Final = re.compile(r"--[ \t]*(up|down)[ \t]*:?((?:[ \t]+[a-z_]+:[^ \t]+)*)[ \t]*", re.IGNORECASE)
_NEAR_MISS: Final = re.compile(r"-+[ \t]*(up|down)\b", re.IGNORECASE)
_STRANGERS: Final = {
    re.compile(r"--\s*migrate:(up|down)", re.IGNORECASE): "dbmate",
    re.compile(r"--\s*\+goose\s", re.IGNORECASE): "goose",
    re.compile(r"--\s*\+migrate\s", re.IGNORECASE): "sql-migrate",
}
_HEADER: Final = re.compile(r"--[ \t]*([A-Za-z]+):[ \t]*(.*?)[ \t]*$")
_HEADER_KEYS: Final = ("label", "description", "requires", "replaces", "compat", "irreversible", "vars")
_LABEL: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}){1,3}")
_OPTIONS: Final[dict[str, tuple[str, ...]]] = {
    "transaction": ("true", "false"),
    "foreign_keys": ("deferred", "immediate", "unchecked"),
    "legacy_alter": ("on", "off"),
    "allow": ("lost-objects", "row-loss"),
    "noop": ("true", "false"),
}


@attrs.frozen(kw_only=True)
class Options:
    """How a section is run.

    `foreign_keys`: deferred checks once, before the commit; immediate leaves enforcement on; unchecked looks
    neither before nor after. `allow` names guards that the section may pass.
    """

    transaction: bool = True
    foreign_keys: str = "deferred"
    legacy_alter: bool = False
    allow: frozenset[str] = frozenset()
    noop: bool = False


@attrs.frozen
class Step:
    """One statement and where it begins in its file, both counted from 1."""

    text: str
    line: int
    column: int


@attrs.frozen(kw_only=True)
class Section:
    """The Up or the Down of a script."""

    direction: str
    options: Options
    text: str = attrs.field(repr=False)
    steps: tuple[Step, ...] = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Script:
    """One migration, read and checked; nothing of it has been run."""

    database: str
    version: int
    name: str
    path: str
    up: Section
    down: Section | None
    label: str | None = None
    description: str | None = None
    compat: str = "additive"
    requires: tuple[str, ...] = ()
    checksum: str
    checksum_tokens: str

    @property
    def is_reversible(self) -> bool:
        return self.down is not None


def parse(raw: bytes, *, database: str, version: int, name: str, path: str) -> Script:
    """The script in a file's bytes. Raises MigrationFileError with line and column for anything doubtful."""
    return _Parser(database, version, name, path).parse(raw)


def checksum(text: str) -> str:
    """The exact checksum of normalised text, with its algorithm in front."""
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def checksum_tokens(text: str) -> str:
    """The checksum of what SQLite reads: equal after edits of comments and white space."""
    return "sha256:" + hashlib.sha256("\0".join(words(text)).encode()).hexdigest()


@attrs.define
class _Parser:
    database: str
    version: int
    name: str
    path: str
    text: str = ""

    def parse(self, raw: bytes) -> Script:
        self.text = self._normalised(raw)
        marks, near_miss = self._marks()
        if not marks:
            if near_miss is not None:
                self._fail("this line looks like a marker and is none", near_miss, hint="write -- Up or -- Down")
            sections = {"up": self._section("up", "", 0, len(self.text))}
            header: dict[str, str] = self._header(0, 0)
        else:
            self._check_order(marks)
            header = self._header(0, marks[0][1])
            ends = [*(start for _, start, _, _ in marks[1:]), len(self.text)]
            sections = {
                direction: self._section(direction, options, after, end)
                for (direction, _, after, options), end in zip(marks, ends, strict=True)
            }
        up, down = sections["up"], sections.get("down")
        if down is not None and not down.steps and not down.options.noop:
            down = None  # only comments: it cannot be undone, and must not look as if it had been
        if not up.steps:
            self._fail("the Up section holds no statement", 0)
        return Script(
            database=self.database,
            version=self.version,
            name=self.name,
            path=self.path,
            up=up,
            down=down,
            label=header.get("label"),
            description=header.get("description"),
            compat=header.get("compat", "additive"),
            requires=tuple(filter(None, re.split(r"[,\s]+", header.get("requires", "")))),
            checksum=checksum(up.text),
            checksum_tokens=checksum_tokens(up.text),
        )

    def _normalised(self, raw: bytes) -> str:
        if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise self._error("the file is UTF-16", 1, 1, hint="save it as UTF-8")
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            head = raw[: error.start]
            line = head.count(b"\n") + 1
            column = len(head) - (head.rfind(b"\n") + 1) + 1
            raise self._error("the file is not UTF-8", line, column, hint="save it as UTF-8") from None
        text = text.replace("\r\n", "\n")
        for character, what in (("\r", "a carriage return alone"), ("\0", "a NUL character")):
            at = text.find(character)
            if at >= 0:
                self.text = text
                self._fail(f"the file holds {what}", at)
        return text

    def _marks(self) -> tuple[list[tuple[str, int, int, str]], int | None]:
        """Markers as (direction, start, end, options), and where the first near miss stands."""
        marks: list[tuple[str, int, int, str]] = []
        near_miss: int | None = None
        begin = 0  # of the statement that we are in
        is_blank = True  # nothing but space and comments since `begin`
        seen = 0
        for token in TOKEN.finditer(self.text):
            is_blank = is_blank and not self.text[seen : token.start()].strip()
            seen = token.end()
            kind = token.lastgroup
            if kind == "comment":
                line_start = self.text.rfind("\n", 0, token.start()) + 1
                if not token.group().startswith("--") or self.text[line_start : token.start()].strip():
                    continue
                found = _MARKER.fullmatch(token.group())
                if found is None:
                    self._refuse_strangers(token.group(), token.start())
                    if near_miss is None and _NEAR_MISS.match(token.group()):
                        near_miss = token.start()
                    continue
                if not is_blank:
                    if not is_complete(self.text[begin : token.start()] + "\n;"):
                        continue  # in the body of a trigger
                    self._fail("the statement before this marker has no semicolon", begin + self._space(begin))
                marks.append((found.group(1).lower(), line_start, token.end(), found.group(2)))
                begin, is_blank = token.end(), True
            elif kind == "open":
                self._fail(f"this {token.group()} is never closed", token.start())
            elif kind == "quoted":
                is_blank = False
            elif is_complete(self.text[begin : token.end()]):
                begin, is_blank = token.end(), True
        return marks, near_miss

    def _refuse_strangers(self, comment: str, at: int) -> None:
        for pattern, tool in _STRANGERS.items():
            if pattern.match(comment):
                self._fail(f"this is a file for {tool}", at, hint="convert its markers to -- Up and -- Down")

    def _check_order(self, marks: list[tuple[str, int, int, str]]) -> None:
        directions = [direction for direction, _, _, _ in marks]
        if directions[0] != "up":
            self._fail("Down stands before Up", marks[0][1])
        for place, direction in enumerate(directions):
            if direction in directions[:place]:
                self._fail(f"a second {direction.capitalize()} marker", marks[place][1])

    def _header(self, start: int, end: int) -> dict[str, str]:
        found: dict[str, str] = {}
        at = start
        in_block = False
        for line in self.text[start:end].splitlines(keepends=True):
            stripped = line.strip()
            match = _HEADER.fullmatch(stripped)
            if in_block or stripped.startswith("/*"):
                in_block = "*/" not in stripped
            elif match is not None and match.group(1).lower() in _HEADER_KEYS:
                found[match.group(1).lower()] = match.group(2)
            elif stripped and not stripped.startswith("--"):
                self._fail("SQL stands before the first marker", at)
            at += len(line)
        if found.get("label") is not None and not _LABEL.fullmatch(found["label"]):
            self._fail(f"the label {found['label']!r} is no version", start, hint="like 1.1.0")
        if found.get("compat", "additive") not in ("additive", "breaking"):
            self._fail(f"compat cannot be {found['compat']!r}", start, hint="additive or breaking")
        return found

    def _section(self, direction: str, options: str, start: int, end: int) -> Section:
        parsed = self._options(direction, options, start)
        steps = tuple(self._steps(start, end))
        return Section(direction=direction, options=parsed, text=self.text[start:end].strip(), steps=steps)

    def _options(self, direction: str, text: str, at: int) -> Options:
        found: dict[str, Any] = {}
        for pair in text.split():
            key, _, value = pair.partition(":")
            key = key.lower()
            if key not in _OPTIONS or (key == "noop" and direction == "up"):
                self._fail(f"unknown option {key!r}", at, hint=closest(key, _OPTIONS))
            values = value.split(",") if key == "allow" else [value]
            for one in values:
                if one not in _OPTIONS[key]:
                    self._fail(f"{key} cannot be {one!r}", at, hint=f"one of {', '.join(_OPTIONS[key])}")
            found[key] = frozenset(values) if key == "allow" else value
        flags: Mapping[str, str] = {"transaction": "true", "legacy_alter": "on", "noop": "true"}
        return Options(**{key: value == flags[key] if key in flags else value for key, value in found.items()})

    def _steps(self, start: int, end: int) -> list[Step]:
        """The section's statements, which together are the section; a last one may lack its semicolon."""
        steps: list[Step] = []
        begin = start
        for token in TOKEN.finditer(self.text, start, end):
            if token.lastgroup == "end" and is_complete(self.text[begin : token.end()]):
                self._add(steps, begin, token.end())
                begin = token.end()
        if not any(True for _ in words(self.text[begin:end])):
            return steps
        if not is_complete(self.text[begin:end] + "\n;"):
            self._fail("the last statement is not finished", begin + self._space(begin))
        self._add(steps, begin, end)
        return steps

    def _add(self, steps: list[Step], begin: int, end: int) -> None:
        if self.text[begin:end].strip(" \t\n\f;"):
            at = begin + self._space(begin)
            line, column = self._place(at)
            steps.append(Step(self.text[at:end], line, column))

    def _space(self, at: int) -> int:
        """How much space and comment stands from `at` to the next real character."""
        length = 0
        while found := re.compile(r"\s+|--[^\n]*|/\*(?:.*?\*/|.*)", re.DOTALL).match(self.text, at + length):
            length = found.end() - at
        return length

    def _place(self, at: int) -> tuple[int, int]:
        return self.text.count("\n", 0, at) + 1, at - (self.text.rfind("\n", 0, at) + 1) + 1

    def _fail(self, message: str, at: int, hint: str | None = None) -> NoReturn:
        raise self._error(message, *self._place(at), hint=hint)

    def _error(self, message: str, line: int, column: int, hint: str | None = None) -> MigrationFileError:
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
