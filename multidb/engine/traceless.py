"""Reading another program's database without a trace in its folder.

| in the owner's folder       | how it is opened                                    | how long it is held open        |
|-----------------------------|-----------------------------------------------------|---------------------------------|
| `-wal` and `-shm` beside it | `mode=ro&readonly_shm=1`: a live snapshot           | for one use: the owner tidies up |
| neither, and no `-journal`  | `immutable=1`, valid while the file stays as it was | till then: it holds no lock     |
| anything else, or refused   | a private copy, made by a child process             | till then                       |

The copy is made in another process because closing any descriptor of a file drops the locks that this
process holds on it. The same opens serve our own files where nothing may be written.

Whether a file stayed as it was is told by its size and times. The clock of a file system ticks, and two writes
within a tick look like one; so a state is trusted only when it is older than that.
"""

from __future__ import annotations

import os
import time
import weakref
from pathlib import Path
from typing import Final
from urllib.parse import quote

import attrs

from multidb.concerns import Tuning
from multidb.engine.connect import Handle, connect
from multidb.errors import BusyError, CorruptError, MultidbError, PermissionDeniedError, StorageError
from multidb.files import sidecar

_SIDES: Final = ("", "-wal", "-journal")
_TRIES: Final = 20
_TICK_NS: Final = 20_000_000
"""Longer than the tick of any file system's clock; 10 ms is the longest of Linux."""

State = tuple[tuple[int, int, int, int] | None, ...]
"""Device, inode, size and mtime of the file, its `-wal` and its `-journal`; None where one is missing."""


def state_of(path: Path) -> State:
    """What must stay the same for a reading of the file to be one moment of it."""
    found: list[tuple[int, int, int, int] | None] = []
    for side in _SIDES:
        try:
            stat = os.stat(sidecar(path, side))
            found.append((stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns))
        except (FileNotFoundError, NotADirectoryError):
            found.append(None)
    return tuple(found)


def _is_settled(state: State) -> bool:
    """Whether a further change would show. A time in the future is nobody's who writes now."""
    now = time.time_ns()
    return all(found is None or abs(now - found[3]) > _TICK_NS for found in state)


@attrs.define
class Traceless:
    """Opens one file without a trace; what it opened is checked by `is_current` before each further use."""

    path: Path
    tuning: Tuning
    extensions: tuple[str, ...] = ()
    _states: weakref.WeakKeyDictionary[Handle, State] = attrs.field(factory=weakref.WeakKeyDictionary)

    def open(self) -> Handle:
        """A read-only handle on the newest committed state.

        Raises BusyError where the owner writes so often that no whole copy could be made, and what the file deserves.
        """
        tuning = attrs.evolve(self.tuning, statement_cache=min(self.tuning.statement_cache, 64))
        for _ in range(_TRIES):
            before = state_of(self.path)
            if before[0] is None:
                raise StorageError("the file is gone", path=str(self.path), retryable=True)
            try:
                if before[1] is not None and before[2] is None and _exists(sidecar(self.path, "-shm")):
                    return self._connect("mode=ro&readonly_shm=1", tuning)
                if not _is_settled(before):
                    time.sleep(0.01)
                    continue
                if before[1] is None and before[2] is None and not _exists(sidecar(self.path, "-shm")):
                    handle = self._connect("immutable=1", tuning)
                    if state_of(self.path) == before:
                        self._states[handle] = before
                        return handle
                    handle.close()
                    continue
            except (StorageError, CorruptError, BusyError) as error:
                if state_of(self.path) == before and not _may_be_the_way_in(error):
                    raise
            copied = self._copy(before, tuning) if _is_settled(before) else None
            if copied is not None:
                return copied
            time.sleep(0.01)  # the owner is writing: its next pause is ours
        raise BusyError(
            "the owner changed the file each time it was copied",
            path=str(self.path),
            kind="changed",
            hint="try again when the owner is quieter",
        )

    def is_current(self, handle: Handle) -> bool:
        """Whether what the handle reads is still what stands in the folder."""
        state = self._states.get(handle)
        return state is not None and state == state_of(self.path)

    def keeps(self, handle: Handle) -> bool:
        """Whether the handle may stay open between two uses: it holds nothing of the owner's."""
        return handle in self._states

    def is_snapshot(self, handle: Handle) -> bool:
        """Whether SQLite itself keeps the handle's reads to one moment, whatever the owner does."""
        return handle not in self._states or handle.scratch is not None

    def _connect(self, options: str, tuning: Tuning) -> Handle:
        target = f"file:{quote(os.fsencode(self.path))}?{options}"
        return connect(target, self.path, tuning, read_only=True, extensions=self.extensions, uri=True)

    def _copy(self, before: State, tuning: Tuning) -> Handle | None:
        """A handle on a private copy, or None where the original is not, or does not stay, as it was `before`."""
        import shutil  # these two, and the child, only where a copy has to be made
        import tempfile

        scratch = Path(tempfile.mkdtemp(prefix="multidb-"))
        try:
            target = scratch / "copy.sqlite"
            try:
                for side, state in zip(_SIDES, before, strict=True):
                    if state is not None:
                        _child_copy(sidecar(self.path, side), sidecar(target, side))
            except StorageError:
                if state_of(self.path) == before:
                    raise
            if state_of(self.path) != before:
                shutil.rmtree(scratch)
                return None
            handle = connect(
                str(target),
                self.path,
                tuning,
                read_only=False,
                extensions=self.extensions,
                keep_journal=True,
            )
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        handle.read_only = handle.guard.read_only = True
        handle.ask("PRAGMA query_only = 1")
        handle.scratch = scratch
        self._states[handle] = before
        return handle


def _exists(path: Path) -> bool:
    return os.path.lexists(path)


def _may_be_the_way_in(error: MultidbError) -> bool:
    """Whether another way of opening may succeed where this one failed: it could not be opened or locked."""
    return not isinstance(error, (CorruptError, PermissionDeniedError))


def _child_copy(source: Path, target: Path) -> None:
    import subprocess

    done = subprocess.run(
        ["cp", "--", str(source), str(target)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        if not os.access(source, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
            raise PermissionDeniedError(
                f"{source.name} may not be read: {said}",
                path=str(source),
                hint="look at the owner and mode of the file",
            )
        raise StorageError(f"the file could not be copied to read it: {said}", path=str(source))
    os.chmod(target, 0o600)
