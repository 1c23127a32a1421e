"""What a marker says of how its section is run: `-- Up foreign_keys:immediate allow:row-loss`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from multidb.concerns import closest
from multidb.schema.layout import Mark
from multidb.schema.source import Source

_VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "transaction": ("true", "false"),
    "foreign_keys": ("deferred", "immediate", "unchecked"),
    "legacy_alter": ("on", "off"),
    "allow": ("lost-objects", "row-loss"),
    "noop": ("true", "false"),
}
_FLAGS: Final = {"transaction": "true", "legacy_alter": "on", "noop": "true"}
_NEED_A_TRANSACTION: Final = ("foreign_keys", "allow")


@attrs.frozen(kw_only=True)
class Options:
    """How a section is run.

    `foreign_keys`: deferred checks once, before the commit; immediate leaves enforcement on; unchecked looks
    neither before nor after. `allow` names guards that the section may pass. Without a `transaction` every
    statement is its own commit, and there are no guards. `noop` is a Down that does nothing on purpose.
    """

    transaction: bool = True
    foreign_keys: str = "deferred"
    legacy_alter: bool = False
    allow: frozenset[str] = frozenset()
    noop: bool = False


def read_options(source: Source, mark: Mark) -> Options:
    """The options of a marker; raises MigrationFileError for a key or value that is none, or that is said twice."""
    known = [key for key in _VALUES if key != "noop" or mark.direction == "down"]
    found: dict[str, Any] = {}
    for pair in mark.options.split():
        key, _, value = pair.partition(":")
        key = key.lower()
        if key not in known:
            source.fail(f"-- {mark.direction.capitalize()} has no option {key!r}", mark.begin, hint=closest(key, known))
        if key in found:
            source.fail(f"the option {key} is given twice", mark.begin)
        values = value.split(",") if key == "allow" else [value]
        for one in values:
            if one not in _VALUES[key]:
                source.fail(f"{key} cannot be {one!r}", mark.begin, hint=f"one of {', '.join(_VALUES[key])}")
        found[key] = frozenset(values) if key == "allow" else value == _FLAGS[key] if key in _FLAGS else value
    for key in _NEED_A_TRANSACTION:
        if key in found and found.get("transaction") is False:
            source.fail(f"{key} needs a transaction", mark.begin, hint="without one nothing is checked or taken back")
    return Options(**found)
