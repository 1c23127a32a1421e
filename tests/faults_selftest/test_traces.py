"""A fingerprint changes with anything that changes in a folder, and taking it changes nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from tests.faults import folder_fingerprint, run_child


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A file, a folder with another, and a symbolic link."""
    folder = tmp_path / "owner"
    (folder / "sub").mkdir(parents=True)
    (folder / "file").write_bytes(b"content")
    (folder / "sub" / "deep").touch()
    (folder / "link").symlink_to("file")
    return folder


def rewrite_keeping_times(folder: Path) -> None:
    status = (folder / "file").stat()
    (folder / "file").write_bytes(b"CONTENT")
    os.utime(folder / "file", ns=(status.st_atime_ns, status.st_mtime_ns))


def make_and_remove(folder: Path) -> None:
    (folder / "passing").touch()
    (folder / "passing").unlink()


def replace_by_itself(folder: Path) -> None:
    status = (folder / "file").stat()
    (folder / "copy").write_bytes(b"content")
    os.utime(folder / "copy", ns=(status.st_atime_ns, status.st_mtime_ns))
    (folder / "copy").replace(folder / "file")


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda folder: (folder / "file").chmod(0o600), ["file"]),
        (lambda folder: os.utime(folder / "sub" / "deep"), ["sub/deep"]),
        (lambda folder: (folder / "new").touch(), [".", "new"]),
        (rewrite_keeping_times, ["file"]),
        (make_and_remove, ["."]),
        (replace_by_itself, [".", "file"]),
    ],
)
def test_any_change_shows_at_its_entry(folder: Path, change: Callable[[Path], object], names: list[str]) -> None:
    """Content, mode, times, inode, and files that were only passing by."""
    before = folder_fingerprint(folder)
    change(folder)
    after = folder_fingerprint(folder)

    assert names == sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def test_every_entry_is_there(folder: Path) -> None:
    """The folder itself, files at any depth, links as links."""
    found = folder_fingerprint(folder)

    assert [".", "file", "link", "sub", "sub/deep"] == sorted(found)
    assert "file" == found["link"].content
    assert 7 == found["file"].size_bytes


def test_a_live_database_is_fingerprinted_without_losing_its_lock(tmp_path: Path) -> None:
    """Another process reads it; this one's locks stay."""
    path = tmp_path / "chat.sqlite"
    db = apsw.Connection(str(path))
    db.pragma("journal_mode", "wal")
    db.execute("CREATE TABLE t(a)")
    db.execute("BEGIN IMMEDIATE")
    first = folder_fingerprint(tmp_path)
    second = folder_fingerprint(tmp_path)
    source = "import apsw\ntry:\n    apsw.Connection(args[0]).execute('BEGIN IMMEDIATE')\nexcept apsw.BusyError:\n"

    assert first == second
    assert "locked" == run_child(f"{source}    result = 'locked'", str(path))
    db.close()
