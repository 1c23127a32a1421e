"""The first migrations of the five concerns: the central tables exist, work, refuse and can be taken back.

What a program does goes through `dbs`; what only a migration does (taking a step back, being written down
in the file as it is) is tried on `bare`, a connection with the library's pragmas and nothing else.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import multidb

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
CONCERNS = ("chat", "code", "imagegen", "app", "coordination")
FILES = [path for name in CONCERNS for path in sorted((MIGRATIONS / name).glob("*.sql"))]

SHIPPED = {
    "aa7064a10ea07e784f96ba1b97893481": "chat/001_initial",
    "1190c2d8a3b6e30bb6e1cc1677c0f854": "chat/002_add_attachments_and_tool_calls",
    "58650dcdb434e199bfe3d9ba29976127": "chat/003_add_fts",
    "9c0d5f99b1fc6c26b2b84f01508b419d": "chat/004_add_likes",
    "cc2d273bccbd85aec34a225618fe739d": "chat/005_add_model_and_metadata",
    "71ca13e69f42632e025ce8d3c63178cb": "chat/006_add_lists",
    "5ab594e832161069c0e8eaa12da027c3": "code/001_initial",
    "ab0147391a8c6d624b7902f628efbea8": "code/002_add_snapshots",
    "633eb139da20d6bbb7c41ecac4d71ddb": "code/003_add_fts",
    "829991c05a2ad25c96b30e0fc1abd260": "code/004_add_snapshot_files",
    "b03fb2579cde9dac43340526a344253c": "imagegen/001_initial",
    "ffb93735c951648fd72ef74897ef2e23": "imagegen/002_add_prompts",
    "255c784fa9901e41fb4a5b73741cae2d": "imagegen/003_add_queue_groups_and_batches",
    "21822e035985428f83579ebc38f778c8": "imagegen/004_add_fts",
    "6ba67ff229d2a6858daaf159c1ee7c9e": "app/001_initial",
    "6dba2e129468c54f67bf1550721f7fac": "app/002_add_artifacts",
    "f653edf3f6643a3f3ae6aa96b7a39c33": "coordination/001_initial",
    "64a01f3bc4b0f1d3c167862d8af88f09": "coordination/002_add_performance_analytics",
    "19218df942951a9c1065cccbc7b79fc1": "coordination/003_add_tempolite_origin",
}
"""What was shipped, by half a SHA-256: a file that is in here is never edited, a new one is added."""

# One row or more for every table, in an order that the foreign keys accept, by the migration that made it.
ROWS = {
    "chat/001_initial": """
        INSERT INTO chats (id, title) VALUES ('c1', 'Hello'), ('c2', 'Other');
        INSERT INTO messages (id, chat_id, role, content) VALUES ('m1', 'c1', 'user', 'first words');
        INSERT INTO messages (id, chat_id, role, content, parent_id)
        VALUES ('m2', 'c1', 'assistant', 'an answer', 'm1');
        INSERT INTO branches (id, chat_id, fork_message_id) VALUES ('b1', 'c1', 'm1');
        INSERT INTO messages (id, chat_id, role, content, parent_id, branch_id)
        VALUES ('m3', 'c1', 'assistant', 'another answer', 'm1', 'b1');
    """,
    "chat/002_add_attachments_and_tool_calls": """
        INSERT INTO attachments (id, message_id, name) VALUES ('a1', 'm1', 'notes.txt');
        INSERT INTO tool_calls (id, message_id, name) VALUES ('t1', 'm2', 'search');
    """,
    "chat/003_add_fts": "",
    "chat/004_add_likes": "INSERT INTO likes (message_id) VALUES ('m2');",
    "chat/005_add_model_and_metadata": """
        UPDATE chats SET default_model = 'thinker', metadata = '{"pinned": true}';
        UPDATE messages SET metadata = '{}';
    """,
    "chat/006_add_lists": "",
    "code/001_initial": """
        INSERT INTO sessions (id, project_path) VALUES ('s1', '/project'), ('s2', '/project');
        INSERT INTO transcript_entries (id, session_id, type, content)
        VALUES ('e1', 's1', 'user_input', 'add a test'), ('e2', 's1', 'assistant_output', 'done');
    """,
    "code/002_add_snapshots": """
        INSERT INTO snapshots (id, session_id, transcript_entry_id) VALUES ('n1', 's1', 'e2');
    """,
    "code/003_add_fts": "",
    "code/004_add_snapshot_files": f"""
        INSERT INTO snapshot_objects (hash, size_bytes, content) VALUES ('{"0" * 64}', 2, x'6869');
        INSERT INTO snapshot_files (snapshot_id, path, object_hash)
        VALUES ('n1', 'a.txt', '{"0" * 64}'), ('n1', 'gone.txt', NULL);
    """,
    "imagegen/001_initial": """
        INSERT INTO queue_entries (id, prompt_value, model) VALUES ('q1', 'a cat', 'painter');
        INSERT INTO jobs (id, queue_entry_id) VALUES ('j1', 'q1');
        INSERT INTO images (id, job_id, path, model, prompt)
        VALUES ('i1', 'j1', '/images/1.png', 'painter', 'a cat');
    """,
    "imagegen/002_add_prompts": """
        INSERT INTO prompts (id, name, content) VALUES ('p1', 'cat', 'a cat');
        INSERT INTO reference_groups (id, name) VALUES ('g1', 'cats');
        INSERT INTO reference_group_items (id, group_id, path) VALUES ('r1', 'g1', '/cats/1.png');
    """,
    "imagegen/003_add_queue_groups_and_batches": """
        INSERT INTO queue_groups (id, name) VALUES ('g1', 'cats');
        UPDATE queue_entries SET group_id = 'g1';
        INSERT INTO batches (id, job_id, batch_index, prompt_used, model_used)
        VALUES ('b1', 'j1', 0, 'a cat', 'painter');
        UPDATE images SET batch_id = 'b1';
        UPDATE jobs SET claimed_by = 'worker', heartbeat_at = '2026-01-01T00:00:00.000Z';
    """,
    "imagegen/004_add_fts": "",
    "app/001_initial": """
        INSERT INTO settings (key, value) VALUES ('theme', 'dark');
        INSERT INTO credentials (name, key_id, nonce, ciphertext)
        VALUES ('provider', 'k1', zeroblob(12), zeroblob(40));
    """,
    "app/002_add_artifacts": "INSERT INTO artifacts (id, name) VALUES ('a1', 'page.html');",
    "coordination/001_initial": """
        INSERT INTO workflow_mappings (beads_issue_id, tempolite_workflow_id, workflow_type)
        VALUES ('bd-1', 'w1', 'poc'), ('bd-1', 42, 'poc'), ('', 'w3', 'research');
        INSERT INTO workflow_mappings (tempolite_workflow_id, workflow_type, parent_workflow_id)
        VALUES ('w4', 'validation', 'w1');
        INSERT INTO agent_assignments (workflow_id, agent_type, agent_id) VALUES ('w1', 'poc', 'ada');
        INSERT INTO workflow_results (workflow_id, agent_type, result_type, result_data)
        VALUES ('w1', 'poc', 'findings', '{}');
        INSERT INTO research_findings (id, workflow_id, library_name, findings)
        VALUES ('f1', 'w1', 'lib', '[]');
        INSERT INTO poc_results (id, workflow_id, implementation_type, language)
        VALUES ('p1', 'w1', 'module', 'Python');
        INSERT INTO workflow_templates (id, name, workflow_type, template_def, agent_sequence)
        VALUES ('t1', 'usual', 'poc', '{}', '["poc"]');
        INSERT INTO agent_configurations (id, agent_type, agent_id, configuration)
        VALUES ('x1', 'poc', 'ada', '{}');
    """,
    "coordination/002_add_performance_analytics": """
        INSERT INTO workflow_performance (workflow_id, agent_type, step_name, start_time)
        VALUES ('w1', 'poc', 'build', '2026-01-01T00:00:00.000Z');
        INSERT INTO workflow_analytics (date, workflow_type, agent_type) VALUES ('2026-01-01', 'poc', 'poc');
    """,
    "coordination/003_add_tempolite_origin": """
        UPDATE workflow_mappings SET tempolite_generation = 'tempolite-v1', tempolite_file = 'tempolite.db'
        WHERE tempolite_entity_id IS NOT NULL;
        UPDATE workflow_mappings SET last_seen_issue_status = 'tombstone', last_seen_at = '2026-01-01T00:00:00.000Z'
        WHERE beads_issue_id = 'bd-1';
    """,
}

Execute = Callable[[str], object]


def key(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def files_of(concern: str) -> list[Path]:
    return [path for path in FILES if path.parent.name == concern]


def statements(text: str) -> Iterator[str]:
    """The statements of `text`, one by one, cut where SQLite itself sees their ends."""
    statement = ""
    for piece in re.split(r"(?<=;)", text):
        statement += piece
        if apsw.complete(statement):
            yield statement.strip()
            statement = ""
    assert "" == re.sub(r"--.*", "", statement).strip()


def section(path: Path, name: str) -> str:
    up, down = re.split(r"^-- Down$", path.read_text("utf-8"), flags=re.MULTILINE)
    return re.split(r"^-- Up$", up, flags=re.MULTILINE)[1] if name == "Up" else down


def run(connection: apsw.Connection, text: str) -> None:
    """Run `text` in one transaction with foreign keys on, which is harder than what the library does."""
    connection.execute("BEGIN IMMEDIATE")
    for statement in statements(text):
        connection.execute(statement).fetchall()
    connection.execute("COMMIT")


def connect() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    for option in (apsw.SQLITE_DBCONFIG_DQS_DDL, apsw.SQLITE_DBCONFIG_DQS_DML):
        connection.config(option, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    for pragma in ("foreign_keys = ON", "recursive_triggers = ON", "trusted_schema = OFF"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def migrated(concern: str) -> apsw.Connection:
    connection = connect()
    for path in files_of(concern):
        run(connection, section(path, "Up"))
    return connection


def fill(concern: str, execute: Execute) -> None:
    for path in files_of(concern):
        for statement in statements(ROWS[key(path)]):
            execute(statement)


def schema(connection: apsw.Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY 1, 2"
    ).fetchall()


def tables(connection: apsw.Connection) -> list[str]:
    """The ordinary tables: what FTS5 keeps for itself is left out."""
    return [
        name
        for (name,) in connection.execute(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
            " AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name"
        )
    ]


def contents(connection: apsw.Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {name: connection.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables(connection)}


@pytest.fixture
def bare() -> Iterator[Callable[[str], apsw.Connection]]:
    """Makes connections to a concern with all its migrations and no rows."""
    made: list[apsw.Connection] = []

    def make(concern: str) -> apsw.Connection:
        made.append(migrated(concern))
        return made[-1]

    yield make
    for connection in made:
        connection.close()


@pytest.fixture
def full(dbs: multidb.MultiDB) -> multidb.MultiDB:
    """The five databases with a few rows in every table."""
    for concern in CONCERNS:
        with dbs[concern].write() as w:
            fill(concern, w.execute)
    return dbs


def refused(db: Any, sql: str, params: Any = ()) -> str:
    """The rule that `sql` breaks, after a look that nothing was changed."""
    before = everything(db)
    with pytest.raises(multidb.ConstraintError) as caught, db.write() as w:
        w.execute(sql, params)

    assert before == everything(db)
    return caught.value.constraint or str(caught.value)


def everything(db: Any) -> list[Any]:
    names = db.many("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%STRICT' ORDER BY name")
    return [db.many(f'SELECT * FROM "{name}"') for (name,) in names]


# The files


def test_every_shipped_migration_is_as_it_was_shipped() -> None:
    """Databases in the field were made by these very files, so none of them may change."""
    found = {hashlib.sha256(path.read_text("utf-8").encode()).hexdigest()[:32]: key(path) for path in FILES}

    assert SHIPPED == found


@pytest.mark.parametrize("path", FILES, ids=key)
def test_a_migration_says_why_before_it_begins(path: Path) -> None:
    """A reader learns the reason, the rows it touches and the price of taking it back from the head."""
    head, _, _ = path.read_text("utf-8").partition("\n-- Up\n")

    assert head.startswith(("-- Description: ", "-- Label: "))
    assert all(line.startswith("--") or not line for line in head.splitlines())
    assert "Reverting it drops" in head


@pytest.mark.parametrize("path", FILES, ids=key)
def test_a_migration_leaves_transactions_and_settings_to_the_runner(path: Path) -> None:
    """No statement ends the runner's transaction, changes the connection or hides drift."""
    for name in ("Up", "Down"):
        for statement in statements(section(path, name)):
            sql = re.sub(r"--.*", "", statement).strip().upper()
            assert not sql.startswith(("BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "PRAGMA", "ATTACH"))
            assert " IF NOT EXISTS " not in sql
            assert " IF EXISTS " not in sql
            assert "VEC0" not in sql


# Back and forth


@pytest.mark.parametrize("concern", CONCERNS)
def test_a_concern_goes_up_down_and_up_on_rows(concern: str) -> None:
    """Each step takes back exactly what it made, with rows in every table, and can be done again."""
    connection = connect()
    states = []
    for path in files_of(concern):
        states.append((schema(connection), contents(connection)))
        run(connection, section(path, "Up"))
        for statement in statements(ROWS[key(path)]):
            connection.execute(statement)
    top = schema(connection)

    for path in reversed(files_of(concern)):
        run(connection, section(path, "Down"))
        before, rows = states.pop()
        assert before == schema(connection)
        assert {name: len(cells) for name, cells in rows.items()} == {
            name: len(cells) for name, cells in contents(connection).items()
        }
        assert [] == connection.execute("PRAGMA foreign_key_check").fetchall()
    for path in files_of(concern):
        run(connection, section(path, "Up"))
    fill(concern, connection.execute)

    assert top == schema(connection)
    assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()
    connection.close()


@pytest.mark.parametrize(("concern", "index"), [("chat", "messages_fts"), ("code", "transcript_fts")])
def test_an_index_made_late_finds_the_rows_that_were_there(concern: str, index: str) -> None:
    """Taking the full-text index away and making it again loses no hit, and leaves no ghost."""
    connection = migrated(concern)
    fill(concern, connection.execute)
    search = f"SELECT rowid FROM {index} WHERE {index} MATCH 'test OR answer' ORDER BY rowid"
    hits = connection.execute(search).fetchall()
    index_file = MIGRATIONS / concern / "003_add_fts.sql"

    run(connection, section(index_file, "Down"))
    table = "messages" if concern == "chat" else "transcript_entries"
    connection.execute(f"UPDATE {table} SET content = 'other words' WHERE pk = ?", hits[0])
    run(connection, section(index_file, "Up"))

    assert hits
    assert hits[1:] == connection.execute(search).fetchall()
    connection.close()


# The shape


@pytest.mark.parametrize("concern", CONCERNS)
def test_every_table_is_strict_and_every_link_indexed(concern: str, bare: Callable[[str], apsw.Connection]) -> None:
    """Types are kept as declared, and deleting a parent never scans its children."""
    connection = bare(concern)

    for table in tables(connection):
        assert 1 == connection.execute("SELECT strict FROM pragma_table_list WHERE name = ?", (table,)).get
        indexes = [
            [column for (column,) in connection.execute("SELECT name FROM pragma_index_info(?)", (index,))]
            for (index,) in connection.execute(
                "SELECT name FROM pragma_index_list(?) WHERE partial = 0", (table,)
            ).fetchall()
        ]
        links: dict[int, list[str]] = {}
        for link, column in connection.execute(
            'SELECT id, "from" FROM pragma_foreign_key_list(?) ORDER BY id, seq', (table,)
        ):
            links.setdefault(link, []).append(column)
        for columns in links.values():
            assert any(index[: len(columns)] == columns for index in indexes), (table, columns)


KNOWN = {
    "chat": """
        idx_messages_chat_id idx_messages_timestamp idx_messages_branch_id idx_messages_chat_timestamp
        idx_chats_updated_at messages_ai messages_ad messages_au messages_fts
    """,
    "code": "sessions transcript_entries snapshots",
    "imagegen": "queue_entries jobs images prompts reference_groups idx_jobs_pending",
    "app": "settings credentials artifacts",
    "coordination": """
        idx_workflow_mappings_tempolite_id idx_workflow_mappings_type_status
        idx_workflow_mappings_status_priority idx_workflow_mappings_parent
        idx_agent_assignments_agent_status idx_agent_assignments_workflow idx_agent_assignments_agent_type
        idx_workflow_results_workflow idx_workflow_results_agent_type idx_workflow_results_quality
        idx_workflow_results_created
        idx_research_findings_workflow idx_research_findings_library idx_research_findings_confidence
        idx_poc_results_workflow idx_poc_results_success idx_poc_results_performance
        idx_workflow_performance_workflow idx_workflow_performance_duration idx_workflow_performance_success
        idx_workflow_analytics_date idx_workflow_analytics_type
        idx_workflow_templates_type idx_workflow_templates_active
        idx_agent_configurations_type_status idx_agent_configurations_workload
        workflow_overview agent_workload performance_trends
    """,
}


@pytest.mark.parametrize("concern", CONCERNS)
def test_what_has_a_known_name_keeps_it(concern: str, bare: Callable[[str], apsw.Connection]) -> None:
    """Programs and plans speak of these tables, indexes, triggers and views by name."""
    names = {name for _, name, _ in schema(bare(concern))}

    assert set() == set(KNOWN[concern].split()) - names
    assert not names & {"_migrations", "_migration_log", "_migration_meta", "schema_migrations"}


@pytest.mark.parametrize("concern", CONCERNS)
def test_every_rule_names_its_table_and_column(concern: str, bare: Callable[[str], apsw.Connection]) -> None:
    """The text of a refusal tells where to look: it begins with table.column."""
    connection = bare(concern)

    for table in tables(connection):
        sql = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).get
        columns = {name for (name,) in connection.execute("SELECT name FROM pragma_table_xinfo(?)", (table,))}
        rules = re.findall(r'CONSTRAINT "([^"]+)"\s+CHECK', sql)
        assert len(re.findall(r"\bCHECK\b", sql)) == len(rules)
        assert len(set(rules)) == len(rules)
        for rule in rules:
            where, _, column = rule.split(" ")[0].partition(".")
            assert table == where
            assert column in columns


@pytest.mark.parametrize("concern", CONCERNS)
def test_every_view_can_be_read_and_blocks_no_rename(concern: str, bare: Callable[[str], apsw.Connection]) -> None:
    """A view over a missing column would fail every SELECT and every later ALTER of any table."""
    connection = bare(concern)
    for (view,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'view'").fetchall():
        connection.execute(f"SELECT * FROM {view} LIMIT 0").fetchall()

    for table in tables(connection):
        connection.execute(f'ALTER TABLE "{table}" RENAME TO "renamed_{table}"').fetchall()

    assert all(name.startswith("renamed_") for name in tables(connection))


PLANS = [
    ("chat", "SELECT * FROM messages WHERE chat_id = ?", "idx_messages_chat_"),
    (
        "chat",
        "SELECT * FROM messages WHERE chat_id = ? ORDER BY timestamp, pk",
        "idx_messages_chat_timestamp",
    ),
    (
        "chat",
        "SELECT * FROM messages WHERE chat_id = ? AND (timestamp, pk) > (?, ?) ORDER BY timestamp, pk LIMIT 20",
        "idx_messages_chat_timestamp",
    ),
    (
        "chat",
        "SELECT * FROM messages WHERE (timestamp, pk) > (?, ?) ORDER BY timestamp, pk LIMIT 20",
        "idx_messages_timestamp",
    ),
    ("chat", "SELECT id, title FROM chats WHERE updated_at > ? ORDER BY updated_at", "idx_chats_updated_covering"),
    ("chat", "SELECT * FROM chats ORDER BY updated_at DESC LIMIT 20", "idx_chats_updated"),
    ("chat", "SELECT * FROM messages WHERE parent_id = ?", "idx_messages_parent_id"),
    (
        "chat",
        "SELECT id FROM messages WHERE branch_id = ? AND chat_id = ? ORDER BY timestamp DESC, pk DESC LIMIT 1",
        "idx_messages_branch_id",
    ),
    ("chat", "SELECT id FROM messages WHERE is_liked = 1 ORDER BY timestamp DESC", "idx_messages_liked"),
    (
        "code",
        "SELECT * FROM transcript_entries WHERE session_id = ? AND seq > ? ORDER BY seq LIMIT 50",
        "idx_transcript_entries_session_id",
    ),
    ("code", "SELECT * FROM sessions ORDER BY updated_at DESC LIMIT 20", "idx_sessions_updated_at"),
    (
        "imagegen",
        "SELECT id FROM jobs WHERE status = 'pending' ORDER BY created_at, pk LIMIT 1",
        "idx_jobs_pending",
    ),
    ("app", "SELECT value FROM settings WHERE key = ?", "sqlite_autoindex_settings_1"),
    ("app", "SELECT * FROM artifacts WHERE chat_id = ?", "idx_artifacts_chat_id"),
    (
        "coordination",
        "SELECT * FROM workflow_mappings WHERE beads_issue_id = ?",
        "idx_workflow_mappings_beads_issue_id",
    ),
    (
        "coordination",
        "SELECT * FROM workflow_mappings WHERE tempolite_workflow_id = ?",
        "idx_workflow_mappings_tempolite_id",
    ),
    (
        "coordination",
        "SELECT * FROM workflow_mappings WHERE tempolite_entity_id = ?",
        "idx_workflow_mappings_entity_id",
    ),
    (
        "coordination",
        "SELECT * FROM workflow_mappings WHERE status = ? AND priority <= ? ORDER BY priority",
        "idx_workflow_mappings_status_priority",
    ),
    (
        "coordination",
        "SELECT * FROM agent_assignments WHERE agent_id = ? AND status = ?",
        "idx_agent_assignments_agent_status",
    ),
    ("coordination", "SELECT * FROM workflow_results WHERE workflow_id = ?", "idx_workflow_results_workflow"),
    ("coordination", "SELECT * FROM performance_trends", "idx_workflow_performance_created"),
]


@pytest.mark.parametrize(("concern", "sql", "index"), PLANS)
def test_a_hot_query_uses_the_index_that_was_made_for_it(
    concern: str, sql: str, index: str, bare: Callable[[str], apsw.Connection]
) -> None:
    """No hot query reads a whole table, and none that is ordered by its index sorts."""
    connection = bare(concern)

    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", (None,) * sql.count("?"))]

    assert any(index in step for step in steps), steps
    assert sql.endswith("performance_trends") or not any("TEMP B-TREE" in step for step in steps), steps


# What every table refuses


def rules(db: Any, pattern: str) -> list[tuple[str, str]]:
    """(table, column) of each CHECK whose name ends as `pattern` says."""
    found = []
    for (sql,) in db.many("SELECT sql FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%STRICT'"):
        found += re.findall(rf'CONSTRAINT "(\w+)\.(\w+) {pattern}"', sql)
    assert found
    return found


NOT_CANONICAL = (
    "2026-01-01 00:00:00",
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.000+00:00",
    "2026-02-30T00:00:00.000Z",
    "2026-01-01T00:00:00.000z",
    "2026-01-01T24:00:00.000Z",
    "now",
    "1767225600",
    "",
)


@pytest.mark.parametrize("concern", CONCERNS)
def test_every_time_is_kept_in_one_form(concern: str, full: multidb.MultiDB) -> None:
    """Two forms of one moment do not compare, so a column takes only the canonical one."""
    db = full[concern]
    for table, column in rules(db, "is RFC 3339 UTC with milliseconds"):
        for text in NOT_CANONICAL:
            rule = refused(db, f'UPDATE "{table}" SET "{column}" = ?', (text,))
            assert f"{table}.{column} is RFC 3339 UTC with milliseconds" == rule


@given(st.datetimes())
def test_every_moment_has_a_canonical_form_that_is_taken(moment: Any) -> None:
    """The rule is about the form alone: no year, leap day or millisecond is refused."""
    text = f"{moment.replace(microsecond=0).isoformat()}.{moment.microsecond // 1000:03}Z"
    connection = apsw.Connection(":memory:")
    rule = "length(x) = 24 AND strftime('%Y-%m-%dT%H:%M:%fZ', x) IS x"

    accepted = connection.execute(f"SELECT {rule} FROM (SELECT ? AS x)", (text,)).get

    assert 1 == accepted
    connection.close()


@pytest.mark.parametrize("concern", CONCERNS)
def test_times_that_nobody_gives_are_canonical(concern: str, full: multidb.MultiDB) -> None:
    """The defaults obey the rule that the columns have."""
    for table, column in rules(full[concern], "is RFC 3339 UTC with milliseconds"):
        for (text,) in full[concern].many(f'SELECT "{column}" FROM "{table}"'):
            assert text is None or re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)


@pytest.mark.parametrize("concern", CONCERNS)
def test_every_json_column_refuses_what_is_not_json(concern: str, full: multidb.MultiDB) -> None:
    """One malformed document would make every later query over the column fail."""
    for table, column in rules(full[concern], "is (?:a )?JSON(?: array| object)?"):
        for text in ("", "{", "{a: 1}", "[1,]", "nan"):
            rule = refused(full[concern], f'UPDATE "{table}" SET "{column}" = ?', (text,))
            assert rule.startswith(f"{table}.{column} is ")


@pytest.mark.parametrize("concern", ["chat", "code", "imagegen", "coordination"])
def test_every_flag_is_0_or_1(concern: str, full: multidb.MultiDB) -> None:
    """A flag has two values, so that `WHERE is_liked` and `WHERE is_liked = 1` are one."""
    for table, column in rules(full[concern], "is 0 or 1"):
        for value in (2, -1):
            rule = refused(full[concern], f'UPDATE "{table}" SET "{column}" = ?', (value,))
            assert f"{table}.{column} is 0 or 1" == rule


REFUSED = {
    "chat": [
        ("INSERT INTO chats (id, title) VALUES ('', 'x')", "chats.id is not empty"),
        ("INSERT INTO chats (id, title) VALUES (NULL, 'x')", "chats.id"),
        ("INSERT INTO chats (id, title) VALUES ('c1', 'x')", "chats.id"),
        ("INSERT INTO chats (id) VALUES ('c9')", "chats.title"),
        ("UPDATE messages SET role = 'robot'", "messages.role is user, assistant or system"),
        ("UPDATE messages SET token_count = -1", "messages.token_count is not negative"),
        ("UPDATE messages SET generation_time = 'long'", "messages.generation_time"),
        ("UPDATE messages SET content = NULL", "messages.content"),
        ("UPDATE tool_calls SET status = 'lost'", "tool_calls.status is"),
        ("UPDATE attachments SET sha256 = 'ABC'", "attachments.sha256 is"),
        (
            "UPDATE tool_calls SET started_at = '2026-01-02T00:00:00.000Z', completed_at = '2026-01-01T00:00:00.000Z'",
            "tool_calls.completed_at is not before started_at",
        ),
    ],
    "code": [
        ("UPDATE sessions SET status = 'lost'", "sessions.status is"),
        ("UPDATE transcript_entries SET type = 'song'", "transcript_entries.type is"),
        ("UPDATE transcript_entries SET seq = 7", "transcript_entries.session_id, transcript_entries.seq"),
    ],
    "imagegen": [
        ("UPDATE jobs SET status = 'queued'", "jobs.status is"),
        ("UPDATE images SET rating = 6", "images.rating is 1 to 5"),
        ("UPDATE images SET tags = '{}'", "images.tags is a JSON array"),
        ("UPDATE queue_entries SET resolution_width = 64", "queue_entries.resolution_width and"),
        ("UPDATE queue_entries SET execution_mode = 'target'", "queue_entries.target_images is set"),
        ("UPDATE reference_group_items SET type = 'any'", "reference_group_items.type is"),
    ],
    "app": [
        ("UPDATE credentials SET nonce = zeroblob(8)", "credentials.nonce has at least 12 bytes"),
        ("UPDATE credentials SET ciphertext = 'sk-123456789012345678'", "credentials.ciphertext"),
        (
            "INSERT INTO credentials (name, key_id, nonce, ciphertext)"
            " SELECT 'other', key_id, nonce, ciphertext FROM credentials",
            "credentials.key_id, credentials.nonce",
        ),
    ],
    "coordination": [
        ("UPDATE workflow_mappings SET priority = 5", "workflow_mappings.priority is 0 to 4"),
        ("UPDATE workflow_mappings SET priority = 2.5", "workflow_mappings.priority"),
        ("UPDATE workflow_mappings SET workflow_type = 'x'", "workflow_mappings.workflow_type is"),
        ("UPDATE workflow_mappings SET status = NULL", "workflow_mappings.status"),
        ("UPDATE workflow_results SET result_type = 'song'", "workflow_results.result_type is"),
        ("UPDATE workflow_results SET confidence_score = 1.1", "workflow_results.confidence_score"),
        ("UPDATE agent_configurations SET max_workload = 0", "agent_configurations.max_workload"),
        ("UPDATE research_findings SET id = NULL", "research_findings.id"),
        ("UPDATE workflow_analytics SET date = '2026-02-30'", "workflow_analytics.date is"),
        (
            "INSERT INTO agent_assignments (workflow_id, agent_type, agent_id) VALUES ('w1', 'poc', 'ada')",
            "agent_assignments.workflow_id",
        ),
    ],
}


@pytest.mark.parametrize("concern", CONCERNS)
def test_a_broken_rule_is_refused_by_its_name(concern: str, full: multidb.MultiDB) -> None:
    """The refusal names the table, the column and the rule."""
    for sql, rule in REFUSED[concern]:
        assert rule in refused(full[concern], sql)


TOUCHED = [
    ("chat", "chats", "title"),
    ("code", "sessions", "title"),
    ("imagegen", "queue_entries", "model"),
    ("imagegen", "queue_groups", "name"),
    ("imagegen", "prompts", "content"),
    ("imagegen", "reference_groups", "name"),
    ("app", "settings", "value"),
    ("app", "artifacts", "name"),
    ("coordination", "workflow_mappings", "metadata"),
    ("coordination", "workflow_templates", "description"),
    ("coordination", "agent_configurations", "capabilities"),
]


def test_every_table_with_updated_at_is_touched(bare: Callable[[str], apsw.Connection]) -> None:
    """A table that promises the time of its last change keeps the promise."""
    promised = [
        (concern, table)
        for concern in CONCERNS
        for (table,) in bare(concern).execute(
            "SELECT m.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c"
            " WHERE m.type = 'table' AND c.name = 'updated_at'"
        )
    ]

    assert sorted((concern, table) for concern, table, _ in TOUCHED) == sorted(promised)


@pytest.mark.parametrize(("concern", "table", "column"), TOUCHED)
def test_a_change_moves_updated_at_and_only_forward(
    concern: str, table: str, column: str, bare: Callable[[str], apsw.Connection]
) -> None:
    """The time of the change is set by itself, unless the program sets it, and a later one stays."""
    past, future = "2000-01-01T00:00:00.000Z", "9000-01-01T00:00:00.000Z"
    change = f"UPDATE {table} SET {column} = '1'"
    times = f"SELECT DISTINCT updated_at FROM {table}"
    connection = bare(concern)
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


@pytest.mark.parametrize(("concern", "table", "column"), TOUCHED)
def test_many_changes_within_one_millisecond_do_not_recurse(
    concern: str, table: str, column: str, bare: Callable[[str], apsw.Connection]
) -> None:
    """With recursive triggers on, a touch that finds nothing to move must not touch again."""
    connection = bare(concern)
    fill(concern, connection.execute)

    for number in range(300):
        connection.execute(f"UPDATE {table} SET {column} = ?", (str(number),))

    assert {("299",)} == set(connection.execute(f"SELECT {column} FROM {table}"))


# chat


@pytest.fixture
def chat(full: multidb.MultiDB) -> Any:
    return full["chat"]


def test_a_chat_needs_an_id_and_a_title(dbs: multidb.MultiDB) -> None:
    """The smallest insert works, and the rest has sensible values."""
    with dbs["chat"].write() as w:
        w.execute("INSERT INTO chats(id, title) VALUES (?, ?)", ("c1", "Hello"))

    assert [("c1", "Hello", None, 1)] == dbs["chat"].many(
        "SELECT id, title, prompt_id, created_at = updated_at FROM chats WHERE title = :t", {"t": "Hello"}
    )


def test_a_chat_and_its_first_message_are_stored_as_given(dbs: multidb.MultiDB) -> None:
    """What a program brings with it, times included, is kept to the letter."""
    at = "2026-01-02T03:04:05.678Z"
    with dbs["chat"].write() as w:
        w.execute("INSERT INTO chats (id, title, created_at, updated_at) VALUES (?, ?, ?, ?)", ("c", "New", at, at))
        w.execute(
            "INSERT INTO messages (id, chat_id, role, content, timestamp) VALUES (?, ?, ?, ?, ?)",
            ("m", "c", "user", "Grüße, 世界 🙂", at),
        )

    assert [("c", "New", None, at, at)] == dbs["chat"].many(
        "SELECT id, title, prompt_id, created_at, updated_at FROM chats"
    )
    assert [("m", "c", "user", "Grüße, 世界 🙂", None, None, None, at, None, None, 0)] == dbs["chat"].many(
        "SELECT id, chat_id, role, content, model, token_count, generation_time, timestamp, branch_id,"
        " parent_id, is_liked FROM messages"
    )


def test_the_messages_of_a_chat_come_in_the_order_of_time(dbs: multidb.MultiDB) -> None:
    """The list of a chat follows the clock of the messages, not the order of arrival."""
    with dbs["chat"].write() as w:
        w.execute("INSERT INTO chats (id, title) VALUES ('c', ''), ('d', '')")
        for name, chat, second in (("m3", "c", 3), ("m1", "c", 1), ("x", "d", 1), ("m2", "c", 2)):
            w.execute(
                "INSERT INTO messages (id, chat_id, role, content, timestamp) VALUES (?, ?, 'user', '', ?)",
                (name, chat, f"2026-01-01T00:00:0{second}.000Z"),
            )

    assert [("m1",), ("m2",), ("m3",)] == dbs["chat"].many(
        "SELECT id FROM messages WHERE chat_id = ? ORDER BY timestamp", ("c",)
    )


@given(st.lists(st.integers(0, 5), max_size=25), st.integers(1, 7), st.sampled_from(["id", "pk"]))
@settings(max_examples=40, deadline=None)
def test_pages_by_time_and_key_concatenate_to_the_whole(seconds: list[int], size: int, last: str) -> None:
    """Keyset pages give every message once and in order, however many share a moment."""
    connection = migrated("chat")
    connection.execute("INSERT INTO chats (id, title) VALUES ('c', '')")
    connection.executemany(
        "INSERT INTO messages (id, chat_id, role, content, timestamp) VALUES (?, 'c', 'user', '', ?)",
        [(f"{-n % 97:02}-{n}", f"2026-01-01T00:00:0{second}.000Z") for n, second in enumerate(seconds)],
    )
    whole = connection.execute(f"SELECT timestamp, {last} FROM messages ORDER BY 1, 2").fetchall()
    page = (
        f"SELECT timestamp, {last} FROM messages WHERE chat_id = 'c' AND (timestamp, {last}) > (?, ?)"
        f" ORDER BY timestamp, {last} LIMIT ?"
    )

    pages: list[tuple[Any, ...]] = []
    after: tuple[Any, ...] = ("", "" if last == "id" else 0)
    while items := connection.execute(page, (*after, size)).fetchall():
        pages += items
        after = items[-1]

    assert whole == pages
    connection.close()


def test_a_search_shows_where_the_words_are(chat: Any) -> None:
    """The hits carry their chat, their place marked, and the best comes first."""
    with chat.write() as w:
        w.execute(
            "INSERT INTO messages (id, chat_id, role, content) VALUES ('m9', 'c2', 'user', ?)",
            ("answering answers: an answer answered " + "word " * 40,),
        )

    found = chat.many(
        """
        SELECT
          m.id, m.chat_id, c.title AS chat_title,
          highlight(messages_fts, 0, '<mark>', '</mark>') AS highlighted,
          snippet(messages_fts, 0, '[', ']', '…', 4) AS snippet
        FROM messages_fts
        JOIN messages AS m ON m.pk = messages_fts.rowid
        JOIN chats AS c ON c.id = m.chat_id
        WHERE messages_fts MATCH ?
        ORDER BY rank
        LIMIT ?
        """,
        ("answers", 50),
    )

    assert {"m2", "m3", "m9"} == {row[0] for row in found}
    assert ("m2", "c1", "Hello", "an <mark>answer</mark>", "an [answer]") in found
    assert any(snippet.startswith("[answering] [answers]") for *_, snippet in found)


def test_a_search_can_stay_within_a_chat(chat: Any) -> None:
    """A filter on a column of the message joins in, though the index holds only the text."""
    with chat.write() as w:
        w.execute("INSERT INTO messages (id, chat_id, role, content) VALUES ('m9', 'c2', 'user', 'answer')")

    assert [("m9", "<mark>answer</mark>")] == chat.many(
        "SELECT m.id, highlight(messages_fts, 0, '<mark>', '</mark>') AS snippet FROM messages_fts"
        " JOIN messages AS m ON m.pk = messages_fts.rowid"
        " WHERE messages_fts MATCH ? AND m.chat_id = ? ORDER BY rank",
        ("answer", "c2"),
    )


def test_a_fork_shares_the_messages_before_it(chat: Any) -> None:
    """Walking from the last message of a branch to the root gives the conversation as it was there."""
    walk = """
        WITH RECURSIVE line (id, parent_id, depth) AS (
          SELECT id, parent_id, 0 FROM messages WHERE id = ?
          UNION ALL
          SELECT m.id, m.parent_id, line.depth + 1 FROM line JOIN messages AS m ON m.id = line.parent_id
        )
        SELECT id FROM line ORDER BY depth DESC
    """

    assert [("m1",), ("m3",)] == chat.many(walk, ("m3",))
    assert [("m1",), ("m2",)] == chat.many(walk, ("m2",))


def test_deleting_a_chat_takes_all_that_hangs_on_it(chat: Any) -> None:
    """Branches, messages, attachments, tool calls and index entries go; other chats stay."""
    with chat.write() as w:
        w.execute("DELETE FROM chats WHERE id = 'c1'")
        w.execute("INSERT INTO messages_fts (messages_fts, rank) VALUES ('integrity-check', 1)")

    for table in ("branches", "messages", "attachments", "tool_calls"):
        assert 0 == chat.scalar(f"SELECT count(*) FROM {table}")
    assert [] == chat.many("SELECT rowid FROM messages_fts WHERE messages_fts MATCH 'answer'")
    assert [("c2",)] == chat.many("SELECT id FROM chats")


def test_no_message_hangs_in_the_air_or_on_another_chat(chat: Any) -> None:
    """A link leads to a row of the same chat, and nothing that others hang on is taken away alone."""
    for sql in (
        "INSERT INTO messages (id, chat_id, role, content) VALUES ('m9', 'nowhere', 'user', '')",
        "INSERT INTO messages (id, chat_id, role, content, parent_id) VALUES ('m9', 'c2', 'user', '', 'm1')",
        "INSERT INTO messages (id, chat_id, role, content, branch_id) VALUES ('m9', 'c2', 'user', '', 'b1')",
        "INSERT INTO branches (id, chat_id, fork_message_id) VALUES ('b9', 'c2', 'm1')",
        "UPDATE messages SET chat_id = 'c2' WHERE id = 'm3'",
        "DELETE FROM messages WHERE id = 'm1'",
        "DELETE FROM branches WHERE id = 'b1'",
    ):
        assert "FOREIGN KEY" in refused(chat, sql)


def test_a_message_is_never_its_own_ancestor(chat: Any) -> None:
    """A circle has no root, so a walk to it would never end."""
    with chat.write() as w:
        w.execute("INSERT INTO messages (id, chat_id, role, content, parent_id) VALUES ('m4', 'c1', 'user', '', 'm2')")

    for sql in (
        "UPDATE messages SET parent_id = 'm4' WHERE id = 'm1'",
        "UPDATE messages SET parent_id = 'm2' WHERE id = 'm1'",
        "UPDATE OR REPLACE messages SET id = 'm1' WHERE id = 'm4'",
        "INSERT OR REPLACE INTO messages (id, chat_id, role, content, parent_id) VALUES ('m1', 'c1', 'user', '', 'm4')",
        "INSERT INTO messages (id, chat_id, role, content) VALUES ('m1', 'c1', 'user', '')"
        " ON CONFLICT (id) DO UPDATE SET parent_id = 'm4'",
    ):
        assert "its own ancestor" in refused(chat, sql)


def test_replacing_a_message_keeps_its_replies(chat: Any) -> None:
    """REPLACE deletes and inserts; the tree below must not go with the old row."""
    with chat.write() as w:
        w.execute("INSERT OR REPLACE INTO messages (id, chat_id, role, content) VALUES ('m1', 'c1', 'user', 'edited')")

    assert [("m2",), ("m3",)] == chat.many("SELECT id FROM messages WHERE parent_id = 'm1' ORDER BY id")


def test_a_message_may_move_to_another_chat_with_its_thread(chat: Any) -> None:
    """The rule holds for the statement as a whole, so a whole thread can move in one."""
    with chat.write() as w:
        w.execute("UPDATE messages SET branch_id = NULL")
        w.execute("DELETE FROM branches")
        w.execute("UPDATE messages SET chat_id = 'c2'")

    assert 3 == chat.scalar("SELECT count(*) FROM messages WHERE chat_id = 'c2'")


WORDS = ("alpha", "bravo", "kilo", "tango", "C++", "it's", "日本", "naïve")
MESSAGES = ("messages", "chat_id, role", "?1, 'user'")
ENTRIES = ("transcript_entries", "session_id, type", "?1, 'user_input'")


def shake(table: str, links: str, values: str, execute: Callable[..., object], rounds: int, seed: int) -> None:
    """Insert, replace, ignore, upsert, update, renumber and delete at random."""
    chance = random.Random(seed)
    insert = f"INTO {table} (id, content, {links}) VALUES (?2, ?3, {values})"
    changes = (
        f"INSERT {insert}",
        f"INSERT OR REPLACE {insert}",
        f"INSERT OR IGNORE {insert}",
        f"INSERT {insert} ON CONFLICT (id) DO UPDATE SET content = excluded.content",
        f"UPDATE {table} SET content = ?3 WHERE id = ?2 AND ?1 IS NOT NULL",
        f"UPDATE OR REPLACE {table} SET pk = ?4 WHERE id = ?2 AND ?1 IS NOT NULL AND ?3 IS NOT NULL",
        f"UPDATE OR REPLACE {table} SET id = ?5 WHERE id = ?2 AND ?1 IS NOT NULL AND ?3 IS NOT NULL",
        f"DELETE FROM {table} WHERE id = ?2 AND ?1 IS NOT NULL",
    )
    for _ in range(rounds):
        change = chance.choice(changes)
        text = " ".join(chance.choices(WORDS, k=chance.randrange(5)))
        name, other = f"k{chance.randrange(40)}", f"k{chance.randrange(40)}"
        params = ("home", name, text, chance.randrange(1, 60), other)
        wanted = max(int(number) for number in re.findall(r"\?(\d)", change))
        try:
            execute(change, params[:wanted])
        except (multidb.ConstraintError, apsw.ConstraintError):
            pass  # a duplicate id: the statement is undone, the index too


@pytest.mark.parametrize(
    ("concern", "parent", "shape", "index"),
    [
        ("chat", "INSERT INTO chats (id, title) VALUES ('home', '')", MESSAGES, "messages_fts"),
        ("code", "INSERT INTO sessions (id, project_path) VALUES ('home', '')", ENTRIES, "transcript_fts"),
    ],
    ids=["chat", "code"],
)
def test_the_text_index_agrees_with_its_table_after_anything(
    concern: str, parent: str, shape: tuple[str, str, str], index: str, dbs: multidb.MultiDB
) -> None:
    """Hundreds of random changes, REPLACE included, leave neither ghosts nor gaps in the index."""
    table = shape[0]
    for seed in range(3):
        with dbs[concern].write() as w:
            w.execute(parent.replace("INSERT", "INSERT OR IGNORE"))
            shake(*shape, w.execute, 300, seed)
            w.execute(f"INSERT INTO {index} ({index}, rank) VALUES ('integrity-check', 1)")
        for word in WORDS[:4]:
            assert dbs[concern].many(
                f"SELECT pk FROM {table} WHERE ' ' || content || ' ' LIKE ? ORDER BY pk",
                (f"% {word} %",),
            ) == dbs[concern].many(
                f"SELECT rowid FROM {index} WHERE {index} MATCH ? ORDER BY rowid",
                (word,),
            )
    assert 0 < dbs[concern].scalar(f"SELECT count(*) FROM {table}")


@given(st.integers(), st.integers(1, 80))
@settings(max_examples=20, deadline=None)
def test_the_text_index_survives_a_vacuum(seed: int, rounds: int) -> None:
    """The index is keyed by a declared number, which rebuilding the file does not change."""
    connection = migrated("chat")
    connection.execute("INSERT INTO chats (id, title) VALUES ('home', '')")
    shake(*MESSAGES, connection.execute, rounds, seed)

    connection.execute("VACUUM")

    connection.execute("INSERT INTO messages_fts (messages_fts, rank) VALUES ('integrity-check', 1)")
    connection.close()


# code


def test_transcript_entries_are_numbered_within_their_session(full: multidb.MultiDB) -> None:
    """Who gives no number gets the next one; who gives one keeps it."""
    with full["code"].write() as w:
        insert = "INSERT INTO transcript_entries (id, session_id, type, content, seq) VALUES (?, ?, ?, '', ?)"
        w.execute(insert, ("e7", "s1", "file_edit", 7))
        w.execute(insert, ("e8", "s1", "tool_call", 0))
        w.execute(insert, ("x1", "s2", "tool_call", 0))

    assert [("e1", 1), ("e2", 2), ("e7", 7), ("e8", 8)] == full["code"].many(
        "SELECT id, seq FROM transcript_entries WHERE session_id = 's1' ORDER BY seq"
    )
    assert 1 == full["code"].scalar("SELECT seq FROM transcript_entries WHERE id = 'x1'")


def test_a_snapshot_outlives_its_entry_but_not_its_session(full: multidb.MultiDB) -> None:
    """Compacting a transcript keeps the way back; deleting the session takes all of it."""
    code = full["code"]
    code.execute("DELETE FROM transcript_entries WHERE id = 'e2'")
    assert [("n1", None)] == code.many("SELECT id, transcript_entry_id FROM snapshots")

    code.execute("DELETE FROM sessions WHERE id = 's1'")
    assert [] == code.many("SELECT id FROM snapshots")
    assert [] == code.many("SELECT rowid FROM transcript_fts WHERE transcript_fts MATCH 'test'")


# imagegen

CLAIM = """
    UPDATE jobs
    SET status = 'running', attempts = attempts + 1, started_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
    WHERE id = (SELECT id FROM jobs WHERE status = 'pending' ORDER BY created_at, pk LIMIT 1)
    RETURNING id
"""


def test_the_next_job_is_claimed_in_one_statement(full: multidb.MultiDB) -> None:
    """Every pending job is handed out once, the oldest first, and then none."""
    images = full["imagegen"]
    with images.write() as w:
        w.execute("DELETE FROM jobs")
        for name, second in (("late", 2), ("early", 1), ("later", 2)):
            w.execute(
                "INSERT INTO jobs (id, queue_entry_id, created_at) VALUES (?, 'q1', ?)",
                (name, f"2026-01-01T00:00:0{second}.000Z"),
            )

    claimed = [images.execute(CLAIM).rows for _ in range(4)]

    assert [["early"], ["late"], ["later"], []] == [[row[0] for row in rows] for rows in claimed]
    assert [("running", 1)] == images.many("SELECT DISTINCT status, attempts FROM jobs")


def test_an_image_outlives_its_job(full: multidb.MultiDB) -> None:
    """Clearing the queue forgets the runs, never the images."""
    full["imagegen"].execute("DELETE FROM queue_entries")

    assert 0 == full["imagegen"].scalar("SELECT count(*) FROM jobs")
    assert [("i1", None)] == full["imagegen"].many("SELECT id, job_id FROM images")


# app


def test_credentials_have_no_column_for_plain_text(dbs: multidb.MultiDB) -> None:
    """What is not there cannot be filled by mistake."""
    assert ["name", "key_id", "nonce", "ciphertext", "created_at", "rotated_at"] == [
        name for (name,) in dbs["app"].many("SELECT name FROM pragma_table_info('credentials')")
    ]


def test_a_setting_is_written_over(dbs: multidb.MultiDB) -> None:
    """The usual upsert keeps when it was first set."""
    save = "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    dbs["app"].execute(save, ("theme", "light"))
    first = dbs["app"].scalar("SELECT created_at FROM settings")
    dbs["app"].execute(save, ("theme", "dark"))

    assert [("theme", "dark", first)] == dbs["app"].many("SELECT key, value, created_at FROM settings")


# coordination


@pytest.fixture
def bridge(dbs: multidb.MultiDB) -> Any:
    return dbs["coordination"]


def link(db: Any, workflow: object, issue: str | None = None, **columns: object) -> None:
    row = {
        "beads_issue_id": issue,
        "tempolite_workflow_id": workflow,
        "workflow_type": "poc",
        **columns,
    }
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"INSERT INTO workflow_mappings ({names}) VALUES ({marks})", tuple(row.values()))


def test_a_retry_maps_a_second_workflow_to_the_issue(bridge: Any) -> None:
    """An issue may have any number of workflows, a workflow one issue or none."""
    link(bridge, "w1", "bd-1", status="failed")
    link(bridge, "w2", "bd-1")

    assert [("w1", "failed"), ("w2", "active")] == bridge.many(
        "SELECT tempolite_workflow_id, status FROM workflow_mappings WHERE beads_issue_id = 'bd-1' ORDER BY id"
    )
    assert "tempolite_workflow_id" in refused(
        bridge, "INSERT INTO workflow_mappings (tempolite_workflow_id, workflow_type) VALUES ('w1', 'poc')"
    )


def test_an_empty_issue_is_no_issue(bridge: Any) -> None:
    """Programs in Go store '' for nothing: it may repeat, and the overview shows NULL."""
    link(bridge, "w1", "")
    link(bridge, "w2", "")
    link(bridge, "w3", None)

    assert [(None,)] * 3 == bridge.many("SELECT beads_issue_id FROM workflow_overview")


def test_priorities_are_those_of_the_issues(bridge: Any) -> None:
    """0 to 4, as real issues have them; 2 when nothing is said."""
    for priority in range(5):
        link(bridge, f"w{priority}", priority=priority)
    link(bridge, "w9")

    assert [(0,), (1,), (2,), (3,), (4,), (2,)] == bridge.many("SELECT priority FROM workflow_mappings ORDER BY id")


def test_a_workflow_id_is_text_and_a_number_where_it_is_one(bridge: Any) -> None:
    """Either generation's ids can be joined by value, without 42 and '42' passing each other by."""
    uuid = "0b7c1c9e-1d0f-4f0e-9c1a-9c0b7a4f9a10"
    for given_id in (42, "43", 2**63 - 1, "9223372036854775808", uuid, "042", "4e2", " 42"):
        link(bridge, given_id)
        bridge.execute(
            "INSERT INTO agent_assignments (workflow_id, agent_type, agent_id) VALUES (?, 'poc', 'ada')",
            (given_id,),
        )

    assert [
        ("42", 42),
        ("43", 43),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", None),
        (uuid, None),
        ("042", None),
        ("4e2", None),
        (" 42", None),
    ] == bridge.many(
        "SELECT aa.workflow_id, wm.tempolite_entity_id FROM workflow_mappings AS wm"
        " JOIN agent_assignments AS aa ON aa.workflow_id = wm.tempolite_workflow_id ORDER BY wm.id"
    )


def test_a_changed_workflow_id_takes_its_children_along(full: multidb.MultiDB) -> None:
    """Every table that refers to the workflow follows, and nested workflows too."""
    bridge = full["coordination"]
    bridge.execute("UPDATE workflow_mappings SET tempolite_workflow_id = 'new' WHERE tempolite_workflow_id = 'w1'")

    for table in ("agent_assignments", "workflow_results", "research_findings", "poc_results"):
        assert [("new",)] == bridge.many(f"SELECT DISTINCT workflow_id FROM {table}")
    assert [("w4",)] == bridge.many(
        "SELECT tempolite_workflow_id FROM workflow_mappings WHERE parent_workflow_id = 'new'"
    )


def test_nested_workflows_have_a_top(bridge: Any) -> None:
    """A workflow is neither its own parent nor its own ancestor, and a parent is not taken away."""
    link(bridge, "w1")
    link(bridge, "w2", parent_workflow_id="w1")
    link(bridge, "w3", parent_workflow_id="w2")

    for sql, rule in (
        ("UPDATE workflow_mappings SET parent_workflow_id = 'w1' WHERE id = 1", "is another workflow"),
        ("UPDATE workflow_mappings SET parent_workflow_id = 'w3' WHERE id = 1", "its own ancestor"),
        (
            "INSERT OR REPLACE INTO workflow_mappings"
            " (tempolite_workflow_id, workflow_type, parent_workflow_id) VALUES ('w1', 'poc', 'w3')",
            "its own ancestor",
        ),
        ("UPDATE OR REPLACE workflow_mappings SET tempolite_workflow_id = 'w1' WHERE id = 3", "its own"),
        ("UPDATE workflow_mappings SET parent_workflow_id = 'nobody' WHERE id = 1", "FOREIGN KEY"),
        ("DELETE FROM workflow_mappings WHERE id = 1", "FOREIGN KEY"),
    ):
        assert rule in refused(bridge, sql)


OVERVIEW = [
    "beads_issue_id",
    "tempolite_workflow_id",
    "workflow_type",
    "workflow_status",
    "priority",
    "assigned_agent",
    "assigned_agent_type",
    "step_number",
    "assignment_status",
    "result_count",
    "max_confidence",
    "avg_execution_time",
]


def test_the_overview_has_one_row_for_a_workflow(bridge: Any) -> None:
    """Many assignments, results and measurements of one workflow are counted, not multiplied."""
    link(bridge, "w1", "bd-1", priority=4)
    link(bridge, "w2", "bd-1")
    link(bridge, "w3", "bd-2", status="cancelled")
    with bridge.write() as w:
        assign = "INSERT INTO agent_assignments (workflow_id, agent_type, agent_id, step_number, status)"
        w.execute(
            f"{assign} VALUES ('w1', 'research', 'ada', 1, 'completed'), ('w1', 'poc', 'bob', 2, 'started'),"
            " ('w1', 'supervisor', 'eve', 3, 'assigned'), ('w1', 'poc', 'joe', 4, 'failed'),"
            " ('w2', 'research', 'ada', 1, 'completed'), ('w2', 'poc', 'bob', 2, 'completed')"
        )
        w.execute(
            "INSERT INTO workflow_results"
            " (workflow_id, agent_type, result_type, result_data, confidence_score)"
            " VALUES ('w1', 'poc', 'findings', '{}', 0.5), ('w1', 'poc', 'findings', '[]', 0.75)"
        )
        w.execute(
            "INSERT INTO workflow_performance (workflow_id, agent_type, step_name, start_time, duration_ms)"
            " VALUES ('w1', 'poc', 'a', :at, 10), ('w1', 'poc', 'b', :at, 15)",
            {"at": "2026-01-01T00:00:00.000Z"},
        )

    rows = bridge.many("SELECT * FROM workflow_overview ORDER BY tempolite_workflow_id", into=dict)
    times = [row.pop("workflow_created") for row in rows]

    assert OVERVIEW == list(rows[0])
    assert [
        ("bd-1", "w1", "poc", "active", 4, "bob", "poc", 2, "started", 2, 0.75, 12.5),
        ("bd-1", "w2", "poc", "active", 2, "bob", "poc", 2, "completed", 0, None, None),
    ] == [tuple(row.values()) for row in rows]
    assert None not in times
    assert 2 == bridge.scalar("SELECT sum(result_count) FROM workflow_overview")


def test_the_workload_counts_an_agent_under_its_type(bridge: Any) -> None:
    """One name under two types is two agents, and the percentage is one."""
    link(bridge, "w1")
    with bridge.write() as w:
        configure = (
            "INSERT INTO agent_configurations"
            " (id, agent_type, agent_id, configuration, current_workload, max_workload, status)"
        )
        w.execute(
            f"{configure} VALUES ('x', 'poc', 'ada', '{{}}', 2, 5, 'active'),"
            " ('y', 'research', 'ada', '{}', 3, 2, 'active'), ('z', 'poc', 'bob', '{}', 0, 5, 'inactive')"
        )
        assign = "INSERT INTO agent_assignments (workflow_id, agent_type, agent_id, step_number, status)"
        w.execute(
            f"{assign} VALUES ('w1', 'poc', 'ada', 1, 'assigned'), ('w1', 'poc', 'ada', 2, 'started'),"
            " ('w1', 'poc', 'ada', 3, 'completed'), ('w1', 'research', 'ada', 1, 'assigned')"
        )

    assert [
        ("ada", "poc", "active", 2, 5, 40.0, 2),
        ("ada", "research", "active", 3, 2, 150.0, 1),
    ] == bridge.many(
        "SELECT agent_id, agent_type, agent_status, current_workload, max_workload, workload_percentage,"
        " active_assignments FROM agent_workload ORDER BY agent_type"
    )


def test_an_agent_may_take_a_step_again_after_it_is_over(full: multidb.MultiDB) -> None:
    """Only two open assignments of one step to one agent are a mistake."""
    bridge = full["coordination"]
    bridge.execute("UPDATE agent_assignments SET status = 'failed'")
    bridge.execute("INSERT INTO agent_assignments (workflow_id, agent_type, agent_id) VALUES ('w1', 'poc', 'ada')")

    assert 2 == bridge.scalar("SELECT count(*) FROM agent_assignments")


def test_the_trends_have_one_row_for_a_day_and_a_type(bridge: Any) -> None:
    """The last thirty days are summed by day; what is older stays out, and no day is unknown."""
    link(bridge, "w1")
    with bridge.write() as w:
        cost = (
            "INSERT INTO workflow_performance (workflow_id, agent_type, step_name, start_time, duration_ms,"
            " success, memory_usage_mb, cpu_usage_percent, created_at)"
            " VALUES ('w1', ?, 's', '2026-01-01T00:00:00.000Z', ?, ?, ?, ?, ?)"
        )
        day = w.scalar("SELECT date('now', '-1 day')")
        w.execute(cost, ("poc", 10, 1, 100, 50.0, f"{day}T00:00:00.000Z"))
        w.execute(cost, ("poc", 20, 0, 200, 150.0, f"{day}T23:59:59.999Z"))
        w.execute(cost, ("research", 5, 1, None, None, f"{day}T12:00:00.000Z"))
        w.execute(cost, ("poc", 1000, 1, 1, 1.0, "2000-01-01T00:00:00.000Z"))

    assert [(day, "poc", 2, 15.0, 1, 150.0, 100.0), (day, "research", 1, 5.0, 1, None, None)] == bridge.many(
        "SELECT * FROM performance_trends"
    )


def test_daily_figures_take_averages_as_they_come(full: multidb.MultiDB) -> None:
    """An average is seldom a whole number, and one day has one row for a type."""
    bridge = full["coordination"]
    bridge.execute("UPDATE workflow_analytics SET avg_execution_time_ms = 12.5")

    assert 12.5 == bridge.scalar("SELECT avg_execution_time_ms FROM workflow_analytics")
    assert "workflow_analytics.date" in refused(
        bridge,
        "INSERT INTO workflow_analytics (date, workflow_type, agent_type) VALUES ('2026-01-01', 'poc', 'poc')",
    )


def test_the_versions_have_the_labels_they_are_known_by() -> None:
    """Whoever knows the schema as 1.0.0 and 1.1.0 finds these names in the ledger."""
    heads = [path.read_text("utf-8").splitlines()[0] for path in files_of("coordination")]

    assert ["-- Label: 1.0.0", "-- Label: 1.1.0", "-- Label: 1.2.0"] == heads
