"""`status`, `stats`, `config`: looking makes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import multidb
from multidb import STANDARD
from tests.cli.conftest import Run
from tests.faults import Child, barrier, damage, folder_fingerprint

NAMES = [concern.name for concern in STANDARD]


@pytest.mark.parametrize(
    "verb", [["status"], ["status", "--check"], ["stats"], ["config"], ["migrate", "status"]], ids=str
)
@pytest.mark.parametrize("options", [[], ["--json"]], ids=str)
def test_a_missing_root_is_reported_and_not_made(run: Run, root: Path, verb: list[str], options: list[str]) -> None:
    """Nothing at all appears beside it either."""
    done = run("--root", root, *verb, *options)

    assert (12 if "--check" in verb else 0) == done.status
    assert [] == [path.name for path in root.parent.iterdir()]


@pytest.mark.parametrize(
    "verb", [["status"], ["status", "--check"], ["stats"], ["config"], ["migrate", "status"]], ids=str
)
def test_looking_leaves_no_trace(run: Run, made: Path, verb: list[str]) -> None:
    """Not a byte and not a time stamp."""
    before = folder_fingerprint(made)

    assert 0 == run("--root", made, *verb).status
    assert before == folder_fingerprint(made)


def at_work(root: str) -> None:
    """An application that has committed a row, which stands in its -wal alone, and goes on."""
    with multidb.open(root) as dbs:
        dbs["chat"].execute("UPDATE chats SET title = 'seen' WHERE id = 'c1'")
        barrier("committed")


@pytest.mark.parametrize("verb", [["status"], ["stats"], ["query", "chat", "SELECT title FROM chats"]], ids=str)
def test_looking_leaves_no_trace_beside_a_program_at_work(run: Run, made: Path, verb: list[str]) -> None:
    """Its newest commit is seen, and its files are let be."""
    with Child(at_work, str(made)) as application:
        application.wait_for("committed")
        before = folder_fingerprint(made)
        done = run("--root", made, *verb)
        after = folder_fingerprint(made)
        application.release()
        application.result()

    assert (0, "") == (done.status, done.err)
    assert "seen" in done.out or verb[0] != "query"
    assert before == after


def test_status_is_the_report_of_the_library(run: Run, made: Path) -> None:
    """The same fields with the same values."""
    document = run("--root", made, "status", "--json").document
    with multidb.open(made, read_only=True) as dbs:
        report = dbs.status().to_dict()["databases"]

    assert report == document["databases"]
    assert NAMES == list(document["databases"])


def test_status_for_people_is_one_line_a_database(run: Run, made: Path) -> None:
    """With what a tired operator asks first: is it there, how new is it, how large."""
    lines = run("--root", made, "status").out.splitlines()

    assert ["database", "state", "version", "pending", "size", "wal", "file"] == lines[0].split()
    assert NAMES == [line.split()[0] for line in lines[1:]]
    assert all(line.split()[1] == "ok" for line in lines[1:])


@pytest.mark.parametrize(
    ("hurt", "plain", "checked"),
    [
        ("nothing", 0, 0),
        ("pending", 0, 12),
        ("missing", 0, 12),
        ("garbage", 0, 20),
        ("garbage and pending", 0, 12),
        ("edited", 0, 13),
        ("foreign rows", 0, 30),
    ],
)
def test_check_says_whether_up_has_work_or_cannot_do_it(
    run: Run, made: Path, tmp_path: Path, hurt: str, plain: int, checked: int
) -> None:
    """12 for anything pending, otherwise what the first failing database says; without --check 0."""
    if "garbage" in hurt:
        damage.garbage(made / "chat.sqlite")
    if "pending" in hurt:
        (made / "code.sqlite").write_bytes(b"")
    if hurt == "missing":
        (made / "code.sqlite").unlink()
    if hurt == "edited":
        change = "UPDATE _migrations SET checksum = 'sha256:0', checksum_tokens = 'sha256:0' WHERE version = 1"
        with multidb.open(made) as dbs:
            dbs["chat"].execute(change)
    if hurt == "foreign rows":
        (made / "app.sqlite").write_bytes((made / "code.sqlite").read_bytes())

    assert plain == run("--root", made, "status").status
    assert checked == run("--root", made, "status", "--check").status
    document = run("--root", made, "status", "--check", "--json").document
    assert checked == document["exit"]
    assert bool(document["errors"]) == (hurt not in ("nothing", "pending", "missing"))


def test_stats_tell_pages_and_let_absent_ones_be(run: Run, made: Path) -> None:
    """A file that is not there is no failure of looking; one that cannot be read is, and the others are told."""
    (made / "code.sqlite").unlink()
    absent = run("--root", made, "stats", "--json").document
    damage.garbage(made / "chat.sqlite")
    broken = run("--root", made, "stats", "--json").document

    assert (0, []) == (absent["exit"], absent["errors"])
    assert absent["databases"]["chat"]["pages"] > 1
    assert "absent" == absent["databases"]["code"]["state"]
    assert (3, [("chat", 20)]) == (broken["exit"], [(error["concern"], error["exit"]) for error in broken["errors"]])


def test_config_tells_every_value_with_its_origin(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option wins over the environment, that over the file, that over the default."""
    file = tmp_path / "my.toml"
    file.write_text(
        'backups = "shelf"\n[databases.chat.tuning]\ncache_kib = 65536\n[backups_retention]\nkeep_last = 7\n'
    )
    monkeypatch.setenv("MULTIDB_ROOT", str(tmp_path / "from-env"))
    settings = run("--config", file, "config", "--json").document["settings"]

    assert str(file) == run("--config", file, "config", "--json").document["settings_file"]
    assert {"value": str(tmp_path / "from-env"), "origin": "environment"} == settings["root"]
    assert {"value": str(tmp_path / "shelf"), "origin": f"file {file}"} == settings["backups"]
    assert {"value": 65536, "origin": f"file {file}"} == settings["databases.chat.tuning.cache_kib"]
    assert {"value": 16384, "origin": "default"} == settings["databases.code.tuning.cache_kib"]
    by_option = run("--config", file, "--root", tmp_path / "asked", "config", "--json").document["settings"]
    assert {"value": str(tmp_path / "asked"), "origin": "option"} == by_option["root"]
    assert set(NAMES) <= {key.split(".")[1] for key in settings if key.startswith("databases.")}


def test_the_default_root_is_the_users_data_folder(run: Run, tmp_path: Path) -> None:
    """And nothing is made there by asking."""
    settings = run("config", "--json").document["settings"]

    assert settings["root"]["value"].startswith(str(tmp_path / "home"))
    assert "default" == settings["root"]["origin"]
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[databses.chat]\n", "did you mean 'databases'?"),
        ("[databases.chta]\n", "did you mean 'chat'?"),
        ("[databases.chat]\nreaderz = 2\n", "did you mean 'readers'?"),
        ("[databases.chat.tuning]\ncash_kib = 2\n", "did you mean 'cache_kib'?"),
        ("packs = ['openagent']\n", "did you mean 'openagents'?"),
        ("root = \n", None),
    ],
)
@pytest.mark.parametrize("verb", ["up", "status", "config"])
def test_settings_that_cannot_be_meant(run: Run, tmp_path: Path, text: str, hint: str | None, verb: str) -> None:
    """Every verb refuses an unknown key with the closest one, before anything is made."""
    file = tmp_path / "my.toml"
    file.write_text(text)
    document = run("--config", file, "--root", tmp_path / "db", verb, "--json").document

    assert (10, ["config"]) == (document["exit"], [error["code"] for error in document["errors"]])
    assert hint is None or hint == document["errors"][0]["hint"]
    assert str(file) in document["errors"][0]["message"] or "pack" in document["errors"][0]["message"]
    assert not (tmp_path / "db").exists()


def test_a_settings_file_in_the_root_is_found(run: Run, root: Path) -> None:
    """A concern of the application's own appears beside the standard ones."""
    (root / "notes").mkdir(parents=True)
    (root / "multidb.toml").write_text('[databases.notes]\nmigrations = "notes"\n')

    assert [*NAMES, "notes"] == list(json.loads(run("--root", root, "status", "--json").out)["databases"])
