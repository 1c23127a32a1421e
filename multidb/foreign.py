"""What stands where another program keeps its database: which engine, and which generation of its schema.

beads moved to another engine (Dolt) and leaves `beads.db.migrated`, or `metadata.json` that says so; a file of 0
bytes is one of its crashes, and tempolite's way of waiting. None of these is repaired or created here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from multidb import files
from multidb.errors import MultidbError
from multidb.reports import ForeignInfo

Columns = Callable[[str], tuple[str, ...]]
"""The columns of a table of the database; empty where it has no such table."""


def identify(name: str, path: Path, columns: Columns) -> ForeignInfo:
    """What stands at the foreign path of the concern `name`."""
    if name == "beads" and _has_moved_to_dolt(path):
        return ForeignInfo("dolt")
    size = files.size_of(path)
    if size is None:
        return ForeignInfo("absent")
    if size == 0 and path.is_file() and not files.size_of(files.sidecar(path, "-wal")):
        return ForeignInfo("empty")
    try:
        columns("sqlite_schema")
        generation = _GENERATIONS[name](columns) if name in _GENERATIONS else None
    except MultidbError:
        return ForeignInfo("unknown")
    if generation is None and name in _GENERATIONS:
        return ForeignInfo("unknown")
    return ForeignInfo("sqlite", generation)


def _has_moved_to_dolt(path: Path) -> bool:
    metadata = path.parent / "metadata.json"
    try:
        said = json.loads(metadata.read_text(encoding="utf-8")) if files.kind_of(metadata) == "file" else {}
    except (OSError, ValueError):
        said = {}
    if isinstance(said, dict) and "dolt" in (said.get("backend"), said.get("database")):
        return True
    return files.size_of(path) is None and files.size_of(files.sidecar(path, ".migrated")) is not None


def _beads(columns: Columns) -> str | None:
    """21, 22, 49 and 54 columns are beads', 36 are beads_rust's; others are told by their number all the same."""
    issues = columns("issues")
    if not {"id", "title", "status"} <= set(issues):
        return None
    return f"{'br' if len(issues) == 36 else 'beads'}-{len(issues)}"


def _tempolite(columns: Columns) -> str | None:
    if columns("workflow_entities"):
        return "tempolite-v1"
    if columns("workflows") and columns("workflow_executions"):
        return "tempolite-v0"
    return None


_GENERATIONS: dict[str, Callable[[Columns], str | None]] = {"beads": _beads, "tempolite": _tempolite}
