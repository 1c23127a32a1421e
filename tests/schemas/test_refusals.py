"""What every table of all eight schemas refuses: each CHECK, each NOT NULL, each JSON column and each type.

The list is read from the live schemas, so that a rule which nobody has thought of a wrong value for fails here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

import multidb
from multidb import Database
from tests.schemas.rows import CONCERNS

Filled = Callable[[str], Database]

RULE = re.compile(r'CONSTRAINT "((\w+)\.(\w+) ([^"]+))"\s+CHECK')

WRONG_BY_KIND: dict[str, tuple[object, ...]] = {
    r"is not empty": ("",),
    r"is RFC 3339 UTC with milliseconds": (
        "2026-01-01 00:00:00",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.000+00:00",
        "2026-02-30T00:00:00.000Z",
        "now",
        "",
    ),
    r"is JSON": ("", "{", "{a: 1}", "[1,]", "nan"),
    r"is a JSON array": ("", "[1,]", "{}", "1"),
    r"is a JSON object": ("", "{", "[]", "1"),
    r"is not negative": (-1,),
    r"is positive": (0, -1),
    r"is 0 or 1": (2, -1),
    r"is -?\d+ to \d+": (-2, 5000),
    r"is .* or \w+": ("no such word", ""),
    r"is one of the \w+ kinds of \w+": ("no such word", ""),
    r"is 64 lower-case hexadecimal digits": ("ABC", "a" * 63, "A" * 64, "g" * 64),
    r"has 4 bytes for each dimension": (b"", b"abc", bytes(4 * 1536 - 1), bytes(4 * 768 + 1)),
}
"""Values that break a rule, by what the rule says after table and column."""

WRONG_BY_RULE: dict[str, tuple[str, ...]] = {
    "messages.parent_id is another message": ("parent_id = id",),
    "tool_calls.completed_at is not before started_at": (
        "started_at = '2026-01-02T00:00:00.000Z', completed_at = '2026-01-01T00:00:00.000Z'",
    ),
    "snapshot_objects.content or storage_path has the bytes": ("content = NULL, storage_path = NULL",),
    "snapshot_objects.content is as long as size_bytes says": ("content = x'00'", "size_bytes = 7"),
    "queue_entries.resolution_width and resolution_height come together": ("resolution_width = 64",),
    "queue_entries.target_images is set where execution_mode is target": ("execution_mode = 'target'",),
    "jobs.finished_at is not before started_at": (
        "started_at = '2026-01-02T00:00:00.000Z', finished_at = '2026-01-01T00:00:00.000Z'",
    ),
    "batches.completed_at is not before started_at": (
        "started_at = '2026-01-02T00:00:00.000Z', completed_at = '2026-01-01T00:00:00.000Z'",
    ),
    "credentials.nonce has at least 12 bytes": ("nonce = zeroblob(11)",),
    "credentials.ciphertext has at least the 16 bytes of its seal": ("ciphertext = zeroblob(15)",),
    "workflow_mappings.parent_workflow_id is another workflow": ("parent_workflow_id = tempolite_workflow_id",),
    "workflow_performance.end_time is not before start_time": ("end_time = '2000-01-01T00:00:00.000Z'",),
    "workflow_analytics.date is a day of the calendar": ("date = '2026-02-30'", "date = '2026-1-1'", "date = 'now'"),
    "task_dependencies.depends_on_task_id is another task": ("depends_on_task_id = task_id",),
    "micro_tasks.parent_task_id is another task": ("parent_task_id = id",),
}
"""Changes that break a rule which speaks of more than one column, or of one kind of thing only."""


def rules(db: Database) -> list[tuple[str, str, str, str]]:
    """(rule, table, column, what it says) of every CHECK of the live schema."""
    found = []
    for (sql,) in db.many(r"SELECT sql FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%STRICT'"):
        found += RULE.findall(sql)
    return found


def wrong(rule: str, table: str, column: str, says: str) -> list[tuple[str, tuple[object, ...]]]:
    """Statements that break the rule."""
    if rule in WRONG_BY_RULE:
        return [(f'UPDATE "{table}" SET {change}', ()) for change in WRONG_BY_RULE[rule]]
    if kept := re.fullmatch(r"keeps the (\w+) where it is unknown", says):
        return [
            (f"UPDATE \"{table}\" SET {kept[1]} = 'unknown', extra = ?", (extra,))
            for extra in (None, "{}", f'{{"{kept[1]}": null}}')
        ]
    for pattern, values in WRONG_BY_KIND.items():
        if re.fullmatch(pattern, says):
            return [(f'UPDATE "{table}" SET "{column}" = ?', (value,)) for value in values]
    raise AssertionError(f"no wrong value is known for {rule!r}")


def refusal(db: Database, sql: str, params: tuple[object, ...]) -> multidb.ConstraintError:
    """The error of a statement that has to fail and to leave nothing."""
    with pytest.raises(multidb.ConstraintError) as caught, db.write() as w:
        w.execute(sql, params)
    return caught.value


def contents(db: Database) -> dict[str, list[Any]]:
    names = db.many("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%STRICT' ORDER BY name")
    return {name: db.many(f'SELECT * FROM "{name}"') for (name,) in names}


@pytest.mark.parametrize("concern", CONCERNS)
def test_every_check_refuses_what_it_should_by_its_name(concern: str, filled: Filled) -> None:
    """The error carries the table, the column and the rule as fields, and nothing has changed."""
    db = filled(concern)
    before = contents(db)
    assert rules(db)

    for rule, table, column, says in rules(db):
        for sql, params in wrong(rule, table, column, says):
            error = refusal(db, sql, params)
            assert ("check", table, (column,), rule) == (error.kind, error.table, error.columns, error.constraint), sql
            assert rule in str(error)

    assert before == contents(db)


@pytest.mark.parametrize("concern", CONCERNS)
def test_every_column_that_must_be_there_refuses_null(concern: str, filled: Filled) -> None:
    """NULL is refused in every NOT NULL column, keys of text included, with table and column as fields."""
    db = filled(concern)
    columns = db.many(
        "SELECT m.name, c.name FROM sqlite_schema AS m, pragma_table_xinfo(m.name) AS c"
        " WHERE m.type = 'table' AND m.sql LIKE '%STRICT' AND c.\"notnull\" AND c.hidden = 0"
    )
    assert columns

    for table, column in columns:
        error = refusal(db, f'UPDATE "{table}" SET "{column}" = NULL', ())
        assert ("not_null", table, (column,)) == (error.kind, error.table, error.columns)


@pytest.mark.parametrize("concern", CONCERNS)
def test_every_column_keeps_to_its_type(concern: str, filled: Filled) -> None:
    """Nothing is turned into something else on the way in: text stays text, 2.5 is no priority."""
    strangers = {"INTEGER": ("x", 2.5), "REAL": ("x", b"x"), "BLOB": ("x", 1), "TEXT": (b"x",)}
    db = filled(concern)
    columns = db.many(
        "SELECT m.name, c.name, c.type FROM sqlite_schema AS m, pragma_table_xinfo(m.name) AS c"
        " WHERE m.type = 'table' AND m.sql LIKE '%STRICT' AND c.hidden = 0"
    )

    for table, column, kind in columns:
        for value in strangers[kind]:
            error = refusal(db, f'UPDATE "{table}" SET "{column}" = ?', (value,))
            if column not in ("pk", "id") or kind == "TEXT":
                assert ("datatype", table, (column,)) == (error.kind, error.table, error.columns), value
            else:
                assert "datatype" == error.kind


NUMBERS_KEPT_AS_TEXT = ("007", "1e5", "12345678901234567890", "1.10", "2025", "true")


@pytest.mark.parametrize(
    ("concern", "table", "column"),
    [
        ("openagents", "tasks", "assignee"),
        ("devstream", "intervention_plans", "title"),
        ("episodic", "steps", "result"),
        ("coordination", "agent_assignments", "step_name"),
    ],
)
def test_text_that_looks_like_a_number_stays_text(concern: str, table: str, column: str, filled: Filled) -> None:
    """D0.15: with NUMERIC affinity '007' becomes 7 and a number of 20 digits loses its end."""
    db = filled(concern)
    for text in NUMBERS_KEPT_AS_TEXT:
        db.execute(f"UPDATE {table} SET {column} = ?", (text,))

        assert {(text,)} == set(db.many(f"SELECT {column} FROM {table}"))


@pytest.mark.parametrize(
    ("concern", "sql"),
    [
        ("openagents", "UPDATE task_dependencies SET depends_on_task_id = 'oa-404' WHERE dependency_type = 'blocks'"),
        ("devstream", "UPDATE phases SET plan_id = 'PLAN-404'"),
        ("devstream", "DELETE FROM hooks"),
        ("devstream", "DELETE FROM work_sessions"),
        ("episodic", "UPDATE steps SET episode_id = 'e404'"),
        ("imagegen", "UPDATE queue_entries SET group_id = 'g404'"),
        ("code", "DELETE FROM snapshot_objects"),
        ("chat", "INSERT INTO likes (message_id) VALUES ('m404')"),
        (
            "coordination",
            "INSERT INTO poc_results (id, workflow_id, implementation_type, language)"
            " VALUES ('p9', 'w404', 'module', 'Go')",
        ),
    ],
)
def test_no_row_hangs_in_the_air(concern: str, sql: str, filled: Filled) -> None:
    """D0.12: a link leads to a row, in every connection, and what others need is not taken away."""
    db = filled(concern)
    before = contents(db)

    assert "foreign_key" == refusal(db, sql, ()).kind
    assert before == contents(db)
