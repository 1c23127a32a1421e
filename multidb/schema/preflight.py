"""What is looked at before the first statement of a run: room on the disk, the file's soundness, extensions."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from multidb.engine.tokens import normal_form
from multidb.errors import CorruptError, DiskFullError, ExtensionMissingError, StatementError
from multidb.places import os_failure
from multidb.schema.ledger import Ask
from multidb.schema.plan import Plan
from multidb.schema.script import Script

_TIMES: Final = 3
"""A migration that rewrites every row grows the write-ahead log and then the file: three times the file, measured."""
_MARGIN: Final = 1 << 19
_MODULE: Final = re.compile(r"CREATE VIRTUAL TABLE .*? USING [\"'`\[]?(\w+)", re.IGNORECASE | re.DOTALL)
_UNSOUND: Final = re.compile(r"\*\*\* in database|Tree |Page |Freelist|database disk image|row \d+ missing|wrong # of")
"""Damage of the file. A row that breaks a CHECK is none: the migration that mends it has to run."""


def check(path: Path, todo: Plan, ask: Ask) -> None:
    """Raise what would keep the plan from being carried out, before anything is changed."""
    check_modules(todo.pending, ask)
    check_room(path, ask)
    check_soundness(path, ask)


def check_room(path: Path, ask: Ask) -> None:
    """Raise DiskFullError where the disk has too little room for a migration that rewrites the whole file."""
    ((pages,),), ((page_size,),) = ask("PRAGMA page_count"), ask("PRAGMA page_size")
    needed = _TIMES * pages * page_size + _MARGIN
    try:
        disk = os.statvfs(path.parent)
    except OSError as error:
        raise os_failure(error, path.parent) from error
    free = disk.f_bavail * disk.f_frsize
    if disk.f_blocks and free < needed:
        raise DiskFullError(
            f"a migration of {path.name} may need {needed >> 20} MiB, the disk has {free >> 20} MiB",
            path=str(path),
            hint="free some space first; nothing was changed",
        )


def check_soundness(path: Path, ask: Ask) -> None:
    """Raise CorruptError where the file is damaged: a migration would spread it."""
    try:
        rows = ask("PRAGMA quick_check(1)")
    except StatementError:  # a function or module that an index needs is not here: nothing is said of damage
        return
    if rows and _UNSOUND.match(str(rows[0][0])):
        raise CorruptError(
            f"{path.name} is damaged: {str(rows[0][0]).splitlines()[-1]}",
            path=str(path),
            hint="restore it from a backup; nothing was changed",
        )


def check_modules(scripts: Iterable[Script], ask: Ask) -> None:
    """Raise ExtensionMissingError for a script that makes a virtual table of a module which is not loaded."""
    loaded: set[str] = set()
    for script in scripts:
        for step in script.up.steps:
            if step.text[:6].upper() != "CREATE" or "virtual" not in step.text.lower():
                continue
            found = _MODULE.match(normal_form(step.text).replace("\0", " "))
            if found is None:
                continue
            loaded = loaded or {name.lower() for (name,) in ask("SELECT name FROM pragma_module_list")}
            if found.group(1).lower() not in loaded:
                raise ExtensionMissingError(
                    f"{script.path}:{step.line}: the module {found.group(1)} is not loaded",
                    concern=script.database,
                    path=script.path,
                    hint="name its extension in the concern: extensions=('sqlite_vec',)",
                )
