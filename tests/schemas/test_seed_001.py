"""Seed 001, the pack devstream: every example row and query of the seed, and each of its errata.

A query stands here as the seed has it, unless the docstring names the erratum that corrects it.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

import multidb
from multidb import Database

EXAMPLES = (
    """
    INSERT INTO intervention_plans (
      id, title, description, objectives, expected_outcome,
      status, priority, estimated_hours, actual_hours
    ) VALUES (
      'PLAN-001',
      'RUSTY Trading Platform Development',
      'Complete development of RUSTY Trading Platform with real-time market data',
      '["Implement core engine", "Add market data integration", "Deploy to production"]',
      'Fully functional trading platform with 99.9% uptime',
      'active',
      9,
      100.0,
      67.5
    )
    """,
    """
    INSERT INTO phases (
      id, plan_id, name, description, sequence_order,
      status, estimated_minutes, actual_minutes
    ) VALUES (
      'PHASE-001',
      'PLAN-001',
      'Core Engine & Infrastructure',
      'Build foundational async event loop and core data structures',
      1,
      'completed',
      1200,  -- 20 hours
      1350   -- 22.5 hours actual
    )
    """,
    """
    INSERT INTO micro_tasks (
      id, phase_id, title, description, max_duration_minutes,
      assigned_agent, task_type, status, priority
    ) VALUES (
      'TASK-001',
      'PHASE-001',
      'Implement Python asyncio event loop',
      'Design and implement the core async event loop using Python asyncio',
      10,
      '@python-specialist',
      'coding',
      'completed',
      9
    )
    """,
    """
    INSERT INTO agents (
      id, name, role, description, capabilities, is_active, success_rate
    ) VALUES (
      '@python-specialist',
      'Python Domain Specialist',
      'Domain Specialist',
      'Expert in Python 3.11+, FastAPI, Django, async development',
      '{"languages": ["python"], "frameworks": ["fastapi", "django"], "skills": ["async", "testing"]}',
      true,
      0.95
    )
    """,
    """
    INSERT INTO hooks (
      id, name, event_type, action_type, is_active, execution_order
    ) VALUES (
      'HOOK-001',
      'Context7 Integration Hook',
      'PreToolUse',
      'context_injection',
      true,
      1  -- Execute first
    )
    """,
    """
    INSERT INTO hook_executions (
      id, hook_id, event_data, status, execution_time_ms
    ) VALUES (
      'EXEC-001',
      'HOOK-001',
      '{"tool_name": "Write", "file_path": "src/api.py"}',
      'success',
      45  -- 45ms execution time
    )
    """,
    """
    INSERT INTO performance_metrics (
      id, metric_type, entity_type, entity_id, metric_value, metric_unit
    ) VALUES (
      'METRIC-001',
      'execution_time',
      'task',
      'TASK-001',
      8.5,
      'ms'
    )
    """,
)
EXAMPLE_MEMORY = """
INSERT INTO semantic_memory (
  id, task_id, content, content_type, content_format, keywords,
  embedding, embedding_model, embedding_dimension,
  relevance_score, access_count
) VALUES (
  'MEM-001',
  'TASK-001',
  'Decision: Use FastAPI for API layer due to async/await support...',
  'decision',
  'markdown',
  '["fastapi", "async", "api", "architecture"]',
  ?,
  'nomic-embed-text',
  768,
  0.85,
  5
)
"""


def vector(*heads: float) -> bytes:
    return struct.pack("<768f", *heads, *[0.0] * (768 - len(heads)))


def steps(db: Any, sql: str, params: Any = ()) -> list[str]:
    return [step.detail for step in db.explain(sql, params).steps]


@pytest.fixture
def project(devstream: Database) -> Database:
    """The example rows of the seed."""
    with devstream.write() as w:
        for sql in EXAMPLES:
            w.execute(sql)
        w.execute(EXAMPLE_MEMORY, (vector(0.123, -0.456, 0.789),))
    return devstream


def memory(db: Any, name: str, content: str, heads: tuple[float, ...] | None = None, **columns: object) -> None:
    row = {
        "id": name,
        "content": content,
        "content_type": "decision",
        "embedding": None if heads is None else vector(*heads),
        **columns,
    }
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"INSERT INTO semantic_memory ({names}) VALUES ({marks})", tuple(row.values()))


def test_the_examples_of_the_seed_are_taken(project: Database) -> None:
    """Every example row fits; D1.5: the embedding is 768 floats, not the text of a list with dots."""
    assert [("PLAN-001", 9), ("PHASE-001", 1350), ("TASK-001", "completed"), ("MEM-001", 3072), ("EXEC-001", 45)] == [
        project.one(sql)
        for sql in (
            "SELECT id, priority FROM intervention_plans",
            "SELECT id, actual_minutes FROM phases",
            "SELECT id, status FROM micro_tasks",
            "SELECT id, length(embedding) FROM semantic_memory",
            "SELECT id, execution_time_ms FROM hook_executions",
        )
    ]
    with pytest.raises(multidb.ConstraintError):
        project.execute("UPDATE semantic_memory SET embedding = '[0.123, -0.456, 0.789, ...]'")


def test_the_version_is_asked_for_as_ever(devstream: Database) -> None:
    """The label, the time and the description, from the ledger itself."""
    ((version, applied_at, description),) = devstream.many("""
        SELECT version, applied_at, description
        FROM schema_version
        ORDER BY applied_at DESC
        LIMIT 1
    """)

    assert ("2.1.0", "Initial DevStream production schema with vector search and full-text search") == (
        version,
        description,
    )
    assert applied_at.endswith("Z")


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("UPDATE intervention_plans SET status = NULL", "intervention_plans.status"),
        ("UPDATE micro_tasks SET max_duration_minutes = -5", "micro_tasks.max_duration_minutes is 1 to 10"),
        ("UPDATE micro_tasks SET max_duration_minutes = 11", "micro_tasks.max_duration_minutes is 1 to 10"),
        ("UPDATE learning_insights SET confidence_score = 1.5", "learning_insights.confidence_score is 0 to 1"),
    ],
)
def test_what_passed_the_rules_of_the_seed_is_refused(sql: str, rule: str, project: Database) -> None:
    """D1.9: NULL is no status, and no task takes minus five minutes."""
    project.execute(
        "INSERT INTO learning_insights (id, insight_type, title, description) VALUES ('LI-1', 'pattern', '', '')"
    )
    with pytest.raises(multidb.ConstraintError) as caught:
        project.execute(sql)

    assert rule in str(caught.value)


def test_a_plan_may_pause_and_ids_may_have_dashes(project: Database) -> None:
    """D1.9: the table of states has paused, and a UUID with its dashes has 36 characters."""
    project.execute("UPDATE intervention_plans SET status = 'paused'")
    project.execute(
        "INSERT INTO phases (id, plan_id, name, sequence_order)"
        " VALUES ('0b7c1c9e-1d0f-4f0e-9c1a-9c0b7a4f9a10', 'PLAN-001', 'Second', 2)"
    )

    assert 36 == project.scalar("SELECT max(length(id)) FROM phases")


# Tasks


def test_active_tasks_of_high_priority_are_listed(project: Database) -> None:
    """With their phase and project, the most important first; D1: the index named by the seed is used."""
    for name, priority, status in (("a", 7, "active"), ("b", 9, "active"), ("c", 6, "active"), ("d", 9, "pending")):
        project.execute(
            "INSERT INTO micro_tasks (id, phase_id, title, description, priority, status) VALUES (?, ?, ?, '', ?, ?)",
            (name, "PHASE-001", name, priority, status),
        )

    assert [
        ("b", "b", 9, "Core Engine & Infrastructure", "RUSTY Trading Platform Development"),
        ("a", "a", 7, "Core Engine & Infrastructure", "RUSTY Trading Platform Development"),
    ] == project.many("""
        SELECT
          mt.id,
          mt.title,
          mt.priority,
          p.name AS phase_name,
          ip.title AS project_title
        FROM micro_tasks mt
        JOIN phases p ON mt.phase_id = p.id
        JOIN intervention_plans ip ON p.plan_id = ip.id
        WHERE mt.status = 'active'
          AND mt.priority >= 7
        ORDER BY mt.priority DESC, mt.created_at ASC
    """)
    assert ["SEARCH micro_tasks USING INDEX idx_micro_tasks_status (status=?)"] == steps(
        project, "SELECT * FROM micro_tasks WHERE status = 'active' AND priority >= 7"
    )


COMPLETION = """
SELECT
  p.name AS phase_name,
  COUNT(mt.id) AS total_tasks,
  SUM(CASE WHEN mt.status = 'completed' THEN 1 ELSE 0 END) AS completed_tasks,
  ROUND(100.0 * SUM(CASE WHEN mt.status = 'completed' THEN 1 ELSE 0 END) / COUNT(mt.id), 2) AS completion_rate
FROM phases p
LEFT JOIN micro_tasks mt ON p.id = mt.phase_id
GROUP BY p.id, p.name
ORDER BY completion_rate DESC
"""


def test_the_completion_rate_is_told_by_phase(project: Database) -> None:
    """A phase without tasks has none to complete."""
    project.execute("INSERT INTO phases (id, plan_id, name, sequence_order) VALUES ('PHASE-2', 'PLAN-001', 'Empty', 2)")
    project.execute(
        "INSERT INTO micro_tasks (id, phase_id, title, description) VALUES ('x', 'PHASE-001', '', ''),"
        " ('y', 'PHASE-001', '', '')"
    )

    assert [("Core Engine & Infrastructure", 3, 1, 33.33), ("Empty", 0, 0, None)] == project.many(COMPLETION)


def test_deleting_a_plan_takes_its_phases_tasks_and_memories(project: Database) -> None:
    """What is history stays: the session, without its plan, and its injection, without its task."""
    with project.write() as w:
        w.execute("INSERT INTO work_sessions (id, plan_id) VALUES ('WS', 'PLAN-001')")
        w.execute("INSERT INTO context_injections (id, session_id, task_id) VALUES ('CI', 'WS', 'TASK-001')")

    project.execute("DELETE FROM intervention_plans")

    for table in ("phases", "micro_tasks", "semantic_memory"):
        assert 0 == project.scalar(f"SELECT count(*) FROM {table}")
    assert [(None,)] == project.many("SELECT plan_id FROM work_sessions")
    assert [(None,)] == project.many("SELECT task_id FROM context_injections")
    assert [] == project.many("SELECT rowid FROM fts_semantic_memory WHERE fts_semantic_memory MATCH 'fastapi'")


# Search


def test_memories_are_found_by_keywords(project: Database) -> None:
    """Marked, by type, the best first; phrases, alternatives and D1.9: NEAR has commas, not a slash."""
    memory(project, "MEM-2", "an event loop in async python, event after event")
    memory(project, "MEM-3", "the event that has no loop", content_type="learning")
    sql = """
        SELECT
          memory_id,
          rank,
          highlight(fts_semantic_memory, 0, '<b>', '</b>') as snippet
        FROM fts_semantic_memory
        WHERE fts_semantic_memory MATCH 'fastapi AND async'  -- Boolean query
          AND content_type = 'decision'                      -- Filter by type
        ORDER BY rank
    """

    ((name, rank, snippet),) = project.many(sql)

    assert ("MEM-001", True) == (name, rank < 0)
    assert "Decision: Use <b>FastAPI</b> for API layer due to <b>async</b>/await support..." == snippet
    for match, names in (
        ('"event loop"', ["MEM-2"]),
        ("fastapi OR flask OR loop", ["MEM-001", "MEM-2", "MEM-3"]),
        ("NEAR(async python, 10)", ["MEM-2"]),
        ("fast*", ["MEM-001"]),
    ):
        assert names == [
            name
            for (name,) in project.many(
                "SELECT memory_id FROM fts_semantic_memory WHERE fts_semantic_memory MATCH ? ORDER BY memory_id",
                (match,),
            )
        ]


def test_text_without_an_embedding_is_found(devstream: Database) -> None:
    """D1.2: the text index does not ask for a vector, and taking the vector away leaves the text."""
    memory(devstream, "a", "words without numbers")
    memory(devstream, "b", "words with numbers", (1.0,))
    devstream.execute("UPDATE semantic_memory SET embedding = NULL")

    assert [("a",), ("b",)] == devstream.many(
        "SELECT memory_id FROM fts_semantic_memory WHERE fts_semantic_memory MATCH 'words' ORDER BY memory_id"
    )


def test_the_text_index_can_be_rebuilt(project: Database) -> None:
    """The seed's statement for maintenance; ANALYZE and VACUUM leave the index as it is."""
    project.execute("INSERT INTO fts_semantic_memory(fts_semantic_memory) VALUES('rebuild')")
    project.execute("ANALYZE")
    project.vacuum()

    assert [("MEM-001",)] == project.many(
        "SELECT memory_id FROM fts_semantic_memory WHERE fts_semantic_memory MATCH 'fastapi'"
    )
    project.execute("INSERT INTO fts_semantic_memory (fts_semantic_memory, rank) VALUES ('integrity-check', 1)")


INDEX = """
CREATE VIRTUAL TABLE vec_semantic_memory USING vec0(
    pk INTEGER PRIMARY KEY,
    embedding float[768] distance_metric=cosine,
    content_type TEXT PARTITION KEY,
    +memory_id TEXT,
    +content_preview TEXT
)
"""


def drain(db: Database) -> None:
    """Bring the vector index up to date by the keys that were noted, as a search does: DELETE, then INSERT."""
    with db.write() as w:
        for (pk,) in w.many("SELECT pk FROM vector_changes WHERE source = 'semantic_memory'"):
            w.execute("DELETE FROM vec_semantic_memory WHERE pk = ?", (pk,))
            w.execute(
                "INSERT INTO vec_semantic_memory (pk, embedding, content_type, memory_id, content_preview)"
                " SELECT pk, embedding, content_type, id, substr(content, 1, 200) FROM semantic_memory"
                " WHERE pk = ? AND embedding IS NOT NULL",
                (pk,),
            )
        w.execute("DELETE FROM vector_changes")


NEAREST = """
SELECT
  memory_id,
  distance,
  content_preview
FROM vec_semantic_memory
WHERE embedding MATCH ?1          -- Query vector (768D)
  AND k = 10                      -- Top 10 results
  AND content_type = 'decision'   -- Filter by partition
ORDER BY distance                 -- Cosine distance (lower = more similar)
"""


def nearest(db: Database, *heads: float) -> list[str]:
    return [row[0] for row in db.many(NEAREST, (vector(*heads),))]


def test_memories_are_found_by_nearness_of_one_type(devstream: Database) -> None:
    """D1.4: cosine, as the seed means it: the direction counts, not the length."""
    devstream.execute(INDEX)
    memory(devstream, "direction", "far off, the same way", (10.0, 0.0))
    memory(devstream, "position", "close by, another way", (1.0, 1.0))
    memory(devstream, "other type", "", (1.0, 0.0), content_type="code")
    drain(devstream)

    assert ["direction", "position"] == nearest(devstream, 1.0, 0.0)
    assert [("direction", 0.0, "far off, the same way")] == [
        (name, round(distance, 6), preview) for name, distance, preview in devstream.many(NEAREST, (vector(1.0),))[:1]
    ]


def test_the_vector_index_follows_every_change(devstream: Database) -> None:
    """D1.1, D1.10: no row takes another's vector along, none is there twice, and none after its row is gone."""
    devstream.execute(INDEX)
    memory(devstream, "A", "no vector")
    memory(devstream, "B", "b", (1.0, 0.0))
    memory(devstream, "C", "c", (0.0, 1.0))
    drain(devstream)

    devstream.execute("DELETE FROM semantic_memory WHERE id = 'A'")
    drain(devstream)
    assert ["B", "C"] == nearest(devstream, 1.0)
    for _ in range(3):
        devstream.execute("UPDATE semantic_memory SET access_count = access_count + 1 WHERE id = 'C'")
    drain(devstream)
    assert ["B", "C"] == nearest(devstream, 1.0)
    devstream.execute(
        "INSERT OR REPLACE INTO semantic_memory (id, content, content_type, embedding)"
        " SELECT id, 'new words', content_type, ? FROM semantic_memory WHERE id = 'B'",
        (vector(-1.0),),
    )
    drain(devstream)
    assert ["C", "B"] == nearest(devstream, 1.0)
    devstream.execute("UPDATE semantic_memory SET content_type = 'code' WHERE id = 'B'")
    devstream.execute("DELETE FROM semantic_memory WHERE id = 'C'")
    drain(devstream)
    assert [] == nearest(devstream, 1.0)


def test_memories_are_written_without_the_extension(filled: Any) -> None:
    """D1.6: every change of the table, and of others, works where the vector extension is not there."""
    db = filled("devstream")

    db.execute(
        "INSERT INTO semantic_memory (id, content, content_type, embedding) VALUES ('x', '', 'code', zeroblob(3072))"
    )
    db.execute("UPDATE semantic_memory SET embedding = NULL")
    db.execute("DELETE FROM semantic_memory WHERE id = 'x'")
    db.execute("ALTER TABLE agents RENAME COLUMN description TO about")
    db.vacuum()

    assert 2 == db.scalar("SELECT count(*) FROM semantic_memory")


HYBRID = """
WITH vec_results AS (
  SELECT
    memory_id,
    distance,
    ROW_NUMBER() OVER (ORDER BY distance) AS vec_rank
  FROM vec_semantic_memory
  WHERE embedding MATCH ?1  -- Query vector
    AND k = 20
),
fts_results AS (
  SELECT
    memory_id,
    rank,
    ROW_NUMBER() OVER (ORDER BY rank) AS fts_rank
  FROM fts_semantic_memory
  WHERE fts_semantic_memory MATCH ?2  -- Query text
  ORDER BY rank
  LIMIT 20
),
rrf_scores AS (
  SELECT
    COALESCE(v.memory_id, f.memory_id) AS memory_id,
    COALESCE(1.0 / (60 + f.fts_rank), 0) AS fts_score,
    COALESCE(1.0 / (60 + v.vec_rank), 0) AS vec_score
  FROM vec_results v
  FULL OUTER JOIN fts_results f USING (memory_id)
)
SELECT
  sm.id,
  sm.content,
  sm.content_type,
  sm.created_at,
  (rrf.fts_score + rrf.vec_score) AS combined_rank
FROM rrf_scores rrf
JOIN semantic_memory sm ON rrf.memory_id = sm.id
ORDER BY combined_rank DESC
LIMIT 10
"""


def test_a_hybrid_search_puts_the_best_of_both_first(devstream: Database) -> None:
    """D1.3: bm25 is best where it is lowest, and a list that lacks a row gives it nothing."""
    devstream.execute(INDEX)
    for number in range(30):
        memory(devstream, f"filler {number:02}", "loop " + "word " * (number + 20))
    memory(devstream, "both", "event loop", (1.0, 0.1))
    memory(devstream, "vector", "nothing of the kind", (1.0, 0.0))
    memory(devstream, "text", "loop loop loop", content_type="code")
    drain(devstream)

    found = [(row[0], round(row[4], 6)) for row in devstream.many(HYBRID, (vector(1.0), "loop"))]

    assert [
        ("both", round(1 / 62 + 1 / 62, 6)),
        ("vector", round(1 / 61, 6)),
        ("text", round(1 / 61, 6)),
        ("filler 00", round(1 / 63, 6)),
    ] in ([*found[:4]], [found[0], found[2], found[1], found[3]])
    assert [f"filler {number:02}" for number in range(7)] == [name for name, _ in found[3:]]


def test_the_most_accessed_memories_come_first(project: Database) -> None:
    """Archived ones stay out; the index has the order."""
    memory(project, "MEM-2", "x" * 150, access_count=9, last_accessed_at="2026-01-01T00:00:00.000Z")
    memory(project, "MEM-3", "gone", access_count=99, is_archived=1)
    sql = """
        SELECT
          id,
          content_type,
          substr(content, 1, 100) AS preview,
          access_count,
          last_accessed_at
        FROM semantic_memory
        WHERE is_archived = 0
        ORDER BY access_count DESC
        LIMIT 10
    """

    assert [
        ("MEM-2", "x" * 100, 9),
        ("MEM-001", "Decision: Use FastAPI for API layer due to async/await support...", 5),
    ] == [(row[0], row[2], row[3]) for row in project.many(sql)]
    assert ["SCAN semantic_memory USING INDEX idx_semantic_memory_access_count"] == steps(project, sql)


# Analytics


def test_the_average_time_is_told_by_kind_of_task(project: Database) -> None:
    """Over what is completed and was measured."""
    for name, kind, minutes, tokens in (
        ("a", "coding", 4.0, 100),
        ("b", "coding", 5.0, 201),
        ("c", "review", 9.5, None),
    ):
        project.execute(
            "INSERT INTO micro_tasks (id, phase_id, title, description, status, task_type, actual_duration_minutes,"
            " context_tokens_used) VALUES (?, 'PHASE-001', '', '', 'completed', ?, ?, ?)",
            (name, kind, minutes, tokens),
        )

    assert [("review", 1, 9.5, None), ("coding", 2, 4.5, 151.0)] == project.many("""
        SELECT
          mt.task_type,
          COUNT(*) AS task_count,
          ROUND(AVG(mt.actual_duration_minutes), 2) AS avg_duration_min,
          ROUND(AVG(mt.context_tokens_used), 0) AS avg_tokens
        FROM micro_tasks mt
        WHERE mt.status = 'completed'
          AND mt.actual_duration_minutes IS NOT NULL
        GROUP BY mt.task_type
        ORDER BY avg_duration_min DESC
    """)


def test_the_success_of_agents_is_a_percentage(project: Database) -> None:
    """Agents that never worked have none."""
    project.execute("UPDATE agents SET total_tasks = 3, successful_tasks = 2")
    project.execute("INSERT INTO agents (id, name, role, capabilities) VALUES ('@new', 'New', '', '{}')")

    assert [("@python-specialist", "Python Domain Specialist", 3, 2, 66.67)] == project.many("""
        SELECT
          a.id,
          a.name,
          a.total_tasks,
          a.successful_tasks,
          ROUND(100.0 * a.successful_tasks / NULLIF(a.total_tasks, 0), 2) AS success_rate_pct
        FROM agents a
        WHERE a.is_active = 1
          AND a.total_tasks > 0
        ORDER BY success_rate_pct DESC
    """)


def inject(db: Database, name: str, ids: list[str], at: str, **columns: object) -> None:
    row = {"id": name, "session_id": "WS", "injected_memory_ids": json.dumps(ids), "created_at": at, **columns}
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"INSERT INTO context_injections ({names}) VALUES ({marks})", tuple(row.values()))


def test_the_most_injected_memories_are_counted(project: Database) -> None:
    """D1.7: the ids of each injection are its own table, and each is valid JSON."""
    memory(project, "MEM-2", "second")
    project.execute("INSERT INTO work_sessions (id) VALUES ('WS')")
    inject(project, "1", ["MEM-001", "MEM-2"], "2026-01-01T00:00:00.000Z")
    inject(project, "2", ["MEM-001", "MEM-001", "MEM-404"], "2026-01-02T00:00:00.000Z")

    assert [
        ("MEM-001", "decision", 2, "2026-01-02T00:00:00.000Z"),
        ("MEM-2", "decision", 1, "2026-01-01T00:00:00.000Z"),
    ] == [
        (row[0], row[1], *row[3:])
        for row in project.many("""
            SELECT
              sm.id,
              sm.content_type,
              substr(sm.content, 1, 100) AS preview,
              COUNT(DISTINCT ci.id) AS injection_count,
              MAX(ci.created_at) AS last_injection
            FROM context_injections ci, json_each(ci.injected_memory_ids) je
            JOIN semantic_memory sm ON sm.id = je.value
            GROUP BY sm.id
            ORDER BY injection_count DESC
            LIMIT 10
        """)
    ]
    with pytest.raises(multidb.ConstraintError) as caught:
        project.execute("UPDATE context_injections SET injected_memory_ids = 'MEM-001'")
    assert "context_injections.injected_memory_ids is a JSON array" == caught.value.constraint


def test_the_effect_of_injections_is_told_by_trigger(project: Database) -> None:
    """Only what was judged counts."""
    project.execute("INSERT INTO work_sessions (id) VALUES ('WS')")
    for number, (trigger, tokens, score) in enumerate(
        [("PreToolUse", 100, 0.5), ("PreToolUse", 201, 0.75), ("UserPromptSubmit", 10, 0.9), ("PreToolUse", 999, None)]
    ):
        inject(
            project,
            str(number),
            [],
            "2026-01-01T00:00:00.000Z",
            injection_trigger=trigger,
            tokens_injected=tokens,
            effectiveness_score=score,
        )

    assert [("UserPromptSubmit", 1, 10.0, 0.9), ("PreToolUse", 2, 151.0, 0.63)] == project.many("""
        SELECT
          ci.injection_trigger,
          COUNT(*) AS injection_count,
          ROUND(AVG(ci.tokens_injected), 0) AS avg_tokens,
          ROUND(AVG(ci.effectiveness_score), 2) AS avg_effectiveness
        FROM context_injections ci
        WHERE ci.effectiveness_score IS NOT NULL
        GROUP BY ci.injection_trigger
        ORDER BY avg_effectiveness DESC
    """)
