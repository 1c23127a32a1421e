"""Every full-text index of the eight schemas agrees with its table, whatever is done to the table."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from multidb import Concern, ConstraintError, Database
from tests.schemas.rows import CONCERNS, migrated

WORDS = ("alpha", "bravo", "kilo", "tango", "C++", "it's", "日本", "naïve")
ROUNDS = 4_000


@attrs.frozen
class Indexed:
    """A full-text index: `text` are the columns that are searched, `given` what a row needs besides."""

    concern: str
    index: str
    table: str
    text: tuple[str, ...]
    key: str = "pk"
    name: str = "id"
    given: dict[str, object] = attrs.field(factory=dict)
    before: str | None = None
    is_json: bool = False
    reads_its_table: bool = True


INDEXES = (
    Indexed(
        "chat",
        "messages_fts",
        "messages",
        ("content",),
        given={"chat_id": "home", "role": "user"},
        before="INSERT INTO chats (id, title) VALUES ('home', '')",
    ),
    Indexed(
        "code",
        "transcript_fts",
        "transcript_entries",
        ("content",),
        given={"session_id": "home", "type": "user_input"},
        before="INSERT INTO sessions (id, project_path) VALUES ('home', '')",
    ),
    Indexed("imagegen", "images_fts", "images", ("prompt", "notes"), name="path", given={"id": "?", "model": ""}),
    Indexed(
        "openagents",
        "tasks_fts",
        "tasks",
        ("title", "description"),
        given={"status": "open", "priority": 1, "type": "task"},
    ),
    Indexed(
        "openagents",
        "trajectories_fts",
        "trajectories",
        ("trajectory",),
        name="session_id",
        given={"schema_version": "", "agent_name": "", "step_count": 1},
        is_json=True,
        reads_its_table=False,
    ),
    Indexed(
        "openagents",
        "memories_fts",
        "memories",
        ("description", "content"),
        given={"memory_type": "episodic", "scope": "project", "status": "active"},
        is_json=True,
    ),
    Indexed(
        "openagents",
        "run_logs_fts",
        "run_logs",
        ("message",),
        key="id",
        name="task_id",
        given={"run_id": "", "level": "info"},
    ),
    Indexed("devstream", "fts_semantic_memory", "semantic_memory", ("content",), given={"content_type": "code"}),
    Indexed("episodic", "episodes_fts", "episodes", ("context", "task_type"), given={"domain": "web"}),
)


def test_no_index_is_forgotten_here() -> None:
    """Every FTS5 table of every schema stands in the list above."""
    found = set()
    for concern in CONCERNS:
        connection = migrated(concern)
        found |= {
            (concern, name)
            for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE sql LIKE '%USING fts5%'")
        }
        connection.close()

    assert {(one.concern, one.index) for one in INDEXES} == found


def shake(one: Indexed, execute: Callable[[str, Any], object], seed: int) -> None:
    """Insert, replace, ignore, upsert, update, renumber, rename and delete at random."""
    chance = random.Random(seed)
    names = [one.name, *one.text, *one.given]
    marks = ", ".join(f":{name}" for name in names)
    insert = f"INTO {one.table} ({', '.join(names)}) VALUES ({marks})"
    texts = ", ".join(f"{name} = excluded.{name}" for name in one.text)
    changes = [
        f"INSERT {insert}",
        f"INSERT OR REPLACE {insert}",
        f"INSERT OR IGNORE {insert}",
        *([f"INSERT {insert} ON CONFLICT ({one.name}) DO UPDATE SET {texts}"] if one.key == "pk" else []),
        *(f"UPDATE {one.table} SET {column} = :{column} WHERE {one.name} = :{one.name}" for column in one.text),
        f"UPDATE OR REPLACE {one.table} SET {one.key} = :number WHERE {one.name} = :{one.name}",
        f"UPDATE OR REPLACE {one.table} SET {one.name} = :other WHERE {one.name} = :{one.name}",
        f"UPDATE OR IGNORE {one.table} SET {one.key} = :number WHERE {one.name} = :{one.name}",
        f"DELETE FROM {one.table} WHERE {one.name} = :{one.name}",
    ]

    def text(column: str) -> str:
        words = " ".join(chance.choices(WORDS, k=chance.randrange(1, 6)))
        return f'{{"steps": [{{"message": "{words}"}}]}}' if one.is_json and column != "description" else words

    for _ in range(ROUNDS):
        change = chance.choice(changes)
        values: dict[str, object] = {
            one.name: f"k{chance.randrange(60)}",
            "other": f"k{chance.randrange(60)}",
            "number": chance.randrange(1, 90),
            **one.given,
            **{column: text(column) for column in one.text},
        }
        if one.given.get("id") == "?":
            values["id"] = values[one.name]
        try:
            execute(change, {name: values[name] for name in re.findall(r":(\w+)", change)})
        except ConstraintError:
            pass  # a key that is there already: the statement is undone, the index too


@pytest.mark.parametrize("one", INDEXES, ids=lambda one: one.index)
def test_an_index_agrees_with_its_table_after_4000_changes_and_a_vacuum(
    one: Indexed, opened: Callable[[Concern], Database]
) -> None:
    """REPLACE, UPSERT and new numbers included, it has neither ghosts nor gaps, before a VACUUM and after."""
    db = opened(Concern(one.concern))
    with db.write() as w:
        if one.before:
            w.execute(one.before)
        shake(one, w.execute, seed=7)
    agree(one, db)

    db.vacuum()

    agree(one, db)


def agree(one: Indexed, db: Database) -> None:
    """Compare the index with its table, by FTS5's own check and word by word."""
    db.execute(f"INSERT INTO {one.index} ({one.index}, rank) VALUES ('integrity-check', 1)")
    assert 10 < db.scalar(f"SELECT count(*) FROM {one.table}") == db.scalar(f"SELECT count(*) FROM {one.index}_docsize")
    haystack = " || ' ' || ".join(f"coalesce({column}, '')" for column in one.text)
    for word in WORDS[:4]:
        expected = db.many(f"SELECT {one.key} FROM {one.table} WHERE {haystack} LIKE ? ORDER BY 1", (f"%{word}%",))
        assert expected
        assert expected == db.many(f"SELECT rowid FROM {one.index} WHERE {one.index} MATCH ? ORDER BY 1", (word,))
    if not one.reads_its_table:
        assert db.many("SELECT pk, content FROM trajectories_text ORDER BY pk") == db.many(
            "SELECT rowid, content FROM trajectories_fts ORDER BY rowid"
        )


def test_without_recursive_triggers_replace_would_leave_a_ghost() -> None:
    """D0.4, D1.10: the reason for the pragma, shown on a connection that lacks it."""
    connection = migrated("openagents")
    connection.execute("PRAGMA recursive_triggers = OFF")
    insert = (
        "INSERT OR REPLACE INTO tasks (id, title, description, status, priority, type)"
        " VALUES ('a', ?, '', 'open', 1, 'bug')"
    )
    connection.execute(insert, ("alpha",))
    connection.execute(insert, ("bravo",))

    assert [(1,)] == connection.execute("SELECT rowid FROM tasks_fts WHERE tasks_fts MATCH 'alpha'").fetchall()
    connection.close()
