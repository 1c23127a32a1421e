"""A database's migration folder: which files are migrations, in which order, and what is no migration.

`NNN_name.sql`; the number alone decides the order, so 1, 01 and 001 are one version and a second file
with it is an error. A file that looks like a migration and is none is an error too: it would be missing later.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files as package_files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from multidb.concerns import MANAGED_NAMES, Auto, Concern
from multidb.errors import DuplicateVersionError, MigrationFileError
from multidb.schema.script import Script, parse

_NAME: Final = re.compile(r"([0-9]{1,18})_([A-Za-z0-9][A-Za-z0-9_.-]*)\.sql")
_PYTHON_NAME: Final = re.compile(r"([0-9]{1,18})_([A-Za-z0-9][A-Za-z0-9_.-]*)\.py")
_LEFT_ALONE: Final = re.compile(r"\..*|.*~|.*\.(bak|orig|swp)|README.*|__init__\.py", re.DOTALL)
_LOOKS_LIKE_ONE: Final = re.compile(r".*\.(sql|py)", re.IGNORECASE | re.DOTALL)
_FOLDER: Final = "look at the concern's `migrations`"
_RULE: Final = "migrations are called like 001_initial.sql: a number, _, then letters, digits, _ . or -"


@cache
def shipped() -> Traversable:
    """The folder of this package's own migrations: in a wheel inside the package, in a checkout beside it."""
    package = package_files("multidb")
    inside = package / "migrations"
    return inside if inside.is_dir() else Path(str(package)).parent / "migrations"


def folder_of(concern: Concern) -> Traversable | None:
    """Where the concern's migrations stand, or None for a database without migrations here."""
    if concern.is_foreign or concern.migrations is None:
        return None
    if isinstance(concern.migrations, Auto):
        return shipped() / concern.name if concern.name in MANAGED_NAMES else None
    return Path(concern.migrations)


def versions(concern: Concern) -> frozenset[int] | None:
    """The versions that the folder names, unread; None for a database without migrations here.

    Raises MigrationFileError where the folder cannot be read.
    """
    folder = folder_of(concern)
    if folder is None:
        return None
    return _shipped_versions(concern.name) if isinstance(concern.migrations, Auto) else _versions(concern.name, folder)


@cache
def _shipped_versions(name: str) -> frozenset[int]:
    return _versions(name, shipped() / name)


def _versions(database: str, folder: Traversable) -> frozenset[int]:
    names = _names(database, folder)
    return frozenset(int(found.group(1)) for name in names if (found := _NAME.fullmatch(name)))


def scripts(concern: Concern) -> tuple[Script, ...]:
    """Every migration of the concern, read, checked and in order.

    Raises MigrationFileError for a folder without one, for a near miss of a name and for anything doubtful in a
    file; DuplicateVersionError names all files of one version, or of one label.
    """
    folder = folder_of(concern)
    if folder is None:
        return ()
    files: dict[int, list[str]] = {}
    for name in sorted(_names(concern.name, folder)):
        match = _NAME.fullmatch(name) or _PYTHON_NAME.fullmatch(name)
        if match is not None:
            files.setdefault(int(match.group(1)), []).append(name)
        elif _LOOKS_LIKE_ONE.fullmatch(name) and not _LEFT_ALONE.fullmatch(name) and not (folder / name).is_dir():
            raise _error(concern.name, folder / name, "this file is named almost like a migration")
    if 0 in files:
        raise _error(concern.name, folder / files[0][0], "version 0 means that nothing is applied")
    twins = {str(version): names for version, names in files.items() if len(names) > 1}
    _refuse_twins(concern.name, "version", {key: [str(folder / name) for name in twins[key]] for key in twins})
    if not files:
        raise _error(concern.name, folder, "there are no migrations in this folder")
    found = tuple(_read(concern.name, version, folder / files[version][0]) for version in sorted(files))
    labels: dict[str, list[str]] = {}
    for script in found:
        if script.label is not None:
            labels.setdefault(_plain(script.label), []).append(script.path)
    _refuse_twins(concern.name, "label", {key: paths for key, paths in labels.items() if len(paths) > 1})
    return found


def _read(database: str, version: int, path: Traversable) -> Script:
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise _error(
            database, path, "migrations in Python are not run by this version of multidb", hint="write it in SQL"
        )
    try:
        if not path.is_file():  # a pipe would be waited for without end
            raise _error(database, path, "this is no regular file")
        raw = path.read_bytes()
    except OSError as error:
        raise _error(database, path, f"the file cannot be read: {error.strerror}") from error
    return parse(raw, database=database, version=version, name=match.group(2), path=str(path))


def _names(database: str, folder: Traversable) -> Iterable[str]:
    try:
        if isinstance(folder, Path):
            return os.listdir(folder)
        return [entry.name for entry in folder.iterdir()]
    except OSError as error:
        raise _error(
            database, folder, f"the folder cannot be read: {error.strerror}", hint="look at `migrations`"
        ) from error


def _plain(label: str) -> str:
    """The label as its numbers are: 1.1 and 01.1.0 are one."""
    numbers = [int(number) for number in label.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return ".".join(map(str, numbers))


def _refuse_twins(database: str, what: str, twins: Mapping[str, list[str]]) -> None:
    """Raise DuplicateVersionError where there are versions, or labels, with several files; it names every file."""
    if not twins:
        return
    told = "; ".join(f"{len(found)} migrations of {what} {key}: {', '.join(found)}" for key, found in twins.items())
    raise DuplicateVersionError(
        f"{database} has {told}",
        concern=database,
        database=database,
        version=int(next(iter(twins))) if what == "version" else None,
        path=next(iter(twins.values()))[-1],
        paths=tuple(path for found in twins.values() for path in found),
        hint=f"give one of them the next free {'number' if what == 'version' else 'label'}",
    )


def _error(database: str, path: Traversable, message: str, hint: str = _RULE) -> MigrationFileError:
    return MigrationFileError(f"{path}: {message}", concern=database, database=database, path=str(path), hint=hint)
