"""What SQL text may do on a session, decided by SQLite's authorizer while it compiles a statement.

SQLite itself says what a statement does, so no text is matched. The cost is paid once a statement, not
once a run. Our own control statements (BEGIN, COMMIT, SAVEPOINT) are compiled with the guard lifted and are
never put into the statement cache, where a session's text could find them compiled already.
"""

from __future__ import annotations

from typing import Final

import apsw

_TRANSACTIONS: Final = frozenset({apsw.SQLITE_TRANSACTION, apsw.SQLITE_SAVEPOINT})
_ATTACHING: Final = frozenset({apsw.SQLITE_ATTACH, apsw.SQLITE_DETACH})
_READS: Final = frozenset({apsw.SQLITE_SELECT, apsw.SQLITE_READ, apsw.SQLITE_FUNCTION, apsw.SQLITE_RECURSIVE})

READING_PRAGMAS: Final = frozenset(
    [
        "analysis_limit",
        "application_id",
        "auto_vacuum",
        "automatic_index",
        "busy_timeout",
        "cache_size",
        "cache_spill",
        "cell_size_check",
        "checkpoint_fullfsync",
        "collation_list",
        "compile_options",
        "data_version",
        "database_list",
        "defer_foreign_keys",
        "encoding",
        "foreign_keys",
        "freelist_count",
        "fullfsync",
        "function_list",
        "hard_heap_limit",
        "ignore_check_constraints",
        "journal_mode",
        "journal_size_limit",
        "legacy_alter_table",
        "locking_mode",
        "max_page_count",
        "mmap_size",
        "module_list",
        "page_count",
        "page_size",
        "pragma_list",
        "query_only",
        "read_uncommitted",
        "recursive_triggers",
        "reverse_unordered_selects",
        "schema_version",
        "secure_delete",
        "soft_heap_limit",
        "synchronous",
        "table_list",
        "temp_store",
        "threads",
        "trusted_schema",
        "user_version",
        "wal_autocheckpoint",
        "writable_schema",
    ]
)
"""Pragmas that read when they are given no argument."""

ASKING_PRAGMAS: Final = frozenset(
    [
        "foreign_key_check",
        "foreign_key_list",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "quick_check",
        "table_info",
        "table_list",
        "table_xinfo",
    ]
)
"""Pragmas whose argument names what they report on."""


class Guard:
    """The authorizer of one connection; `refusal` says why the last statement was refused."""

    __slots__ = ("is_open", "lifted", "read_only", "refusal")

    def __init__(self, *, read_only: bool) -> None:
        self.read_only = read_only
        self.lifted = False
        self.is_open = False  # for a whole connection: `exclusive()`
        self.refusal: str | None = None

    def __call__(
        self, action: int, first: str | None, second: str | None, schema: str | None, trigger: str | None
    ) -> int:
        if action in _READS or self.lifted or self.is_open:
            return apsw.SQLITE_OK
        if action in _TRANSACTIONS:
            self.refusal = "a session begins and ends its own transaction"
        elif action in _ATTACHING:
            self.refusal = "ATTACH, DETACH and VACUUM, which attaches a copy, need `exclusive()`"
        elif action == apsw.SQLITE_PRAGMA:
            name = (first or "").lower()
            if (second is None and name in READING_PRAGMAS) or name in ASKING_PRAGMAS:
                return apsw.SQLITE_OK
            self.refusal = f"PRAGMA {name} changes the connection or the file: use `exclusive()`"
        elif self.read_only and schema == "temp":  # SQLite itself guards the file, not the temporary tables
            self.refusal = "the statement writes"
        else:
            return apsw.SQLITE_OK
        return apsw.SQLITE_DENY
