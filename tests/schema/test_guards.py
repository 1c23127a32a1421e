"""What a migration may not lose in silence: children of a rebuilt parent, rows, indexes, triggers, views."""

from __future__ import annotations

from typing import Any

import apsw
import pytest

from multidb import Tuning
from multidb.engine.migrating import Migrating
from multidb.errors import ForeignKeyViolationError, LostObjectsError, MigrationFailedError, RowLossError
from tests.schema.notes import Notes

BASE = """
CREATE TABLE chats (id INTEGER PRIMARY KEY, title TEXT);
CREATE INDEX chats_title ON chats (title);
CREATE TABLE messages (id INTEGER PRIMARY KEY, chat INTEGER REFERENCES chats ON DELETE CASCADE, text TEXT);
CREATE INDEX messages_chat ON messages (chat);
CREATE TABLE pins (chat INTEGER REFERENCES chats (id) ON DELETE SET NULL);
CREATE TABLE tags (chat REFERENCES chats, tag TEXT, PRIMARY KEY (chat, tag)) WITHOUT ROWID;
CREATE TABLE log (entry TEXT);
CREATE TRIGGER chats_deleted AFTER DELETE ON chats BEGIN INSERT INTO log VALUES (old.title); END;
CREATE VIEW titles AS SELECT entry AS title FROM log;
CREATE TRIGGER titles_insert INSTEAD OF INSERT ON titles BEGIN INSERT INTO log VALUES (new.title); END;
"""
ROWS = (
    "INSERT INTO chats VALUES (1, 'one'), (2, 'two'), (7, 'seven')",
    "INSERT INTO messages VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c')",
    "INSERT INTO pins VALUES (1), (7)",
    "INSERT INTO tags VALUES (1, 'x'), (2, 'y')",
)
AGAIN = """
CREATE INDEX chats_title ON chats (title);
CREATE TRIGGER chats_deleted AFTER DELETE ON chats BEGIN INSERT INTO log VALUES (old.title); END;
"""


def rebuilt(where: str = "", again: str = AGAIN) -> str:
    """SQLite's own recipe: new table, copy, drop, rename."""
    return f"""
CREATE TABLE new (id INTEGER PRIMARY KEY, title TEXT, extra TEXT);
INSERT INTO new (id, title) SELECT id, title FROM chats {where};
DROP TABLE chats;
ALTER TABLE new RENAME TO chats;
{again}"""


def old_first(again: str = AGAIN, columns: str = "id, title") -> str:
    """The recipe that SQLite warns of: rename, new table, copy, drop."""
    return f"""
ALTER TABLE chats RENAME TO old;
CREATE TABLE chats (id INTEGER PRIMARY KEY, title TEXT);
INSERT INTO chats SELECT {columns} FROM old;
DROP TABLE old;
{again}"""


@pytest.fixture
def notes(notes: Notes) -> Notes:
    """The concern with parents, children, a trigger and a view, and rows in all of them."""
    notes.write("001_initial.sql", BASE)
    notes.up()
    notes.run(*ROWS)
    return notes


def migrate(notes: Notes, text: str, options: str = "") -> Any:
    """The error of a migration with this text, or None; after an error everything is as it was."""
    notes.write("002_more.sql", f"-- Up{options}\n{text}")
    before = notes.everything()
    try:
        notes.up()
    except MigrationFailedError as error:
        assert before == notes.everything()
        return error
    return None


# Rebuilding a parent


@pytest.mark.parametrize("options", ["", " foreign_keys:deferred", " foreign_keys:unchecked"])
def test_a_rebuilt_parent_keeps_its_children(notes: Notes, options: str) -> None:
    """With foreign keys on, DROP TABLE deletes the rows that cascade and clears those that are set to NULL."""
    assert migrate(notes, rebuilt(), options) is None

    assert [(3, 2, 2)] == notes.rows(
        "SELECT (SELECT count(*) FROM messages), count(chat), (SELECT count(*) FROM tags) FROM pins"
    )
    assert [("chats", "one", None)] == notes.rows("SELECT 'chats', title, extra FROM chats WHERE id = 1")
    assert [] == notes.rows("PRAGMA foreign_key_check")


@pytest.mark.parametrize("fix", ["", "PRAGMA foreign_keys = OFF;", "PRAGMA defer_foreign_keys = ON;"])
def test_with_enforcement_left_on_the_loss_of_children_is_noticed(notes: Notes, fix: str) -> None:
    """Neither pragma helps inside a transaction: the children go, and the migration with them."""
    notes.run("DELETE FROM tags", "DELETE FROM pins")

    error = migrate(notes, fix + rebuilt(), " foreign_keys:immediate")

    assert isinstance(error, RowLossError)
    assert {"messages": 3} == error.rows


def test_rows_that_are_not_copied_are_noticed(notes: Notes) -> None:
    """No statement deletes them, and one is missing."""
    error = migrate(notes, rebuilt("WHERE id < 7"))

    assert isinstance(error, RowLossError)
    assert {"chats": 1} == error.rows
    assert "allow:row-loss" in (error.hint or "")


def test_rows_may_be_left_behind_on_purpose(notes: Notes) -> None:
    """But not those that others refer to, unless that is said, too."""
    assert isinstance(migrate(notes, rebuilt("WHERE id < 7"), " allow:row-loss"), ForeignKeyViolationError)
    assert migrate(notes, "DELETE FROM pins;" + rebuilt("WHERE id < 7"), " allow:row-loss") is None
    assert [(2,)] == notes.rows("SELECT count(*) FROM chats")


def test_rows_that_are_deleted_by_name_are_not_lost(notes: Notes) -> None:
    """A DELETE is a wish, and so is what a trigger or a cascade of it deletes."""
    assert (
        migrate(notes, "DELETE FROM chats WHERE id = 1;", " foreign_keys:immediate") is not None
    )  # tags has no cascade
    assert migrate(notes, "DELETE FROM tags; DELETE FROM chats WHERE id = 1;", " foreign_keys:immediate") is None
    assert [(1,)] == notes.rows("SELECT count(*) FROM messages")


@pytest.mark.parametrize("options", ["", " legacy_alter:on"])
def test_renaming_the_old_table_first_is_noticed_where_it_harms(notes: Notes, options: str) -> None:
    """SQLite points the children at the old name, which is dropped; only with legacy_alter they stay."""
    error = migrate(notes, old_first(), options)

    if options:
        assert error is None
        assert [] == notes.rows("PRAGMA foreign_key_check")
    else:
        assert isinstance(error, ForeignKeyViolationError)
        assert {"messages -> old (key 0)": 3, "pins -> old (key 0)": 2, "tags -> old (key 0)": 2} == error.violations


def test_new_keys_for_old_rows_are_noticed(notes: Notes) -> None:
    """As many rows as before, and nobody's children."""
    error = migrate(notes, old_first(columns="id + 100, title"), " legacy_alter:on")

    assert isinstance(error, ForeignKeyViolationError)
    assert {"messages -> chats (key 0)": 3, "pins -> chats (key 0)": 2, "tags -> chats (key 0)": 2} == error.violations


def test_a_view_on_a_rebuilt_table_needs_care(notes: Notes) -> None:
    """DROP and RENAME fail while a view names the table; legacy_alter, or the view made again, lets them pass."""
    text = "CREATE TABLE new (entry TEXT, at TEXT); INSERT INTO new (entry) SELECT entry FROM log;"
    text += "DROP TABLE log; ALTER TABLE new RENAME TO log;"
    notes.run("DROP TRIGGER chats_deleted", "DROP TRIGGER titles_insert")

    error = migrate(notes, text)
    assert error is not None
    assert "error in view titles: no such table" in error.message
    assert "legacy_alter:on" in (error.hint or "")
    assert migrate(notes, text, " legacy_alter:on") is None


# Foreign keys


@pytest.mark.parametrize(
    ("text", "violations"),
    [
        ("INSERT INTO messages (chat) VALUES (99), (98);", {"messages -> chats (key 0)": 2}),
        ("UPDATE messages SET chat = 99 WHERE id = 1;", {"messages -> chats (key 0)": 1}),
        ("DELETE FROM chats WHERE id = 7;", {"pins -> chats (key 0)": 1}),
        ("UPDATE chats SET id = 8 WHERE id = 7;", {"pins -> chats (key 0)": 1}),
        ("INSERT INTO tags VALUES (99, 'z');", {"tags -> chats (key 0)": 1}),
        ("CREATE TABLE n (chat INTEGER REFERENCES chats); INSERT INTO n VALUES (99);", {"n -> chats (key 0)": 1}),
        ("ALTER TABLE log ADD COLUMN chat REFERENCES chats DEFAULT 99; INSERT INTO log (entry) VALUES ('x');",
         {"log -> chats (key 0)": 1}),
        ("CREATE TRIGGER t AFTER INSERT ON log BEGIN DELETE FROM chats WHERE id = 7; END; INSERT INTO log VALUES (1);",
         {"pins -> chats (key 0)": 1}),
    ],
)  # fmt: skip
def test_every_way_to_break_a_foreign_key_is_noticed(notes: Notes, text: str, violations: dict[str, int]) -> None:
    """Enforcement is off while the statements run; the count before the commit is what holds."""
    error = migrate(notes, text)

    assert isinstance(error, ForeignKeyViolationError)
    assert violations == error.violations
    assert migrate(notes, text, " foreign_keys:unchecked") is None


def test_a_default_that_points_nowhere_is_noticed(notes: Notes) -> None:
    """ADD COLUMN with REFERENCES gives every row there is a parent."""
    notes.run("INSERT INTO log VALUES ('x')")

    error = migrate(notes, "ALTER TABLE log ADD COLUMN chat REFERENCES chats DEFAULT 99;")

    assert {"log -> chats (key 0)": 1} == error.violations


def test_a_row_that_replace_throws_out_is_noticed(notes: Notes) -> None:
    """REPLACE deletes the row that is in its way and tells nobody: a parent of others, or one row of the table."""
    notes.run("CREATE UNIQUE INDEX chats_once ON chats (title)")

    error = migrate(notes, "INSERT OR REPLACE INTO chats VALUES (8, 'seven');")
    assert {"pins -> chats (key 0)": 1} == error.violations
    error = migrate(notes, "UPDATE OR REPLACE chats SET title = 'one' WHERE id = 2;")
    assert {"chats": 1} == error.rows
    error = migrate(notes, "REPLACE INTO chats VALUES (1, 'new');", " foreign_keys:immediate")
    assert error is not None


def test_a_table_that_replaces_by_itself_is_noticed(notes: Notes) -> None:
    """ON CONFLICT REPLACE stands in the schema, not in the statement."""
    notes.run("CREATE TABLE once (k UNIQUE ON CONFLICT REPLACE, v)", "INSERT INTO once VALUES (1, 1), (2, 2)")

    error = migrate(notes, "UPDATE once SET k = 1 WHERE k = 2;")

    assert {"once": 1} == error.rows


def test_violations_that_were_there_may_stay(notes: Notes) -> None:
    """Or the migration that repairs some of them could not run."""
    notes.run(
        "PRAGMA foreign_keys = OFF",
        "INSERT INTO messages (chat) VALUES (90), (91)",
        "INSERT INTO tags VALUES (92, 'z')",
    )

    assert (
        migrate(notes, rebuilt() + "DELETE FROM messages WHERE chat = 90; INSERT INTO tags VALUES (1, 'new');") is None
    )
    assert [("messages", 1), ("tags", 1)] == notes.rows(
        'SELECT "table", count(*) FROM pragma_foreign_key_check GROUP BY 1 ORDER BY 1'
    )


def test_one_violation_more_than_there_were_is_noticed(notes: Notes) -> None:
    """By count and not by row: a rebuild may number rows anew."""
    notes.run("PRAGMA foreign_keys = OFF", "INSERT INTO messages (chat) VALUES (90)")

    error = migrate(notes, "UPDATE messages SET id = id + 50; INSERT INTO messages (chat) VALUES (91);")

    assert {"messages -> chats (key 0)": 1} == error.violations


def test_a_parents_key_that_is_no_key_any_more_is_noticed(notes: Notes) -> None:
    """Dropping the index under it makes every later change of the children fail with "foreign key mismatch"."""
    notes.run(
        "CREATE TABLE people (name TEXT)",
        "CREATE UNIQUE INDEX people_name ON people (name)",
        "CREATE TABLE mails (person REFERENCES people (name))",
        "INSERT INTO people VALUES ('ada')",
    )

    error = migrate(notes, "DROP INDEX people_name;")

    assert isinstance(error, ForeignKeyViolationError)
    assert "foreign key mismatch" in error.message


def test_a_key_that_cannot_be_checked_before_may_stay_so(notes: Notes) -> None:
    """A mismatch, or a parent that does not exist, is counted and not raised."""
    notes.run(
        "PRAGMA foreign_keys = OFF",
        "CREATE TABLE people (name TEXT)",
        "CREATE TABLE mails (person REFERENCES people (name), box REFERENCES boxes)",
        "INSERT INTO mails VALUES ('ada', 1)",
    )

    assert migrate(notes, "INSERT INTO mails VALUES ('bob', NULL); INSERT INTO people VALUES ('bob');") is None


def test_a_database_without_enforcement_is_not_checked(notes: Notes) -> None:
    """Where the concern's tuning has foreign keys off, they are no rule."""
    free = Notes(notes.root, notes.folder, {"tuning": Tuning(foreign_keys=False)})

    assert migrate(free, "INSERT INTO messages (chat) VALUES (99);") is None


def test_a_deferred_key_is_noticed_before_the_commit(notes: Notes) -> None:
    """With enforcement on, too: the error has a name and counts, not only "FOREIGN KEY constraint failed"."""
    notes.run("CREATE TABLE later (chat REFERENCES chats DEFERRABLE INITIALLY DEFERRED)")

    error = migrate(notes, "INSERT INTO later VALUES (99);", " foreign_keys:immediate")

    assert {"later -> chats (key 0)": 1} == error.violations


# Indexes, triggers, views


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        (rebuilt(again=""), ("index chats_title", "trigger chats_deleted")),
        (rebuilt(again="CREATE INDEX chats_title ON chats (title);"), ("trigger chats_deleted",)),
        (old_first(again=""), ("index chats_title", "trigger chats_deleted")),
        ("DROP VIEW titles; CREATE VIEW titles AS SELECT entry AS title FROM log;", ("trigger titles_insert",)),
    ],
)
def test_what_goes_with_a_table_that_is_made_again_is_noticed(
    notes: Notes, text: str, objects: tuple[str, ...]
) -> None:
    """SQLite drops indexes and triggers with their table without a word."""
    error = migrate(notes, text)

    assert isinstance(error, LostObjectsError)
    assert objects == error.objects
    assert error is not None and "allow:lost-objects" in (error.hint or "")


def test_what_is_dropped_by_name_is_not_lost(notes: Notes) -> None:
    """An index that nobody wants any more; a table for good, with all that belongs to it."""
    notes.run("DROP VIEW titles", "DROP TRIGGER chats_deleted")

    assert migrate(notes, "DROP INDEX chats_title;" + rebuilt(again="") + "DROP TABLE log;") is None


def test_losing_objects_can_be_allowed(notes: Notes) -> None:
    """By the marker, for this one migration."""
    assert migrate(notes, rebuilt(again=""), " allow:lost-objects") is None


def test_a_view_that_cannot_be_read_is_noticed(notes: Notes) -> None:
    """It can be made; every SELECT of it fails, and every later ALTER of any table."""
    error = migrate(notes, "CREATE VIEW bad AS SELECT nosuch FROM chats;")
    assert "it would leave a view that cannot be read: bad: no such column: nosuch" in error.message
    assert "no such table: main.log" in migrate(notes, "DROP TRIGGER chats_deleted; DROP TABLE log;").message


def test_a_view_that_was_broken_before_does_not_stand_in_the_way(notes: Notes) -> None:
    """It names a column that its table never had: not this migration's doing."""
    notes.run("CREATE VIEW broken AS SELECT nosuch FROM log")

    assert migrate(notes, "CREATE VIEW good AS SELECT title FROM chats; DROP INDEX chats_title;") is None


# What it costs


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE more (x); CREATE INDEX more_x ON more (x); CREATE VIEW v AS SELECT x FROM more;",
        "ALTER TABLE chats ADD COLUMN extra;",
        "INSERT INTO chats VALUES (9, 'nine'); UPDATE messages SET text = upper(text); DELETE FROM tags;",
        "DROP INDEX chats_title; DROP TRIGGER chats_deleted;",
    ],
)
def test_what_a_script_does_not_touch_costs_nothing(notes: Notes, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state before is asked for only where something could have been lost."""

    def refuse(self: Migrating, sql: str, params: object = ()) -> list[tuple[Any, ...]]:
        raise AssertionError(sql)

    monkeypatch.setattr(Migrating, "ask_committed", refuse)

    assert migrate(notes, text) is None


def test_fts_and_shadow_tables_are_not_counted(notes: Notes) -> None:
    """A full-text index that is made again has other rows in its own tables; that is no loss."""
    notes.write(
        "002_fts.sql", "CREATE VIRTUAL TABLE words USING fts5(text); INSERT INTO words SELECT text FROM messages;"
    )
    notes.up()
    notes.write("003_again.sql", "DROP TABLE words; CREATE VIRTUAL TABLE words USING fts5(text, tokenize='porter');")

    assert (3,) == notes.up()


def test_names_that_need_quotes_are_counted_like_others(notes: Notes) -> None:
    """A quote, a space, a letter of another alphabet, a keyword."""
    for name in ('we"ird', "two words", "größe", "select"):
        quoted = '"' + name.replace('"', '""') + '"'
        notes.run(f"CREATE TABLE {quoted} (x REFERENCES chats)", f"INSERT INTO {quoted} VALUES (1), (2)")
        copy = f"CREATE TABLE n (x); INSERT INTO n SELECT x FROM {quoted} LIMIT 1;"

        error = migrate(notes, f"{copy} DROP TABLE {quoted}; ALTER TABLE n RENAME TO {quoted};")
        assert {name: 1} == error.rows
        error = migrate(notes, f"INSERT INTO {quoted} VALUES (99);")
        assert {f"{name} -> chats (key 0)": 1} == error.violations


def test_the_second_connection_is_closed(notes: Notes) -> None:
    """Whether the migration succeeds or not."""
    known = len(apsw.connections())

    migrate(notes, rebuilt("WHERE id < 7"))

    assert known == len(apsw.connections())
