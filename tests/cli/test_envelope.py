"""--json: exactly one document on stdout, whatever happens, and an exit status that it repeats."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from multidb import MultidbError, errors
from multidb.cli.answer import Failure, answer_for, exit_status, failures_of
from multidb.cli.program import EXIT_STATUSES
from tests.cli.conftest import Run
from tests.faults import damage

UNUSABLE = {
    "no such concern": (["query", "chta", "SELECT 1"], 10, "unknown_concern", "did you mean 'chat'?"),
    "no such verb": (["qeury"], 2, "usage", "did you mean 'query'?"),
    "no such verb in a group": (["migrate", "pan"], 2, "usage", "did you mean 'plan'?"),
    "no verb": ([], 2, "usage", "see `multidb --help`"),
    "no verb in a group": (["migrate"], 2, "usage", "see `multidb migrate --help`"),
    "no such option": (["query", "chat", "SELECT 1", "--wriet"], 2, "usage", "did you mean '--write'?"),
    "no such global option": (["--rooot", "x", "status"], 2, "usage", "did you mean '--root'?"),
    "an argument missing": (["query", "chat"], 2, "usage", "see `multidb query --help`"),
    "an argument too many": (["status", "chat"], 2, "usage", "see `multidb status --help`"),
    "a value that is none": (["stats", "--level", "deep"], 2, "usage", "see `multidb stats --help`"),
    "a parameter without a value": (
        ["query", "chat", "SELECT :t", "-p", "t"],
        2,
        "usage",
        "see `multidb query --help`",
    ),
    "a parameter missing": (["query", "chat", "SELECT :t"], 1, "statement", None),
    "a parameter of another name": (["query", "chat", "SELECT :title", "-p", "titel=x"], 1, "statement", None),
    "a parameter too many": (
        ["query", "chat", "SELECT :t", "-p", "t=1", "-p", "tt=2"],
        1,
        "statement",
        "did you mean 't'?",
    ),
    "no SQL": (["query", "chat", "SELEC"], 1, "statement", None),
    "an empty statement": (["query", "chat", " -- nothing"], 1, "statement", None),
    "two statements": (["query", "chat", "SELECT 1; SELECT 2"], 1, "statement", "run them one by one"),
    "no such table": (["query", "chat", "SELECT * FROM nope"], 1, "statement", None),
    "a write without leave": (
        ["query", "chat", "DELETE FROM chats"],
        1,
        "read_only_session",
        "--write runs it as a transaction",
    ),
    "a broken rule": (
        ["query", "chat", "INSERT INTO chats(id, title) VALUES ('c1', '')", "--write"],
        1,
        "constraint",
        None,
    ),
    "a transaction of one's own": (["query", "chat", "BEGIN", "--write"], 1, "session_misuse", None),
    "no such version": (["migrate", "up", "chat", "--to", "99"], 10, "version_not_found", None),
    "a version of nobody": (["migrate", "up", "--to", "1"], 10, "config", "migrate('chat', to=3)"),
    "another program's schema": (["migrate", "up", "beads"], 30, "foreign_database", None),
    "no settings file": (["--config", "nope.toml", "status"], 10, "config", None),
    "an empty root": (["--root", "", "status"], 10, "config", "a path, as text"),
}


@pytest.mark.parametrize(("arguments", "status", "code", "hint"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_done_is_one_document(
    run: Run, made: Path, arguments: list[str], status: int, code: str, hint: str | None
) -> None:
    """Usage errors too: a script reads stdout and finds what was wrong and what to do about it."""
    done = run("--json", *([] if "--root" in arguments else ["--root", made]), *arguments)
    document = done.document

    assert (status, "") == (done.status, done.err)
    assert [code] == [error["code"] for error in document["errors"]]
    assert [status] == [error["exit"] for error in document["errors"]]
    assert hint is None or hint == document["errors"][0]["hint"]


@pytest.mark.parametrize(("arguments", "status", "code", "hint"), UNUSABLE.values(), ids=UNUSABLE)
def test_without_json_it_goes_to_stderr(
    run: Run, made: Path, arguments: list[str], status: int, code: str, hint: str | None
) -> None:
    """stdout is data: where nothing could be done it holds nothing that looks like rows."""
    done = run(*([] if "--root" in arguments else ["--root", made]), *arguments)

    assert status == done.status
    assert "error" in done.err
    assert "Traceback" not in done.err
    assert hint is None or hint in done.err
    assert done.out == "" or arguments[0] == "migrate"  # its table says which database failed


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["nope"], "nope"),
        (["migrate", "nope"], "migrate nope"),
        (["migrate", "status", "x"], "migrate status"),
        ([], None),
    ],
)
def test_a_document_names_the_verb_that_was_asked_for(run: Run, arguments: list[str], command: str | None) -> None:
    """As far as one was."""
    assert command == run("--json", *arguments).document["command"]


@pytest.mark.parametrize(
    "arguments",
    [["--json", "status"], ["status", "--json"], ["migrate", "--json", "status"], ["migrate", "status", "--json"]],
    ids=" ".join,
)
def test_json_works_before_and_after_the_verb(run: Run, made: Path, arguments: list[str]) -> None:
    """So do the other options that every verb has."""
    before, after = run("--root", made, *arguments), run(*arguments, "--root", made)

    assert before.document == after.document
    assert 0 == before.status


def test_a_flag_after_an_unknown_option_still_asks_for_json(run: Run) -> None:
    """The arguments could not be understood as a whole; what a script wants is clear all the same."""
    assert 2 == run("status", "--nope", "--json").document["exit"]
    assert "" == run("query", "--nope", "--", "--json").out


def test_the_environment_asks_for_json(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """MULTIDB_JSON=1 is --json, 0 is not."""
    monkeypatch.setenv("MULTIDB_JSON", "1")
    assert 2 == run("nope").document["exit"]
    monkeypatch.setenv("MULTIDB_JSON", "0")
    assert "" == run("nope").out


def test_a_document_has_the_fields_of_the_contract_in_their_order(run: Run, made: Path) -> None:
    """What was streamed comes before the outcome, the rest after it."""
    document = run("--root", made, "query", "chat", "SELECT id FROM chats ORDER BY id", "--json").document

    assert ["schema", "command", "columns", "rows", "ok", "exit", "databases", "errors"] == list(document)
    assert ["schema", "command", "ok", "exit", "databases", "errors"] == list(
        run("--root", made, "status", "--json").document
    )


def test_an_error_in_the_middle_of_the_rows_ends_the_document(run: Run, made: Path) -> None:
    """The rows that came are there, and so is what ended them."""
    numbers = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 2000)"
    sql = f"{numbers} SELECT CASE WHEN n < 2000 THEN n ELSE json('{{') END AS n FROM c"
    document = run("--root", made, "query", "chat", sql, "--json").document

    assert (["n"], [[1], [2]]) == (document["columns"], document["rows"][:2])
    assert ["statement"] == [error["code"] for error in document["errors"]]


@pytest.mark.parametrize("place", ["garbage", "corrupt", "folder", "unreadable"])
def test_a_file_that_cannot_be_read_says_so_in_every_verb(run: Run, made: Path, place: str) -> None:
    """The code and the exit status are those of the cause, the same from each verb."""
    path = made / "chat.sqlite"
    hurt = {
        "garbage": damage.garbage,
        "corrupt": lambda file: damage.corrupt(file, 1, skip_bytes=100),
        "folder": damage.directory_in_place,
        "unreadable": lambda file: None,
    }[place]
    hurt(path)
    with damage.unreadable(path) if place == "unreadable" else contextlib.nullcontext():
        told = {
            verb: run("--root", made, *verb.split(), "--json").document["errors"][0]
            for verb in (
                "query chat SELECT(1)",
                "status",
                "stats",
                "vacuum chat",
                "optimize chat",
                "checkpoint chat",
                "up",
            )
        }
        exits = {verb: error["exit"] for verb, error in told.items()}

    assert {21 if place == "unreadable" else 20} == set(exits.values())
    assert {"chat"} == {error["concern"] for error in told.values()}
    assert 1 == len({error["code"] for error in told.values()})


def test_every_error_of_the_library_has_an_exit_status_of_the_table() -> None:
    """An exit status that the help does not explain would be a riddle."""
    kinds = [getattr(errors, name) for name in errors.__all__]

    assert set() == {kind.exit_status for kind in kinds} - set(EXIT_STATUSES)


def test_one_failing_database_gives_its_own_status_where_nothing_else_was_done() -> None:
    """With something done it is 3, and `errors` has each one's own."""
    failures = failures_of(
        [errors.CorruptError("damaged", concern="chat"), errors.DiskFullError("full", concern="app")]
    )

    assert 20 == exit_status(failures, is_partly_done=False)
    assert 3 == exit_status(failures, is_partly_done=True)
    assert 0 == exit_status((), is_partly_done=True)


def test_groups_and_failed_concerns_are_told_by_their_causes() -> None:
    """An OpenError is as many errors as there are causes; "is failed" says less than why."""
    cause = errors.NotADatabaseError("no database", concern="chat")
    group = errors.OpenError("could not open chat", [cause, errors.FailedError("app is failed", cause=cause)])

    assert ["not_a_database"] * 2 == [failure.code for failure in failures_of([group, None])]


def test_what_nobody_foresaw_is_an_answer_too() -> None:
    """A fault of ours is told as one, with status 1."""
    answer = answer_for(ZeroDivisionError("oops"))

    assert 1 == answer.exit
    assert ("internal", "ZeroDivisionError: oops") == (answer.failures[0].code, answer.failures[0].message)


def test_an_error_carries_the_six_fields_of_the_library() -> None:
    """`errors` of the document is what `to_dict` says."""
    error = errors.WriterTimeoutError("busy", concern="chat", hint="wait")
    told = failures_of([error])[0]

    assert isinstance(error, MultidbError)
    assert Failure(**error.to_dict()) == told
