"""Why a database cannot be used now, in words: decided from its state alone, nothing is asked of the disk."""

from __future__ import annotations

from pathlib import Path

from multidb.errors import (
    AbsentError,
    ClosedError,
    FailedError,
    ForeignDatabaseError,
    ForkedError,
    MultidbError,
    ReadOnlyFileError,
    SessionMisuseError,
    StorageError,
)
from multidb.places import State


def refusal(
    name: str,
    path: Path,
    state: State,
    error: MultidbError | None,
    *,
    is_foreign: bool,
    writing: bool,
) -> MultidbError | None:
    """The error for using a database in this state, for writing or only for reading; None where nothing is wrong."""
    where = {"concern": name, "path": str(path)}
    if state is State.CLOSED:
        return ClosedError(f"{name} was closed", hint="open the databases again", **where)
    if state is State.FAILED and error is not None:
        return FailedError(f"{name} is failed: {error.message}", cause=error, hint=error.hint, **where)
    if state in (State.ABSENT, State.UNOPENED):
        hint = "its owner has to make it" if is_foreign else "open it for writing to make it"
        return AbsentError(f"there is no file for {name}", hint=hint, **where)
    if writing and is_foreign:
        return ForeignDatabaseError(
            f"{name} belongs to another program, which alone writes it",
            hint="write through that program, or into a database of your own",
            **where,
        )
    if writing and state is State.READ_ONLY:
        return ReadOnlyFileError(
            f"{name} is open for reading only",
            hint="look at the mode of the file and its folder, and at read_only where it was opened",
            **where,
        )
    return None


def forked(name: str, path: Path) -> ForkedError:
    """The error for every use in a forked child."""
    return ForkedError(
        f"{name} was opened before this process was forked",
        concern=name,
        path=str(path),
        hint="fork before opening, or start workers with spawn",
    )


def own_session(name: str, path: Path) -> SessionMisuseError:
    """The error for what would wait for the caller's own session."""
    return SessionMisuseError(
        f"end your own session of {name} first: this would wait for it",
        concern=name,
        path=str(path),
        hint="leave its `with` block; inside a session use the session itself",
    )


def moved() -> StorageError:
    """The error for a file that lost its name while it was open."""
    return StorageError(
        "the database file was moved, replaced or deleted while it was open",
        hint="put it back, or call reopen() to go on with the file that stands there now",
    )


def taken_away() -> StorageError:
    """The error for a file that was here, is gone, and is not made anew."""
    return StorageError(
        "the database file was taken away",
        hint="put it back, or restore it from a backup, then call reopen()",
    )
