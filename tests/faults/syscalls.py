"""What Python itself does to files, seen by standing in for functions of `os` while storage is watched.

`os.fsync(fd)`, `os.replace(a, b)`, `pathlib`, `shutil` and `tempfile` pass here; a name taken by `from os
import fsync` before the watch began, and the writes of a file object, do not.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from typing import Any

from tests.faults.steps import Kind, Operation, Step, Storage, die, kind_of

_BY_DESCRIPTOR: dict[str, Operation] = {
    "fsync": "sync",
    "fdatasync": "sync",
    "ftruncate": "truncate",
    "write": "write",
}
_BY_PATH: dict[str, Operation] = {
    "truncate": "truncate",
    "unlink": "delete",
    "remove": "delete",
    "mkdir": "mkdir",
    "rmdir": "rmdir",
}
_BY_NEW_PATH: dict[str, Operation] = {
    "rename": "rename",
    "replace": "rename",
    "link": "link",
    "symlink": "link",
}

Call = Callable[..., Any]
"""A function of `os`, whatever its arguments: they go through as they came."""


@contextlib.contextmanager
def watched_calls(storage: Storage) -> Iterator[None]:
    """Inside, this process's `os` notes its steps in `storage` first, and fails or dies where told."""
    originals: dict[str, Call] = {}
    try:
        for names, watched in (
            (_BY_DESCRIPTOR, _watched_by_descriptor),
            (_BY_PATH, _watched_by_path),
            (_BY_NEW_PATH, _watched_by_new_path),
        ):
            for name, operation in names.items():
                if hasattr(os, name):  # macOS has no fdatasync
                    originals[name] = getattr(os, name)
                    setattr(os, name, watched(storage, operation, originals[name]))
        originals["open"] = os.open
        os.open = _watched_open(storage, os.open)
        yield
    finally:
        for name, original in originals.items():
            setattr(os, name, original)


def _watched_by_descriptor(storage: Storage, operation: Operation, original: Call) -> Call:
    def call(fd: Any, *args: Any) -> Any:
        number = fd if isinstance(fd, int) else fd.fileno()
        mode = os.fstat(number).st_mode
        if stat.S_ISDIR(mode) or stat.S_ISREG(mode):  # a pipe is not storage
            path = _path_of(number)
            kind: Kind = "dir" if stat.S_ISDIR(mode) else kind_of(path)
            if storage.take(Step(operation, kind, path, "python")):
                original(fd, args[0][: len(args[0]) // 2])
                die()
        return original(fd, *args)

    return call


def _watched_by_path(storage: Storage, operation: Operation, original: Call) -> Call:
    def call(path: Any, *args: Any, **options: Any) -> Any:
        _take(storage, operation, path)
        return original(path, *args, **options)

    return call


def _watched_by_new_path(storage: Storage, operation: Operation, original: Call) -> Call:
    def call(src: Any, dst: Any, *args: Any, **options: Any) -> Any:
        _take(storage, operation, dst)
        return original(src, dst, *args, **options)

    return call


def _watched_open(storage: Storage, original: Call) -> Call:
    def call(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if flags & os.O_CREAT and not os.path.lexists(path):
            _take(storage, "create", path)
        descriptor: int = original(path, flags, *args, **options)
        return descriptor

    return call


def _take(storage: Storage, operation: Operation, path: Any) -> None:
    name = str(path) if isinstance(path, int) else os.fsdecode(path)
    kind: Kind = "dir" if operation in ("mkdir", "rmdir") else kind_of(name)
    storage.take(Step(operation, kind, name, "python"))


def _path_of(descriptor: int) -> str:
    if hasattr(fcntl, "F_GETPATH"):
        return os.fsdecode(fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
    return os.readlink(f"/proc/self/fd/{descriptor}")
