"""The opt-in packs as migrations: they say what they do, keep what the seeds name, and can be taken back."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import apsw
import pytest

from multidb import DEVSTREAM, EPISODIC, OPENAGENTS, STANDARD, MultiDB, open
from tests.schema.test_first_migrations import contents, run, schema, section, statements, tables
from tests.schemas.rows import PACK_CONCERNS, PACK_ROWS, files_of, fill, key, migrated, with_ledger

FILES = [path for name in PACK_CONCERNS for path in files_of(name)]

SHIPPED = {
    "18f5f8414412a8242109d73b6d3fff73": "openagents/001_initial_schema",
    "05a95fa25627d3eb3d227a75f7cca2c1": "openagents/002_add_trajectories_and_memories",
    "57b3f84b102ce133497ce06c2f56abe3": "openagents/003_add_runs",
    "981f03e20524079c444be8f3913ee508": "openagents/004_add_schema_version",
    "21e64c4a9a37da67600b630b32ea1d0f": "devstream/001_initial_schema",
    "124345c31b6f37d4ed78e8fa016eb5cc": "devstream/002_add_semantic_memory",
    "8353632734f5335571890b2fb4b423d3": "devstream/003_add_agents_and_hooks",
    "47de4ce96ad081e2196cb47df30c44c7": "devstream/004_add_sessions_and_insights",
    "86380b0f768ef647c2ff850adf41be00": "devstream/005_add_schema_version",
    "eb0b0f53b1145ceaa3f7737b1dd8306e": "episodic/001_initial_schema",
    "5873f4110d853116816d9dea727b34b4": "episodic/002_add_embeddings",
}
"""What was shipped, by half a SHA-256: a file that is in here is never edited, a new one is added."""

KNOWN = {
    "openagents": """
        _schema_version tasks task_dependencies tasks_fts tasks_fts_insert tasks_fts_update tasks_fts_delete
        trajectories trajectories_fts memories memories_fts episodes usage_logs sessions run_logs run_logs_fts
        idx_tasks_status idx_tasks_priority idx_tasks_type idx_tasks_assignee idx_tasks_created_at
        idx_tasks_status_priority
        idx_trajectories_agent idx_trajectories_model idx_trajectories_created_at idx_trajectories_step_count
        idx_trajectories_cost
        idx_memories_type idx_memories_scope idx_memories_status idx_memories_importance
        idx_memories_created_at idx_memories_access_count
        idx_episodes_run_id idx_episodes_model idx_episodes_status idx_episodes_pass_rate
        idx_episodes_started_at
        idx_usage_session_id idx_usage_project_id idx_usage_agent idx_usage_timestamp idx_usage_cost
        idx_sessions_project_id idx_sessions_user_id idx_sessions_agent idx_sessions_status
        idx_sessions_started_at
        idx_runlogs_run_id idx_runlogs_session_id idx_runlogs_level idx_runlogs_component idx_runlogs_timestamp
    """,
    "devstream": """
        schema_version intervention_plans phases micro_tasks semantic_memory fts_semantic_memory agents hooks
        hook_executions work_sessions context_injections learning_insights performance_metrics
        sync_insert_memory sync_update_memory sync_delete_memory
        idx_intervention_plans_status idx_intervention_plans_priority idx_intervention_plans_created_at
        idx_phases_plan_id idx_phases_status idx_phases_sequence_order
        idx_micro_tasks_phase_id idx_micro_tasks_status idx_micro_tasks_assigned_agent
        idx_micro_tasks_priority idx_micro_tasks_parent_task_id
        idx_semantic_memory_content_type idx_semantic_memory_plan_id idx_semantic_memory_phase_id
        idx_semantic_memory_task_id idx_semantic_memory_created_at idx_semantic_memory_access_count
        idx_agents_is_active idx_agents_success_rate
        idx_hooks_event_type idx_hooks_is_active idx_hooks_execution_order
        idx_hook_executions_hook_id idx_hook_executions_status idx_hook_executions_created_at
        idx_work_sessions_plan_id idx_work_sessions_status idx_work_sessions_started_at
        idx_context_injections_session_id idx_context_injections_task_id idx_context_injections_created_at
        idx_learning_insights_insight_type idx_learning_insights_is_validated
        idx_learning_insights_confidence_score
        idx_performance_metrics_entity_type idx_performance_metrics_entity_id
        idx_performance_metrics_recorded_at
    """,
    "episodic": """
        episodes steps patterns embeddings episodes_fts
        idx_episodes_domain idx_episodes_status idx_episodes_created idx_steps_episode idx_steps_timestamp
        idx_patterns_type idx_patterns_success idx_patterns_usage idx_embeddings_episode
    """,
}


def test_every_shipped_pack_is_as_it_was_shipped() -> None:
    """Databases in the field were made by these very files, so none of them may change."""
    found = {hashlib.sha256(path.read_text("utf-8").encode()).hexdigest()[:32]: key(path) for path in FILES}

    assert SHIPPED == found


@pytest.mark.parametrize("path", FILES, ids=key)
def test_a_pack_says_why_before_it_begins(path: Path) -> None:
    """A reader learns the reason, the rows it touches and the price of taking it back from the head."""
    head, _, _ = path.read_text("utf-8").partition("\n-- Up\n")

    assert head.startswith(("-- Description: ", "-- Label: "))
    assert all(line.startswith("--") or not line for line in head.splitlines())
    assert "Reverting it drops" in head
    assert re.search(r"touches no (existing )?rows", head)


@pytest.mark.parametrize("path", FILES, ids=key)
def test_a_pack_leaves_transactions_settings_and_vectors_to_others(path: Path) -> None:
    """No statement ends the runner's transaction, hides drift, or needs an extension to be there."""
    for name in ("Up", "Down"):
        for statement in statements(section(path, name)):
            sql = re.sub(r"--.*", "", statement).strip().upper()
            assert not sql.startswith(("BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "PRAGMA", "ATTACH"))
            assert " IF NOT EXISTS " not in sql
            assert " IF EXISTS " not in sql
            assert "VEC0" not in sql


@pytest.mark.parametrize("concern", PACK_CONCERNS)
def test_a_pack_goes_up_down_and_up_on_rows(concern: str) -> None:
    """Each step takes back exactly what it made, with rows in every table, and can be done again."""
    connection = with_ledger()
    states = []
    for path in files_of(concern):
        states.append((schema(connection), {name: len(rows) for name, rows in contents(connection).items()}))
        run(connection, section(path, "Up"))
        for statement in statements(PACK_ROWS[key(path)]):
            connection.execute(statement)
    assert all(contents(connection)[name] for name in tables(connection) if name != "_migrations")
    top = schema(connection)

    for path in reversed(files_of(concern)):
        run(connection, section(path, "Down"))
        before, counts = states.pop()
        assert before == schema(connection)
        assert counts == {name: len(rows) for name, rows in contents(connection).items()}
        assert [] == connection.execute("PRAGMA foreign_key_check").fetchall()
    for path in files_of(concern):
        run(connection, section(path, "Up"))
    fill(concern, connection.execute)

    assert top == schema(connection)
    assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()
    connection.close()


@pytest.mark.parametrize("concern", PACK_CONCERNS)
def test_what_the_seed_names_is_there_by_that_name(concern: str) -> None:
    """Programs and plans speak of these tables, indexes, triggers and views by name."""
    connection = migrated(concern)

    assert set() == set(KNOWN[concern].split()) - {name for _, name, _ in schema(connection)}
    connection.close()


def links_of(connection: apsw.Connection, table: str) -> list[list[str]]:
    links: dict[int, list[str]] = {}
    for link, column in connection.execute(
        'SELECT id, "from" FROM pragma_foreign_key_list(?) ORDER BY id, seq', (table,)
    ):
        links.setdefault(link, []).append(column)
    return list(links.values())


@pytest.mark.parametrize("concern", PACK_CONCERNS)
def test_every_table_of_a_pack_is_strict_and_every_link_indexed(concern: str) -> None:
    """Types are kept as declared, keys are never NULL, and deleting a parent never scans its children."""
    connection = migrated(concern)

    for table in set(tables(connection)) - {"_migrations"}:
        assert 1 == connection.execute("SELECT strict FROM pragma_table_list WHERE name = ?", (table,)).get
        keys = connection.execute(
            'SELECT name, type, "notnull" FROM pragma_table_info(?) WHERE pk > 0', (table,)
        ).fetchall()
        assert keys
        assert all(notnull or kind == "INTEGER" for _, kind, notnull in keys), (table, keys)
        indexes = [
            [column for (column,) in connection.execute("SELECT name FROM pragma_index_info(?)", (index,))]
            for (index,) in connection.execute(
                "SELECT name FROM pragma_index_list(?) WHERE partial = 0", (table,)
            ).fetchall()
        ]
        for columns in links_of(connection, table):
            assert any(index[: len(columns)] == columns for index in indexes), (table, columns)
    connection.close()


@pytest.mark.parametrize("concern", PACK_CONCERNS)
def test_every_rule_of_a_pack_names_its_table_and_column(concern: str) -> None:
    """The text of a refusal tells where to look: it begins with table.column."""
    connection = migrated(concern)

    for table in set(tables(connection)) - {"_migrations"}:
        sql = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).get
        columns = {name for (name,) in connection.execute("SELECT name FROM pragma_table_xinfo(?)", (table,))}
        rules = re.findall(r'CONSTRAINT "([^"]+)"\s+CHECK', sql)
        assert len(re.findall(r"\bCHECK\b", sql)) == len(rules) == len(set(rules))
        for rule in rules:
            where, _, column = rule.split(" ")[0].partition(".")
            assert table == where
            assert column in columns
    connection.close()


@pytest.mark.parametrize("concern", PACK_CONCERNS)
def test_every_view_of_a_pack_can_be_read_and_blocks_no_rename(concern: str) -> None:
    """A view over a missing column would fail every SELECT and every later ALTER of any table."""
    connection = migrated(concern)
    for (view,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'view'").fetchall():
        connection.execute(f"SELECT * FROM {view} LIMIT 0").fetchall()

    for table in tables(connection):
        connection.execute(f'ALTER TABLE "{table}" RENAME TO "renamed_{table}"').fetchall()

    assert all(name.startswith("renamed_") for name in tables(connection))
    connection.close()


def test_the_packs_have_the_labels_that_the_seeds_know_them_by() -> None:
    """Each label stands where the schema of that name is complete; one version of episodic follows the other."""
    labels = {
        key(path): line[10:] for path in FILES if (line := path.read_text("utf-8").splitlines()[0])[3:8] == "Label"
    }

    assert {
        "openagents/004_add_schema_version": "1.0.0",
        "devstream/005_add_schema_version": "2.1.0",
        "episodic/001_initial_schema": "1.0.0",
        "episodic/002_add_embeddings": "1.1.0",
    } == labels


def test_the_packs_open_beside_the_standard_concerns(root: Path) -> None:
    """They are ordinary concerns: named at open, migrated with the others, absent for who does not ask."""
    with open(root, concerns=[*STANDARD, OPENAGENTS, DEVSTREAM, EPISODIC]) as dbs:
        report = dbs.migrate()

        assert {"openagents": 4, "devstream": 5, "episodic": 2} == {
            name: report.databases[name].to_version for name in PACK_CONCERNS
        }
        assert all(report.databases[name].outcome == "applied" for name in PACK_CONCERNS)


def test_who_does_not_ask_for_a_pack_does_not_get_it(dbs: MultiDB) -> None:
    """No file of a pack is made beside the seven standard ones."""
    assert not set(PACK_CONCERNS) & set(dbs)


TOUCHED = [
    ("openagents", "tasks", "notes"),
    ("openagents", "memories", "description"),
    ("openagents", "sessions", "log_path"),
    ("devstream", "intervention_plans", "description"),
    ("devstream", "semantic_memory", "source"),
    ("devstream", "agents", "description"),
]


def test_every_table_of_a_pack_with_updated_at_is_touched() -> None:
    """A table that promises the time of its last change keeps the promise."""
    promised = []
    for concern in PACK_CONCERNS:
        connection = migrated(concern)
        promised += [
            (concern, table)
            for (table,) in connection.execute(
                "SELECT m.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c"
                " WHERE m.type = 'table' AND c.name = 'updated_at'"
            )
        ]
        connection.close()

    assert sorted((concern, table) for concern, table, _ in TOUCHED) == sorted(promised)


@pytest.mark.parametrize(("concern", "table", "column"), TOUCHED)
def test_a_change_of_a_pack_moves_updated_at_and_only_forward(concern: str, table: str, column: str) -> None:
    """The time of the change is set by itself, unless the program sets it, and a later one stays."""
    past, future = "2000-01-01T00:00:00.000Z", "9000-01-01T00:00:00.000Z"
    change = f"UPDATE {table} SET {column} = '1'"
    times = f"SELECT DISTINCT updated_at FROM {table}"
    connection = migrated(concern)
    fill(concern, connection.execute)

    connection.execute(f"UPDATE {table} SET updated_at = ?", (past,))
    assert [(past,)] == connection.execute(times).fetchall()
    connection.execute(change)
    assert (past,) < min(connection.execute(times))
    connection.execute(f"{change}, updated_at = ?", (past,))
    assert [(past,)] == connection.execute(times).fetchall()
    connection.execute(f"UPDATE {table} SET updated_at = ?", (future,))
    connection.execute(change)
    assert [(future,)] == connection.execute(times).fetchall()
    for number in range(100):
        connection.execute(f"UPDATE {table} SET {column} = ?", (str(number),))
    assert {("99",)} == set(connection.execute(f"SELECT {column} FROM {table}"))
    connection.close()
