"""Seed 000, the pack openagents: every example query of the seed on rows, and each of its errata.

A query stands here as the seed has it, unless the line above it names the erratum that corrects it.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from typing import Any

import pytest

import multidb
from multidb import Database
from tests.schemas.rows import migrated

READY = """
SELECT t.* FROM tasks t
WHERE t.status = 'open'
AND NOT EXISTS (
  SELECT 1 FROM task_dependencies td
  JOIN tasks blocker ON td.depends_on_task_id = blocker.id
  WHERE td.task_id = t.id
  AND td.dependency_type IN ('blocks', 'parent-child')
  AND blocker.status IN ('open', 'in_progress')
)
ORDER BY t.priority ASC, t.created_at ASC
"""
READY_CORRECTED = READY.replace("('open', 'in_progress')", "('open', 'in_progress', 'blocked', 'commit_pending')")


def task(db: Database, name: str, status: str = "open", priority: int = 2, **columns: object) -> None:
    row = {
        "id": name,
        "title": name,
        "description": "",
        "status": status,
        "priority": priority,
        "type": "task",
        **columns,
    }
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"INSERT INTO tasks ({names}) VALUES ({marks})", tuple(row.values()))


def depends(db: Database, name: str, on: str, how: str = "blocks") -> None:
    db.execute(
        "INSERT INTO task_dependencies (task_id, depends_on_task_id, dependency_type) VALUES (?, ?, ?)", (name, on, how)
    )


def vector(*heads: float, dimension: int = 1536) -> bytes:
    return struct.pack(f"<{dimension}f", *heads, *[0.0] * (dimension - len(heads)))


def steps(db: Any, sql: str, params: Any = ()) -> list[str]:
    return [step.detail for step in db.explain(sql, params).steps]


@pytest.fixture
def chain(openagents: Database) -> Iterator[Database]:
    """One task of each state, and one that waits for each of them."""
    with openagents.write():
        for number, status in enumerate(("open", "in_progress", "blocked", "commit_pending", "closed")):
            task(openagents, status, status, 0, created_at=f"2026-01-0{number + 1}T00:00:00.000Z")
            task(openagents, f"after {status}", "open", 1, created_at=f"2026-01-0{number + 1}T00:00:00.000Z")
            depends(openagents, f"after {status}", status)
        task(openagents, "free", priority=4)
        task(openagents, "child of closed", priority=3)
        depends(openagents, "child of closed", "closed", "parent-child")
        task(openagents, "related", priority=2)
        depends(openagents, "related", "open", "related")
    yield openagents


# Tasks


def test_the_version_is_asked_for_as_ever(openagents: Database) -> None:
    """Seed 000, schema version: the label and a time, from the ledger itself."""
    ((version, applied_at),) = openagents.many("SELECT version, applied_at FROM _schema_version")

    assert "1.0.0" == version
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", applied_at)
    with pytest.raises(multidb.MultidbError):
        openagents.execute("INSERT INTO _schema_version (version) VALUES ('2.0.0')")


def test_ready_tasks_as_the_seed_asks(chain: Database) -> None:
    """The query runs unchanged and comes in the order of priority and age."""
    assert ["open", "after blocked", "after commit_pending", "after closed", "related", "child of closed", "free"] == [
        row["id"] for row in chain.many(READY, into=dict)
    ]


def test_a_blocked_blocker_blocks(chain: Database) -> None:
    """D0.10: what waits for a blocked or a half-committed task is not ready; the view says the same."""
    ready = ["open", "after closed", "related", "child of closed", "free"]

    assert ready == [row["id"] for row in chain.many(READY_CORRECTED, into=dict)]
    assert ready == [name for (name,) in chain.many("SELECT id FROM ready_tasks ORDER BY priority, created_at")]


def test_a_deleted_task_neither_waits_nor_blocks(chain: Database) -> None:
    """A tombstone is not ready, and holds nobody up."""
    chain.execute("UPDATE tasks SET deleted_at = '2026-02-01T00:00:00.000Z' WHERE id IN ('free', 'blocked')")

    names = {name for (name,) in chain.many("SELECT id FROM ready_tasks")}

    assert "free" not in names
    assert "after blocked" in names


def test_a_blocker_of_an_unknown_state_blocks(chain: Database) -> None:
    """Nobody knows that it is done."""
    chain.execute("UPDATE tasks SET status = 'unknown', extra = '{\"status\": \"parked\"}' WHERE id = 'closed'")

    assert "after closed" not in {name for (name,) in chain.many("SELECT id FROM ready_tasks")}


@pytest.mark.parametrize("is_analyzed", [False, True])
def test_the_next_fifty_of_many_tasks_need_no_sorting(is_analyzed: bool) -> None:
    """With LIMIT 50 and 5 % of 20,000 tasks open, the index gives the order, whatever SQLite knows of the table."""
    connection = migrated("openagents")
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO tasks (id, title, description, status, priority, type, created_at)"
        " VALUES (?, '', '', ?, ?, 'task', ?)",
        (
            (f"t{n}", "open" if n % 20 == 0 else "closed", n % 5, f"2026-01-01T00:00:{n % 60:02}.{n % 1000:03}Z")
            for n in range(20_000)
        ),
    )
    connection.executemany(
        "INSERT INTO task_dependencies (task_id, depends_on_task_id, dependency_type) VALUES (?, ?, 'blocks')",
        ((f"t{n}", f"t{n + 20 if n % 3 else n + 1}") for n in range(0, 19_000, 40)),
    )
    connection.execute("COMMIT")
    if is_analyzed:
        connection.execute("ANALYZE")

    for sql in (READY, READY_CORRECTED, "SELECT * FROM ready_tasks ORDER BY priority, created_at"):
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql} LIMIT 50")]
        assert any("idx_tasks_status_priority (status=?)" in step for step in plan), plan
        assert not any("TEMP B-TREE" in step or step.startswith("SCAN") for step in plan), plan
    rows = connection.execute("SELECT id, priority, created_at FROM ready_tasks").fetchall()
    assert 1000 > len(rows) > 500
    assert [row[0] for row in sorted(rows, key=lambda row: (row[1], row[2]))[:50]] == [
        name for (name,) in connection.execute("SELECT id FROM ready_tasks ORDER BY priority, created_at LIMIT 50")
    ]
    connection.close()


def test_tasks_are_found_by_words_as_the_seed_asks(openagents: Database) -> None:
    """D0.5: a token with a dash is quoted, or FTS5 takes the dash for its own; the rest is the seed's query."""
    task(openagents, "oa-1", title="A CLI for tasks")
    task(openagents, "oa-2", description="belongs to the task-system")
    task(openagents, "oa-3", title="something else")
    sql = """
        SELECT * FROM tasks WHERE id IN (
          SELECT id FROM tasks_fts WHERE tasks_fts MATCH 'CLI OR task-system'
        )
    """

    with pytest.raises(multidb.StatementError):
        openagents.many(sql)
    assert ["oa-1", "oa-2"] == [
        row["id"] for row in openagents.many(sql.replace("task-system", '"task-system"') + " ORDER BY id", into=dict)
    ]
    assert [("oa-2", "oa-2", "belongs to the task-system")] == openagents.many(
        "SELECT id, title, description FROM tasks_fts WHERE tasks_fts MATCH ?", ('"task-system"',)
    )


DEPENDENCIES = """
SELECT
  t.*,
  json_group_array(
    json_object(
      'task_id', d.depends_on_task_id,
      'type', d.dependency_type,
      'title', dt.title,
      'status', dt.status
    )
  ) FILTER (WHERE d.task_id IS NOT NULL) as dependencies
FROM tasks t
LEFT JOIN task_dependencies d ON t.id = d.task_id
LEFT JOIN tasks dt ON d.depends_on_task_id = dt.id
WHERE t.id = 'oa-281868'
GROUP BY t.id
"""


def test_a_task_comes_with_all_its_dependencies(openagents: Database) -> None:
    """D0.6: one without any has an empty list, not a list of one dependency that is NULL."""
    task(openagents, "oa-281868")
    assert [] == json.loads(openagents.one(DEPENDENCIES, into=dict)["dependencies"])

    task(openagents, "oa-2", "closed", title="First")
    depends(openagents, "oa-281868", "oa-2")

    assert [{"task_id": "oa-2", "type": "blocks", "title": "First", "status": "closed"}] == json.loads(
        openagents.one(DEPENDENCIES, into=dict)["dependencies"]
    )


def test_two_tasks_may_be_linked_in_two_ways(openagents: Database) -> None:
    """D0.11: the kind of the link is part of its key; the same link twice is refused."""
    task(openagents, "a")
    task(openagents, "b")
    depends(openagents, "a", "b", "blocks")
    depends(openagents, "a", "b", "related")

    assert 2 == openagents.scalar("SELECT count(*) FROM task_dependencies")
    with pytest.raises(multidb.ConstraintError) as caught:
        depends(openagents, "a", "b", "related")
    assert ("primary_key", "task_dependencies") == (caught.value.kind, caught.value.table)


def test_a_dependency_leads_to_a_task_and_goes_with_it(openagents: Database) -> None:
    """D0.12: foreign keys hold on every connection."""
    task(openagents, "a")
    task(openagents, "b")
    with pytest.raises(multidb.ConstraintError):
        depends(openagents, "a", "nobody")
    depends(openagents, "a", "b")

    openagents.execute("DELETE FROM tasks WHERE id = 'b'")

    assert [] == openagents.many("SELECT * FROM task_dependencies")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE tasks SET title = 'bravo' WHERE id = 'a'",
        "INSERT INTO tasks (id, title, description, status, priority, type)"
        " VALUES ('a', 'bravo', '', 'open', 1, 'task') ON CONFLICT (id) DO UPDATE SET title = excluded.title",
        "INSERT OR REPLACE INTO tasks (id, title, description, status, priority, type)"
        " VALUES ('a', 'bravo', '', 'open', 1, 'task')",
        "REPLACE INTO tasks (pk, id, title, description, status, priority, type)"
        " SELECT pk, id, 'bravo', '', status, priority, type FROM tasks",
    ],
    ids=["update", "upsert", "insert or replace", "replace"],
)
def test_an_old_word_is_forgotten_and_a_new_one_found(change: str, openagents: Database) -> None:
    """D0.1, D0.4: every way of changing a text tells the index the old one."""
    task(openagents, "a", title="alpha")

    openagents.execute(change)

    found = "SELECT id FROM tasks_fts WHERE tasks_fts MATCH ?"
    assert [] == openagents.many(found, ("alpha",))
    assert [("a",)] == openagents.many(found, ("bravo",))
    openagents.execute("INSERT INTO tasks_fts (tasks_fts, rank) VALUES ('integrity-check', 1)")


def test_a_deleted_task_leaves_no_ghost(openagents: Database) -> None:
    """D0.2: the word of a deleted task finds neither it nor whoever got its number."""
    task(openagents, "a", title="alpha")
    openagents.execute("DELETE FROM tasks")
    task(openagents, "b", title="omega")

    assert [] == openagents.many("SELECT id FROM tasks_fts WHERE tasks_fts MATCH 'alpha'")
    assert [("b",)] == openagents.many("SELECT id FROM tasks_fts WHERE tasks_fts MATCH 'omega'")
    openagents.execute("INSERT INTO tasks_fts (tasks_fts, rank) VALUES ('integrity-check', 1)")


def test_a_task_keeps_its_number_through_a_vacuum(openagents: Database) -> None:
    """D0.3: the index is keyed by a declared number."""
    for name in ("a", "b", "c"):
        task(openagents, name, title=f"word{name}")
    openagents.execute("DELETE FROM tasks WHERE id = 'a'")
    before = openagents.many("SELECT pk, id FROM tasks ORDER BY pk")

    openagents.vacuum()

    assert [(2, "b"), (3, "c")] == before == openagents.many("SELECT pk, id FROM tasks ORDER BY pk")
    assert [("c",)] == openagents.many("SELECT id FROM tasks_fts WHERE tasks_fts MATCH 'wordc'")


@pytest.mark.parametrize("status", ["paused", "Closed", ""])
def test_a_new_status_has_a_home_and_keeps_its_word(status: str, openagents: Database) -> None:
    """D0.17: what the list does not have is `unknown`, with the word beside it; the list itself stays closed."""
    with pytest.raises(multidb.ConstraintError):
        task(openagents, "a", status)

    task(openagents, "a", "unknown", extra=json.dumps({"status": status}))

    assert status == openagents.scalar("SELECT extra ->> '$.status' FROM tasks WHERE status = 'unknown'")


def test_a_key_is_never_null(openagents: Database) -> None:
    """D0.16: a key of text refuses NULL, and a priority is a whole number."""
    for row in ({"name": None}, {"name": "a", "priority": 2.5}):
        with pytest.raises(multidb.ConstraintError):
            task(openagents, **row)  # type: ignore[arg-type]
    assert 0 == openagents.scalar("SELECT count(*) FROM tasks")


# Trajectories


def trajectory(db: Database, name: str, **columns: object) -> None:
    row = {
        "session_id": name,
        "schema_version": "ATIF-v1.4",
        "agent_name": "mechacoder-orchestrator",
        "step_count": 2,
        "trajectory": json.dumps({"steps": [{"step_id": 1, "message": f"began {name}"}, {"message": "ended"}]}),
        **columns,
    }
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"INSERT INTO trajectories ({names}) VALUES ({marks})", tuple(row.values()))


BY_AGENT = """
SELECT session_id, agent_name, model_name, step_count, total_cost_usd
FROM trajectories
WHERE agent_name = 'mechacoder-orchestrator'
AND created_at >= '2025-12-01' AND created_at < '2026-01-01'
ORDER BY created_at DESC
"""


def test_trajectories_of_an_agent_in_a_month(openagents: Database) -> None:
    """D0.9: a half-open range has all of the 31st, which BETWEEN loses; the index gives rows and order."""
    for name, at in (
        ("first", "2025-12-01T00:00:00.000Z"),
        ("last", "2025-12-31T23:59:59.999Z"),
        ("later", "2026-01-01T00:00:00.000Z"),
        ("earlier", "2025-11-30T23:59:59.999Z"),
    ):
        trajectory(openagents, name, created_at=at, model_name="m", total_cost_usd=0.5)
    trajectory(openagents, "other", agent_name="other", created_at="2025-12-05T00:00:00.000Z")

    assert [
        ("last", "mechacoder-orchestrator", "m", 2, 0.5),
        ("first", "mechacoder-orchestrator", "m", 2, 0.5),
    ] == openagents.many(BY_AGENT)
    assert [
        "SEARCH trajectories USING INDEX idx_trajectories_agent (agent_name=? AND created_at>? AND created_at<?)"
    ] == (steps(openagents, BY_AGENT))


def test_a_trajectory_is_kept_whole(openagents: Database) -> None:
    """The JSON comes back as JSON."""
    trajectory(openagents, "session-123", trajectory='{"steps": [ ]}')

    assert '{"steps":[]}' == openagents.scalar(
        "SELECT json(trajectory) FROM trajectories WHERE session_id = 'session-123'"
    )


def test_trajectories_are_summed_up_by_agent(openagents: Database) -> None:
    """The most expensive agent first."""
    trajectory(openagents, "a", step_count=2, total_cost_usd=1.0, total_tokens=10)
    trajectory(openagents, "b", step_count=4, total_cost_usd=2.0, total_tokens=20)
    trajectory(openagents, "c", agent_name="cheap", step_count=1, total_cost_usd=0.5, total_tokens=5)

    assert [("mechacoder-orchestrator", 2, 3.0, 3.0, 30), ("cheap", 1, 1.0, 0.5, 5)] == openagents.many("""
        SELECT
          agent_name,
          COUNT(*) as trajectory_count,
          AVG(step_count) as avg_steps,
          SUM(total_cost_usd) as total_cost,
          SUM(total_tokens) as total_tokens
        FROM trajectories
        GROUP BY agent_name
        ORDER BY total_cost DESC
    """)


SIMILAR = """
SELECT session_id, agent_name, step_count
FROM trajectories
WHERE embedding IS NOT NULL AND vec_distance_cosine(embedding, ?) < 0.5
ORDER BY vec_distance_cosine(embedding, ?)
LIMIT 10
"""


def test_similar_trajectories_come_nearest_first(openagents: Database) -> None:
    """D0.7: rows without an embedding are left out before the distance is taken, and none has another length."""
    trajectory(openagents, "same", embedding=vector(1.0, 0.0))
    trajectory(openagents, "near", embedding=vector(1.0, 0.5))
    trajectory(openagents, "far", embedding=vector(0.0, 1.0))
    trajectory(openagents, "none")
    query = vector(2.0)

    found = [(name, "mechacoder-orchestrator", 2) for name in ("same", "near")]

    assert found == openagents.many(SIMILAR, (query, query))


@pytest.mark.parametrize("wrong", [b"", b"abc", vector(1.0)[:-4], vector(1.0) + b"\0", vector(1.0, dimension=768)])
def test_an_embedding_of_another_length_is_refused(wrong: bytes, openagents: Database) -> None:
    """D0.7: one such row would make every comparison fail; another dimension has to be said."""
    with pytest.raises(multidb.ConstraintError) as caught:
        trajectory(openagents, "a", embedding=wrong)

    assert "trajectories.embedding has 4 bytes for each dimension" == caught.value.constraint
    trajectory(openagents, "small", embedding=vector(1.0, dimension=384), embedding_dimension=384)


def test_trajectories_are_found_through_a_vector_index(openagents: Database) -> None:
    """D0.8, D0.7: the index is made beside the table by whoever searches, keyed by pk, written DELETE then INSERT."""
    for name, heads in (("x", (1.0, 0.0)), ("y", (0.0, 1.0)), ("z", (1.0, 1.0))):
        trajectory(openagents, name, embedding=vector(*heads))
    trajectory(openagents, "none")
    openagents.execute(
        "CREATE VIRTUAL TABLE trajectories_vec USING vec0("
        "pk INTEGER PRIMARY KEY, embedding float[1536] distance_metric=cosine)"
    )
    drain(openagents, "trajectories", "trajectories_vec")
    openagents.execute("UPDATE trajectories SET embedding = ? WHERE session_id = 'y'", (vector(1.0, 0.1),))
    openagents.execute("DELETE FROM trajectories WHERE session_id = 'x'")
    drain(openagents, "trajectories", "trajectories_vec")

    assert [("y", "mechacoder-orchestrator", 2), ("z", "mechacoder-orchestrator", 2)] == [
        row[:3]
        for row in openagents.many(
            """
            SELECT
              t.session_id,
              t.agent_name,
              t.step_count,
              v.distance
            FROM trajectories_vec v
            JOIN trajectories t ON v.pk = t.pk
            WHERE v.embedding MATCH ?
            AND v.k = 10
            ORDER BY v.distance
            """,
            (vector(1.0),),
        )
    ]


def drain(db: Database, source: str, index: str) -> None:
    """Bring a vector index up to date by the keys that were noted, as a search does."""
    with db.write() as w:
        noted = [pk for (pk,) in w.many("SELECT pk FROM vector_changes WHERE source = ?", (source,))]
        for pk in noted:
            w.execute(f"DELETE FROM {index} WHERE pk = ?", (pk,))
            w.execute(
                f"INSERT INTO {index} (pk, embedding) SELECT pk, embedding FROM {source}"
                " WHERE pk = ? AND embedding IS NOT NULL",
                (pk,),
            )
        w.execute("DELETE FROM vector_changes WHERE source = ?", (source,))


@pytest.mark.parametrize("conflict", ["", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ABORT", "OR ROLLBACK"])
def test_changed_vectors_are_noted_however_they_are_written(conflict: str, openagents: Database) -> None:
    """The note of a key that is noted already never fails the statement, whatever its conflict clause."""
    trajectory(openagents, "a", embedding=vector(1.0))

    openagents.execute(f"UPDATE {conflict} trajectories SET embedding = ?", (vector(2.0),))
    openagents.execute(
        f"INSERT {conflict} INTO trajectories"
        " (session_id, schema_version, agent_name, step_count, trajectory, embedding) VALUES ('b', '', '', 0, '{}', ?)",
        (vector(3.0),),
    )
    openagents.execute("DELETE FROM trajectories WHERE session_id = 'a'")

    assert [("trajectories", 1), ("trajectories", 2)] == openagents.many("SELECT * FROM vector_changes")


def test_a_change_beside_the_vector_is_not_noted(openagents: Database) -> None:
    """Counting an access costs no new look at the vector."""
    trajectory(openagents, "a", embedding=vector(1.0))
    trajectory(openagents, "b")
    openagents.execute("DELETE FROM vector_changes")

    openagents.execute("UPDATE trajectories SET total_tokens = 5, embedding = embedding")
    openagents.execute("DELETE FROM trajectories WHERE session_id = 'b'")

    assert [] == openagents.many("SELECT * FROM vector_changes")


def test_the_messages_of_all_steps_can_be_found(openagents: Database) -> None:
    """D0.13: the index has triggers; the seed's steps and the actions of the real files are both searched."""
    trajectory(openagents, "steps")
    trajectory(
        openagents,
        "actions",
        trajectory=json.dumps({"actions": [{"tool": "bench", "content": "Run Hello", "result": "outcome: success"}]}),
    )
    trajectory(openagents, "odd", trajectory='["message", 1, {"message": {"message": "deep"}}, null]')
    trajectory(openagents, "nothing", trajectory="7")

    found = "SELECT session_id, agent_name FROM trajectories_fts WHERE trajectories_fts MATCH ? ORDER BY rowid"
    for words, names in (("began", ["steps"]), ("outcome", ["actions"]), ("deep", ["odd"]), ("bench", [])):
        assert [(name, "mechacoder-orchestrator") for name in names] == openagents.many(found, (words,))
    openagents.execute("UPDATE trajectories SET trajectory = '{}' WHERE session_id = 'steps'")
    assert [] == openagents.many(found, ("began",))


# Memories


def memory(db: Database, name: str, **columns: object) -> None:
    row = {
        "id": name,
        "memory_type": "episodic",
        "scope": "project",
        "status": "active",
        "description": f"about {name}",
        "content": '{"outcome": "failure"}',
        **columns,
    }
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"INSERT INTO memories ({names}) VALUES ({marks})", tuple(row.values()))


IMPORTANT = """
SELECT id, description, importance, access_count
FROM memories
WHERE memory_type = 'episodic'
AND status = 'active'
AND importance IN ('critical', 'high')
ORDER BY created_at DESC
LIMIT 50
"""
MOST_ACCESSED = """
SELECT id, description, access_count, last_accessed_at
FROM memories
WHERE status = 'active'
ORDER BY access_count DESC
LIMIT 20
"""


def test_important_memories_come_newest_first(openagents: Database) -> None:
    """The index has the order; what is archived or of low importance stays out."""
    memory(openagents, "old", importance="critical", created_at="2026-01-01T00:00:00.000Z")
    memory(openagents, "new", importance="high", created_at="2026-01-02T00:00:00.000Z", access_count=3)
    memory(openagents, "low", importance="low")
    memory(openagents, "gone", importance="high", status="archived")
    memory(openagents, "fact", importance="high", memory_type="semantic")

    assert [("new", "about new", "high", 3), ("old", "about old", "critical", 0)] == openagents.many(IMPORTANT)
    assert ["SEARCH memories USING INDEX idx_memories_type (memory_type=? AND status=?)"] == steps(
        openagents, IMPORTANT
    )


def test_the_most_used_memories_come_first(openagents: Database) -> None:
    """The index has the order."""
    memory(openagents, "a", access_count=1)
    memory(openagents, "b", access_count=5, last_accessed_at="2026-01-01T00:00:00.000Z")
    memory(openagents, "c", access_count=9, status="deleted")

    assert [("b", "about b", 5, "2026-01-01T00:00:00.000Z"), ("a", "about a", 1, None)] == openagents.many(
        MOST_ACCESSED
    )
    assert ["SEARCH memories USING INDEX idx_memories_status (status=?)"] == steps(openagents, MOST_ACCESSED)


def test_similar_memories_come_nearest_first(openagents: Database) -> None:
    """D0.7: as with trajectories, only rows that have an embedding are compared."""
    memory(openagents, "same", embedding=vector(1.0), importance="high")
    memory(openagents, "near", embedding=vector(1.0, 1.0))
    memory(openagents, "far", embedding=vector(-1.0))
    memory(openagents, "none")
    query = vector(1.0)

    assert [("same", "about same", "high", 0.0), ("near", "about near", None, 0.2929)] == [
        (*row[:3], round(row[3], 4))
        for row in openagents.many(
            """
            SELECT id, description, importance,
                   vec_distance_cosine(embedding, ?) as similarity
            FROM memories
            WHERE status = 'active'
            AND embedding IS NOT NULL
            AND vec_distance_cosine(embedding, ?) < 0.7
            ORDER BY similarity ASC
            LIMIT 10
            """,
            (query, query),
        )
    ]


def test_memories_are_found_by_what_they_say(openagents: Database) -> None:
    """D0.13: description and content are searched, and stay in step with the table."""
    memory(openagents, "a")
    memory(openagents, "b", content='{"skill": "archivist"}')

    found = "SELECT id FROM memories_fts WHERE memories_fts MATCH ? ORDER BY rowid"
    assert [("b",)] == openagents.many(found, ("archivist",))
    assert [("a",), ("b",)] == openagents.many(found, ("about",))
    openagents.execute("UPDATE memories SET content = '{}' WHERE id = 'b'")
    assert [] == openagents.many(found, ("archivist",))


# Episodes


def episode(db: Database, name: str, **columns: object) -> None:
    row = {
        "id": name,
        "run_id": "run",
        "iteration": 1,
        "model": "claude-code",
        "suite_version": "2.0.0",
        "started_at": "2026-01-01T00:00:00.000Z",
        "status": "completed",
        **columns,
    }
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"INSERT INTO episodes ({names}) VALUES ({marks})", tuple(row.values()))


BEST = """
SELECT id, run_id, model, pass_rate, total_tests
FROM episodes
WHERE status = 'completed'
ORDER BY pass_rate DESC, total_tests DESC
LIMIT 10
"""


@pytest.fixture
def gym(openagents: Database) -> Database:
    episode(openagents, "a", pass_rate=0.5, total_tests=10, avg_turns=2.0, duration_ms=100)
    episode(openagents, "b", pass_rate=0.5, total_tests=20, avg_turns=4.0, duration_ms=300)
    episode(
        openagents, "c", pass_rate=1.0, total_tests=1, model="fm", avg_turns=1.0, started_at="2026-01-02T08:00:00.000Z"
    )
    episode(openagents, "d", pass_rate=0.25, total_tests=4, started_at="2026-01-02T23:59:59.999Z", duration_ms=200)
    episode(openagents, "e", status="failed", pass_rate=0.0)
    return openagents


def test_the_best_episodes_come_first(gym: Database) -> None:
    """By pass rate, then by the number of tests; the index has the order."""
    assert [
        ("c", "run", "fm", 1.0, 1),
        ("b", "run", "claude-code", 0.5, 20),
        ("a", "run", "claude-code", 0.5, 10),
        ("d", "run", "claude-code", 0.25, 4),
    ] == gym.many(BEST)
    assert ["SEARCH episodes USING INDEX idx_episodes_status (status=?)"] == steps(gym, BEST)


def test_episodes_are_summed_up_by_model(gym: Database) -> None:
    """Averages over what was completed."""
    assert [("fm", 1, 1.0, 1.0, None), ("claude-code", 3, pytest.approx(1.25 / 3), 3.0, 200.0)] == gym.many("""
        SELECT
          model,
          COUNT(*) as episode_count,
          AVG(pass_rate) as avg_pass_rate,
          AVG(avg_turns) as avg_turns,
          AVG(duration_ms) as avg_duration
        FROM episodes
        WHERE status = 'completed'
        GROUP BY model
        ORDER BY avg_pass_rate DESC
    """)


def test_progress_is_told_by_day(gym: Database) -> None:
    """A day has all its episodes, up to the last millisecond."""
    sql = """
        SELECT
          DATE(started_at) as date,
          AVG(pass_rate) as avg_pass_rate,
          COUNT(*) as episodes
        FROM episodes
        WHERE model = 'claude-code'
        AND status = 'completed'
        GROUP BY DATE(started_at)
        ORDER BY date DESC
    """

    assert [("2026-01-02", 0.25, 1), ("2026-01-01", 0.5, 2)] == gym.many(sql)
    assert any("idx_episodes_model (model=? AND status=?)" in step for step in steps(gym, sql))


def test_an_episode_that_was_a_success_is_kept_as_one(openagents: Database) -> None:
    """D0.17: real runs say success."""
    episode(openagents, "a", status="success", baseline_comparison='{"passRateDelta": 0}')

    assert [("a", "success")] == openagents.many("SELECT id, status FROM episodes")


# Usage


def usage(db: Database, project: str, cost: float, **columns: object) -> None:
    row = {
        "session_id": "s1",
        "project_id": project,
        "agent": "coder",
        "total_cost_usd": cost,
        "input_tokens": 10,
        "output_tokens": 5,
        **columns,
    }
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"INSERT INTO usage_logs ({names}) VALUES ({marks})", tuple(row.values()))


def test_costs_are_told_by_project(openagents: Database) -> None:
    """The dearest project first."""
    usage(openagents, "p1", 1.0)
    usage(openagents, "p2", 2.0)
    usage(openagents, "p1", 0.5)

    assert [("p2", 2.0, 15, 1), ("p1", 1.5, 30, 2)] == openagents.many("""
        SELECT
          project_id,
          SUM(total_cost_usd) as total_cost,
          SUM(input_tokens + output_tokens) as total_tokens,
          COUNT(*) as request_count
        FROM usage_logs
        GROUP BY project_id
        ORDER BY total_cost DESC
    """)


def test_usage_is_told_by_day_and_agent(openagents: Database) -> None:
    """The last thirty days, the newest first; older rows stay out."""
    day = openagents.scalar("SELECT date('now', '-1 day')")
    usage(openagents, "p", 1.0, timestamp=f"{day}T00:00:00.000Z")
    usage(openagents, "p", 2.0, timestamp=f"{day}T23:59:59.999Z")
    usage(openagents, "p", 4.0, timestamp=f"{day}T12:00:00.000Z", agent="planner")
    usage(openagents, "p", 8.0, timestamp="2020-01-01T00:00:00.000Z")

    assert [(day, "coder", 3.0, 30, 2), (day, "planner", 4.0, 15, 1)] == openagents.many("""
        SELECT
          DATE(timestamp) as date,
          agent,
          SUM(total_cost_usd) as daily_cost,
          SUM(input_tokens + output_tokens) as daily_tokens,
          COUNT(*) as requests
        FROM usage_logs
        WHERE DATE(timestamp) >= DATE('now', '-30 days')
        GROUP BY DATE(timestamp), agent
        ORDER BY date DESC, agent
    """)


def test_the_dearest_sessions_come_first(openagents: Database) -> None:
    """Summed over their requests."""
    usage(openagents, "p", 1.0, session_id="a", duration_ms=10)
    usage(openagents, "p", 1.0, session_id="a", duration_ms=20)
    usage(openagents, "p", 1.5, session_id="b", duration_ms=5)

    assert [("a", "coder", 2.0, 30, 2), ("b", "coder", 1.5, 5, 1)] == openagents.many("""
        SELECT
          session_id,
          agent,
          SUM(total_cost_usd) as session_cost,
          SUM(duration_ms) as total_duration,
          COUNT(*) as requests
        FROM usage_logs
        GROUP BY session_id, agent
        ORDER BY session_cost DESC
        LIMIT 20
    """)


def test_a_request_that_is_sent_twice_is_counted_once(openagents: Database) -> None:
    """D0.14: an idempotency key is unique; any number of rows may have none."""
    usage(openagents, "p", 1.0, idempotency_key="k")
    usage(openagents, "p", 1.0)
    usage(openagents, "p", 1.0)
    with pytest.raises(multidb.ConstraintError) as caught:
        usage(openagents, "p", 1.0, idempotency_key="k")

    assert ("unique", "usage_logs", ("idempotency_key",)) == (
        caught.value.kind,
        caught.value.table,
        caught.value.columns,
    )
    assert 3 == openagents.scalar("SELECT count(*) FROM usage_logs")


# Sessions and logs

ACTIVE = """
SELECT session_id, agent_name, started_at, message_count
FROM sessions
WHERE status = 'active'
ORDER BY started_at DESC
"""


def test_active_sessions_come_newest_first(openagents: Database) -> None:
    """The index has the order, and the analytics of what is completed leave the active ones out."""
    for name, status, hour, cost in (("a", "active", 1, 0), ("b", "active", 2, 0), ("c", "completed", 3, 1.5)):
        openagents.execute(
            "INSERT INTO sessions (session_id, project_id, agent_name, status, started_at, duration_ms, total_cost_usd)"
            " VALUES (?, 'p', 'coder', ?, ?, 100, ?)",
            (name, status, f"2026-01-01T0{hour}:00:00.000Z", cost),
        )

    assert [("b", "coder", "2026-01-01T02:00:00.000Z", 0), ("a", "coder", "2026-01-01T01:00:00.000Z", 0)] == (
        openagents.many(ACTIVE)
    )
    assert ["SEARCH sessions USING INDEX idx_sessions_status (status=?)"] == steps(openagents, ACTIVE)
    assert [("coder", 1, 100.0, 0.0, 1.5)] == openagents.many("""
        SELECT
          agent_name,
          COUNT(*) as session_count,
          AVG(duration_ms) as avg_duration,
          AVG(turn_count) as avg_turns,
          SUM(total_cost_usd) as total_cost
        FROM sessions
        WHERE status = 'completed'
        GROUP BY agent_name
    """)


def log(db: Database, level: str, message: str, at: str, component: str = "coder", run: str = "tbrun-1") -> None:
    db.execute(
        "INSERT INTO run_logs (run_id, level, message, component, timestamp) VALUES (?, ?, ?, ?, ?)",
        (run, level, message, component, at),
    )


def test_the_errors_of_a_run_come_in_order(openagents: Database) -> None:
    """The index of runs has the order of time."""
    log(openagents, "error", "second", "2026-01-01T00:00:02.000Z", run="tbrun-20251205-205035-l7sn")
    log(openagents, "fatal", "third", "2026-01-01T00:00:03.000Z", run="tbrun-20251205-205035-l7sn")
    log(openagents, "error", "first", "2026-01-01T00:00:01.000Z", run="tbrun-20251205-205035-l7sn")
    log(openagents, "info", "fine", "2026-01-01T00:00:01.000Z", run="tbrun-20251205-205035-l7sn")
    log(openagents, "error", "elsewhere", "2026-01-01T00:00:01.000Z")
    sql = """
        SELECT timestamp, component, message
        FROM run_logs
        WHERE run_id = 'tbrun-20251205-205035-l7sn'
        AND level IN ('error', 'fatal')
        ORDER BY timestamp
    """

    assert ["first", "second", "third"] == [message for _, _, message in openagents.many(sql)]
    assert ["SEARCH run_logs USING INDEX idx_runlogs_run_id (run_id=?)"] == steps(openagents, sql)


def test_logs_are_found_by_their_words(openagents: Database) -> None:
    """D0.13: without triggers the index would be empty, and count(*) would not show it."""
    log(openagents, "error", "a timeout", "2026-01-01T00:00:01.000Z")
    log(openagents, "info", "it failed", "2026-01-01T00:00:02.000Z")
    log(openagents, "info", "it worked", "2026-01-01T00:00:03.000Z")
    sql = """
        SELECT rl.* FROM run_logs rl
        WHERE rl.id IN (
          SELECT rowid FROM run_logs_fts WHERE run_logs_fts MATCH 'timeout OR failed'
        )
        ORDER BY timestamp DESC
        LIMIT 50
    """

    assert ["it failed", "a timeout"] == [row["message"] for row in openagents.many(sql, into=dict)]


def test_the_volume_of_logs_is_that_of_a_day(openagents: Database) -> None:
    """D0.9: the bound has the form of the column, so a row of 25 hours ago is out; the index has all that is asked."""
    times = [
        openagents.scalar("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?)", (back,))
        for back in ("-25 hours", "-23 hours", "-1 hours")
    ]
    for at in times:
        log(openagents, "info", "words", at)
    log(openagents, "error", "words", times[-1], component="planner")
    sql = """
        SELECT
          component,
          level,
          COUNT(*) as count
        FROM run_logs
        WHERE timestamp >= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 day')
        GROUP BY component, level
        ORDER BY component, count DESC
    """

    assert [("coder", "info", 2), ("planner", "error", 1)] == openagents.many(sql)
    assert ["SCAN run_logs USING COVERING INDEX idx_runlogs_component", "USE TEMP B-TREE FOR ORDER BY"] == steps(
        openagents, sql
    )
