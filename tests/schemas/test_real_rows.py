"""Real rows fit: what the programs behind the seeds really wrote goes in whole, and comes out again.

Each test skips by name where the files are not at hand.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from multidb import Concern, Database
from tests.real_data import FOLDER

STATUSES = ("open", "in_progress", "blocked", "closed", "commit_pending")


def rows(name: str) -> list[dict[str, Any]]:
    """The records of a file of the real data, one for each line."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"the real file {name} is not at hand")
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def canonical(stamp: str | None) -> str | None:
    """RFC 3339 UTC with milliseconds, of a stamp with any offset and any fraction."""
    if stamp is None:
        return None
    fraction = re.sub(r"(\.\d{6})\d+", r"\1", stamp)
    return datetime.fromisoformat(fraction).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def put(db: Any, table: str, row: dict[str, Any], conflict: str = "") -> None:
    values = [json.dumps(value) if isinstance(value, dict | list) else value for value in row.values()]
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"INSERT INTO {table} ({names}) VALUES ({marks}) {conflict}", values)


# OpenAgents

TASK = {
    "id": "id",
    "title": "title",
    "description": "description",
    "status": "status",
    "priority": "priority",
    "type": "type",
    "assignee": "assignee",
    "closeReason": "close_reason",
    "labels": "labels",
    "commits": "commits",
    "comments": "comments",
    "pendingCommit": "pending_commit",
}
TIMES = {"createdAt": "created_at", "updatedAt": "updated_at", "closedAt": "closed_at"}


def as_task(record: dict[str, Any]) -> dict[str, Any]:
    """The row of a task; what has no column is kept in `extra`, an unknown status too."""
    row: dict[str, Any] = {column: record.get(name) for name, column in TASK.items()}
    row |= {column: canonical(record.get(name)) for name, column in TIMES.items()}
    extra = {name: value for name, value in record.items() if name not in {*TASK, *TIMES, "deps"}}
    if row["status"] not in STATUSES:
        extra["status"], row["status"] = row["status"], "unknown"
    return row | {"extra": extra or None}


@pytest.fixture
def tasks(openagents: Database) -> Iterator[tuple[Database, list[dict[str, Any]]]]:
    """The 567 tasks of the real file with their dependencies, as rows and as records."""
    records = rows("openagents/tasks.jsonl")
    with openagents.write() as w:
        for record in records:
            put(w, "tasks", as_task(record))
        for record in records:
            for link in record["deps"]:
                row = {"task_id": record["id"], "depends_on_task_id": link["id"], "dependency_type": link["type"]}
                put(w, "task_dependencies", row)
    yield openagents, records


def test_the_567_tasks_fit_with_their_dependencies(tasks: tuple[Database, list[dict[str, Any]]]) -> None:
    """None is lost and none is changed, times to the millisecond included."""
    db, records = tasks

    assert 567 == len(records) == db.scalar("SELECT count(*) FROM tasks")
    assert Counter(record["status"] for record in records) == dict(
        db.many("SELECT status, count(*) FROM tasks GROUP BY status")
    )
    assert 19 == db.scalar("SELECT count(*) FROM tasks WHERE priority = 4")
    assert {"blocks": 47, "parent-child": 36, "related": 13} == dict(
        db.many("SELECT dependency_type, count(*) FROM task_dependencies GROUP BY dependency_type")
    )
    for record in records:
        row = db.one("SELECT * FROM tasks WHERE id = ?", (record["id"],), into=dict)
        assert (record["title"], record["description"]) == (row["title"], row["description"])
        assert record["labels"] == json.loads(row["labels"])
        assert record.get("pendingCommit") == (row["pending_commit"] and json.loads(row["pending_commit"]))
        for name, column in TIMES.items():
            stamp = record.get(name)
            assert (None if stamp is None else datetime.fromisoformat(stamp)) == (
                row[column] and datetime.fromisoformat(row[column])
            )


@pytest.mark.parametrize("is_reopened", [False, True], ids=["as they are", "all open again"])
def test_the_ready_tasks_are_those_that_the_records_say(
    is_reopened: bool, tasks: tuple[Database, list[dict[str, Any]]]
) -> None:
    """Computed from the file by hand, in the same order."""
    db, records = tasks
    status = {record["id"]: "open" if is_reopened else record["status"] for record in records}
    if is_reopened:
        db.execute("UPDATE tasks SET status = 'open'")

    ready = [
        record
        for record in records
        if status[record["id"]] == "open"
        and all(status[link["id"]] == "closed" for link in record["deps"] if link["type"] in ("blocks", "parent-child"))
    ]
    order = sorted((record["priority"], canonical(record["createdAt"])) for record in ready)

    found = db.many("SELECT id, priority, created_at FROM ready_tasks ORDER BY priority, created_at")
    assert (400 if is_reopened else 60) < len(ready) < 567
    assert {record["id"] for record in ready} == {name for name, _, _ in found}
    assert order == [(priority, at) for _, priority, at in found]


def test_real_tasks_are_found_by_their_words(tasks: tuple[Database, list[dict[str, Any]]]) -> None:
    """As many as the file has with that word."""
    db, records = tasks
    has = re.compile(r"(?<![0-9A-Za-z])cli(?![0-9A-Za-z])", re.IGNORECASE)

    expected = {record["id"] for record in records if has.search(record["title"]) or has.search(record["description"])}

    assert 10 < len(expected)
    assert expected == {name for (name,) in db.many("SELECT id FROM tasks_fts WHERE tasks_fts MATCH 'cli'")}


def test_of_a_task_that_comes_twice_the_newer_one_stays(openagents: Database) -> None:
    """400 lines, 399 tasks, and the index has only the words that stayed."""
    records = rows("openagents/tasks-with-duplicate-id.jsonl")
    (twice,) = [name for name, count in Counter(record["id"] for record in records).items() if count > 1]
    newest = max((record for record in records if record["id"] == twice), key=lambda record: record["updatedAt"])
    with openagents.write() as w:
        for record in records:
            row = as_task(record)
            changes = ", ".join(f"{column} = excluded.{column}" for column in row if column != "id")
            newer = f"ON CONFLICT (id) DO UPDATE SET {changes} WHERE excluded.updated_at >= tasks.updated_at"
            put(w, "tasks", row, newer)

    assert 399 == openagents.scalar("SELECT count(*) FROM tasks")
    assert (newest["status"], canonical(newest["updatedAt"])) == openagents.one(
        "SELECT status, updated_at FROM tasks WHERE id = ?", (twice,)
    )
    openagents.execute("INSERT INTO tasks_fts (tasks_fts, rank) VALUES ('integrity-check', 1)")


@pytest.mark.parametrize(("name", "count"), [("memories", 38), ("memories-backup", 114)])
def test_the_memories_fit(name: str, count: int, openagents: Database) -> None:
    """Their content is an object and is found by its words."""
    records = rows(f"openagents/{name}.jsonl")
    with openagents.write() as w:
        for record in records:
            row = {
                "id": record["id"],
                "memory_type": record["memoryType"],
                "scope": record["scope"],
                "status": record["status"],
                "description": record["description"],
                "importance": record["importance"],
                "tags": record["tags"],
                "content": record["content"],
                "access_count": record["accessCount"],
                "last_accessed_at": canonical(record["lastAccessedAt"]),
                "created_at": canonical(record["createdAt"]),
                "updated_at": canonical(record["updatedAt"]),
                "source": record["source"],
            }
            put(w, "memories", row)

    assert count == len(records) == openagents.scalar("SELECT count(*) FROM memories")
    assert [record["content"] for record in records] == [
        json.loads(content) for (content,) in openagents.many("SELECT content FROM memories ORDER BY pk")
    ]
    failures = sum(record["content"].get("outcome") == "failure" for record in records)
    assert failures == openagents.scalar("SELECT count(*) FROM memories WHERE content ->> '$.outcome' = 'failure'")
    assert openagents.scalar("SELECT count(*) FROM memories_fts WHERE memories_fts MATCH 'outcome'") >= failures


def test_the_episodes_fit_with_every_status(openagents: Database) -> None:
    """D0.17: the six that were a success too; a comparison with a baseline is kept."""
    records = rows("openagents/episodes.jsonl")
    with openagents.write() as w:
        for record in records:
            summary = record["summary"]
            row = {
                "id": record["id"],
                "run_id": record["runId"],
                "iteration": record["iteration"],
                "model": record["model"],
                "suite_version": record["suiteVersion"],
                "started_at": canonical(record["startedAt"]),
                "finished_at": canonical(record["finishedAt"]),
                "duration_ms": summary["totalDurationMs"],
                "status": record["status"],
                "total_tests": summary["total"],
                "passed_tests": summary["passed"],
                "failed_tests": summary["failed"],
                "timeout_tests": summary["timeout"],
                "error_tests": summary["error"],
                "pass_rate": summary["passRate"],
                "avg_turns": summary["avgTurns"],
                "avg_tokens": summary["avgTokens"],
                "summary": summary,
                "baseline_comparison": record.get("baselineComparison"),
                "results_path": record["resultsPath"],
            }
            put(w, "episodes", row)

    assert {"failed": 20, "error": 21, "success": 6} == dict(
        openagents.many("SELECT status, count(*) FROM episodes GROUP BY status")
    )
    assert 25 == openagents.scalar("SELECT count(*) FROM episodes WHERE baseline_comparison IS NOT NULL")
    assert 47 == len(records) == openagents.scalar("SELECT count(DISTINCT id) FROM episodes")


def test_the_trajectories_of_another_shape_fit_and_are_found(openagents: Database) -> None:
    """They have actions and no steps; what an action said can be searched."""
    records = rows("openagents/trajectories.jsonl")
    with openagents.write() as w:
        for record in records:
            row = {
                "session_id": record["id"],
                "schema_version": "actions",
                "agent_name": "unknown",
                "model_name": record["model"],
                "step_count": len(record["actions"]),
                "total_tokens": record["tokens"]["total"],
                "trajectory": record,
                "created_at": canonical(record["timestamp"]),
            }
            put(w, "trajectories", row)

    said = [" ".join(f"{action['content']} {action['result']}" for action in record["actions"]) for record in records]

    assert 140 == openagents.scalar("SELECT count(*) FROM trajectories")
    assert sum("defined" in text.split() for text in said) == openagents.scalar(
        "SELECT count(*) FROM trajectories_fts WHERE trajectories_fts MATCH 'defined'"
    )


# beads

WORKFLOW_STATUS = {"closed": "completed", "tombstone": "cancelled", "hooked": "paused", "deferred": "paused"}


@pytest.mark.parametrize(
    ("name", "count"),
    [("issues-3003", 3003), ("issues-v0.9.2", None), ("issues-dolt-era", 665)],
    ids=["v0.47.2", "v0.9.2", "dolt"],
)
def test_the_issues_of_beads_fit_as_mappings(name: str, count: int | None, opened: Any) -> None:
    """Tombstones, 13 types, priority 4, dotted ids and six offsets: every issue has a mapping that says what it was."""
    bridge: Database = opened(Concern("coordination"))
    records = [record for record in rows(f"beads/{name}.jsonl") if "id" in record]
    with bridge.write() as w:
        for number, record in enumerate(records):
            row = {
                "beads_issue_id": record["id"],
                "tempolite_workflow_id": f"run-{number}",
                "workflow_type": "poc",
                "status": WORKFLOW_STATUS.get(record["status"], "active"),
                "priority": record.get("priority", 0),
                "metadata": {"issue_type": record.get("issue_type"), "title": record["title"]},
                "created_at": canonical(record["created_at"]),
                "updated_at": canonical(record["updated_at"]),
                "completed_at": canonical(record.get("closed_at")),
                "last_seen_issue_status": record["status"],
                "last_seen_at": "2026-01-01T00:00:00.000Z",
            }
            put(w, "workflow_mappings", row)

    assert (count or len(records)) == len(records) == bridge.scalar("SELECT count(*) FROM workflow_mappings")
    for column, sql in (("status", "last_seen_issue_status"), ("issue_type", "metadata ->> '$.issue_type'")):
        assert Counter(record.get(column) for record in records) == dict(
            bridge.many(f"SELECT {sql}, count(*) FROM workflow_mappings GROUP BY 1")
        )
    assert Counter(record.get("priority", 0) for record in records) == dict(
        bridge.many("SELECT priority, count(*) FROM workflow_mappings GROUP BY 1")
    )
    assert [record["title"] for record in records] == [
        title for (title,) in bridge.many("SELECT metadata ->> '$.title' FROM workflow_mappings ORDER BY id")
    ]
    moments = [datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", record["created_at"])) for record in records]
    assert [moment.isoformat(timespec="seconds") for moment in sorted(one.astimezone(UTC) for one in moments)] == [
        f"{at[:19]}+00:00" for (at,) in bridge.many("SELECT created_at FROM workflow_mappings ORDER BY created_at")
    ]
