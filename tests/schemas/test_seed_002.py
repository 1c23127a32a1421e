"""Seed 002, chat, code, imagegen and app: its statements on rows, and what came after the first migrations.

A statement stands here as the seed has it, unless the docstring names the erratum that corrects it.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest

import multidb
from multidb import Concern, Database
from tests.schema.test_first_migrations import run, section
from tests.schemas.rows import files_of, with_ledger

HASHES = {name: f"{number:064x}" for number, name in enumerate("abc")}


def steps(db: Any, sql: str, params: Any = ()) -> list[str]:
    return [step.detail for step in db.explain(sql, params).steps]


def say(db: Any, name: str, parent: str | None = None, *, chat: str = "123", content: str = "", **more: object) -> None:
    row = {"id": name, "chat_id": chat, "role": "user", "content": content or name, "parent_id": parent, **more}
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    db.execute(f"INSERT INTO messages ({names}) VALUES ({marks})", tuple(row.values()))


@pytest.fixture
def talk(opened: Any) -> Database:
    """One chat: a question, two answers, a thread below each; the second one is a branch and has a branch itself."""
    chat: Database = opened(Concern("chat"))
    with chat.write() as w:
        w.execute("INSERT INTO chats (id, title) VALUES ('123', 'Talk'), ('c2', 'Other')")
        for number, (name, parent) in enumerate([("q", None), ("a1", "q"), ("q2", "a1")]):
            say(w, name, parent, timestamp=f"2026-01-01T00:00:0{number}.000Z")
        w.execute("INSERT INTO branches (id, chat_id, fork_message_id, name) VALUES ('b1', '123', 'q', 'again')")
        say(w, "a2", "q", branch_id="b1", timestamp="2026-01-01T00:01:00.000Z")
        say(w, "q3", "a2", branch_id="b1", timestamp="2026-01-01T00:02:00.000Z")
        w.execute("INSERT INTO branches (id, chat_id, fork_message_id) VALUES ('b2', '123', 'a2')")
        say(w, "q4", "a2", branch_id="b2", timestamp="2026-01-01T00:03:00.000Z")
    return chat


# The statements of the seed


def test_the_first_statements_of_the_seed_run(talk: Database) -> None:
    """Named and positional parameters, one row and many, as in its section on the interface."""
    talk.execute("INSERT INTO chats (id, title) VALUES ($id, $title)", {"id": "abc", "title": "Hello"})

    assert ("abc", "Hello") == talk.one("SELECT id, title FROM chats WHERE id = ?", ("abc",))
    assert 6 == len(talk.many("SELECT * FROM messages WHERE chat_id = '123'"))
    assert 1 == talk.scalar("SELECT EXISTS(SELECT 1 FROM messages WHERE chat_id = ?)", ("123",))
    assert 6 == talk.scalar("SELECT COUNT(*) FROM messages")
    assert any(
        "idx_messages_chat" in step for step in steps(talk, "SELECT * FROM messages WHERE chat_id = ?", ("123",))
    )


SEARCH = """
SELECT
  m.id,
  m.chat_id,
  m.content,
  m.timestamp,
  c.title as chat_title,
  highlight(messages_fts, 0, '<mark>', '</mark>') as snippet
FROM messages_fts
JOIN messages m ON messages_fts.rowid = m.pk
JOIN chats c ON m.chat_id = c.id
WHERE messages_fts MATCH ?
ORDER BY rank
LIMIT ?
"""
SEARCH_IN_CHAT = """
SELECT
  m.id AS message_id,
  highlight(messages_fts, 0, '<mark>', '</mark>') as snippet
FROM messages_fts
JOIN messages m ON messages_fts.rowid = m.pk
WHERE messages_fts MATCH ? AND m.chat_id = ?
ORDER BY rank
"""


def test_both_searches_of_the_seed_find(talk: Database) -> None:
    """D2.1: what the index has no column for is joined by its number; the index can be counted and rebuilt."""
    say(talk, "x", content="the needle in the hay", timestamp="2026-01-01T00:00:00.000Z")
    say(talk, "y", chat="c2", content="a needle", timestamp="2026-01-01T00:00:00.000Z")

    assert {
        ("x", "123", "the needle in the hay", "Talk", "the <mark>needle</mark> in the hay"),
        ("y", "c2", "a needle", "Other", "a <mark>needle</mark>"),
    } == {(*row[:3], *row[4:]) for row in talk.many(SEARCH, ("needle", 50))}
    assert [("y", "a <mark>needle</mark>")] == talk.many(SEARCH_IN_CHAT, ("needle", "c2"))
    assert 8 == talk.scalar("SELECT count(*) FROM messages_fts")
    talk.execute("INSERT INTO messages_fts (messages_fts) VALUES ('rebuild')")
    talk.execute("INSERT INTO messages_fts (messages_fts, rank) VALUES ('integrity-check', 1)")


def test_pages_are_those_of_the_offset_whatever_the_rowids_are(opened: Any) -> None:
    """D2.11: by (timestamp, id), when the rows arrived in another order than their times."""
    chat = opened(Concern("chat"))
    with chat.write() as w:
        w.execute("INSERT INTO chats (id, title) VALUES ('123', '')")
        for number in range(120):
            say(w, f"m{number:03}", timestamp=f"2026-01-01T00:{(number * 7) % 60:02}:00.000Z")
    offset = chat.many("SELECT timestamp, id FROM messages ORDER BY timestamp, id LIMIT 20 OFFSET 100")
    last = chat.one("SELECT timestamp, id FROM messages ORDER BY timestamp, id LIMIT 1 OFFSET 99")

    assert offset == chat.many(
        "SELECT timestamp, id FROM messages WHERE (timestamp, id) > (?, ?) ORDER BY timestamp, id LIMIT 20", last
    )


# Forking, walking, deleting

WALK = """
WITH RECURSIVE line (id, parent_id, depth) AS (
  SELECT id, parent_id, 0 FROM messages WHERE id = ?
  UNION ALL
  SELECT m.id, m.parent_id, line.depth + 1 FROM line JOIN messages AS m ON m.id = line.parent_id
)
SELECT id FROM line ORDER BY depth DESC
"""


@pytest.mark.parametrize(
    ("leaf", "line"), [("q2", "q a1 q2"), ("q3", "q a2 q3"), ("q4", "q a2 q4"), ("q", "q")], ids=lambda value: value
)
def test_a_walk_leads_through_every_fork_to_the_root(leaf: str, line: str, talk: Database) -> None:
    """A branch of a branch has the messages of both before its own, and each is found by its key."""
    assert line.split() == [name for (name,) in talk.many(WALK, (leaf,))]
    assert not any(step.startswith("SCAN m") for step in steps(talk, WALK, (leaf,)))


def test_the_list_of_branches_shows_where_each_leaves_and_ends(talk: Database) -> None:
    """The parent is that of the fork message; a new branch is empty and ends nowhere; nothing is scanned."""
    talk.execute("INSERT INTO branches (id, chat_id) VALUES ('b3', '123')")
    sql = (
        "SELECT id, name, fork_message_id, parent_branch_id, message_count, last_message_id FROM branch_overview"
        " WHERE chat_id = '123' ORDER BY id"
    )

    assert [
        ("b1", "again", "q", None, 2, "q3"),
        ("b2", None, "a2", "b1", 1, "q4"),
        ("b3", None, None, None, 0, None),
    ] == talk.many(sql)
    assert ["SEARCH chats USING COVERING INDEX idx_chats_updated_covering (updated_at>?)"] == steps(
        talk, "SELECT id, title FROM chats WHERE updated_at > ?", ("2026-01-01T00:00:00.000Z",)
    )
    plan = steps(talk, sql)
    assert not any(step.startswith("SCAN") and step != "SCAN CONSTANT ROW" for step in plan), plan


def test_deleting_a_chat_takes_all_that_hangs_on_it(talk: Database) -> None:
    """Branches of branches, likes, attachments, tool calls and words go; the other chat stays."""
    with talk.write() as w:
        w.execute("INSERT INTO likes (message_id) VALUES ('q3'), ('a1')")
        w.execute("INSERT INTO attachments (id, message_id, name) VALUES ('f', 'q4', 'notes.txt')")
        w.execute("INSERT INTO tool_calls (id, message_id, name) VALUES ('t', 'q4', 'search')")
        say(w, "other", chat="c2")

    talk.execute("DELETE FROM chats WHERE id = ?", ("123",))

    for table in ("branches", "likes", "attachments", "tool_calls"):
        assert 0 == talk.scalar(f"SELECT count(*) FROM {table}")
    assert [("other",)] == talk.many("SELECT id FROM messages")
    talk.execute("INSERT INTO messages_fts (messages_fts, rank) VALUES ('integrity-check', 1)")


# Likes


def liked(db: Database) -> tuple[list[str], list[str]]:
    """The liked messages by either account."""
    flags = db.many("SELECT id FROM messages WHERE is_liked = 1 ORDER BY id")
    rows = db.many("SELECT message_id FROM likes ORDER BY message_id")
    return [name for (name,) in flags], [name for (name,) in rows]


@pytest.mark.parametrize("conflict", ["", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ABORT", "OR ROLLBACK"])
def test_a_like_is_told_by_both_accounts(conflict: str, talk: Database) -> None:
    """Whichever of the two is written, in whatever way, the other one follows."""
    talk.execute(f"UPDATE {conflict} messages SET is_liked = 1 WHERE id IN ('a1', 'a2')")
    assert (["a1", "a2"], ["a1", "a2"]) == liked(talk)
    talk.execute(f"INSERT {conflict} INTO likes (message_id) VALUES ('q')")
    assert (["a1", "a2", "q"], ["a1", "a2", "q"]) == liked(talk)
    talk.execute(f"UPDATE {conflict} messages SET is_liked = 0 WHERE id = 'a1'")
    talk.execute("DELETE FROM likes WHERE message_id = 'q'")
    assert (["a2"], ["a2"]) == liked(talk)
    talk.execute(f"UPDATE {conflict} likes SET message_id = 'q2'")
    assert (["q2"], ["q2"]) == liked(talk)
    talk.execute(
        f"INSERT {conflict} INTO messages (id, chat_id, role, content, is_liked) VALUES ('n', '123', 'user', '', 1)"
    )
    assert (["n", "q2"], ["n", "q2"]) == liked(talk)


def test_a_message_that_is_replaced_loses_its_like(talk: Database) -> None:
    """REPLACE makes a new message; the accounts still agree."""
    talk.execute("INSERT INTO likes (message_id) VALUES ('q3')")

    talk.execute("INSERT OR REPLACE INTO messages (id, chat_id, role, content) VALUES ('q3', '123', 'user', 'new')")

    assert ([], []) == liked(talk)


def test_likes_have_a_time_and_are_one_for_a_message(talk: Database) -> None:
    """The newest like first; a second one of the same message is refused by name."""
    talk.execute("INSERT INTO likes (message_id, created_at) VALUES ('a1', '2026-01-02T00:00:00.000Z')")
    talk.execute("UPDATE messages SET is_liked = 1 WHERE id = 'a2'")
    with pytest.raises(multidb.ConstraintError) as caught:
        talk.execute("INSERT INTO likes (message_id) VALUES ('a1')")

    assert ("unique", "likes", ("message_id",)) == (caught.value.kind, caught.value.table, caught.value.columns)
    newest = "SELECT message_id FROM likes ORDER BY created_at DESC"
    assert [("a2",), ("a1",)] == talk.many(newest)
    assert ["SCAN likes USING INDEX idx_likes_created_at"] == steps(talk, newest)


def test_messages_that_were_liked_before_have_the_only_time_that_is_known() -> None:
    """The migration takes them over, and taking it back leaves them liked."""
    *before, likes = files_of("chat")[:4]
    connection = with_ledger()
    for path in before:
        run(connection, section(path, "Up"))
    connection.execute("INSERT INTO chats (id, title) VALUES ('123', '')")
    at = "2026-01-01T00:00:00.000Z"
    say(connection, "a", is_liked=1, timestamp=at)
    say(connection, "b")

    run(connection, section(likes, "Up"))
    assert [("a", at)] == connection.execute("SELECT message_id, created_at FROM likes").fetchall()
    run(connection, section(likes, "Down"))

    assert [("a",)] == connection.execute("SELECT id FROM messages WHERE is_liked = 1").fetchall()
    connection.close()


# code


def test_a_restore_point_shares_what_has_not_changed(filled: Any) -> None:
    """Two snapshots of three files hold two contents; each shows its own number and size."""
    code = filled("code")
    with code.write() as w:
        w.execute("DELETE FROM snapshots")
        w.execute("DELETE FROM snapshot_objects")
        for name, content in (("a", b"one"), ("b", b"three"), ("c", b"unused")):
            w.execute(
                "INSERT INTO snapshot_objects (hash, size_bytes, content) VALUES (?, ?, ?)",
                (HASHES[name], len(content), content),
            )
        w.execute("INSERT INTO snapshots (id, session_id, description) VALUES ('r1', 's1', 'before'), ('r2', 's1', '')")
        w.executemany(
            "INSERT INTO snapshot_files (snapshot_id, path, object_hash) VALUES (?, ?, ?)",
            [
                ("r1", "a.txt", HASHES["a"]),
                ("r1", "copy.txt", HASHES["a"]),
                ("r2", "a.txt", HASHES["b"]),
                ("r2", "copy.txt", None),
            ],
        )

    assert [("r1", "s1", "before", 6, 2), ("r2", "s1", "", 5, 2)] == code.many(
        "SELECT id, session_id, description, total_size, file_count FROM restore_points ORDER BY id"
    )
    assert [("a.txt", b"three"), ("copy.txt", None)] == code.many(
        "SELECT f.path, o.content FROM snapshot_files AS f LEFT JOIN snapshot_objects AS o ON o.hash = f.object_hash"
        " WHERE f.snapshot_id = 'r2' ORDER BY f.path"
    )
    assert [(HASHES["c"],)] == code.many("SELECT hash FROM unreferenced_objects")


def test_what_no_snapshot_needs_is_cleared_away_and_nothing_else(filled: Any) -> None:
    """A content that is needed refuses to go; with its last snapshot it becomes free."""
    code = filled("code")
    with pytest.raises(multidb.ConstraintError):
        code.execute("DELETE FROM snapshot_objects")
    code.execute("DELETE FROM snapshots")

    clear = "DELETE FROM snapshot_objects WHERE hash IN (SELECT hash FROM unreferenced_objects)"

    assert 1 == code.execute(clear).changes
    assert 0 == code.scalar("SELECT count(*) FROM snapshot_objects")
    plan = steps(code, "SELECT hash FROM unreferenced_objects")
    assert any("idx_snapshot_files_object_hash (object_hash=?)" in step for step in plan), plan


def test_deleting_a_session_takes_its_restore_points(filled: Any) -> None:
    """The lists of files go with the snapshots of the session, the contents stay until they are cleared away."""
    code = filled("code")

    code.execute("DELETE FROM sessions WHERE id = 's1'")

    assert (0, 1) == code.one("SELECT (SELECT count(*) FROM snapshot_files), (SELECT count(*) FROM snapshot_objects)")


def test_a_content_may_stand_packed_or_outside(filled: Any) -> None:
    """Its length is checked only where it is not packed, and it stands somewhere."""
    code = filled("code")
    insert = "INSERT INTO snapshot_objects (hash, size_bytes, encoding, content, storage_path) VALUES (?, ?, ?, ?, ?)"
    code.execute(insert, (HASHES["b"], 1000, "gzip", b"packed", None))
    code.execute(insert, (HASHES["c"], 1000, "identity", None, "objects/c"))

    for wrong in ((b"four", None, "identity"), (None, None, "gzip")):
        with pytest.raises(multidb.ConstraintError):
            code.execute(insert, ("f" * 64, 3, wrong[2], *wrong[:2]))


# imagegen

CLAIM = """
UPDATE jobs
SET
  status = 'running',
  attempts = attempts + 1,
  claimed_by = ?,
  started_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
  heartbeat_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
WHERE id = (SELECT id FROM jobs WHERE status = 'pending' ORDER BY created_at, pk LIMIT 1)
RETURNING id
"""


def test_two_workers_never_claim_the_same_job(filled: Any) -> None:
    """The claim is one statement: every job is handed out once, in order for each worker."""
    images = filled("imagegen")
    with images.write() as w:
        w.execute("DELETE FROM jobs")
        for number in range(40):
            w.execute(
                "INSERT INTO jobs (id, queue_entry_id, created_at) VALUES (?, 'q1', ?)",
                (f"j{number:02}", f"2026-01-01T00:00:{number // 2:02}.000Z"),
            )
    start, claimed = threading.Barrier(2), {"ada": [], "bob": []}  # type: ignore[var-annotated]

    def work(name: str) -> None:
        start.wait()
        while rows := images.execute(CLAIM, (name,)).rows:
            claimed[name].append(rows[0][0])

    workers = [threading.Thread(target=work, args=(name,)) for name in claimed]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    assert [f"j{number:02}" for number in range(40)] == sorted(claimed["ada"] + claimed["bob"])
    assert all(names == sorted(names) for names in claimed.values())
    assert len(claimed["ada"]) == images.scalar("SELECT count(*) FROM jobs WHERE claimed_by = 'ada'")


def test_the_claim_and_the_search_for_lost_jobs_use_the_partial_indexes(filled: Any) -> None:
    """Neither looks at jobs that are over."""
    images = filled("imagegen")

    with images.write() as w:
        assert any("idx_jobs_pending" in step for step in steps(w, CLAIM, ("ada",)))
    assert ["SEARCH jobs USING INDEX idx_jobs_running (heartbeat_at<?)"] == steps(
        images, "SELECT * FROM jobs WHERE status = 'running' AND heartbeat_at < ?", ("2026-01-01T00:00:00.000Z",)
    )


def test_a_job_of_a_dead_worker_is_given_back(filled: Any) -> None:
    """Its heart has stopped; the next worker gets it, and it counts as a second attempt."""
    images = filled("imagegen")
    images.execute(CLAIM, ("ada",))
    images.execute("UPDATE jobs SET heartbeat_at = '2026-01-01T00:00:00.000Z'")
    images.execute(
        "UPDATE jobs SET status = 'pending', claimed_by = NULL WHERE status = 'running' AND heartbeat_at < ?",
        ("2026-02-01T00:00:00.000Z",),
    )

    assert [("j1",)] == images.execute(CLAIM, ("bob",)).rows
    assert ("bob", 2) == images.one("SELECT claimed_by, attempts FROM jobs")


def test_the_progress_of_a_job_is_counted(filled: Any) -> None:
    """From its batches and images, so that it cannot be wrong."""
    images = filled("imagegen")
    with images.write() as w:
        w.execute("UPDATE jobs SET expected_images = 4")
        w.execute("UPDATE batches SET status = 'completed'")
        w.execute(
            "INSERT INTO batches (id, job_id, batch_index, prompt_used, model_used, status)"
            " VALUES ('b2', 'j1', 1, '', '', 'failed'), ('b3', 'j1', 2, '', '', 'in_flight')"
        )

    assert [("j1", "pending", 3, 1, 1, 1, 4)] == images.many("SELECT * FROM job_progress")


def test_images_are_found_by_prompt_and_notes(filled: Any) -> None:
    """Either column, or both."""
    images = filled("imagegen")
    images.execute("UPDATE images SET notes = 'the whiskers are wrong'")

    found = "SELECT i.id FROM images_fts AS f JOIN images AS i ON i.pk = f.rowid WHERE images_fts MATCH ?"
    for words, names in (("cats", ["i1"]), ("notes:whisker", ["i1"]), ("notes:cat", []), ("dog", [])):
        assert names == [name for (name,) in images.many(found, (words,))]


def test_what_comes_out_outlives_what_it_came_from(filled: Any) -> None:
    """Without its group an entry stays, without its batch and job an image."""
    images = filled("imagegen")

    images.execute("DELETE FROM queue_groups")
    assert [("q1", None)] == images.many("SELECT id, group_id FROM queue_entries")
    images.execute("DELETE FROM queue_entries")

    assert 0 == images.scalar("SELECT count(*) FROM batches")
    assert [("i1", None, None)] == images.many("SELECT id, job_id, batch_id FROM images")
