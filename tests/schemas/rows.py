"""The eight schemas that are shipped: their files, and a row or more for every table of the opt-in packs.

The rows of the five standard concerns stand beside their first tests; both are in an order that the foreign
keys accept, by the migration that made the table.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import apsw

from tests.schema.test_first_migrations import MIGRATIONS, connect, run, section, statements
from tests.schema.test_first_migrations import ROWS as STANDARD_ROWS

STANDARD_CONCERNS = ("chat", "code", "imagegen", "app", "coordination")
PACK_CONCERNS = ("openagents", "devstream", "episodic")
CONCERNS = (*STANDARD_CONCERNS, *PACK_CONCERNS)

# The part of the migrations' ledger that views of ours read; the library makes it with the first migration.
LEDGER = "CREATE TABLE _migrations (version INTEGER PRIMARY KEY, label TEXT, description TEXT, applied_at TEXT)"

PACK_ROWS = {
    "openagents/001_initial_schema": """
        INSERT INTO tasks (id, title, description, status, priority, type, labels, commits, comments)
        VALUES ('oa-1', 'Write the parser', 'of the CLI', 'open', 1, 'task', '["cli"]', '[]', '[]');
        INSERT INTO tasks (id, title, description, status, priority, type)
        VALUES ('oa-2', 'Use the parser', '', 'open', 0, 'feature');
        INSERT INTO task_dependencies (task_id, depends_on_task_id, dependency_type)
        VALUES ('oa-2', 'oa-1', 'blocks'), ('oa-2', 'oa-1', 'related');
        INSERT INTO task_deletions (task_id, reason) VALUES ('oa-0', 'twice');
    """,
    "openagents/002_add_trajectories_and_memories": """
        INSERT INTO trajectories (session_id, schema_version, agent_name, step_count, trajectory, embedding)
        VALUES ('t1', 'ATIF-v1.4', 'coder', 1, '{"steps": [{"message": "hello world"}]}', zeroblob(6144)),
               ('t2', 'ATIF-v1.4', 'coder', 0, '{"steps": []}', NULL);
        INSERT INTO memories (id, memory_type, scope, status, description, content, embedding)
        VALUES ('m1', 'episodic', 'project', 'active', 'a failed run', '{"outcome": "failure"}', zeroblob(6144)),
               ('m2', 'semantic', 'global', 'active', 'a fact', '"words"', NULL);
    """,
    "openagents/003_add_runs": """
        INSERT INTO episodes (id, run_id, iteration, model, suite_version, started_at, status)
        VALUES ('e1', 'r1', 1, 'coder', '1.0.0', '2026-01-01T00:00:00.000Z', 'completed');
        INSERT INTO usage_logs (session_id, project_id, agent, idempotency_key) VALUES ('s1', 'p1', 'coder', 'k1');
        INSERT INTO sessions (session_id, project_id, agent_name, status, started_at)
        VALUES ('s1', 'p1', 'coder', 'active', '2026-01-01T00:00:00.000Z');
        INSERT INTO run_logs (run_id, level, message) VALUES ('r1', 'error', 'timeout after a minute');
    """,
    "openagents/004_add_schema_version": "",
    "devstream/001_initial_schema": """
        INSERT INTO intervention_plans (id, title, objectives, expected_outcome)
        VALUES ('PLAN-1', 'Plan', '[]', 'done');
        INSERT INTO phases (id, plan_id, name, sequence_order) VALUES ('PHASE-1', 'PLAN-1', 'First', 1);
        INSERT INTO micro_tasks (id, phase_id, title, description) VALUES ('TASK-1', 'PHASE-1', 'Do', 'it');
        INSERT INTO micro_tasks (id, phase_id, title, description, parent_task_id)
        VALUES ('TASK-2', 'PHASE-1', 'Do', 'a part of it', 'TASK-1');
    """,
    "devstream/002_add_semantic_memory": """
        INSERT INTO semantic_memory (id, task_id, content, content_type, embedding)
        VALUES ('MEM-1', 'TASK-1', 'use an event loop', 'decision', zeroblob(3072)),
               ('MEM-2', NULL, 'no vector here', 'learning', NULL);
    """,
    "devstream/003_add_agents_and_hooks": """
        INSERT INTO agents (id, name, role, capabilities) VALUES ('@ada', 'Ada', 'Specialist', '{}');
        INSERT INTO hooks (id, name, event_type, action_type) VALUES ('HOOK-1', 'Hook', 'PreToolUse', 'inject');
        INSERT INTO hook_executions (id, hook_id, status) VALUES ('EXEC-1', 'HOOK-1', 'success');
    """,
    "devstream/004_add_sessions_and_insights": """
        INSERT INTO work_sessions (id, plan_id) VALUES ('WS-1', 'PLAN-1');
        INSERT INTO context_injections (id, session_id, task_id, injected_memory_ids)
        VALUES ('CI-1', 'WS-1', 'TASK-1', '["MEM-1"]');
        INSERT INTO learning_insights (id, insight_type, title, description)
        VALUES ('LI-1', 'pattern', 'Seen', 'often');
        INSERT INTO performance_metrics (id, metric_type, entity_type, entity_id, metric_value)
        VALUES ('PM-1', 'execution_time', 'task', 'TASK-1', 8.5);
    """,
    "devstream/005_add_schema_version": "",
    "episodic/001_initial_schema": """
        INSERT INTO episodes (id, task_type, domain, context) VALUES ('e1', 'debugging', 'web', 'a login page');
        INSERT INTO steps (id, episode_id, step_number, action) VALUES ('s1', 'e1', 1, 'look');
        INSERT INTO patterns (id, domain, pattern_type, pattern_data, success_rate)
        VALUES ('p1', 'web', 'tool_sequence', '{}', 0.5);
        INSERT INTO episode_patterns (episode_id, domain, pattern_id) VALUES ('e1', 'web', 'p1');
    """,
    "episodic/002_add_embeddings": """
        INSERT INTO embeddings (id, episode_id, content, embedding, model_name)
        VALUES ('v1', 'e1', 'a login page', zeroblob(16), 'model');
    """,
}

ROWS = STANDARD_ROWS | PACK_ROWS


def files_of(concern: str) -> list[Path]:
    return sorted((MIGRATIONS / concern).glob("*.sql"))


def key(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def fill(concern: str, execute: Callable[[str], object]) -> None:
    """Put the rows of `concern` into a database that has all its tables."""
    for path in files_of(concern):
        for statement in statements(ROWS[key(path)]):
            execute(statement)


def with_ledger() -> apsw.Connection:
    """A connection like the library's, before the first migration."""
    connection = connect()
    connection.execute(LEDGER)
    return connection


def migrated(concern: str) -> apsw.Connection:
    """The same with all migrations of `concern` and no rows."""
    connection = with_ledger()
    for path in files_of(concern):
        run(connection, section(path, "Up"))
    return connection
