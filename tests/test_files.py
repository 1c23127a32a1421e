"""Folders and files: who may read them, what stands beside them, which disks are doubtful."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import multidb
from multidb import (
    Concern,
    DiskFullError,
    MultidbError,
    PermissionDeniedError,
    ReadOnlyFileError,
    StorageError,
    TooManyOpenFilesError,
    files,
    places,
)
from tests.faults import damage, tmpfs


@pytest.fixture
def umask() -> Callable[[int], None]:
    before = os.umask(0)
    os.umask(before)
    yield os.umask  # type: ignore[misc]
    os.umask(before)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_what_we_make_is_private_whatever_the_umask(root: Path, umask: Callable[[int], None], mask: int) -> None:
    """Folders 0700, files 0600, SQLite's side files and the library's own folder too."""
    umask(mask)
    with multidb.open(root, concerns=[Concern("chat")]) as dbs:
        dbs.migrate()
        dbs["chat"].execute("INSERT INTO chats(id, title) VALUES ('c1', 'Hello')")
        modes = {path.name: path.stat().st_mode & 0o777 for path in (root, *root.rglob("*"))}

    folders = {root.name, ".multidb"}
    assert {"chat.sqlite", "chat.sqlite-wal", "chat.sqlite-shm"} <= set(modes)
    assert dict.fromkeys(folders, 0o700) == {name: mode for name, mode in modes.items() if name in folders}
    assert {0o600} == {mode for name, mode in modes.items() if name not in folders}


def test_a_wider_folder_is_somebodys_choice(root: Path) -> None:
    """What stands there keeps its mode; only what is missing is made."""
    root.mkdir(mode=0o755)
    root.chmod(0o755)

    multidb.open(root, concerns=[Concern("a")]).close()

    assert 0o755 == root.stat().st_mode & 0o777
    assert 0o600 == (root / "a.sqlite").stat().st_mode & 0o777


def test_missing_parents_are_made_private(tmp_path: Path) -> None:
    """All of them, and none that is there is touched."""
    tmp_path.chmod(0o750)

    files.make_folder(tmp_path / "a" / "b")
    files.make_folder(tmp_path / "a" / "b")

    assert [0o750, 0o700, 0o700] == [
        path.stat().st_mode & 0o777 for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")
    ]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A file, a link to nowhere and a link to itself have the name: nothing is made beneath or instead."""
    (tmp_path / "file").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")

    for name in ("file", "nowhere", "loop"):
        for path in (tmp_path / name, tmp_path / name / "below"):
            with pytest.raises(NotADirectoryError):
                files.make_folder(path)

    assert ["file", "loop", "nowhere"] == sorted(path.name for path in tmp_path.iterdir())


def test_a_file_is_made_by_one(tmp_path: Path) -> None:
    """Empty and 0600; who comes second is told, and nothing that stands is opened or emptied."""
    path = tmp_path / "a"

    assert (True, False) == (files.create_empty(path), files.create_empty(path))
    path.write_text("x")
    assert (False, "x") == (files.create_empty(path), path.read_text())
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert not files.create_empty(tmp_path / "link")
    assert not (tmp_path / "elsewhere").exists()


def test_facts_about_what_is_not_there(tmp_path: Path) -> None:
    """None, and never an exception: a folder that is gone, or may not be entered, holds no file to see."""
    closed = tmp_path / "closed"
    closed.mkdir()
    damage.empty(closed / "a")
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")

    with damage.unreadable(closed):
        for path in (tmp_path / "a" / "b", tmp_path / "file" / "b", closed / "a", tmp_path / "loop"):
            assert (None, None) == (files.size_of(path), files.identity_of(path))


def test_identity_follows_links(tmp_path: Path) -> None:
    """Equal for two names of one file, different for a copy."""
    path = tmp_path / "a"
    path.write_text("x")
    (tmp_path / "soft").symlink_to(path)
    os.link(path, tmp_path / "hard")
    (tmp_path / "copy").write_text("x")

    assert files.identity_of(path) == files.identity_of(tmp_path / "soft") == files.identity_of(tmp_path / "hard")
    assert files.identity_of(path) != files.identity_of(tmp_path / "copy")


def test_kinds(tmp_path: Path) -> None:
    """What SQLite could open, and what it would wait for."""
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path)

    kinds = [files.kind_of(tmp_path / name) for name in ("file", "pipe", "link", "none")]

    assert ["file", "other", "folder", None] == kinds
    assert "other" == files.kind_of(Path("/dev/null"))


@pytest.mark.parametrize(
    "part",
    ["Dropbox", "Dropbox (Work)", "OneDrive", "OneDrive - Firm", "Google Drive", "Nextcloud", "Mobile Documents"],
)
def test_folders_that_are_synchronised(tmp_path: Path, part: str) -> None:
    """They copy a database and its -wal apart from each other."""
    assert part in (files.doubtful_folder(tmp_path / part / "db") or "")


def test_folders_on_network_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the kind of the file system that the longest mount point above the folder has."""
    kinds = {"/": "ext4", "/net": "nfs4", "/net/local": "xfs"}
    monkeypatch.setattr(
        files, "_file_system", lambda folder: kinds[max((p for p in kinds if str(folder).startswith(p)), key=len)]
    )

    assert "nfs4" in (files.doubtful_folder(Path("/net/home/db")) or "")
    assert [None, None] == [files.doubtful_folder(Path("/net/local/db")), files.doubtful_folder(Path("/home/db"))]


def test_the_file_system_here_is_known(tmp_path: Path) -> None:
    """On Linux the kernel's own list tells it."""
    if not Path("/proc/self/mountinfo").exists():
        pytest.skip("needs /proc/self/mountinfo")

    assert "proc" == files._file_system(Path("/proc"))


def test_mount_points_with_odd_names(tmp_path: Path) -> None:
    """The list writes blanks in octal; other letters stand as they are."""
    with tmpfs(tmp_path / "ä small disk") as folder:
        assert "tmpfs" == files._file_system(folder)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.EACCES, PermissionDeniedError),
        (errno.EPERM, PermissionDeniedError),
        (errno.EROFS, ReadOnlyFileError),
        (errno.ENOSPC, DiskFullError),
        (errno.EDQUOT, DiskFullError),
        (errno.EFBIG, DiskFullError),
        (errno.EMFILE, TooManyOpenFilesError),
        (errno.ENFILE, TooManyOpenFilesError),
        (errno.ENOENT, StorageError),
        (errno.ENOTDIR, StorageError),
        (errno.ELOOP, StorageError),
        (errno.EIO, StorageError),
    ],
)
def test_what_the_system_says_has_a_name(number: int, kind: type[MultidbError]) -> None:
    """With the path, the exit status of storage, and for all but the unforeseen a hint."""
    error = places.os_failure(OSError(number, os.strerror(number)), Path("/x/chat.sqlite"))

    assert (kind, 21, "/x/chat.sqlite") == (type(error), error.exit_status, error.path)
    assert error.hint or number == errno.EIO


def test_where_a_path_leads(tmp_path: Path) -> None:
    """Links are followed to a file that is there, or to a plain name where none is."""
    target = tmp_path / "target"
    target.touch()
    (tmp_path / "link").symlink_to(target)
    (tmp_path / "second").symlink_to(tmp_path / "link")
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")

    assert [target, tmp_path / "new"] == [places.resolved(tmp_path / name) for name in ("second", "new")]
    for name in ("second", "new"):
        places.refuse_link_to_nowhere(tmp_path / name, places.resolved(tmp_path / name))
    with pytest.raises(StorageError):
        places.refuse_link_to_nowhere(tmp_path / "dangling", tmp_path / "gone")


def test_a_journal_of_a_database_in_the_making_holds_nothing(tmp_path: Path) -> None:
    """Another process makes the file this moment: that is no loss."""
    path = tmp_path / "a.sqlite"
    damage.empty(path)
    (tmp_path / "a.sqlite-journal").write_bytes(bytes.fromhex("d9d505f920a163d7 00000000 00000000 00000000"))

    assert places.exists(path)
