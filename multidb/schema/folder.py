"""A database's migration folder: which files are migrations, in which order, and what is no migration.

`NNN_name.sql`; the number alone decides the order, so 1, 01 and 001 are one version and a second file
with it is an error. A file that looks like a migration and is none is an error too: it would be missing later.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from importlib.resources import files as package_files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from multidb.concerns import MANAGED_NAMES, Auto, Concern
from multidb.errors import DuplicateVersionError, MigrationFileError
from multidb.schema.script import Script, parse

_NAME: Final = re.compile(r"([0-9]{1,18})_([A-Za-z0-9][A-Za-z0-9_.-]*)\.sql", re.ASCII)
_LEFT_ALONE: Final = re.compile(r"\..*|.*~|.*\.(bak|orig|swp)|README.*|__pycache__", re.DOTALL)
_LOOKS_LIKE_ONE: Final = re.compile(r".*\.(sql|py)", re.IGNORECASE | re.DOTALL)


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
    """The versions that the folder names, unread; None for a database without migrations here."""
    folder = folder_of(concern)
    if folder is None:
        return None
    names = _names(folder)
    return frozenset(int(found.group(1)) for name in names if (found := _NAME.fullmatch(name)))


def scripts(concern: Concern) -> tuple[Script, ...]:
    """Every migration of the concern, read, checked and in order.

    Raises MigrationFileError for a folder without one, for a near miss of a name and for anything doubtful in a
    file; DuplicateVersionError names all files of one version.
    """
    folder = folder_of(concern)
    if folder is None:
        return ()
    found: dict[int, list[tuple[str, str]]] = {}
    for name in sorted(_names(folder)):
        match = _NAME.fullmatch(name)
        if match is None:
            _refuse_near_miss(concern.name, folder, name)
            continue
        found.setdefault(int(match.group(1)), []).append((name, match.group(2)))
    if 0 in found:
        raise _file_error(concern.name, folder, found[0][0][0], "version 0 means that nothing is applied")
    for version, files in found.items():
        if len(files) > 1:
            raise _duplicate(concern.name, version, [str(folder / name) for name, _ in files])
    if not found:
        raise _file_error(concern.name, folder, "", "there are no migrations in this folder")
    return tuple(_read(concern.name, version, found[version][0], folder) for version in sorted(found))


def _read(database: str, version: int, file: tuple[str, str], folder: Traversable) -> Script:
    path = folder / file[0]
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _file_error(database, folder, file[0], f"the file cannot be read: {error.strerror}") from error
    return parse(raw, database=database, version=version, name=file[1], path=str(path))


def _names(folder: Traversable) -> Iterable[str]:
    try:
        if isinstance(folder, Path):
            return os.listdir(folder)
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []


def _refuse_near_miss(database: str, folder: Traversable, name: str) -> None:
    if _LEFT_ALONE.fullmatch(name) or not _LOOKS_LIKE_ONE.fullmatch(name) or (folder / name).is_dir():
        return
    raise _file_error(database, folder, name, "this file is named almost like a migration")


def _file_error(database: str, folder: Traversable, name: str, message: str) -> MigrationFileError:
    path = str(folder / name) if name else str(folder)
    return MigrationFileError(
        f"{path}: {message}",
        concern=database,
        database=database,
        path=path,
        hint="migrations are called like 001_initial.sql",
    )


def _duplicate(database: str, version: int, paths: list[str]) -> DuplicateVersionError:
    return DuplicateVersionError(
        f"{database} has {len(paths)} migrations of version {version}: {', '.join(paths)}",
        concern=database,
        database=database,
        version=version,
        paths=tuple(paths),
        hint="give one of them the next free number",
    )
