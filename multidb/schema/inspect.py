"""The look at a ledger that follows every opening: is it this concern's file, and one that we know."""

from __future__ import annotations

from typing import Final

from multidb import log
from multidb.concerns import Auto, Concern
from multidb.engine.connect import Handle
from multidb.errors import DatabaseNotEmptyError, MigrationFileError, StatementError
from multidb.schema import folder
from multidb.schema import ledger as ledgers
from multidb.schema.plan import too_new

_LOOK: Final = """
SELECT max(version), (SELECT value FROM _migration_meta WHERE key = 'database'),
  (SELECT value FROM _migration_meta WHERE key = 'format')
FROM _migrations"""
_ABOVE_ALL: Final = 10**18


def inspect_at_open(concern: Concern, handle: Handle) -> None:
    """Raise WrongDatabaseError or DatabaseTooNewError for a database that this program must not use.

    The file names tell which versions are known; the files are not read, and a folder that cannot be read is for
    `migrate` to refuse. So is a ledger of another shape, since its database can be used.
    """
    try:
        known = folder.versions(concern)
        newest = max(known or (), default=0)
    except MigrationFileError:
        known, newest = frozenset(), _ABOVE_ALL
    if known is None:
        if isinstance(concern.migrations, Auto) and not concern.is_foreign:
            _refuse_another_concern(concern, handle)
        return
    try:
        ((head, owner, form),) = handle.ask(_LOOK)
        if (owner, form) == (concern.name, ledgers.FORMAT) and (head or 0) <= newest:
            return  # as nearly always, for the price of one statement
    except StatementError:
        pass  # there is no ledger, or it is another program's
    try:
        ledger = ledgers.read(handle.ask, concern.name, above=newest)
    except DatabaseNotEmptyError:
        return
    ledger.check_owner(concern.name)
    for record in ledger.records:
        if record.compat == "breaking":
            raise too_new(concern.name, record.version, record.name, newest)
    if ledger.records:
        log.emit("schema_ahead", concern=concern.name, version=ledger.head)


def _refuse_another_concern(concern: Concern, handle: Handle) -> None:
    """A database for which there are no migrations has no ledger; one that stands there says whose the file is.

    Where somebody said `migrations=None`, the file may be anybody's.
    """
    try:
        owners = handle.ask("SELECT value FROM _migration_meta WHERE key = 'database'")
    except StatementError:
        return
    for (owner,) in owners:
        ledgers.Ledger(database=owner).check_owner(concern.name)
