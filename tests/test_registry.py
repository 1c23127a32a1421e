"""All databases by name: each opened on its own, one file for each, all closed in reverse."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

import multidb
from multidb import Concern, ConfigError, OpenError, SessionMisuseError, Settings, State, UnknownConcernError
from multidb.database import Database
from multidb.registry import Registry
from tests.faults import damage, folder_fingerprint

A, B, C = (Concern(name, migrations=None) for name in "abc")


def nothing(concern: object, handle: object) -> None:
    """An inspection without an objection."""


# --- two concerns on one file ----------------------------------------------------------------------------


def same_path(root: Path) -> list[Concern]:
    return [A, Concern("b", path=root / "a.sqlite")]


def same_file_name(root: Path) -> list[Concern]:
    return [A, Concern("b", filename="a.sqlite")]


def relative_path(root: Path) -> list[Concern]:
    return [A, Concern("b", path=os.path.relpath(root / "a.sqlite"))]  # type: ignore[arg-type]  # converted


def roundabout_path(root: Path) -> list[Concern]:
    return [A, Concern("b", path=root / "x" / ".." / "a.sqlite")]


def symbolic_link(root: Path) -> list[Concern]:
    root.mkdir()
    (root / "b.sqlite").symlink_to(root / "a.sqlite")
    damage.empty(root / "a.sqlite")
    return [A, B]


def linked_folder(root: Path) -> list[Concern]:
    root.mkdir()
    (root.parent / "link").symlink_to(root)
    return [A, Concern("b", path=root.parent / "link" / "a.sqlite")]


def hard_link(root: Path) -> list[Concern]:
    root.mkdir()
    damage.empty(root / "a.sqlite")
    os.link(root / "a.sqlite", root / "b.sqlite")
    return [A, B]


def hard_link_to_a_failed_one(root: Path) -> list[Concern]:
    root.mkdir()
    damage.garbage(root / "a.sqlite")
    os.link(root / "a.sqlite", root / "b.sqlite")
    return [A, B]


def lazy_ones(root: Path) -> list[Concern]:
    return [Concern("a", lazy=True), Concern("b", filename="a.sqlite", lazy=True)]


@pytest.mark.parametrize(
    "concerns",
    [
        same_path,
        same_file_name,
        relative_path,
        roundabout_path,
        symbolic_link,
        linked_folder,
        hard_link,
        hard_link_to_a_failed_one,
        lazy_ones,
    ],
)
@pytest.mark.parametrize("read_only", [False, True])
def test_two_concerns_on_one_file_are_a_mistake(
    root: Path, concerns: Callable[[Path], list[Concern]], read_only: bool
) -> None:
    """However the second one names it; both are named, and everything is closed again."""
    given = concerns(root)

    with pytest.raises(ConfigError) as refusal:
        multidb.open(root, concerns=given, read_only=read_only)

    assert "a" in refusal.value.message and "b" in refusal.value.message and refusal.value.hint
    assert 10 == refusal.value.exit_status
    assert [] == [connection for connection in apsw.connections() if connection.filename.startswith(str(root))]


def test_two_concerns_on_one_file_by_the_settings_file(root: Path) -> None:
    """The same through `multidb.toml`."""
    root.mkdir()
    (root / "multidb.toml").write_text('[databases.code]\nfilename = "chat.sqlite"\n')

    with pytest.raises(ConfigError, match="one file"):
        multidb.open(root)


def test_two_desks_on_one_root(root: Path) -> None:
    """The second is refused and the first goes on; after its end the files are free."""
    with multidb.open(root, concerns=[A]) as first:
        first["a"].execute("CREATE TABLE t (x)")
        with pytest.raises(ConfigError, match="open already") as refusal:
            multidb.open(root, concerns=[A])
        first["a"].execute("INSERT INTO t VALUES (1)")
    with multidb.open(root, concerns=[A]) as second:
        assert [(1,)] == second["a"].many("SELECT x FROM t")

    assert refusal.value.hint and "a" == refusal.value.concern


def test_two_desks_that_only_look_are_refused_too(root: Path) -> None:
    """SQLite's locks are the process's, whoever reads or writes."""
    multidb.open(root, concerns=[A]).close()

    with multidb.open(root, concerns=[A], read_only=True), pytest.raises(ConfigError):
        multidb.open(root, concerns=[A])


def test_two_desks_on_disjoint_files_of_one_root(root: Path) -> None:
    """A root is a folder; what may not be shared is a file."""
    with multidb.open(root, concerns=[A]) as first, multidb.open(root, concerns=[B]) as second:
        first["a"].execute("CREATE TABLE t (x)")
        second["b"].execute("CREATE TABLE t (x)")


def test_a_lazy_file_that_somebody_has_is_found_at_its_first_use(root: Path) -> None:
    """Not at open, when nobody looked; the database is failed with the ConfigError."""
    root.mkdir()
    damage.empty(root / "a.sqlite")
    with multidb.open(root, concerns=[Concern("a", lazy=True)]) as lazy, multidb.open(root, concerns=[A]):
        with pytest.raises(ConfigError):
            lazy["a"].many("SELECT 1")

        assert State.FAILED is lazy["a"].state


# --- adding and removing ---------------------------------------------------------------------------------


def test_unknown_names_offer_the_closest(root: Path) -> None:
    """As a key and as an attribute; `in` and `get` are quiet."""
    with multidb.open(root, concerns=[A, Concern("chat")]) as dbs:
        with pytest.raises(KeyError) as by_key:
            dbs["chta"]
        with pytest.raises(AttributeError) as by_attribute:
            dbs.chta  # noqa: B018  # the attribute is what is tested
        answers = ("chta" in dbs, dbs.get("chta"), hasattr(dbs, "chta"), hasattr(dbs, "chat"), hasattr(dbs, "code"))

    assert UnknownConcernError is type(by_key.value) is type(by_attribute.value)
    assert ("did you mean 'chat'?",) * 2 == (by_key.value.hint, by_attribute.value.hint)
    assert "no concern is called 'chta' (did you mean 'chat'?)" == str(by_key.value)
    assert (False, None, False, True, False) == answers


def test_a_concern_may_be_added_and_removed(root: Path) -> None:
    """Its file stays, and may be added again."""
    with multidb.open(root, concerns=[A]) as dbs:
        added = dbs.add(B)
        added.execute("CREATE TABLE t (x)")
        names = list(dbs)
        dbs.remove("b")
        with pytest.raises(UnknownConcernError):
            dbs.remove("b")

        assert (["a", "b"], ["a"], State.CLOSED) == (names, list(dbs), added.state)
        assert ["a"] == list(dbs.open_report)
        assert [("t",)] == dbs.add(B).many("SELECT name FROM sqlite_schema")


def test_a_name_is_given_once(root: Path) -> None:
    """Two concerns of one name, and a name that is a verb of the desk."""
    with multidb.open(root, concerns=[A]) as dbs:
        with pytest.raises(ConfigError, match="two concerns"):
            dbs.add(Concern("a", filename="other.sqlite"))
        for name in ("status", "migrate", "settings", "items", "open_report", "close"):
            with pytest.raises(ConfigError, match="verb of MultiDB"):
                dbs.add(Concern(name))

        assert ["a.sqlite", "a.sqlite-shm", "a.sqlite-wal"] == sorted(path.name for path in root.iterdir())


def test_removing_inside_ones_own_session_is_refused(root: Path) -> None:
    """And changes nothing."""
    with multidb.open(root, concerns=[A]) as dbs, dbs["a"].read() as session:
        with pytest.raises(SessionMisuseError):
            dbs.remove("a")

        assert [(1,)] == session.many("SELECT 1")
        assert ["a"] == list(dbs)


# --- opening ---------------------------------------------------------------------------------------------


def test_the_report_tells_how_each_fared(root: Path) -> None:
    """State, path, whether it was made, how long it took, its error."""
    root.mkdir()
    damage.garbage(root / "b.sqlite")
    with multidb.open(root, concerns=[A, B, Concern("c", path=root / "their.db", owner="foreign")]) as dbs:
        report = dbs.open_report

    assert {"a": "ready", "b": "failed", "c": "absent"} == {name: entry.state for name, entry in report.items()}
    assert {"a": True, "b": False, "c": False} == {name: entry.created for name, entry in report.items()}
    assert str(root / "a.sqlite") == report["a"].path
    assert all(entry.duration_ms >= 0 for entry in report.values())
    assert ("not_a_database", None) == (report["b"].error and report["b"].error.code, report["a"].error)


def test_strict_names_all_that_failed(root: Path) -> None:
    """The group has a cause for each; nothing stays open or claimed."""
    root.mkdir()
    damage.garbage(root / "a.sqlite")
    damage.directory_in_place(root / "c.sqlite")

    with pytest.raises(OpenError) as refusal:
        multidb.open(root, concerns=[A, B, C], strict=True)

    assert ["a", "c"] == [cause.concern for cause in refusal.value.exceptions]  # type: ignore[attr-defined]
    assert "a, c" in str(refusal.value)
    multidb.open(root, concerns=[B]).close()


def test_strict_is_content_with_what_is_absent(root: Path) -> None:
    """A foreign file that is not there is a warning, not a failure."""
    concerns = [A, Concern("beads", path=root / "nowhere" / "beads.db")]

    with multidb.open(root, concerns=concerns, strict=True) as dbs:
        assert State.ABSENT is dbs["beads"].state


def test_a_doubtful_folder_is_a_warning(tmp_path: Path) -> None:
    """Told once for a folder, in the entry of each database in it."""
    root = tmp_path / "Dropbox" / "db"

    with multidb.open(root, concerns=[A, B]) as dbs:
        warnings = [entry.warnings for entry in dbs.open_report.values()]

    assert warnings[0] == warnings[1]
    assert "Dropbox" in warnings[0][0]


def test_an_error_in_the_middle_closes_what_was_opened(root: Path) -> None:
    """A concern that cannot be meant stops the opening, with nothing left open."""
    with pytest.raises(ConfigError):
        multidb.open(root, concerns=[A, B, Concern("status")])

    with multidb.open(root, concerns=[A, B]) as dbs:
        assert State.READY is dbs["b"].state


# --- closing ---------------------------------------------------------------------------------------------


def test_the_last_opened_is_closed_first(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In reverse order, and all of them although one will not close."""
    order: list[str] = []
    really = Database.shut

    def shut(self: Database, timeout: float) -> None:
        order.append(self.name)
        really(self, timeout)
        if self.name == "b":
            raise OSError("b would not close")

    dbs = multidb.open(root, concerns=[A, B, C])
    monkeypatch.setattr(Database, "shut", shut)

    with pytest.raises(ExceptionGroup) as refusal:
        dbs.close()

    assert ["c", "b", "a"] == order
    assert ["b would not close"] == [str(error) for error in refusal.value.exceptions]
    assert {State.CLOSED} == {database.state for database in dbs.values()}


def test_closing_inside_ones_own_session_closes_nothing(root: Path) -> None:
    """It would wait for itself; refused before the first is closed, so that the desk stays whole."""
    with multidb.open(root, concerns=[A, B, C]) as dbs:
        with dbs["b"].write() as session:
            with pytest.raises(SessionMisuseError, match="b"):
                dbs.close()
            session.execute("CREATE TABLE t (x)")

        assert {State.READY} == {database.state for database in dbs.values()}
        assert [("t",)] == dbs["b"].many("SELECT name FROM sqlite_schema")


def test_closing_twice_is_once(root: Path) -> None:
    """And leaving the block after it is the third time."""
    with multidb.open(root, concerns=[A]) as dbs:
        dbs.close()
        dbs.close()

    assert State.CLOSED is dbs["a"].state


def test_an_error_in_the_block_passes_the_closing(root: Path) -> None:
    """What left the block is what the caller sees."""
    with pytest.raises(ZeroDivisionError), multidb.open(root, concerns=[A]) as dbs:
        raise ZeroDivisionError

    assert State.CLOSED is dbs["a"].state


def test_a_registry_is_a_mapping(tmp_path: Path) -> None:
    """In the order in which the concerns came."""
    registry = Registry(nothing, read_only=False)
    registry.add(B, tmp_path / "b.sqlite")
    registry.add(A, tmp_path / "a.sqlite")

    assert (["b", "a"], 2, []) == (list(registry), len(registry), registry.errors())
    registry.close()


def test_a_root_may_be_copied_when_it_is_closed(root: Path, tmp_path: Path) -> None:
    """Everything stands in the files themselves then."""
    with multidb.open(root, concerns=[A]) as dbs:
        dbs["a"].execute("CREATE TABLE t (x)")
    shutil.copytree(root, tmp_path / "copy")
    before = folder_fingerprint(tmp_path / "copy")

    with multidb.open(settings=Settings(root=tmp_path / "copy"), concerns=[A], read_only=True) as dbs:
        assert [("t",)] == dbs["a"].many("SELECT name FROM sqlite_schema")

    assert before == folder_fingerprint(tmp_path / "copy")


def test_a_registry_that_fails_to_add_keeps_nothing_open(tmp_path: Path) -> None:
    """The refused concern is not among the databases."""
    registry = Registry(nothing, read_only=False)
    registry.add(A, tmp_path / "a.sqlite")
    with contextlib.suppress(ConfigError):
        registry.add(B, tmp_path / "a.sqlite")

    assert ["a"] == list(registry)
    registry.close()


def test_a_database_without_migrations_is_not_another_concerns_file(root: Path) -> None:
    """Whoever puts the chats where the issues belong is told, and both files stay as they are."""
    with multidb.open(root) as dbs:
        dbs.migrate("chat")
    (root / "beads.sqlite").unlink()
    (root / "chat.sqlite").rename(root / "beads.sqlite")

    with multidb.open(root) as dbs:
        assert isinstance(dbs["beads"].error, multidb.WrongDatabaseError)
        assert dbs["code"].state is multidb.State.READY
