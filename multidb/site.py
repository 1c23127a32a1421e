"""Where a database stands: its file found by name, claimed for this process, and missed when it is taken away.

SQLite works on an open file, whatever becomes of its name: writes to one that was deleted or replaced are lost
without an error, and a `-wal` that stayed behind is replayed into whichever file has the name next. Both are
looked for here, by name and inode; no file that exists is opened.
"""

from __future__ import annotations

from pathlib import Path

from multidb import claims, files
from multidb.errors import CorruptError, MultidbError
from multidb.failpoints import reach
from multidb.files import Identity
from multidb.places import create, exists, os_failure, refuse_link_to_nowhere, resolved
from multidb.refusals import taken_away


class Site:
    """The place of one database's file.

    `path` is where the symbolic links led when it was last looked for, `identity` the file that is claimed for this
    process, None where there is none.
    """

    def __init__(self, name: str, named: Path) -> None:
        self._name = name
        self._named = named
        self.path = resolved(named)
        self._is_fresh = True
        self.identity: Identity | None = None
        self._last: Identity | None = None  # the file that was open here last
        self._last_log: Identity | None = None  # and its -wal

    def find(self, *, may_make: bool) -> bool:
        """Look for the file, and make an empty one where `may_make` and none ever stood here; True where it was made.

        Raises what keeps SQLite away from what stands here, StorageError for a file that was here and is gone.
        """
        try:
            if not self._is_fresh:
                self.path = resolved(self._named)
            self._is_fresh = False
            if may_make:
                refuse_link_to_nowhere(self._named, self.path)
            if exists(self.path):
                self._refuse_strange_log()
                return False
            if not may_make:
                return False
            if self._last is not None:  # an empty one in its place would hide the loss
                raise taken_away()
            made = create(self.path)
            reach("open.after_create")
            return made
        except OSError as error:
            raise os_failure(error, self.path) from error

    def _refuse_strange_log(self) -> None:
        log = files.sidecar(self.path, "-wal")
        if self._last in (None, files.identity_of(self.path)) or not files.size_of(log):
            return
        if files.identity_of(log) == self._last_log:
            raise CorruptError(
                f"{log.name} belongs to the file that stood here before, and would be replayed into this one",
                hint=f"move {log.name} away, to the file that it belongs to, then call reopen()",
            )

    def claim(self) -> None:
        """Claim the file that stands here now, or none. Raises ConfigError and ForkedError, with nothing claimed."""
        found = files.identity_of(self.path)
        if found == self.identity:
            return
        self.leave()
        if found is None:
            return
        try:
            claims.claim(found, self._name)
        except MultidbError as error:
            raise error.within(self._name, str(self.path)) from None
        self.identity = found

    def leave(self) -> None:
        """Give up the claim; every connection to the file is closed."""
        if self.identity is not None:
            claims.release(self.identity)
            self.identity = None

    def note_open(self) -> None:
        """Remember what is open here now, to know it again."""
        self._last = self.identity
        self._last_log = files.identity_of(files.sidecar(self.path, "-wal"))

    @property
    def is_in_place(self) -> bool:
        """Whether the claimed file still has its name."""
        return files.identity_of(self.path) == self.identity

    @property
    def is_vacant(self) -> bool:
        """Whether nothing has the name now."""
        return files.identity_of(self.path) is None
