"""`vacuum`, `optimize`, `checkpoint`, and the desk's verbs behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

import multidb
from multidb import Concern, ForeignDatabaseError, MultiDB, UnknownConcernError
from tests.cli.conftest import Run
from tests.faults import Child, barrier, damage, folder_fingerprint

VERBS = ["vacuum", "optimize", "checkpoint"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_database_of_ours_is_tended(run: Run, made: Path, verb: str) -> None:
    """Also beads and tempolite where they are ours."""
    document = run("--root", made, verb, "--json").document

    assert 7 == len(document["databases"])
    assert {"done"} == {entry["outcome"] for entry in document["databases"].values()}


@pytest.mark.parametrize("verb", VERBS)
def test_only_those_that_are_named(run: Run, made: Path, verb: str) -> None:
    """The others are not even opened."""
    damage.garbage(made / "app.sqlite")
    done = run("--root", made, verb, "code", "chat")

    assert (0, "") == (done.status, done.err)
    assert ["chat", "code"] == [line.split()[0] for line in done.out.splitlines()[1:]]


@pytest.mark.parametrize("verb", VERBS)
def test_nothing_is_made(run: Run, made: Path, verb: str) -> None:
    """A missing root, or a missing file, is no work; naming it is an error."""
    (made / "code.sqlite").unlink()

    assert "code" not in run("--root", made, verb, "--json").document["databases"]
    assert 1 == run("--root", made, verb, "code").status
    assert 1 == run("--root", made.parent / "nope", verb).status
    assert not (made / "code.sqlite").exists()
    assert not (made.parent / "nope").exists()


@pytest.mark.parametrize("verb", VERBS)
def test_one_that_fails_does_not_stop_the_others(run: Run, made: Path, verb: str) -> None:
    """Exit 3, or its own status where it was the only one."""
    damage.garbage(made / "chat.sqlite")
    document = run("--root", made, verb, "--json").document

    assert (3, [("chat", 20)]) == (
        document["exit"],
        [(error["concern"], error["exit"]) for error in document["errors"]],
    )
    assert {"done", "failed"} == {entry["outcome"] for entry in document["databases"].values()}
    assert 20 == run("--root", made, verb, "chat").status


def test_vacuum_gives_space_back(run: Run, made: Path) -> None:
    """The report says how much."""
    with multidb.open(made) as dbs:
        dbs["chat"].insert_many("chats", [{"id": f"x{n}", "title": "t" * 500} for n in range(2000)])
        dbs["chat"].execute("DELETE FROM chats WHERE id LIKE 'x%'")
    entry = run("--root", made, "vacuum", "chat", "--json").document["databases"]["chat"]

    assert entry["before_bytes"] > 2 * entry["after_bytes"] > 0
    assert entry["after_bytes"] == (made / "chat.sqlite").stat().st_size


def test_another_programs_database_is_let_be(root: Path, tmp_path: Path) -> None:
    """Passed over in a run over all, refused by name."""
    owner = tmp_path / "owner"
    with multidb.open(owner) as dbs:
        dbs.migrate()
    concerns = [Concern("beads", path=owner / "beads.sqlite"), Concern("chat")]
    before = folder_fingerprint(owner)

    with multidb.open(root, concerns=concerns) as dbs:
        for verb in (dbs.vacuum, dbs.optimize, dbs.checkpoint):
            assert {"beads": "foreign", "chat": "done"} == {name: entry.outcome for name, entry in verb().items()}
            with pytest.raises(ForeignDatabaseError):
                verb("beads")
            with pytest.raises(UnknownConcernError):
                verb(["chat", "nope"])

    assert before == folder_fingerprint(owner)


def test_a_checkpoint_empties_the_log(dbs: MultiDB) -> None:
    """And says how many frames went back."""
    dbs["chat"].insert_many("chats", [{"id": f"x{n}", "title": ""} for n in range(100)])
    outcome = dbs.checkpoint("chat")["chat"]

    assert outcome.checkpoint is not None
    assert outcome.checkpoint.wal_frames == outcome.checkpoint.checkpointed > 0
    assert 0 == Path(f"{dbs['chat'].path}-wal").stat().st_size


def read_until_released(root: str) -> None:
    """A reader in another process that stays at its moment."""
    with multidb.open(root) as dbs, dbs["chat"].read() as session:
        session.scalar("SELECT count(*) FROM chats")
        barrier("reading")


def test_a_reader_in_the_way_of_a_checkpoint_is_told(run: Run, made: Path) -> None:
    """11: trying again helps. `checkpoint && cp` must not copy a file without its newest rows."""
    with Child(read_until_released, str(made)) as reader:
        reader.wait_for("reading")
        insert = "INSERT INTO chats(id, title) VALUES ('c9', '')"
        assert 0 == run("--root", made, "query", "chat", insert, "--write").status
        document = run("--root", made, "checkpoint", "chat", "--json").document
        reader.release()
        reader.result()

    assert (11, ["busy"]) == (document["exit"], [error["code"] for error in document["errors"]])
    assert document["errors"][0]["retryable"]
    assert document["databases"]["chat"]["checkpoint"]["busy"]
    assert 0 == run("--root", made, "checkpoint", "chat").status
