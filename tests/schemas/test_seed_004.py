"""Seed 004, coordination: its views on rows, and where a workflow comes from.

The tables, indexes and views of the seed stand since the first migrations, whose tests hold the errata D4.
"""

from __future__ import annotations

from typing import Any

import pytest

from multidb import Concern, Database

INTEGERS = "tempolite-v1"


def steps(db: Any, sql: str, params: Any = ()) -> list[str]:
    return [step.detail for step in db.explain(sql, params).steps]


def link(db: Any, workflow: object, issue: str | None = None, **columns: object) -> None:
    row = {"beads_issue_id": issue, "tempolite_workflow_id": workflow, "workflow_type": "poc", **columns}
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"INSERT INTO workflow_mappings ({names}) VALUES ({marks})", tuple(row.values()))


@pytest.fixture
def bridge(opened: Any) -> Database:
    database: Database = opened(Concern("coordination"))
    return database


def test_the_views_of_the_seed_run_on_rows(filled: Any) -> None:
    """D4.1, D4.2: each can be read, and has one row for what it is about."""
    bridge = filled("coordination")

    assert 4 == bridge.scalar("SELECT count(*) FROM workflow_overview")
    assert 1 == bridge.scalar("SELECT sum(result_count) FROM workflow_overview")
    assert [("ada", "poc", 1)] == bridge.many("SELECT agent_id, agent_type, active_assignments FROM agent_workload")
    assert 1 == len(bridge.many("SELECT * FROM performance_trends"))
    assert [("1.2.0", 1)] == bridge.many(
        "SELECT version, success FROM schema_migrations ORDER BY applied_at DESC, version DESC LIMIT 1"
    )


@pytest.mark.parametrize("priority", range(5))
def test_a_mapping_has_the_priority_of_its_issue(priority: int, bridge: Database) -> None:
    """D4.3: 0 to 4."""
    link(bridge, "w", priority=priority)

    assert priority == bridge.scalar("SELECT priority FROM workflow_mappings")


def test_the_attempts_of_an_issue_are_counted(bridge: Database) -> None:
    """D4.4: a retry is another workflow of the same issue; the newest is found by its number."""
    link(bridge, "w1", "bd-1", status="failed")
    link(bridge, "w2", "bd-1", attempt=2, last_seen_issue_status="hooked", last_seen_workflow_status="Retried")
    link(bridge, "w3", "bd-2")
    newest = """
        SELECT tempolite_workflow_id, attempt
        FROM workflow_mappings AS wm
        WHERE beads_issue_id = ? AND attempt = (
          SELECT max(attempt) FROM workflow_mappings WHERE beads_issue_id = wm.beads_issue_id
        )
    """

    assert [("w2", 2)] == bridge.many(newest, ("bd-1",))
    assert not any(step.startswith("SCAN") for step in steps(bridge, newest, ("bd-1",)))


def test_ids_that_begin_again_take_nothing_from_the_old_workflows(bridge: Database) -> None:
    """A retired mapping gives its number free, with all that hangs on it, and is joined by it no longer."""
    for number in (1, 2):
        link(bridge, number, f"bd-{number}", tempolite_generation=INTEGERS)
    link(bridge, 3, "bd-3", parent_workflow_id="1")
    bridge.execute("INSERT INTO agent_assignments (workflow_id, agent_type, agent_id) VALUES (1, 'poc', 'ada')")
    retire = "UPDATE workflow_mappings SET retired_at = '2026-01-01T00:00:00.000Z' WHERE tempolite_generation = ?"

    bridge.execute(retire, (INTEGERS,))
    for number in (1, 2):
        link(bridge, number, f"bd-new-{number}", tempolite_generation=INTEGERS)

    assert [
        ("1@1", None, "bd-1", None),
        ("2@2", None, "bd-2", None),
        ("3", 3, "bd-3", "1@1"),
        ("1", 1, "bd-new-1", None),
        ("2", 2, "bd-new-2", None),
    ] == bridge.many(
        "SELECT tempolite_workflow_id, tempolite_entity_id, beads_issue_id, parent_workflow_id"
        " FROM workflow_mappings ORDER BY id"
    )
    assert [("1@1",)] == bridge.many("SELECT workflow_id FROM agent_assignments")


def test_ids_may_begin_again_more_than_once(bridge: Database) -> None:
    """Each time the names differ, and retiring a mapping twice changes its name once."""
    for round_ in range(3):
        link(bridge, 1, f"bd-{round_}")
        bridge.execute("UPDATE workflow_mappings SET retired_at = '2026-01-01T00:00:00.000Z' WHERE retired_at IS NULL")
    bridge.execute("UPDATE workflow_mappings SET retired_at = NULL")
    bridge.execute("UPDATE workflow_mappings SET retired_at = '2026-01-02T00:00:00.000Z'")

    assert [("1@1",), ("1@2",), ("1@3",)] == bridge.many(
        "SELECT tempolite_workflow_id FROM workflow_mappings ORDER BY id"
    )


def test_a_rotated_file_is_remembered(bridge: Database) -> None:
    """A workflow is looked for in the file in which it was begun; the longest unseen one first."""
    link(bridge, 7, tempolite_file="flow_1730000000.db", last_seen_at="2026-01-02T00:00:00.000Z")
    link(bridge, 8, tempolite_file="flow_1740000000.db", last_seen_at="2026-01-01T00:00:00.000Z")
    stale = (
        "SELECT tempolite_entity_id, tempolite_file FROM workflow_mappings WHERE last_seen_at < ? ORDER BY last_seen_at"
    )

    assert [(8, "flow_1740000000.db")] == bridge.many(stale, ("2026-01-02T00:00:00.000Z",))
    assert ["SEARCH workflow_mappings USING INDEX idx_workflow_mappings_last_seen (last_seen_at<?)"] == steps(
        bridge, stale, ("2026-01-02T00:00:00.000Z",)
    )


HOT = [
    ("SELECT * FROM workflow_mappings WHERE workflow_type = ? AND status = ?", "idx_workflow_mappings_type_status"),
    ("SELECT * FROM workflow_mappings WHERE parent_workflow_id = ?", "idx_workflow_mappings_parent"),
    ("SELECT * FROM agent_assignments WHERE workflow_id = ? ORDER BY step_number", "idx_agent_assignments_workflow"),
    ("SELECT * FROM agent_assignments WHERE agent_type = ? AND status = ?", "idx_agent_assignments_agent_type"),
    ("SELECT * FROM workflow_results ORDER BY quality_score DESC LIMIT 10", "idx_workflow_results_quality"),
    ("SELECT * FROM workflow_results ORDER BY created_at DESC LIMIT 10", "idx_workflow_results_created"),
    ("SELECT * FROM research_findings WHERE library_name = ? AND library_version = ?", "idx_research_findings_library"),
    ("SELECT * FROM poc_results WHERE build_success = 1 AND test_success = 1", "idx_poc_results_success"),
    ("SELECT * FROM workflow_performance WHERE success = 0 ORDER BY duration_ms", "idx_workflow_performance_success"),
    ("SELECT * FROM workflow_analytics WHERE date = ?", "idx_workflow_analytics_date"),
    ("SELECT * FROM workflow_analytics ORDER BY date DESC LIMIT 7", "idx_workflow_analytics_date"),
    (
        "SELECT * FROM workflow_templates WHERE is_active = 1 ORDER BY usage_count DESC LIMIT 5",
        "idx_workflow_templates_active",
    ),
    ("SELECT * FROM agent_configurations WHERE agent_type = ? AND status = ?", "idx_agent_configurations_type_status"),
]


@pytest.mark.parametrize(("sql", "index"), HOT)
def test_a_hot_query_uses_the_index_of_the_seed(sql: str, index: str, bridge: Database) -> None:
    """Nothing is sorted that an index has in order."""
    plan = steps(bridge, sql, (None,) * sql.count("?"))

    assert any(index in step for step in plan), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan
