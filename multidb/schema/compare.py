"""What each migration is, by the files and the ledger together; nothing here reads or writes a database."""

from __future__ import annotations

import enum

import attrs

from multidb.reports import Report
from multidb.schema.ledger import Ledger, Record
from multidb.schema.script import Script


class Standing(enum.StrEnum):
    """What one migration is to one database."""

    PENDING = "pending"
    OUT_OF_ORDER = "out_of_order"
    """Pending, and older than one that is applied."""
    APPLIED = "applied"
    COSMETIC = "cosmetic"
    """Applied; since then comments or space were edited."""
    MODIFIED = "modified"
    """Applied; since then its statements were edited."""
    RENAMED = "renamed"
    """Applied under another name, with the same text."""
    MISSING = "missing"
    """Applied, and its file is gone."""
    AHEAD = "ahead"
    """Applied by a newer program, above every file."""
    FAILED = "failed"
    """Stopped half-way, outside of a transaction."""


@attrs.frozen(kw_only=True)
class Entry(Report):
    """One migration: from its file, from the ledger, or from both.

    `compat` is that of the ledger where it is applied; `is_reversible` is None without a file.
    """

    version: int
    name: str
    state: Standing
    label: str | None
    compat: str
    applied_at: str | None = None
    path: str | None = None
    is_reversible: bool | None = None


def compare(scripts: tuple[Script, ...], ledger: Ledger) -> tuple[Entry, ...]:
    """Every version that a file or the ledger knows, in order."""
    files = {script.version: script for script in scripts}
    records = {record.version: record for record in ledger.records}
    newest = max(files, default=0)
    return tuple(
        _entry(files.get(version), records.get(version), ledger.head, newest)
        for version in sorted(files.keys() | records.keys())
    )


def _entry(script: Script | None, record: Record | None, head: int, newest: int) -> Entry:
    known = record or script
    assert known is not None
    return Entry(
        version=known.version,
        name=known.name,
        state=_state(script, record, head, newest),
        label=known.label,
        compat=known.compat,
        applied_at=record.applied_at if record is not None else None,
        path=script.path if script is not None else None,
        is_reversible=script.is_reversible if script is not None else None,
    )


def _state(script: Script | None, record: Record | None, head: int, newest: int) -> Standing:
    if record is None:
        return Standing.OUT_OF_ORDER if script is not None and script.version < head else Standing.PENDING
    if not record.is_whole:
        return Standing.FAILED
    if script is None:
        return Standing.AHEAD if record.version > newest else Standing.MISSING
    is_same = record.checksum is None or record.checksum == script.checksum  # None: from a ledger without checksums
    if record.name != script.name:
        return Standing.RENAMED if is_same and record.checksum is not None else Standing.MODIFIED
    if is_same:
        return Standing.APPLIED
    return Standing.COSMETIC if record.checksum_tokens == script.up.checksum_tokens else Standing.MODIFIED
