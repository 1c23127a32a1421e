"""`up` and `migrate`: the main job, with honest answers where a part of it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

import multidb
from tests.cli.conftest import VERSIONS, Run
from tests.faults import damage, folder_fingerprint


def test_up_makes_and_migrates_everything(run: Run, root: Path) -> None:
    """One table, one line a database, and the files are there."""
    done = run("--root", root, "up")

    assert (0, "") == (done.status, done.err)
    outcomes = {line.split()[0]: line.split()[1] for line in done.out.splitlines()[1:]}
    assert {**dict.fromkeys(VERSIONS, "applied"), "beads": "unmanaged", "tempolite": "unmanaged"} == outcomes
    with multidb.open(root) as dbs:
        assert {name: max(known) for name, known in VERSIONS.items()} == {
            name: dbs.status()[name].schema_version for name in VERSIONS
        }


def test_up_again_changes_nothing(run: Run, made: Path) -> None:
    """Nothing pending, nothing written."""
    before = {name: trace.content for name, trace in folder_fingerprint(made).items()}
    document = run("--root", made, "up", "--json").document

    assert {"current", "unmanaged"} == {entry["outcome"] for entry in document["databases"].values()}
    assert before == {name: trace.content for name, trace in folder_fingerprint(made).items()}


def test_quiet_up_says_nothing_when_all_is_well(run: Run, root: Path) -> None:
    """For cron: only errors are worth a mail."""
    assert (0, "", "") == ((done := run("--quiet", "--root", root, "up")).status, done.out, done.err)
    damage.garbage(root / "chat.sqlite")
    failed = run("up", "--root", root, "--quiet")

    assert (3, "") == (failed.status, failed.out)
    assert "error in chat" in failed.err


def test_up_migrates_the_others_beside_a_corrupt_one(run: Run, root: Path) -> None:
    """Exit 3, the corrupt one's own status in its error, and its file as it was."""
    root.mkdir()
    damage.garbage(root / "chat.sqlite")
    before = folder_fingerprint(root)["chat.sqlite"]
    document = run("--root", root, "up", "--json").document

    assert 3 == document["exit"]
    assert [("chat", 20)] == [(error["concern"], error["exit"]) for error in document["errors"]]
    assert "failed" == document["databases"]["chat"]["outcome"]
    assert {"applied"} == {document["databases"][name]["outcome"] for name in VERSIONS if name != "chat"}
    assert before == folder_fingerprint(root)["chat.sqlite"]


def test_up_tells_of_a_database_without_migrations_that_cannot_be_opened(run: Run, made: Path) -> None:
    """Unmanaged is no excuse for damage."""
    damage.garbage(made / "tempolite.sqlite")
    document = run("--root", made, "up", "--json").document

    assert (3, [("tempolite", 20)]) == (
        document["exit"],
        [(error["concern"], error["exit"]) for error in document["errors"]],
    )


def test_up_where_nothing_could_be_done_gives_the_first_ones_own_status(run: Run, root: Path) -> None:
    """Not 3: no database is done."""
    root.write_text("a file where the root should be")
    document = run("--root", root, "up", "--json").document

    assert 21 == document["exit"]
    assert {21} == {error["exit"] for error in document["errors"]}


def test_up_with_a_root_that_cannot_be_made(run: Run, tmp_path: Path) -> None:
    """Permission: 21, and nothing half-made."""
    (tmp_path / "locked").mkdir()
    with damage.unwritable(tmp_path / "locked"):
        document = run("--root", tmp_path / "locked" / "db", "up", "--json").document

    assert (21, ["permission_denied"]) == (document["exit"], [error["code"] for error in document["errors"]])
    assert not list((tmp_path / "locked").iterdir())


@pytest.fixture
def own(tmp_path: Path, root: Path) -> Path:
    """The folder of migrations of a concern `notes`, in a root that knows it; empty so far."""
    folder = root / "migrations"
    folder.mkdir(parents=True)
    (root / "multidb.toml").write_text('[databases.notes]\nmigrations = "migrations"\n')
    (folder / "001_first.sql").write_text("-- Up\nCREATE TABLE a(x) STRICT;\n".replace("(x)", "(x TEXT)"))
    return folder


def test_a_failing_migration_is_told_with_its_place(run: Run, root: Path, own: Path) -> None:
    """13 in the error, 3 for the run; what was committed before it stays and is told."""
    (own / "002_bad.sql").write_text("-- Up\nCREATE TABLE b(x TEXT);\nINSERT INTO nope VALUES (1);\n")
    document = run("--root", root, "up", "--json").document
    (error,) = document["errors"]

    assert (3, "notes", 13) == (document["exit"], error["concern"], error["exit"])
    assert ("failed", [1]) == (document["databases"]["notes"]["outcome"], document["databases"]["notes"]["applied"])
    assert "002_bad" in error["message"] or "002_bad" in (error["hint"] or "")


def test_migrate_up_takes_names_and_a_target(run: Run, root: Path, own: Path) -> None:
    """Only what is named is opened, let alone made."""
    (own / "002_second.sql").write_text("-- Up\nCREATE TABLE b(x TEXT) STRICT;\n")
    first = run("--root", root, "migrate", "up", "notes", "--to", "1", "--json").document
    second = run("--root", root, "migrate", "up", "notes", "--json").document

    assert [[1], [2]] == [document["databases"]["notes"]["applied"] for document in (first, second)]
    assert ["notes"] == list(first["databases"])
    assert ["notes.sqlite"] == [path.name for path in root.glob("*.sqlite")]


@pytest.mark.parametrize(("options", "outcome"), [([], "untouched"), (["--on-error", "continue"], "applied")], ids=str)
def test_migrate_up_stops_at_a_failure_unless_told_otherwise(
    run: Run, root: Path, own: Path, options: list[str], outcome: str
) -> None:
    """`up` goes on; `migrate up` leaves what comes after the failing one untouched."""
    (own / "001_first.sql").write_text("-- Up\nINSERT INTO nope VALUES (1);\n")
    (root / "multidb.toml").write_text(
        '[databases.notes]\nmigrations = "migrations"\n[databases.others]\nmigrations = "others"\n'
    )
    (root / "others").mkdir()
    (root / "others" / "001_first.sql").write_text("-- Up\nCREATE TABLE a(x TEXT) STRICT;\n")
    document = run("--root", root, "migrate", "up", "notes", "others", *options, "--json").document

    assert (13 if outcome == "untouched" else 3) == document["exit"]
    assert {"notes": "failed", "others": outcome} == {
        name: entry["outcome"] for name, entry in document["databases"].items()
    }


def test_plan_runs_nothing(run: Run, root: Path, own: Path) -> None:
    """It says what would run and leaves no trace."""
    assert 0 == run("--root", root, "migrate", "up", "notes").status
    (own / "002_second.sql").write_text("-- Up\nCREATE TABLE b(x TEXT) STRICT;\n")
    before = folder_fingerprint(root)
    document = run("--root", root, "migrate", "plan", "notes", "--json").document

    assert ("untouched", [2]) == (document["databases"]["notes"]["outcome"], document["databases"]["notes"]["pending"])
    assert "2" in run("--root", root, "--quiet", "migrate", "plan", "notes").out.splitlines()[1].split()
    assert before == folder_fingerprint(root)


def test_migrate_status_takes_names_and_check(run: Run, root: Path, own: Path) -> None:
    """The standing of those that are named, 12 while anything is pending."""
    assert 12 == run("--root", root, "migrate", "status", "notes", "--check").status
    assert 0 == run("--root", root, "migrate", "up", "notes").status
    assert 0 == run("--root", root, "migrate", "status", "notes", "--check").status
    assert 12 == run("--root", root, "migrate", "status", "chat", "notes", "--check").status
    assert ["notes"] == list(run("--root", root, "migrate", "status", "notes", "--json").document["databases"])


def test_a_plan_needs_no_database(run: Run, root: Path) -> None:
    """On a new machine the plan is everything; looking makes nothing."""
    done = run("--root", root, "migrate", "plan", "--json")

    assert 0 == done.status
    assert [] == done.document["errors"]
    assert [1] == done.document["databases"]["chat"]["pending"][:1]
    assert not root.exists()
