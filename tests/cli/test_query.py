"""`query`: rows to stdout, nothing left behind, and writing only when it was asked for."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest

import multidb
from multidb.cli import main
from tests.cli.conftest import Run
from tests.faults import folder_fingerprint, run_child

MANY = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT {}) SELECT n, 'text ' || n AS t FROM c"


@pytest.mark.parametrize(
    ("options", "printed"),
    [
        ([], "id  title\nc1  Hello\nc2  There\n"),
        (["--format", "csv"], "id,title\nc1,Hello\nc2,There\n"),
        (["--format", "jsonl"], '{"id": "c1", "title": "Hello"}\n{"id": "c2", "title": "There"}\n'),
        (["--limit", "1"], "id  title\nc1  Hello\n"),
        (["--limit", "0", "--format", "csv"], "id,title\n"),
    ],
    ids=" ".join,
)
def test_rows_in_each_format(run: Run, made: Path, options: list[str], printed: str) -> None:
    """Without a terminal there are no boxes and no colours, and stderr is empty."""
    done = run("--root", made, "query", "chat", "SELECT id, title FROM chats ORDER BY id", *options)

    assert (0, printed, "") == (done.status, done.out, done.err)


def test_values_bind_by_name(run: Run, made: Path) -> None:
    """Text with `=`, JSON with `:=`."""
    sql = "SELECT typeof(:t) AS t, typeof(:n) AS n, typeof(:none) AS none, typeof(:b) AS b"
    given = ["t=5", "n:=5", "none:=null", 'b:={"$base64": "AP8="}']
    done = run("--root", made, "query", "chat", sql, *(word for value in given for word in ("-p", value)), "--json")

    assert [["text", "integer", "null", "blob"]] == done.document["rows"]


def test_json_has_columns_and_rows(run: Run, made: Path) -> None:
    """Also where no row comes, and with a repeated name, since rows are lists."""
    query = ["--root", made, "--json", "query", "chat"]

    assert {"columns": ["a", "a"], "rows": [[1, 2]]}.items() <= run(*query, "SELECT 1 AS a, 2 AS a").document.items()
    assert {"columns": ["id"], "rows": []}.items() <= run(*query, "SELECT id FROM chats WHERE 0").document.items()


def test_awkward_values_survive_json(run: Run, made: Path) -> None:
    """NULL, a BLOB, infinities, the largest integer, an emoji, a NUL and a quote."""
    sql = "SELECT NULL, x'00ff', 1e999, -1e999, 9223372036854775807, '😀', 'a' || char(0) || '\"'"
    rows = run("--root", made, "--json", "query", "chat", sql).document["rows"]

    assert [[None, {"$base64": "AP8="}, "Infinity", "-Infinity", 2**63 - 1, "😀", 'a\0"']] == rows


def test_reading_leaves_no_trace(run: Run, made: Path) -> None:
    """Not a -shm, not a time stamp, in any format, and not after an error either."""
    before = folder_fingerprint(made)

    for sql in ("SELECT * FROM chats", "SELECT nope", "DELETE FROM chats"):
        run("--root", made, "query", "chat", sql)
        run("--root", made, "query", "chat", sql, "--json")

    assert before == folder_fingerprint(made)


def test_reading_opens_only_the_database_that_is_named(run: Run, made: Path) -> None:
    """The others may be damaged."""
    (made / "code.sqlite").write_bytes(b"garbage" * 999)

    assert 0 == run("--root", made, "query", "chat", "SELECT 1").status


@pytest.mark.parametrize("options", [[], ["--write"], ["--write", "--json"]], ids=str)
def test_a_missing_root_is_not_made(run: Run, root: Path, options: list[str]) -> None:
    """A misspelt --root must not become an empty database that answers."""
    done = run("--root", root, "query", "chat", "SELECT 1", *options)

    assert 1 == done.status
    assert "multidb up" in done.err + done.out
    assert not root.exists()


def test_a_missing_file_is_not_made(run: Run, made: Path) -> None:
    """Writing to it makes nothing either."""
    (made / "code.sqlite").unlink()

    done = run("--root", made, "query", "code", "CREATE TABLE t(a)", "--write", "--json")

    assert ["absent"] == [error["code"] for error in done.document["errors"]]
    assert not (made / "code.sqlite").exists()


def test_a_write_is_committed_and_told(run: Run, made: Path) -> None:
    """How many rows, and the last rowid; nothing else on stdout."""
    query = ["--root", made, "query", "chat"]
    done = run(*query, "UPDATE chats SET title = 'New' WHERE id = 'c1'", "--write")
    inserted = run(*query, "INSERT INTO chats(id, title) VALUES ('c3', '')", "--write", "--json").document

    assert (0, "", "") == (done.status, done.out, done.err)
    assert {"columns": [], "rows": [], "changes": 1, "last_rowid": 3}.items() <= inserted.items()
    with multidb.open(made) as dbs:
        assert [("c1", "New"), ("c2", "There"), ("c3", "")] == dbs["chat"].many(
            "SELECT id, title FROM chats ORDER BY id"
        )


def test_a_write_returns_rows(run: Run, made: Path) -> None:
    """RETURNING, and a plain SELECT with --write too."""
    query = ["--root", made, "query", "chat", "--write"]

    assert (
        "id,title\nc3,x\n"
        == run(*query, "INSERT INTO chats(id, title) VALUES ('c3', 'x') RETURNING id, title", "--format", "csv").out
    )
    assert [[3]] == run(*query, "SELECT count(*) FROM chats", "--json").document["rows"]


def test_a_failed_write_leaves_nothing(run: Run, made: Path) -> None:
    """The statement is one transaction: the row before the bad one is gone too."""
    sql = "INSERT INTO chats(id, title) VALUES ('c3', ''), ('c1', '')"
    done = run("--root", made, "query", "chat", sql, "--write", "--json")

    assert ["constraint"] == [error["code"] for error in done.document["errors"]]
    assert [[2]] == run("--root", made, "query", "chat", "SELECT count(*) FROM chats", "--json").document["rows"]


def test_a_bound_value_is_in_no_message(run: Run, made: Path) -> None:
    """A secret in a parameter stays out of errors and logs."""
    sql = "INSERT INTO chats(id, title) VALUES ('c1', :t)"
    done = run("--root", made, "query", "chat", sql, "--write", "-p", "t=hunter2", "--log-level", "debug")

    assert 1 == done.status
    assert "hunter2" not in done.out + done.err


@pytest.mark.parametrize(
    "options", [["--format", "table"], ["--format", "csv"], ["--format", "jsonl"], ["--json"]], ids=str
)
def test_a_hundred_thousand_rows_take_the_memory_of_ten(made: Path, options: list[str]) -> None:
    """Rows stream: the peak of a long answer is that of a short one, give or take a buffer."""

    def peak_kib(rows: int) -> int:
        return run_child(peak_of, "--root", str(made), "query", "chat", MANY.format(rows), *options)

    assert peak_kib(100_000) - peak_kib(10) < 6 * 1024


def peak_of(*arguments: str) -> int:
    """The most memory in KiB that this process ever had, after a run whose rows nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    assert 0 == main(arguments)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_foreign_database_is_read_and_not_written(run: Run, made: Path, tmp_path: Path) -> None:
    """Its owner alone writes it; --write is refused as such."""
    owner = tmp_path / "owner"
    owner.mkdir()
    (made / "beads.sqlite").rename(owner / "beads.db")
    (made / "multidb.toml").write_text(f"[databases.beads]\npath = {json.dumps(str(owner / 'beads.db'))}\n")
    before = folder_fingerprint(owner)

    read = run("--root", made, "query", "beads", "SELECT 1 AS a", "--format", "csv")
    written = run("--root", made, "query", "beads", "CREATE TABLE t(a)", "--write", "--json")

    assert "a\n1\n" == read.out
    assert (30, ["foreign_database"]) == (written.status, [error["code"] for error in written.document["errors"]])
    assert before == folder_fingerprint(owner)
