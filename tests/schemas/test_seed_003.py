"""Seed 003, the pack episodic: its queries on rows, the corrections of its tables, and its version 1.1.0."""

from __future__ import annotations

import struct
from typing import Any

import pytest

import multidb
from multidb import Database
from tests.schema.test_first_migrations import run, section
from tests.schemas.rows import PACK_ROWS, files_of, with_ledger


def steps(db: Any, sql: str, params: Any = ()) -> list[str]:
    return [step.detail for step in db.explain(sql, params).steps]


def episode(db: Database, name: str, domain: str = "web", **columns: object) -> None:
    row = {"id": name, "task_type": "debugging", "domain": domain, **columns}
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"INSERT INTO episodes ({names}) VALUES ({marks})", tuple(row.values()))


def pattern(db: Database, name: str, rate: float, **columns: object) -> None:
    row = {"id": name, "pattern_type": "tool_sequence", "pattern_data": "{}", "success_rate": rate, **columns}
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"INSERT INTO patterns ({names}) VALUES ({marks})", tuple(row.values()))


def embed(db: Database, name: str, *numbers: float, **columns: object) -> None:
    row = {
        "id": name,
        "episode_id": "e1",
        "content": name,
        "embedding": struct.pack(f"<{len(numbers)}f", *numbers),
        "model_name": "model",
        **columns,
    }
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"INSERT INTO embeddings ({names}) VALUES ({marks})", tuple(row.values()))


def test_episodes_of_a_domain_come_newest_first(episodic: Database) -> None:
    """The index has the rows of the domain in their order."""
    for number in (1, 2, 3):
        episode(episodic, f"e{number}", created_at=f"2026-01-0{number}T00:00:00.000Z")
    episode(episodic, "other", domain="cli", created_at="2026-01-03T00:00:00.000Z")
    sql = """
        SELECT * FROM episodes
        WHERE domain = ? AND created_at > ?
        ORDER BY created_at DESC
        LIMIT ?
    """
    params = ("web", "2026-01-01T00:00:00.000Z", 10)

    assert ["e3", "e2"] == [row["id"] for row in episodic.many(sql, params, into=dict)]
    assert ["SEARCH episodes USING INDEX idx_episodes_domain (domain=? AND created_at>?)"] == steps(
        episodic, sql, params
    )
    assert ["SEARCH episodes USING INDEX idx_episodes_domain (domain=?)"] == steps(
        episodic, "SELECT * FROM episodes WHERE domain = ?", ("web",)
    )


def test_patterns_of_a_type_come_best_first(episodic: Database) -> None:
    """The index has the rows of the type in their order; ANALYZE works on each table."""
    for name, rate in (("good", 0.9), ("fair", 0.6), ("poor", 0.1)):
        pattern(episodic, name, rate)
    pattern(episodic, "other", 0.95, pattern_type="optimization")
    sql = """
        SELECT * FROM patterns
        WHERE pattern_type = ? AND success_rate > ?
        ORDER BY success_rate DESC
    """

    assert ["good", "fair"] == [row["id"] for row in episodic.many(sql, ("tool_sequence", 0.5), into=dict)]
    assert ["SEARCH patterns USING INDEX idx_patterns_type (pattern_type=? AND success_rate>?)"] == steps(
        episodic, sql, ("tool_sequence", 0.5)
    )
    episodic.execute("ANALYZE episodes")
    episodic.execute("ANALYZE steps")


def test_episodes_are_found_by_their_words(episodic: Database) -> None:
    """Seed 003's index, with the triggers that it lacks: found, found by domain, forgotten."""
    episode(episodic, "a", context="a login page")
    episode(episodic, "b", domain="cli", context="a login shell", task_type="testing")
    found = (
        "SELECT e.id FROM episodes_fts AS f JOIN episodes AS e ON e.pk = f.rowid WHERE episodes_fts MATCH ? ORDER BY 1"
    )

    assert [("a",), ("b",)] == episodic.many(found, ("login",))
    assert [("b",)] == episodic.many(found, ("domain:cli login",))
    episodic.execute("UPDATE episodes SET context = 'a form' WHERE id = 'a'")
    episodic.execute("DELETE FROM episodes WHERE id = 'b'")
    assert [] == episodic.many(found, ("login",))
    assert [("a",)] == episodic.many(found, ("form",))


@pytest.mark.parametrize("status", ["active", "completed", "failed", "archived"])
def test_the_statuses_of_the_prose_are_the_rule(status: str, episodic: Database) -> None:
    """What stood only in the text is checked; active is the first."""
    episode(episodic, "a")
    assert "active" == episodic.scalar("SELECT status FROM episodes")
    episodic.execute("UPDATE episodes SET status = ?", (status,))
    with pytest.raises(multidb.ConstraintError) as caught:
        episodic.execute("UPDATE episodes SET status = 'done'")

    assert "episodes.status is active, completed, failed or archived" == caught.value.constraint


def test_a_step_has_a_number_of_its_own(episodic: Database) -> None:
    """Two steps of one episode never share a number, and go with their episode."""
    episode(episodic, "e1")
    episode(episodic, "e2")
    insert = "INSERT INTO steps (id, episode_id, step_number, action, success) VALUES (?, ?, ?, 'look', true)"
    episodic.execute(insert, ("s1", "e1", 1))
    episodic.execute(insert, ("s2", "e2", 1))
    with pytest.raises(multidb.ConstraintError) as caught:
        episodic.execute(insert, ("s3", "e1", 1))

    assert ("unique", "steps", ("episode_id", "step_number")) == (
        caught.value.kind,
        caught.value.table,
        caught.value.columns,
    )
    episodic.execute("DELETE FROM episodes WHERE id = 'e1'")
    assert [("s2",)] == episodic.many("SELECT id FROM steps")


def test_episodes_and_patterns_are_many_to_many_within_a_domain(episodic: Database) -> None:
    """The table between them, which the seed only draws; a pattern of another domain cannot be shown."""
    for name in ("e1", "e2"):
        episode(episodic, name)
    for name, domain in (("p1", "web"), ("p2", "web"), ("foreign", "cli")):
        pattern(episodic, name, 0.5, domain=domain)
    link = "INSERT INTO episode_patterns (episode_id, domain, pattern_id) VALUES (?, ?, ?)"
    for pair in (("e1", "web", "p1"), ("e1", "web", "p2"), ("e2", "web", "p1")):
        episodic.execute(link, pair)

    for pair in (("e1", "web", "foreign"), ("e1", "cli", "foreign"), ("e1", "cli", "p1")):
        with pytest.raises(multidb.ConstraintError):
            episodic.execute(link, pair)
    with pytest.raises(multidb.ConstraintError):
        episodic.execute("UPDATE patterns SET domain = 'cli' WHERE id = 'p1'")
    assert [("e1", "p1"), ("e1", "p2"), ("e2", "p1")] == episodic.many(
        "SELECT episode_id, pattern_id FROM episode_patterns ORDER BY 1, 2"
    )
    episodic.execute("DELETE FROM patterns WHERE id = 'p1'")
    assert [("e1", "p2")] == episodic.many("SELECT episode_id, pattern_id FROM episode_patterns")


def test_a_domain_is_deleted_with_all_that_hangs_on_it(filled: Any) -> None:
    """Privacy: nothing of its episodes is left, the words of the index included."""
    db = filled("episodic")

    db.execute("DELETE FROM episodes WHERE domain = ?", ("web",))

    for table in ("episodes", "steps", "embeddings", "episode_patterns"):
        assert 0 == db.scalar(f"SELECT count(*) FROM {table}")
    assert [] == db.many("SELECT rowid FROM episodes_fts WHERE episodes_fts MATCH 'login'")


def test_the_version_belongs_to_the_embedding() -> None:
    """Version 1.1.0 is a migration of its own; it adds nothing to episodes, and is taken back alone."""
    first, second = files_of("episodic")
    connection = with_ledger()
    run(connection, section(first, "Up"))
    before = connection.execute("SELECT name FROM pragma_table_info('episodes')").fetchall()
    for statement in PACK_ROWS["episodic/001_initial_schema"].split(";")[:-1]:
        connection.execute(statement)

    run(connection, section(second, "Up"))

    assert before == connection.execute("SELECT name FROM pragma_table_info('episodes')").fetchall()
    assert "embedding_version" in {
        name for (name,) in connection.execute("SELECT name FROM pragma_table_info('embeddings')")
    }
    run(connection, section(second, "Down"))
    assert 1 == connection.execute("SELECT count(*) FROM episodes").get
    connection.close()


def test_embeddings_of_one_model_have_one_dimension(episodic: Database) -> None:
    """Rows of another dimension could not be compared; another version or model may have its own."""
    episode(episodic, "e1")
    embed(episodic, "a", 1.0, 2.0)
    embed(episodic, "a2", 3.0, 4.0)
    embed(episodic, "b", 1.0, 2.0, 3.0, embedding_version="2")
    embed(episodic, "c", 1.0, 2.0, 3.0, model_name="other")
    for change in (
        lambda: embed(episodic, "d", 1.0, 2.0, 3.0),
        lambda: episodic.execute("UPDATE embeddings SET embedding = zeroblob(4) WHERE id = 'a'"),
        lambda: episodic.execute("UPDATE embeddings SET embedding_version = NULL WHERE id = 'b'"),
        lambda: episodic.execute("UPDATE embeddings SET model_name = 'model' WHERE id = 'c'"),
    ):
        with pytest.raises(multidb.ConstraintError):
            change()

    assert [("a", 2), ("a2", 2), ("b", 3), ("c", 3)] == episodic.many(
        "SELECT id, dimension FROM embeddings ORDER BY id"
    )


def test_changed_embeddings_are_noted(episodic: Database) -> None:
    """By key, once, for the vector index that is made beside the table."""
    episode(episodic, "e1")
    embed(episodic, "a", 1.0)
    embed(episodic, "b", 1.0)
    episodic.execute("DELETE FROM vector_changes")

    episodic.execute("UPDATE embeddings SET content = 'words' WHERE id = 'a'")
    assert [] == episodic.many("SELECT * FROM vector_changes")
    episodic.execute("DELETE FROM episodes")

    assert [("embeddings", 1), ("embeddings", 2)] == episodic.many("SELECT * FROM vector_changes")
