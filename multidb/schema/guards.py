"""What a migration may not lose in silence: indexes and triggers, rows, the rows that foreign keys lead to, views.

The state before is what is committed, the state after what the migration's own connection sees. Only what the
watch saw touched is compared, since a database of a thousand tables has a thousand migrations.
"""

from __future__ import annotations

from typing import Final

import attrs

from multidb.engine.migrating import Migrating
from multidb.errors import MultidbError
from multidb.schema.ledger import Ask

_COUNTED_ROWS: Final = 1_000_000
"""Tables with more rows are not counted for a REPLACE, which may touch a single one."""

_OBJECTS: Final = "SELECT type, name, tbl_name FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql NOT NULL"
_TABLES: Final = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
_KEYS: Final = """
SELECT DISTINCT child.name, lower("key"."table")
FROM sqlite_schema AS child, pragma_foreign_key_list(child.name) AS "key"
WHERE child.type = 'table'"""
_VIOLATIONS: Final = "SELECT parent, fkid, count(*) FROM pragma_foreign_key_check(?) GROUP BY parent, fkid"
_REPLACING: Final = """
SELECT 1 FROM sqlite_schema
WHERE sql LIKE '%replace%' AND (type = 'trigger' OR sql LIKE '%conflict%replace%') LIMIT 1"""


@attrs.define
class Guards:
    """The questions to ask after the last statement of a migration, in its transaction."""

    connection: Migrating
    _schema_version: int = -1
    _keys: tuple[tuple[str, str], ...] = ()
    _schema_replaces: bool = False

    def lost_objects(self) -> tuple[str, ...]:
        """Indexes and triggers that went with a table or view which was made again without them."""
        watch = self.connection.watch
        if not any(kind in ("table", "view") for kind, _ in watch.dropped):
            return ()
        after = {(kind, name.lower()) for kind, name, _ in self.connection.ask(_OBJECTS)}
        kept = {
            name.lower()
            for (name,) in self.connection.ask("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
        }
        asked = {(kind, name.lower()) for kind, name in watch.dropped}
        return tuple(
            sorted(
                f"{kind} {name}"
                for kind, name, table in self.connection.ask_committed(_OBJECTS)
                if table.lower() in kept and (kind, name.lower()) not in after | asked
            )
        )

    def lost_rows(self) -> dict[str, int]:
        """Table to how many rows fewer it has, where no statement deleted from it."""
        watch = self.connection.watch
        rebuilt = watch.dropped_tables | watch.emptied | (watch.renamed if watch.dropped_tables else set())
        replaced = self._replaced() - rebuilt
        suspects = {name.lower(): name for name in (rebuilt | replaced) - watch.deleted}
        if not suspects:
            return {}
        before, after = self.connection.ask_committed, self.connection.ask
        names = {name.lower() for (name,) in before(_TABLES)} & {name.lower() for (name,) in after(_TABLES)}
        lost = {}
        for lower, name in sorted(suspects.items()):
            if lower not in names:
                continue
            limit = _COUNTED_ROWS if name in replaced else None
            count = _count(before, name, limit)
            missing = 0 if count is None else count - (_count(after, name, None) or 0)
            if missing > 0:
                lost[name] = missing
        return lost

    def new_violations(self) -> dict[str, int]:
        """Foreign key to how many rows more break it than before.

        Counted and not compared row by row, because a rebuild may number rows anew. Violations that were there may
        stay: the migration that repairs them must be able to run (https://github.com/mobilecoin/full-service/issues/252).
        """
        watch = self.connection.watch
        suspects = {name.lower(): name for name in watch.inserted | watch.updated | watch.linked}
        parents = watch.updated | watch.deleted | watch.emptied | watch.dropped_tables | watch.renamed
        parents |= watch.unindexed | self._replaced()
        if parents:
            self._look_at_schema()
            touched = {name.lower() for name in parents}
            suspects |= {child.lower(): child for child, parent in self._keys if parent in touched}
        if watch.renamed or watch.dropped_tables:
            known = {name.lower() for (name,) in self.connection.ask(_TABLES)}
            suspects = {lower: name for lower, name in suspects.items() if lower in known}
        after = {key: n for child in suspects.values() for key, n in _violations(self.connection.ask, child).items()}
        if not after:
            return {}
        before: dict[str, int] = {}
        known = {name.lower() for (name,) in self.connection.ask_committed(_TABLES)}
        for lower, child in suspects.items():
            if lower in known:
                before |= _violations(self.connection.ask_committed, child)
        return {key: n - before.get(key, 0) for key, n in after.items() if n > before.get(key, 0)}

    def broken_views(self) -> tuple[str, ...]:
        """Views that could be read, or were not there, and cannot be read now; they block every later rename."""
        if not self.connection.watch.changes_views:
            return ()
        after = _unreadable(self.connection.ask)
        if not after:
            return ()
        before = _unreadable(self.connection.ask_committed)
        return tuple(f"{name}: {why}" for name, why in sorted(after.items()) if name not in before)

    def _replaced(self) -> set[str]:
        """Tables that may have lost a row to another with its key: REPLACE says so to nobody."""
        watch = self.connection.watch
        written = watch.inserted | watch.updated
        if written and not watch.replaces:
            self._look_at_schema()
        return written if watch.replaces or self._schema_replaces else set()

    def _look_at_schema(self) -> None:
        version = self.connection.schema_version()
        if version != self._schema_version:
            self._keys = tuple((child, parent) for child, parent in self.connection.ask(_KEYS))
            self._schema_replaces = bool(self.connection.ask(_REPLACING))
            self._schema_version = version


def _count(ask: Ask, table: str, at_most: int | None) -> int | None:
    """How many rows the table has; None for more than `at_most`."""
    if at_most is None:
        return int(ask(f"SELECT count(*) FROM {_quoted(table)}")[0][0])  # noqa: S608  # a name, quoted
    ((count,),) = ask(f"SELECT count(*) FROM (SELECT 1 FROM {_quoted(table)} LIMIT {at_most + 1})")  # noqa: S608  # same
    return count if count <= at_most else None


def _violations(ask: Ask, child: str) -> dict[str, int]:
    """How many rows of the table break each of its foreign keys; what cannot be checked counts as one."""
    try:
        return {f"{child} -> {parent} (key {key})": n for parent, key, n in ask(_VIOLATIONS, (child,))}
    except MultidbError as error:  # the parent's key is not unique
        return {f"{child}: {error.message}": 1}


def _unreadable(ask: Ask) -> dict[str, str]:
    """View to why it cannot be read."""
    found = {}
    for (name,) in ask("SELECT name FROM sqlite_schema WHERE type = 'view' AND name <> 'schema_migrations'"):
        try:
            ask(f"SELECT 1 FROM {_quoted(name)} LIMIT 0")  # noqa: S608  # a name, quoted
        except MultidbError as error:
            found[name] = error.message
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
