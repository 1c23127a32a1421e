"""The look at a ledger that follows every opening: is it this concern's file, and one that we know."""

from __future__ import annotations

from multidb.concerns import Concern
from multidb.engine.connect import Handle
from multidb.errors import MultidbError
from multidb.schema import folder
from multidb.schema import ledger as ledgers
from multidb.schema.plan import too_new


def inspect_at_open(concern: Concern, handle: Handle) -> None:
    """Raise WrongDatabaseError or DatabaseTooNewError for a database that this program must not use.

    The file names tell which versions are known; the files are not read. A ledger of another shape is for
    `migrate` to refuse, since its database can be used.
    """
    known = folder.versions(concern)
    if known is None:
        return
    try:
        ledger = ledgers.read(handle.ask, concern.name)
    except MultidbError:
        return
    ledger.check_owner(concern.name)
    newest = max(known, default=0)
    for record in ledger.records:
        if record.version > newest and record.compat == "breaking":
            raise too_new(concern.name, record, newest)
