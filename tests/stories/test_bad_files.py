"""A file is not what it should be: its error has a name and a hint, the other six go on, nothing is touched."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import attrs
import pytest

import multidb
from multidb import (
    STANDARD,
    Concern,
    CorruptError,
    DatabaseTooNewError,
    FailedError,
    MultidbError,
    NotADatabaseError,
    OpenError,
    PermissionDeniedError,
    State,
    StorageError,
    WrongDatabaseError,
)
from tests.faults import Trace, damage, folder_fingerprint, run_child

OTHERS = [concern.name for concern in STANDARD if concern.name != "chat"]


@attrs.frozen
class Bad:
    """One way to spoil chat.sqlite, and the error that it deserves."""

    spoil: Callable[[Path], object]
    error: type[MultidbError]


def side_file_of_rows(path: Path, ending: str) -> None:
    """A `-wal` or `-journal` that SQLite would take for one with rows in it."""
    header = {
        "-wal": "377f0682 002de218 00001000",  # magic, format, page size
        "-journal": "d9d505f920a163d7 00000003 00000000 00000003 00000200 00001000",  # magic, pages, nonce, size before
    }
    path.with_name(path.name + ending).write_bytes(bytes.fromhex(header[ending]).ljust(8192, b"\0"))


def orphan(path: Path, ending: str) -> None:
    side_file_of_rows(path, ending)
    path.unlink()


def emptied(path: Path, ending: str) -> None:
    side_file_of_rows(path, ending)
    damage.empty(path)


def loop(path: Path) -> None:
    damage.symlink_in_place(path, path)


def newer(path: Path) -> None:
    """A migration of a later program is in its ledger, and says that it breaks older ones."""
    connection = apsw.Connection(str(path))
    connection.execute(
        "INSERT INTO _migrations(version, name, compat, applied_seq) VALUES (999, 'later', 'breaking', 999)"
    )
    connection.close()


BAD = {
    "garbage": Bad(damage.garbage, NotADatabaseError),
    "text": Bad(lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n" * 200), NotADatabaseError),
    "a first page of zeros": Bad(damage.zero_page, NotADatabaseError),
    "a damaged first page": Bad(lambda path: damage.corrupt(path, 1, skip_bytes=100), CorruptError),
    "cut in half": Bad(lambda path: damage.truncate(path, path.stat().st_size // 2), CorruptError),
    "cut within a page": Bad(lambda path: damage.truncate(path, 700), CorruptError),
    "cut within the header": Bad(lambda path: damage.truncate(path, 50), CorruptError),
    "empty beside a full -wal": Bad(lambda path: emptied(path, "-wal"), CorruptError),
    "empty beside a full -journal": Bad(lambda path: emptied(path, "-journal"), CorruptError),
    "gone beside a full -wal": Bad(lambda path: orphan(path, "-wal"), CorruptError),
    "gone beside a full -journal": Bad(lambda path: orphan(path, "-journal"), CorruptError),
    "a folder": Bad(damage.directory_in_place, NotADatabaseError),
    "a named pipe": Bad(damage.fifo_in_place, NotADatabaseError),
    "a link to nowhere": Bad(lambda path: damage.symlink_in_place(path, path.with_name("gone")), StorageError),
    "a link to itself": Bad(loop, StorageError),
    "another concern's": Bad(lambda path: shutil.copyfile(path.with_name("code.sqlite"), path), WrongDatabaseError),
    "newer than the program": Bad(newer, DatabaseTooNewError),
}


@pytest.fixture(params=BAD)
def bad(request: pytest.FixtureRequest, used: Path) -> Bad:
    """One of the bad files, in place of a used root's chat.sqlite."""
    case = BAD[request.param]
    case.spoil(used / "chat.sqlite")
    return case


def chat_files(root: Path) -> dict[str, Trace]:
    """What stands in the root for chat, and what it names."""
    return {name: trace for name, trace in folder_fingerprint(root).items() if name.startswith(("chat", "gone"))}


def test_one_bad_file_of_seven_leaves_six(bad: Bad, used: Path) -> None:
    """The concern is FAILED with the error that its file deserves; the others take writes, and no byte is touched."""
    before = chat_files(used)

    with multidb.open(used) as dbs:
        for name in OTHERS:
            dbs[name].execute("CREATE TABLE proof (x INTEGER) STRICT")
        states = {name: database.state for name, database in dbs.items()}
        error = dbs["chat"].error

    assert {"chat": State.FAILED} | dict.fromkeys(OTHERS, State.READY) == states
    assert bad.error is type(error)
    assert error is not None and error.hint
    assert ("chat", str(used / "chat.sqlite")) == (error.concern, error.path)
    assert before == chat_files(used)


def test_using_it_says_why_it_cannot_be_used(bad: Bad, used: Path) -> None:
    """Reading, writing and exclusive use are refused alike, with the cause and its exit status."""
    before = chat_files(used)

    with multidb.open(used) as dbs:
        chat = dbs["chat"]
        refusals = []
        for use in (chat.read, chat.write, chat.exclusive, lambda: contextlib.nullcontext(chat.many("SELECT 1"))):
            with pytest.raises(FailedError) as refusal, use():
                pass
            refusals.append(refusal.value)

    for refusal_error in refusals:
        assert bad.error is type(refusal_error.__cause__)
        assert refusal_error.exit_status == bad.error.exit_status
        assert refusal_error.hint
    assert before == chat_files(used)


def test_strict_refuses_the_whole_set(bad: Bad, used: Path) -> None:
    """With `strict` one group is raised, and every database is closed again."""
    before = chat_files(used)

    with pytest.raises(OpenError) as refusal:
        multidb.open(used, strict=True)

    assert [bad.error] == [type(cause) for cause in refusal.value.exceptions]
    assert before == chat_files(used)
    with multidb.open(used) as dbs:
        assert dbs["code"].state is State.READY


def test_a_look_is_as_honest_and_touches_nothing(bad: Bad, used: Path) -> None:
    """Read-only, the bad file is told the same way, and the whole root stays as it was."""
    before = folder_fingerprint(used)

    with multidb.open(used, read_only=True) as dbs:
        dbs.status(), dbs.stats()
        states = {name: database.state for name, database in dbs.items() if name != "chat"}
        chat, error = dbs["chat"].state, dbs["chat"].error

    assert dict.fromkeys(OTHERS, State.READ_ONLY) == states
    assert before == folder_fingerprint(used)
    if chat is State.FAILED:
        assert bad.error is type(error)
    else:  # a link to nowhere is no file, for somebody who would not make one
        assert State.ABSENT is chat


def test_status_and_stats_of_a_bad_file_are_answers(bad: Bad, used: Path) -> None:
    """Nothing is raised: the entry has the state and the error, and can be printed."""
    with multidb.open(used) as dbs:
        status, stats = dbs.status(), dbs.stats()

    assert ("failed", bad.error.code) == (status["chat"].state, status.to_dict()["databases"]["chat"]["error"]["code"])
    assert "failed" == stats["chat"].state
    assert bad.error is type(stats["chat"].error.__cause__ if stats["chat"].error else None)
    assert [] == [name for name in OTHERS if stats[name].error]


def test_the_right_file_put_back_is_taken_up_at_once(bad: Bad, used: Path, used_once: Path) -> None:
    """After the operator has mended it, `reopen()` goes on without a new desk."""
    chat_file = used / "chat.sqlite"
    with multidb.open(used) as dbs:
        for ending in ("", "-wal", "-journal"):
            path = chat_file.with_name(chat_file.name + ending)
            if path.is_dir():
                path.rmdir()
            path.unlink(missing_ok=True)
        shutil.copyfile(used_once / "chat.sqlite", chat_file)

        dbs["chat"].reopen()

        assert State.READY is dbs["chat"].state
        assert [("c1",)] == dbs["chat"].many("SELECT id FROM chats")


def test_a_bad_foreign_file_is_named_and_left_alone(bad: Bad, used: Path, tmp_path: Path) -> None:
    """As another program's file it is a state in the status, never a crash, and nothing in its folder changes."""
    before = folder_fingerprint(used)

    with multidb.open(tmp_path / "other", concerns=[Concern("beads", path=used / "chat.sqlite")]) as dbs:
        kind = dbs["beads"].foreign
        status = dbs.status()["beads"]
        dbs.stats(), dbs.migrate()

    assert kind is not None and kind.kind in ("unknown", "absent", "empty")
    assert status.state in ("failed", "absent", "read_only")
    assert before == folder_fingerprint(used)


# --- rights --------------------------------------------------------------------------------------------


def looked_at(root: Path) -> tuple[dict[str, str], MultidbError | None]:
    """What another user sees of the root."""
    concerns = [Concern(concern.name, migrations=None) for concern in STANDARD]  # the user may not read this checkout
    with multidb.open(root, concerns=concerns) as dbs:
        return {name: database.state.value for name, database in dbs.items()}, dbs["chat"].error


def test_an_unreadable_file_is_a_matter_of_permission(used: Path, public_folder: Path) -> None:
    """Another user may read six databases and not the seventh."""
    root = Path(shutil.copytree(used, public_folder / "db"))
    for path in (root, *root.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o600 if path.name == "chat.sqlite" else 0o644)
    before = folder_fingerprint(root)

    states, error = run_child(looked_at, root, as_nobody=True)

    assert {"chat": "failed"} | dict.fromkeys(OTHERS, "read_only") == states
    assert PermissionDeniedError is type(error)
    assert error.hint
    assert before == folder_fingerprint(root)


def test_a_read_only_file_can_be_read(used: Path) -> None:
    """READ_ONLY, not FAILED; a write is refused by name, and SQLite makes no files beside it."""
    before = chat_files(used)

    with damage.unwritable(used / "chat.sqlite"):
        unwritable = chat_files(used)
        with multidb.open(used) as dbs:
            state = dbs["chat"].state
            rows = dbs["chat"].many("SELECT id FROM chats")
            with pytest.raises(multidb.ReadOnlyFileError) as refusal:
                dbs["chat"].execute("DELETE FROM chats")
        left = chat_files(used)

    assert State.READ_ONLY is state
    assert [("c1",)] == rows
    assert refusal.value.hint
    assert unwritable == left
    assert before == chat_files(used)


def test_a_read_only_folder_can_be_read(used: Path) -> None:
    """SQLite could write none of its side files there, so nothing is tried."""
    with damage.unwritable(used):
        before = folder_fingerprint(used)
        with multidb.open(used) as dbs:
            states = {database.state for database in dbs.values()}
            rows = dbs["chat"].many("SELECT id FROM chats")
        left = folder_fingerprint(used)

    assert {State.READ_ONLY} == states
    assert [("c1",)] == rows
    assert before == left


def test_a_folder_that_may_not_be_entered_fails_all_by_name(used: Path) -> None:
    """Seven FAILED, one kind of error, and nothing raised by looking."""
    with damage.unreadable(used), multidb.open(used) as dbs:
        errors = {type(database.error) for database in dbs.values()}
        status = dbs.status()

    assert {PermissionDeniedError} == errors
    assert {"failed"} == {entry.state for entry in status.values()}


def test_a_root_that_cannot_be_made_is_told_at_once(tmp_path: Path) -> None:
    """A file where the root should be, a parent without the right to write: nothing is opened at all."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "closed").mkdir()

    with pytest.raises(StorageError) as file_there:
        multidb.open(tmp_path / "file" / "db")
    with damage.unwritable(tmp_path / "closed"), pytest.raises(PermissionDeniedError) as no_right:
        multidb.open(tmp_path / "closed" / "db")

    assert file_there.value.hint and no_right.value.hint
    assert ["closed", "file"] == sorted(path.name for path in tmp_path.iterdir())


# --- links ---------------------------------------------------------------------------------------------


def test_a_linked_database_is_followed(used: Path, tmp_path: Path) -> None:
    """The side files stand beside the file itself, and the link stays a link."""
    target = damage.symlink_in_place(used / "chat.sqlite", None)

    with multidb.open(used) as dbs:
        dbs["chat"].execute("INSERT INTO chats(id, title) VALUES ('c2', 'Linked')")
        path, names = dbs["chat"].path, {entry.name for entry in used.iterdir()}

    assert target == path
    assert f"{target.name}-wal" in names and "chat.sqlite-wal" not in names
    assert (used / "chat.sqlite").is_symlink()


def test_a_linked_root_is_followed(used: Path, tmp_path: Path) -> None:
    """A root may stand on another disk."""
    (tmp_path / "link").symlink_to(used)

    with multidb.open(tmp_path / "link") as dbs:
        assert [("c1",)] == dbs["chat"].many("SELECT id FROM chats")


# --- absence -------------------------------------------------------------------------------------------


def test_a_missing_file_is_made_when_it_is_ours(used: Path) -> None:
    """A concern that is new to a root begins empty, with its migrations pending."""
    (used / "imagegen.sqlite").unlink()

    with multidb.open(used) as dbs:
        created = [name for name, opening in dbs.open_report.items() if opening.created]
        pending = dbs.status()["imagegen"].pending

    assert ["imagegen"] == created
    assert pending > 0


def test_an_empty_file_is_a_new_database(used: Path) -> None:
    """Zero bytes and nothing beside them: to SQLite, and to us, nothing has been written so far."""
    damage.empty(used / "chat.sqlite")

    with multidb.open(used) as dbs:
        status = dbs.status()["chat"]

    assert ("ready", 0) == (status.state, status.schema_version)


def test_a_missing_root_is_not_made_by_looking(tmp_path: Path) -> None:
    """Read-only, every concern is ABSENT and the folder does not exist afterwards."""
    with multidb.open(tmp_path / "db", read_only=True) as dbs:
        states = {database.state for database in dbs.values()}
        dbs.status(), dbs.stats()

    assert {State.ABSENT} == states
    assert [] == list(tmp_path.iterdir())
