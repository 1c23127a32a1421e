"""The command line as a process: signals, pipes, full disks, other processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

import multidb
from multidb.cli import main
from tests.cli.conftest import PATIENCE_S, VERSIONS, Run, Start
from tests.faults import Child, folder_fingerprint

ENDLESS = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT {} FROM c"
ENDINGS = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]


def opened(process: subprocess.Popen[str]) -> None:
    """Wait until the database is open: its event, with --log-level debug, is the last before the statement."""
    assert process.stderr is not None
    while "database_opened" not in (line := process.stderr.readline()):
        assert line, "it ended"


@pytest.mark.parametrize(("number", "status", "code"), ENDINGS, ids=str)
@pytest.mark.parametrize("options", [["--json"], []], ids=str)
def test_a_signal_interrupts_a_read(
    start: Start, made: Path, number: int, status: int, code: str, options: list[str]
) -> None:
    """At once, in the middle of a statement that would never end, with one document or one line on stderr."""
    before = folder_fingerprint(made)
    process = start("--root", made, "--log-level", "debug", "query", "chat", ENDLESS.format("count(*)"), *options)
    opened(process)
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE_S)

    assert status == process.returncode
    assert "Traceback" not in err
    if options:
        assert (status, [code]) == (json.loads(out)["exit"], [error["code"] for error in json.loads(out)["errors"]])
    else:
        assert ("", True) == (out, f"error: {code}\n" in err)
    assert before == folder_fingerprint(made)


@pytest.mark.parametrize(("number", "status", "code"), ENDINGS, ids=str)
@pytest.mark.parametrize("taken", [1, 100_000, 3_000_000])
def test_a_signal_in_the_middle_of_the_rows_leaves_a_whole_document(
    start: Start, made: Path, number: int, status: int, code: str, taken: int
) -> None:
    """No row is lost, doubled or cut, while the pipe was full and while it was not."""
    process = start("--root", made, "--json", "query", "chat", ENDLESS.format("n, 'text ' || n"))
    assert process.stdout is not None
    head = process.stdout.read(taken)
    process.send_signal(number)
    document = json.loads(head + process.stdout.read())

    assert status == process.wait(PATIENCE_S) == document["exit"]
    assert [code] == [error["code"] for error in document["errors"]]
    assert [[n, f"text {n}"] for n in range(1, len(document["rows"]) + 1)] == document["rows"]


def test_sigterm_ends_it_although_nobody_reads(start: Start, made: Path) -> None:
    """A stalled reader cannot keep it alive: the rest of the document is dropped."""
    process = start("--root", made, "--json", "query", "chat", ENDLESS.format("n"))
    assert process.stdout is not None
    process.stdout.read(1)
    process.send_signal(signal.SIGTERM)

    assert 143 == process.wait(PATIENCE_S)


def called(*arguments: str) -> int:
    """The command line in a child that stops at a failpoint."""
    return main(arguments)


@pytest.mark.parametrize(("number", "status", "code"), ENDINGS, ids=str)
def test_a_signal_before_the_commit_rolls_a_write_back_whole(made: Path, number: int, status: int, code: str) -> None:
    """Nothing of it is there, nothing stands beside the file, and the database works."""
    insert = "INSERT INTO chats(id, title) VALUES ('c3', ''), ('c4', '')"
    words = ("--root", str(made), "--json", "query", "chat", insert, "--write")
    with Child(called, *words, failpoint="write.before_commit=stop") as writer:
        writer.wait_stopped()
        os.kill(writer.pid, number)
        writer.cont()

        assert status == writer.result()
        assert [code] == [error["code"] for error in json.loads(writer.stdout())["errors"]]
    assert [] == [path.name for path in made.glob("*-*")]
    with multidb.open(made) as dbs:
        assert 2 == dbs["chat"].scalar("SELECT count(*) FROM chats")
        assert 1 == dbs["chat"].execute("UPDATE chats SET title = 'works' WHERE id = 'c1'").changes


@pytest.mark.parametrize("place", ["migration.after_begin", "migration.before_commit", "migration.after_commit"])
def test_sigterm_leaves_a_migration_done_or_undone(root: Path, run: Run, place: str) -> None:
    """`up` says 143, every database is at a whole version, and the next `up` finishes the work."""
    with Child(called, "--root", str(root), "--json", "up", failpoint=f"{place}:2=stop") as runner:
        runner.wait_stopped()
        os.kill(runner.pid, signal.SIGTERM)
        runner.cont()

        assert 143 == runner.result()
        assert 143 == json.loads(runner.stdout())["exit"]
    with multidb.open(root, read_only=True) as dbs:
        status = dbs.status()["chat"]
        assert (None, 2 if place.endswith("after_commit") else 1) == (status.error, status.schema_version)
    assert 0 == run("--root", root, "up").status
    assert 0 == run("--root", root, "status", "--check").status


@pytest.mark.parametrize("options", [[], ["--format", "jsonl"], ["--json"]], ids=str)
def test_a_reader_that_has_seen_enough_ends_it_quietly(start: Start, made: Path, options: list[str]) -> None:
    """As in `multidb query ... | head -1`."""
    process = start("--root", made, "query", "chat", ENDLESS.format("n"), *options)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()

    assert 141 == process.wait(PATIENCE_S)
    assert "" == process.stderr.read()


@pytest.mark.parametrize("arguments", [["--help"], ["config"], ["nope", "--json"]], ids=str)
def test_a_reader_that_never_looked_is_no_trouble(start: Start, arguments: list[str], tmp_path: Path) -> None:
    """Whether it goes before or after the first byte."""
    reading, writing = os.pipe()
    os.close(reading)
    process = start(*arguments, stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=PATIENCE_S)

    assert (141, "") == (process.returncode, err)


def test_a_write_is_committed_before_anything_is_printed(start: Start, made: Path) -> None:
    """A reader that goes away takes no transaction with it."""
    reading, writing = os.pipe()
    os.close(reading)
    insert = "INSERT INTO chats(id, title) VALUES ('c3', '') RETURNING id"
    process = start("--root", made, "query", "chat", insert, "--write", stdout=writing)
    os.close(writing)

    assert 141 == process.wait(PATIENCE_S)
    with multidb.open(made) as dbs:
        assert 3 == dbs["chat"].scalar("SELECT count(*) FROM chats")


def test_a_full_disk_for_stdout_is_an_error(spawn: Run, made: Path) -> None:
    """21 and a line on stderr, once."""
    with open("/dev/full", "w") as full:
        done = spawn("--root", made, "status", stdout=full)

    assert 21 == done.status
    assert 1 == done.err.count("\n")
    assert "No space left" in done.err


@pytest.mark.parametrize("closed", [1, 2])
def test_a_closed_stream_is_no_trouble(spawn: Run, made: Path, closed: int) -> None:
    """As from a daemon; the work is done and the exit status is right."""
    assert 0 == spawn("--root", made, "status", preexec_fn=lambda: os.close(closed)).status
    assert 10 == spawn("--root", made, "query", "nope", "SELECT 1", preexec_fn=lambda: os.close(closed)).status


def test_errors_leave_stdout_empty_and_status_in_the_exit(spawn: Run, made: Path) -> None:
    """The process exits by what `main` says."""
    done = spawn("--root", made, "query", "chta", "SELECT 1")

    assert (10, "") == (done.status, done.out)
    assert "error: no concern is called 'chta'\n  hint: did you mean 'chat'?\n" == done.err


def test_text_is_utf_8_whatever_the_locale(start: Start, made: Path) -> None:
    """JSON is UTF-8; a terminal of another encoding is its reader's business."""
    words = ["--root", made, "query", "chat", "SELECT char(128512, 32, 233) AS t", "--format", "csv"]
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    process = start(*words, env=env, encoding="utf-8")
    out, err = process.communicate(timeout=PATIENCE_S)

    assert ("t\n😀 é\n", "") == (out, err)


def test_two_processes_make_one_root(start: Start, root: Path) -> None:
    """Each migration runs once, in one of them, and both succeed."""
    processes = [start("--root", root, "--json", "up") for _ in range(4)]
    documents = [json.loads(process.communicate(timeout=PATIENCE_S)[0]) for process in processes]

    assert [0] * 4 == [document["exit"] for document in documents]
    applied = [version for document in documents for version in document["databases"]["chat"]["applied"]]
    assert VERSIONS["chat"] == sorted(applied)


def test_two_processes_write_one_database(start: Start, made: Path) -> None:
    """They wait for each other."""
    insert = "INSERT INTO chats(id, title) VALUES ('p{}', '')"
    processes = [start("--root", made, "query", "chat", insert.format(n), "--write") for n in range(6)]

    assert [0] * 6 == [process.wait(PATIENCE_S) for process in processes]
    with multidb.open(made) as dbs:
        assert 6 == dbs["chat"].scalar("SELECT count(*) FROM chats WHERE id LIKE 'p%'")


def test_a_writer_that_waits_too_long_says_who_is_in_the_way(run: Run, made: Path, tmp_path: Path) -> None:
    """11: the other process holds its transaction open."""
    (made / "multidb.toml").write_text("[databases.chat.tuning]\nwriter_timeout_ms = 50\n")
    with Child(hold, str(made)) as holder:
        holder.wait_for("writing")
        done = run("--root", made, "query", "chat", "DELETE FROM chats", "--write", "--json")
        holder.release()
        holder.result()

    (error,) = done.document["errors"]
    assert (11, "writer_timeout", True) == (done.status, error["code"], error["retryable"])


def hold(root: str) -> None:
    """Another process in the middle of a transaction."""
    from tests.faults import barrier

    with multidb.open(root) as dbs, dbs["chat"].write():
        barrier("writing")


@pytest.mark.parametrize(
    ("level", "shown", "hidden"),
    [
        ("debug", ["debug: multidb.database_closed", "info: multidb.database_created"], []),
        ("info", ["info: multidb.database_created", "info: multidb.migration_applied"], ["debug:"]),
        ("warning", [], ["debug:", "info:"]),
    ],
)
def test_events_go_to_stderr_at_the_level_asked_for(
    spawn: Run, root: Path, level: str, shown: list[str], hidden: list[str]
) -> None:
    """With their context; stdout stays data."""
    done = spawn("--root", root, "up", "--json", "--log-level", level)

    assert 0 == done.document["exit"]
    assert [] == [text for text in shown if text not in done.err]
    assert [] == [text for text in hidden if text in done.err]


def test_warnings_are_shown_without_being_asked_for_and_errors_are_told_once(spawn: Run, tmp_path: Path) -> None:
    """A doubtful folder is worth a line; a failed database is told by the verb."""
    root = tmp_path / "Dropbox" / "db"
    root.mkdir(parents=True)
    (root / "chat.sqlite").write_bytes(b"garbage" * 999)
    done = spawn("--root", root, "up")

    assert "warning: multidb.folder_doubted" in done.err
    assert "database_failed" not in done.err
    assert 1 == done.err.count("error in chat")
    assert "database_failed" in spawn("--root", root, "up", env={"MULTIDB_LOG_LEVEL": "error"}).err
