"""One page for each schema, made from the live schema: `python -m tests.schemas.pages` writes docs/schemas/*.md.

A page says what each table is for and draws the tables with their links as a mermaid diagram. The test beside
this file holds the pages against the migrations, and the purposes against the tables.
"""

from __future__ import annotations

from pathlib import Path

import apsw

from tests.schemas.purposes import CONCERN_PURPOSES, PURPOSES
from tests.schemas.rows import CONCERNS, migrated

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "schemas"


def tables(connection: apsw.Connection) -> list[str]:
    """Our ordinary tables, in the order in which they were made."""
    return named(connection, "s.type = 'table' AND l.type = 'table'")


def views(connection: apsw.Connection) -> list[str]:
    return named(connection, "s.type = 'view'")


def text_indexes(connection: apsw.Connection) -> list[str]:
    return named(connection, "l.type = 'virtual'")


def named(connection: apsw.Connection, what: str) -> list[str]:
    rows = connection.execute(
        "SELECT s.name FROM sqlite_schema AS s JOIN pragma_table_list AS l ON l.schema = 'main' AND l.name = s.name"
        f" WHERE {what} AND s.name NOT LIKE 'sqlite~_%' ESCAPE '~' AND s.name <> '_migrations' ORDER BY s.rowid"
    )
    return [name for (name,) in rows]


def unique_sets(connection: apsw.Connection, table: str) -> list[list[str]]:
    """The columns of each key of the table, partial indexes left out."""
    indexes = connection.execute('SELECT name FROM pragma_index_list(?) WHERE "unique" AND NOT partial', (table,))
    return [
        [column for (column,) in connection.execute("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (index,))]
        for (index,) in indexes.fetchall()
    ]


def links(connection: apsw.Connection, table: str) -> list[tuple[str, list[str]]]:
    """(parent, columns) of each foreign key, in the order of the columns."""
    found: dict[int, tuple[str, list[str]]] = {}
    for number, parent, column in connection.execute(
        'SELECT id, "table", "from" FROM pragma_foreign_key_list(?) ORDER BY id DESC, seq', (table,)
    ):
        found.setdefault(number, (parent, []))[1].append(column)
    return list(found.values())


def entity(table: str) -> str:
    """The name of a table for mermaid, which wants a letter first or quotes."""
    return f'"{table}"' if table.startswith("_") else table


def diagram(connection: apsw.Connection) -> str:
    """The tables and their links, in mermaid's words."""
    lines = ["erDiagram"]
    for table in tables(connection):
        foreign = {column for _, columns in links(connection, table) for column in columns}
        uniques = unique_sets(connection, table)
        lines.append(f"    {entity(table)} {{")
        for name, kind, key in connection.execute(
            "SELECT name, type, pk FROM pragma_table_xinfo(?) ORDER BY cid", (table,)
        ).fetchall():
            marks = ["PK"] * (key > 0) + ["FK"] * (name in foreign) + ["UK"] * ([name] in uniques and not key)
            lines.append(f"        {kind} {name} {', '.join(marks)}".rstrip())
        lines.append("    }")
    for table in tables(connection):
        needed = {
            name for (name,) in connection.execute('SELECT name FROM pragma_table_info(?) WHERE "notnull"', (table,))
        }
        uniques = unique_sets(connection, table)
        for parent, columns in links(connection, table):
            one = "||" if set(columns) <= needed else "|o"
            many = "o|" if columns in uniques else "o{"
            lines.append(f'    {parent} {one}--{many} {table} : "{", ".join(columns)}"')
    return "\n".join(lines)


def page(concern: str) -> str:
    """The page of one schema."""
    connection = migrated(concern)
    try:
        parts = [f"# {concern}", CONCERN_PURPOSES[concern]]
        for title, names in (
            ("Tables", tables(connection)),
            ("Full-text indexes", text_indexes(connection)),
            ("Views", views(connection)),
        ):
            if names:
                parts.append(f"## {title}")
                rows = [f"| `{name}` | {PURPOSES[concern][name]} |" for name in names]
                parts.append("\n".join(["| name | what it is for |", "|---|---|", *rows]))
        parts += ["## Diagram", f"```mermaid\n{diagram(connection)}\n```"]
        parts.append(
            "Made from the migrations in `migrations/" + concern + "` by `python -m tests.schemas.pages`;"
            " a test keeps it current."
        )
    finally:
        connection.close()
    return "\n\n".join(parts) + "\n"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for concern in CONCERNS:
        (FOLDER / f"{concern}.md").write_text(page(concern), encoding="utf-8")


if __name__ == "__main__":
    main()
