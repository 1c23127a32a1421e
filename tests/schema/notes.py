"""A database of one concern, `notes`, with a migration folder that a test fills."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import attrs

import multidb
from multidb import Concern, Database, MultiDB
from multidb.errors import MultidbError
from multidb.schema.migrator import Migrator
from multidb.schema.script import Script, parse

LEDGER = ("_migrations", "_migration_log", "_migration_meta", "schema_migrations")


@attrs.frozen
class Notes:
    """The root and the migration folder of the concern `notes`; nothing is made before it is asked for."""

    root: Path
    folder: Path
    options: dict[str, Any] = attrs.field(factory=dict)

    @property
    def path(self) -> Path:
        return self.root / "notes.sqlite"

    @property
    def concern(self) -> Concern:
        return Concern("notes", migrations=self.folder, **self.options)

    def write(self, name: str, text: str | bytes) -> Path:
        """Put a file into the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    @contextlib.contextmanager
    def open(self, **options: Any) -> Iterator[MultiDB]:
        """The desk with this one concern."""
        with multidb.open(self.root, concerns=[self.concern], **options) as desk:
            yield desk

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        with self.open() as desk:
            yield desk["notes"]

    @contextlib.contextmanager
    def migrator(self) -> Iterator[Migrator]:
        with self.open() as desk:
            yield desk.migrator("notes")

    def up(self, to: int | str | None = None) -> tuple[int, ...]:
        """Migrate in a desk of its own; the versions that were applied."""
        with self.migrator() as migrator:
            return migrator.up(to).applied

    def fails(self) -> MultidbError:
        """The error of migrating, which must be one."""
        try:
            applied = self.up()
        except MultidbError as error:
            return error
        raise AssertionError(f"applied {applied}")

    def run(self, *statements: str) -> None:
        """What a program does, on a connection without rules."""
        with contextlib.closing(apsw.Connection(str(self.path))) as connection:
            for statement in statements:
                connection.execute(statement).fetchall()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Read by a connection that was opened for it."""
        with contextlib.closing(apsw.Connection(str(self.path), apsw.SQLITE_OPEN_READONLY)) as connection:
            return connection.execute(sql).fetchall()

    def applied(self) -> list[tuple[int, str]]:
        """Version and name of what the ledger has, in order."""
        return self.rows("SELECT version, name FROM _migrations ORDER BY version")

    def tables(self) -> set[str]:
        """The tables that migrations made."""
        rows = self.rows("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'")
        return {name for (name,) in rows} - set(LEDGER)

    def everything(self) -> dict[str, Any]:
        """The schema, every row, the ledger and the header's numbers; without the log, where a failure is noted."""
        found: dict[str, Any] = {
            "schema": self.rows("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2")
        }
        for (name,) in self.rows("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"):
            if name not in ("_migration_log", "sqlite_schema") and not name.startswith("sqlite_stat"):
                quoted = name.replace('"', '""')
                found[name] = self.rows(f'SELECT * FROM "{quoted}"')
        for pragma in ("user_version", "application_id", "journal_mode"):
            found[pragma] = self.rows(f"PRAGMA {pragma}")
        return found


def script(text: str | bytes, *, version: int = 1, name: str = "initial", database: str = "notes") -> Script:
    """The script of a file with this text."""
    raw = text if isinstance(text, bytes) else text.encode()
    return parse(raw, database=database, version=version, name=name, path=f"{version:03}_{name}.sql")
