"""The ledger: its tables are the format of the file, for years and for other programs."""

from __future__ import annotations

import apsw
import pytest

from multidb.errors import DatabaseNotEmptyError, DatabaseTooNewError
from multidb.schema import ledger as ledgers
from tests.schema.notes import Notes

UP = "CREATE TABLE a (x);"


def test_the_tables_have_the_columns_that_were_agreed(notes: Notes) -> None:
    """Seed 002's name and first three columns, then what a later run needs."""
    notes.write("001_initial.sql", UP)
    notes.up()

    columns = {
        table: [name for (name,) in notes.rows(f"SELECT name FROM pragma_table_info('{table}')")]
        for table in ("_migrations", "_migration_log", "_migration_meta", "schema_migrations")
    }

    assert {
        "_migrations": "version name applied_at label description checksum checksum_tokens execution_time_ms"
        " success kind compat down_sql down_checksum schema_hash applied_seq run_id tool",
        "_migration_log": "id at run_id action version name ok ms error host pid user tool sqlite",
        "_migration_meta": "key value",
        "schema_migrations": "version applied_at checksum description execution_time_ms success",
    } == {table: " ".join(names) for table, names in columns.items()}


def test_a_row_tells_all_of_its_file(notes: Notes) -> None:
    """Label, description, checksums, the way back with its options, the order of applying, who did it."""
    notes.write("003_first.sql", UP)
    notes.write(
        "007_second.sql",
        "-- Label: 1.1.0\n-- Description: more\n-- Compat: breaking\n-- Up\nCREATE TABLE b (x);\n"
        "-- Down foreign_keys:immediate\nDROP TABLE b;\n",
    )
    notes.up()

    first, second = notes.rows(
        "SELECT name, label, description, substr(checksum, 1, 7), substr(checksum_tokens, 1, 7), success, kind, compat,"
        " down_sql, substr(down_checksum, 1, 7), schema_hash, applied_seq, substr(tool, 1, 8) FROM _migrations"
    )

    assert ("first", None, None, "sha256:", "sha256:", 1, "sql", "additive", None, None, None, 1, "multidb ") == first
    assert ("second", "1.1.0", "more", "sha256:", "sha256:", 1, "sql", "breaking") == second[:8]
    assert ("-- Down foreign_keys:immediate\nDROP TABLE b;", "sha256:", None, 2, "multidb ") == second[8:]
    ((runs, whole),) = notes.rows("SELECT count(DISTINCT run_id), min(execution_time_ms) FROM _migrations")
    assert (1, True) == (runs, whole >= 0)
    assert [("up", 3, "first", 1, None), ("up", 7, "second", 1, None)] == notes.rows(
        "SELECT action, version, name, ok, error FROM _migration_log ORDER BY id"
    )


def test_the_file_says_whose_it_is(notes: Notes) -> None:
    """Its concern, the form of the ledger, and a name of its own."""
    notes.write("001_initial.sql", UP)
    notes.up()

    meta = dict(notes.rows("SELECT key, value FROM _migration_meta"))

    assert {"database", "format", "uuid"} == set(meta)
    assert ("notes", "1", 36) == (meta["database"], meta["format"], len(meta["uuid"]))


def test_the_view_shows_the_ledger_in_seed_004s_words(notes: Notes) -> None:
    """Its readers see label and description; its writers are told what to do instead."""
    notes.write("001_initial.sql", f"-- Label: 1.0.0\n-- Description: the first\n-- Up\n{UP}")
    notes.write("002_more.sql", "CREATE TABLE b (x);")
    notes.up()

    rows = notes.rows("SELECT version, description, success FROM schema_migrations ORDER BY applied_at, version")

    assert [("1.0.0", "the first", 1), ("2", "more", 1)] == rows
    for statement in (
        "INSERT INTO schema_migrations (version) VALUES ('3')",
        "UPDATE schema_migrations SET success = 0",
        "DELETE FROM schema_migrations",
    ):
        with pytest.raises(apsw.ConstraintError, match="multidb migrate"):
            notes.run(statement)


def test_readers_and_writers_of_seed_002_go_on(notes: Notes) -> None:
    """Their INSERT of a version and a name works, and the rest has its defaults."""
    notes.write("001_initial.sql", UP)
    notes.up()
    notes.run("INSERT INTO _migrations (version, name) VALUES (2, 'theirs')")

    assert [(2, "theirs", 1, "sql", "additive", None)] == notes.rows(
        "SELECT version, name, success, kind, compat, checksum FROM _migrations WHERE version > 1 AND applied_at > '2'"
    )
    notes.write("002_theirs.sql", "CREATE TABLE b (x);")
    assert () == notes.up()


@pytest.mark.parametrize(
    "columns",
    [
        "id INTEGER PRIMARY KEY, version TEXT, description TEXT",
        "version INTEGER PRIMARY KEY, name TEXT, applied_at TEXT",
    ],
    ids=["tempolite's", "seed 002's"],
)
@pytest.mark.parametrize("name", ["_migrations", "_Migrations"])
def test_a_table_of_that_name_and_another_shape_is_not_ours(notes: Notes, name: str, columns: str) -> None:
    """Told apart by its columns, refused by name, and left as it is."""
    notes.write("001_initial.sql", UP)
    with notes.database():
        pass
    notes.run(f"CREATE TABLE {name} ({columns})")
    before = notes.everything()

    error = notes.fails()

    assert isinstance(error, DatabaseNotEmptyError)
    assert "has a table _migrations of another shape" in error.message
    assert before == notes.everything()
    with notes.migrator() as migrator:
        assert isinstance(migrator.status().error, DatabaseNotEmptyError)
        assert [] == migrator.database.many("SELECT * FROM _migrations")


def test_a_ledger_of_a_later_form_is_not_touched(notes: Notes) -> None:
    """What this program does not understand it does not write."""
    notes.write("001_initial.sql", UP)
    notes.up()
    notes.run("UPDATE _migration_meta SET value = '2' WHERE key = 'format'")

    with notes.open() as dbs:
        assert "failed" == dbs["notes"].state
        assert isinstance(dbs["notes"].error, DatabaseTooNewError)


def test_a_label_stands_in_the_ledger_once(notes: Notes) -> None:
    """No label may be many times."""
    for version in (1, 2):
        notes.write(f"00{version}_x.sql", f"CREATE TABLE t{version} (x);")
    notes.up()

    with pytest.raises(apsw.ConstraintError):
        notes.run("UPDATE _migrations SET label = '1.0'")


def test_reading_a_file_that_nobody_migrated_changes_nothing() -> None:
    """No table is made by a look."""
    connection = apsw.Connection(":memory:")

    def ask(sql: str, params: object = ()) -> list[tuple[object, ...]]:
        return connection.execute(sql, params).fetchall()  # type: ignore[arg-type]

    ledger = ledgers.read(ask, "notes")

    assert (None, (), False, True, 0, 0) == (
        ledger.database,
        ledger.records,
        ledger.is_there,
        ledger.is_empty,
        ledger.head,
        ledger.last_seq,
    )
    assert [] == ask("SELECT * FROM sqlite_schema")
    connection.close()
