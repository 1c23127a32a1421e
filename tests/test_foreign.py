"""Another program's database: read on its own terms, and not one byte of its folder changes."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest

import multidb
from multidb import AbsentError, Concern, Database, ForeignDatabaseError, MultiDB, State
from multidb.reports import ForeignInfo
from tests import real_data
from tests.faults import Child, damage, folder_fingerprint

ISSUES = "SELECT id, title, status FROM issues ORDER BY id"


@contextlib.contextmanager
def beside(path: Path, root: Path, name: str = "beads") -> Iterator[MultiDB]:
    """A root of ours beside the owner's file."""
    with multidb.open(root, concerns=[Concern(name, path=path), Concern("notes", migrations=None)]) as dbs:
        yield dbs


def everything(dbs: MultiDB, name: str) -> None:
    """All that may be done to a foreign database, and what is refused."""
    database = dbs[name]
    database.many("SELECT * FROM sqlite_schema")
    database.first("SELECT count(*) FROM sqlite_schema")
    database.explain("SELECT * FROM sqlite_schema")
    with database.read() as session:
        session.many("SELECT * FROM sqlite_schema")
        database.many("SELECT * FROM sqlite_schema")
    with database.iterate("SELECT * FROM sqlite_schema") as stream:
        next(stream, None)
    database.tuning_in_force()
    dbs.status(), dbs.stats(), dbs.migrate()
    for refused in (
        lambda: database.execute("CREATE TABLE ours (x)"),
        lambda: database.insert_many("issues", [{"id": "x"}]),
        lambda: database.write().__enter__(),
        lambda: database.exclusive().__enter__(),
        database.vacuum,
        database.optimize,
        database.checkpoint,
        lambda: dbs.migrate(name),
        lambda: dbs.migrator(name).up(),
    ):
        with pytest.raises(ForeignDatabaseError):
            refused()
    database.reopen()


def a_54(folder: Path) -> tuple[Path, str]:
    return real_data.beads_54(folder), "beads-54"


def a_21(folder: Path) -> tuple[Path, str]:
    return real_data.beads_21_all_in_wal(folder), "beads-21"


def a_21_without_shm(folder: Path) -> tuple[Path, str]:
    path = real_data.beads_21_all_in_wal(folder)
    Path(f"{path}-shm").unlink()
    return path, "beads-21"


def a_v0(folder: Path) -> tuple[Path, str]:
    return real_data.tempolite(folder, "v0"), "tempolite-v0"


def a_v1(folder: Path) -> tuple[Path, str]:
    return real_data.tempolite(folder, "v1"), "tempolite-v1"


OWNED: list[Callable[[Path], tuple[Path, str]]] = [a_54, a_21, a_21_without_shm, a_v0, a_v1]


@pytest.mark.parametrize("owned", OWNED)
def test_real_files_are_read_without_a_trace(
    owned: Callable[[Path], tuple[Path, str]], tmp_path: Path, root: Path
) -> None:
    """Every generation in the wild is told apart; the owner's folder is the same to the byte, times included."""
    path, generation = owned(tmp_path / "owner")
    before = folder_fingerprint(tmp_path / "owner")

    with beside(path, root, generation.partition("-")[0]) as dbs:
        name = next(iter(dbs))
        kind = dbs[name].foreign
        everything(dbs, name)
        meanwhile = folder_fingerprint(tmp_path / "owner")

    assert ForeignInfo("sqlite", generation) == kind
    assert before == meanwhile
    assert before == folder_fingerprint(tmp_path / "owner")


def test_rows_that_stand_in_the_log_alone_are_read(tmp_path: Path, root: Path) -> None:
    """`immutable` would answer with no rows and no error; the 19 issues are there."""
    path = real_data.beads_21_all_in_wal(tmp_path / "owner")

    with beside(path, root) as dbs:
        with dbs["beads"].iterate(ISSUES) as stream:
            streamed = list(stream)

        assert 19 == len(dbs["beads"].many(ISSUES)) == len(streamed)


def test_a_read_only_folder_of_another_user_can_be_read(tmp_path: Path, root: Path) -> None:
    """No right to write there is needed, with the owner's -wal and -shm and without."""
    for folder in (tmp_path / "with log", tmp_path / "at rest"):
        make = real_data.beads_21_all_in_wal if "log" in folder.name else real_data.beads_54
        path = make(folder)
        with damage.unwritable(folder), beside(path, root / folder.name) as dbs:
            before = folder_fingerprint(folder)
            count = dbs["beads"].scalar("SELECT count(*) FROM issues")
            assert before == folder_fingerprint(folder)
        assert count > 0


def test_names_that_mean_something_in_a_uri(tmp_path: Path, root: Path) -> None:
    """`#`, `?` and `%` in a path are letters."""
    path = real_data.beads_54(tmp_path / "a#b?c%20d")

    with beside(path, root) as dbs:
        assert dbs["beads"].many(ISSUES)


# --- what stands there ---------------------------------------------------------------------------------


def kind_at(path: Path, root: Path) -> tuple[str, str, str | None]:
    """Kind, state and error of the foreign file, with its folder proven untouched."""
    before = folder_fingerprint(path.parent) if path.parent.exists() else {}
    with beside(path, root) as dbs:
        status = dbs.status()["beads"]
        dbs.stats(), dbs.migrate()
    assert before == (folder_fingerprint(path.parent) if path.parent.exists() else {})
    return status.foreign.kind, status.state, status.error.code if status.error else None


def test_absent(tmp_path: Path, root: Path) -> None:
    """Not there, nor its folder: a state and not an error; nothing is made."""
    (tmp_path / "owner").mkdir()

    assert ("absent", "absent", None) == kind_at(tmp_path / "owner" / "beads.db", root)
    assert ("absent", "absent", None) == kind_at(tmp_path / "nowhere" / "beads.db", root / "second")


def test_empty(tmp_path: Path, root: Path) -> None:
    """Zero bytes are how its owner crashes, or waits; creating tables there would break it for good."""
    (tmp_path / "owner").mkdir()
    damage.empty(tmp_path / "owner" / "beads.db")

    assert ("empty", "read_only", None) == kind_at(tmp_path / "owner" / "beads.db", root)


@pytest.mark.parametrize("key", ["backend", "database"])
def test_moved_to_dolt_by_its_own_word(tmp_path: Path, root: Path, key: str) -> None:
    """metadata.json says which engine it is; a file that was left behind is still readable."""
    path = real_data.beads_54(tmp_path / "owner")
    path.with_name("metadata.json").write_text(f'{{"{key}": "dolt"}}')

    assert ("dolt", "read_only", None) == kind_at(path, root)


def test_moved_to_dolt_and_renamed(tmp_path: Path, root: Path) -> None:
    """beads.db.migrated beside no beads.db."""
    path = real_data.beads_54(tmp_path / "owner")
    path.rename(path.with_name("beads.db.migrated"))

    assert ("dolt", "absent", None) == kind_at(path, root)


@pytest.mark.parametrize("content", ["{", "[]", '"dolt"', "\udcff", '{"backend": 5}'])
def test_metadata_that_says_nothing(tmp_path: Path, root: Path, content: str) -> None:
    """Whatever stands in that file, the database is looked at itself."""
    path = real_data.beads_54(tmp_path / "owner")
    path.with_name("metadata.json").write_text(content, errors="surrogateescape")

    assert ("sqlite", "read_only", None) == kind_at(path, root)


def test_metadata_that_is_a_pipe_is_not_waited_for(tmp_path: Path, root: Path) -> None:
    """Opening it would wait for somebody who writes."""
    path = real_data.beads_54(tmp_path / "owner")
    os.mkfifo(path.with_name("metadata.json"))

    assert ("sqlite", "read_only", None) == kind_at(path, root)


def test_another_schema_is_unknown(tmp_path: Path, root: Path) -> None:
    """A sound database that is not this owner's: readable, and told as unknown."""
    (tmp_path / "owner").mkdir()
    apsw.Connection(str(tmp_path / "owner" / "beads.db")).execute("CREATE TABLE t (x)").connection.close()

    assert ("unknown", "read_only", None) == kind_at(tmp_path / "owner" / "beads.db", root)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (damage.garbage, "not_a_database"),
        (lambda path: damage.corrupt(path, 1, skip_bytes=100), "corrupt"),
        (damage.directory_in_place, "not_a_database"),
        (damage.fifo_in_place, "not_a_database"),
    ],
)
def test_a_damaged_one_is_failed(tmp_path: Path, root: Path, spoil: Callable[[Path], object], code: str) -> None:
    """Named, and left for its owner to mend."""
    path = real_data.beads_54(tmp_path / "owner")
    spoil(path)

    assert ("unknown", "failed", code) == kind_at(path, root)


def test_a_concern_with_an_owner_of_its_own(tmp_path: Path, root: Path) -> None:
    """Any concern may be declared foreign; a schema that we know nothing of has no generation."""
    apsw.Connection(str(tmp_path / "theirs.db")).execute("CREATE TABLE t (x)").connection.close()

    with multidb.open(root, concerns=[Concern("theirs", path=tmp_path / "theirs.db", owner="foreign")]) as dbs:
        assert ForeignInfo("sqlite", None) == dbs["theirs"].foreign


def test_ours_by_declaration(tmp_path: Path, root: Path) -> None:
    """`owner="multidb"` makes a beads file at a path one of ours, to write."""
    concern = Concern("beads", path=tmp_path / "mine.db", owner="multidb")

    with multidb.open(root, concerns=[concern]) as dbs:
        dbs["beads"].execute("CREATE TABLE issues (id TEXT)")

        assert (State.READY, None) == (dbs["beads"].state, dbs["beads"].foreign)


# --- a file that comes, goes and changes ---------------------------------------------------------------


def test_one_that_appears_is_taken_up(tmp_path: Path, root: Path) -> None:
    """At the next use, without a reopening."""
    path = tmp_path / "owner" / "beads.db"
    with beside(path, root) as dbs:
        with pytest.raises(AbsentError) as refusal:
            dbs["beads"].many(ISSUES)
        real_data.beads_54(path.parent)

        assert dbs["beads"].many(ISSUES)
        assert "read_only" == dbs.status()["beads"].state
    assert refusal.value.hint


def test_one_that_goes_is_absent_again(tmp_path: Path, root: Path) -> None:
    """Also in the status, before anybody used it."""
    path = real_data.beads_54(tmp_path / "owner")
    with beside(path, root) as dbs:
        assert dbs["beads"].many(ISSUES)
        path.unlink()

        status = dbs.status()["beads"]
        with pytest.raises(AbsentError):
            dbs["beads"].many(ISSUES)

    assert ("absent", "absent") == (status.state, status.foreign.kind)


def test_one_that_was_replaced_is_read_anew(tmp_path: Path, root: Path) -> None:
    """After a git checkout the old handle would go on serving the old file without an error."""
    path = real_data.beads_54(tmp_path / "owner")
    other = real_data.tempolite(tmp_path / "other", "v0")
    with beside(path, root) as dbs:
        dbs["beads"].many(ISSUES)
        os.replace(other, path)

        tables = dict(dbs["beads"].many("SELECT name, 1 FROM sqlite_schema"))

        assert "activities" in tables and "issues" not in tables
        assert "unknown" == dbs.status()["beads"].foreign.kind


def test_one_that_became_a_pipe_is_not_waited_for(tmp_path: Path, root: Path) -> None:
    """What took the file's place is looked at before SQLite opens it."""
    path = real_data.beads_54(tmp_path / "owner")
    with beside(path, root) as dbs:
        dbs["beads"].many(ISSUES)
        damage.fifo_in_place(path)

        with pytest.raises(multidb.FailedError):
            dbs["beads"].many(ISSUES)


def test_one_that_is_rewritten_in_place_is_read_anew(tmp_path: Path, root: Path) -> None:
    """The owner writes without a -wal: each reading is the newest state."""
    path = real_data.beads_54(tmp_path / "owner")
    owner = apsw.Connection(str(path))
    owner.execute("PRAGMA journal_mode = delete")
    with beside(path, root) as dbs:
        before = dbs["beads"].scalar("SELECT count(*) FROM issues")
        owner.execute("DELETE FROM issues WHERE id = (SELECT min(id) FROM issues)")

        assert before - 1 == dbs["beads"].scalar("SELECT count(*) FROM issues")
    owner.close()


def test_a_snapshot_that_was_written_under_is_refused(tmp_path: Path, root: Path) -> None:
    """What cannot be pinned without a trace is told at the end, so that nobody takes two moments for one."""
    path = real_data.beads_54(tmp_path / "owner")
    owner = apsw.Connection(str(path))
    owner.execute("PRAGMA journal_mode = delete")
    with beside(path, root) as dbs:
        with pytest.raises(multidb.BusyError) as refusal, dbs["beads"].read() as session:
            session.many(ISSUES)
            owner.execute("DELETE FROM issues WHERE id = (SELECT min(id) FROM issues)")
        with pytest.raises(multidb.BusyError) as in_stream, dbs["beads"].iterate(ISSUES, chunk=1) as stream:
            next(stream)
            owner.execute("DELETE FROM issues WHERE id = (SELECT min(id) FROM issues)")

        assert dbs["beads"].many(ISSUES)
    owner.close()
    assert ("changed", "changed") == (refusal.value.kind, in_stream.value.kind)
    assert refusal.value.retryable


# --- beside a living owner -----------------------------------------------------------------------------

OWNER = """
    import apsw
    owner = apsw.Connection(args[0])
    owner.set_busy_timeout(0)
    owner.execute("PRAGMA journal_mode = wal")
    owner.execute("CREATE TABLE IF NOT EXISTS ticks (n INTEGER PRIMARY KEY)")
    for n in range(1, 1000):
        order = barrier("ready")
        if order == "write":
            owner.execute("INSERT INTO ticks VALUES (?)", (n,))
        elif order == "tidy up":
            say(owner.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
        elif order == "hold the write lock":
            owner.execute("BEGIN EXCLUSIVE")
        elif order == "let it go":
            owner.execute("COMMIT")
        else:
            break
    owner.close()
"""


@contextlib.contextmanager
def living_owner(path: Path) -> Iterator[Callable[[str], None]]:
    """A process that has the file open and does what it is told."""
    with Child(OWNER, str(path)) as child:

        def tell(order: str) -> None:
            child.release(order)
            child.wait_for("ready")

        tell.child = child  # type: ignore[attr-defined]
        child.wait_for("ready")
        yield tell


def test_a_living_owner_is_read_and_not_disturbed(tmp_path: Path, root: Path) -> None:
    """Each commit is seen at once; between them nothing of the folder changes by our looking."""
    path = real_data.beads_21_all_in_wal(tmp_path / "owner")
    with living_owner(path) as tell, beside(path, root) as dbs:
        for n in range(1, 4):
            tell("write")
            before = folder_fingerprint(path.parent)
            assert n == dbs["beads"].scalar("SELECT count(*) FROM ticks")
            everything(dbs, "beads")
            assert before == folder_fingerprint(path.parent)


def test_a_snapshot_holds_while_the_owner_writes(tmp_path: Path, root: Path) -> None:
    """Within one read session one moment, after it the next."""
    path = real_data.beads_21_all_in_wal(tmp_path / "owner")
    with living_owner(path) as tell, beside(path, root) as dbs:
        tell("write")
        with dbs["beads"].read() as session:
            first = session.scalar("SELECT count(*) FROM ticks")
            tell("write")
            second = session.scalar("SELECT count(*) FROM ticks")

        assert (1, 1, 2) == (first, second, dbs["beads"].scalar("SELECT count(*) FROM ticks"))


def test_idle_handles_do_not_keep_the_owner_from_tidying_up(tmp_path: Path, root: Path) -> None:
    """`wal_checkpoint(TRUNCATE)` with no patience at all succeeds while we have the database open."""
    path = real_data.beads_21_all_in_wal(tmp_path / "owner")
    with living_owner(path) as tell, beside(path, root) as dbs:
        tell("write")
        dbs["beads"].many(ISSUES)
        dbs.status(), dbs.stats()
        with dbs["beads"].read() as session:
            session.many(ISSUES)
        with dbs["beads"].iterate(ISSUES) as stream:
            next(stream)

        tell("tidy up")
        busy = tell.child.hear()  # type: ignore[attr-defined]

        assert 0 == busy
        assert 1 == dbs["beads"].scalar("SELECT count(*) FROM ticks")


def test_an_owner_that_holds_its_lock_does_not_keep_us_waiting(tmp_path: Path, root: Path) -> None:
    """Reading takes no lock that a writer has."""
    path = real_data.beads_21_all_in_wal(tmp_path / "owner")
    with living_owner(path) as tell, beside(path, root) as dbs:
        tell("write")
        tell("hold the write lock")

        assert 1 == dbs["beads"].scalar("SELECT count(*) FROM ticks")
        tell("let it go")


def test_an_owner_writes_while_we_read(tmp_path: Path, root: Path) -> None:
    """A snapshot and a half-read stream of ours keep no writer waiting, even one without patience."""
    path = real_data.beads_21_all_in_wal(tmp_path / "owner")
    with living_owner(path) as tell, beside(path, root) as dbs:
        tell("write")
        with dbs["beads"].read() as session, dbs["beads"].iterate(ISSUES, chunk=1) as stream:
            session.many(ISSUES), next(stream)
            tell("write")
            tell("hold the write lock")
            tell("let it go")

        assert 2 == dbs["beads"].scalar("SELECT count(*) FROM ticks")


def test_our_writing_is_not_held_up_by_a_foreign_read(tmp_path: Path, root: Path) -> None:
    """A foreign snapshot and a transaction of ours have nothing to do with each other."""
    path = real_data.beads_54(tmp_path / "owner")
    with beside(path, root) as dbs, dbs["beads"].read() as session:
        issues = session.many(ISSUES, into=dict)
        with dbs["notes"].write() as w:
            w.execute("CREATE TABLE copied (id TEXT, title TEXT, status TEXT) STRICT")
            w.insert_many("copied", issues)

        assert len(issues) == dbs["notes"].scalar("SELECT count(*) FROM copied")


def test_a_killed_owners_folder_stays_as_the_crash_left_it(tmp_path: Path, root: Path) -> None:
    """Its last commit is read, and the -wal, -shm and file stay for it to recover."""
    path = real_data.beads_21_all_in_wal(tmp_path / "owner")
    with living_owner(path) as tell:
        tell("write")
        tell("hold the write lock")
        tell.child.kill()  # type: ignore[attr-defined]
    before = folder_fingerprint(path.parent)

    with beside(path, root) as dbs:
        count = dbs["beads"].scalar("SELECT count(*) FROM ticks")
        everything(dbs, "beads")

    assert 1 == count
    assert before == folder_fingerprint(path.parent)


def test_one_foreign_file_is_opened_once(tmp_path: Path, root: Path) -> None:
    """Two concerns on it are a mistake, as with files of ours."""
    path = real_data.beads_54(tmp_path / "owner")

    with pytest.raises(multidb.ConfigError):
        multidb.open(root, concerns=[Concern("beads", path=path), Concern("theirs", path=path, owner="foreign")])


def test_a_copy_is_private_and_goes_away(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a copy has to be read, it stands in a folder of this user alone, and not longer than the desk."""
    import tempfile

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    path, _ = a_21_without_shm(tmp_path / "owner")

    with beside(path, root) as dbs:
        dbs["beads"].many(ISSUES)
        copies = [(entry.stat().st_mode & 0o777, entry.name) for entry in scratch.iterdir()]

    assert [0o700] == [mode for mode, _ in copies]
    assert [] == list(scratch.iterdir())


def test_a_database_answers_as_foreign_from_the_start(tmp_path: Path) -> None:
    """A `Database` of its own, without a desk, keeps the same rules."""
    path = real_data.beads_54(tmp_path / "owner")
    shutil.copyfile(path, tmp_path / "copy.db")
    database = Database(Concern("beads", path=path), path)
    database.open()

    assert (State.READ_ONLY, ForeignInfo("sqlite", "beads-54")) == (database.state, database.foreign)
    database.close()
