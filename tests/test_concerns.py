"""Concerns and their tuning, as data: what can be said, and how a mistake is told."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import attrs
import pytest

from multidb import (
    AUTO,
    DEVSTREAM,
    EPISODIC,
    OPENAGENTS,
    STANDARD,
    Concern,
    ConfigError,
    Reference,
    Source,
    Tuning,
    UnknownConcernError,
)
from multidb.concerns import MANAGED_NAMES, OTHERS_NAMES, PACKS, closest, tuning_from, unknown_concern


def test_the_seven_standard_concerns_in_their_order() -> None:
    """The order is that of opening, and of every report."""
    names = [concern.name for concern in STANDARD]

    assert ["chat", "code", "imagegen", "app", "beads", "tempolite", "coordination"] == names
    assert (["openagents", "devstream", "episodic"], [OPENAGENTS, DEVSTREAM, EPISODIC]) == (
        list(PACKS),
        list(PACKS.values()),
    )
    assert {*MANAGED_NAMES, *OTHERS_NAMES} == {*names, *PACKS}


@pytest.mark.parametrize("name", ["a", "a_b", "z9", "x" * 63, "main2"])
def test_names_that_are_names(name: str) -> None:
    """Lower-case letters, digits and underscores, a letter first."""
    assert name == Concern(name).name


@pytest.mark.parametrize(
    "name", ["", "A", "9a", "_a", "a-b", "a.b", "a b", "ä", "x" * 64, "main", "temp", "a\n", 5, None]
)
def test_names_that_are_none(name: Any) -> None:
    """Among them the two that SQLite gives to schemas."""
    with pytest.raises(ConfigError) as refusal:
        Concern(name)

    assert repr(name) in refusal.value.message and refusal.value.hint


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"filename": ""}, "file name"),
        ({"filename": "a/b.sqlite"}, "file name"),
        ({"filename": "/a.sqlite"}, "file name"),
        ({"filename": ".."}, "file name"),
        ({"filename": "a\0b"}, "file name"),
        ({"filename": 5}, "file name"),
        ({"filename": "chat.sqlite-wal"}, "file name"),
        ({"path": 5}, "path"),
        ({"path": ["a"]}, "path"),
        ({"migrations": 5}, "migrations"),
        ({"migrations": True}, "migrations"),
        ({"owner": "me"}, "owner"),
        ({"owner": 5}, "owner"),
        ({"required": "yes"}, "required"),
        ({"lazy": 1}, "lazy"),
        ({"lazy": None}, "lazy"),
        ({"read_only": "no"}, "read_only"),
        ({"readers": 0}, "readers"),
        ({"readers": 257}, "readers"),
        ({"readers": "4"}, "readers"),
        ({"readers": True}, "readers"),
        ({"tuning": {"cache_kib": 1}}, "tuning"),
        ({"extensions": "sqlite_vec"}, "extensions"),
        ({"extensions": ["sqlite_vecc"]}, "sqlite_vecc"),
        ({"extensions": [5]}, "5"),
        ({"extensions": [["sqlite_vec"]]}, "extension"),
        ({"extensions": 5}, "extensions"),
    ],
)
def test_values_that_cannot_be_meant(values: dict[str, Any], word: str) -> None:
    """Each is told by its name, with what it may be."""
    with pytest.raises(ConfigError) as refusal:
        Concern("notes", **values)

    assert word in refusal.value.message
    assert refusal.value.hint


def test_a_near_miss_of_an_extension_is_told() -> None:
    """There is one so far."""
    with pytest.raises(ConfigError) as refusal:
        Concern("notes", extensions=["sqlite-vec"])

    assert "did you mean 'sqlite_vec'?" == refusal.value.hint


@pytest.mark.parametrize(
    ("concern", "is_foreign"),
    [
        (Concern("beads"), False),
        (Concern("beads", path=Path("x.db")), True),
        (Concern("tempolite", path=Path("x.db")), True),
        (Concern("beads", path=Path("x.db"), owner="multidb"), False),
        (Concern("chat", path=Path("x.db")), False),
        (Concern("chat", owner="foreign"), True),
        (Concern("notes", path=Path("x.db")), False),
    ],
)
def test_who_owns_a_file(concern: Concern, is_foreign: bool) -> None:
    """beads and tempolite at a path are their owners'; everything else is ours unless it is said."""
    assert is_foreign == concern.is_foreign


BAD_TUNING: list[tuple[str, Any]] = [
    ("busy_timeout_ms", -1),
    ("busy_timeout_ms", "5000"),
    ("busy_timeout_ms", 1.5),
    ("busy_timeout_ms", True),
    ("busy_timeout_ms", 2**31),
    ("journal_mode", "WAL"),
    ("journal_mode", "off"),
    ("journal_mode", "memory"),
    ("journal_mode", None),
    ("synchronous", 1),
    ("synchronous", "NORMAL"),
    ("cache_kib", 0),
    ("mmap_bytes", -1),
    ("wal_autocheckpoint", -1),
    ("journal_size_limit", -2),
    ("temp_store", "disk"),
    ("foreign_keys", 1),
    ("recursive_triggers", "on"),
    ("trusted_schema", None),
    ("defensive", 0),
    ("dqs", "no"),
    ("statement_cache", 513),
    ("statement_timeout_ms", 0),
    ("statement_timeout_ms", "1"),
    ("writer_timeout_ms", -1),
    ("reader_timeout_ms", None),
    ("slow_ms", -1),
]


@pytest.mark.parametrize(("key", "value"), BAD_TUNING)
def test_tuning_that_cannot_be_meant(key: str, value: Any) -> None:
    """Refused before it reaches SQLite, which would ignore most of it without a word."""
    with pytest.raises(ConfigError) as refusal:
        Tuning(**{key: value})

    assert key in refusal.value.message and repr(value) in refusal.value.message
    assert refusal.value.hint


def test_every_tuning_value_is_checked() -> None:
    """The list above leaves none out."""
    assert {field.name for field in attrs.fields(Tuning)} == {key for key, _ in BAD_TUNING}


def test_tuning_from_a_table() -> None:
    """Put over a base; an unknown key offers the closest one, a wrong value says where it stands."""
    base = Tuning(cache_kib=1)

    changed = tuning_from({"synchronous": "full"}, base, "here")
    with pytest.raises(ConfigError) as unknown:
        tuning_from({"cache_kb": 1}, base, "here")
    with pytest.raises(ConfigError) as wrong:
        tuning_from({"cache_kib": "1"}, base, "here")

    assert Tuning(cache_kib=1, synchronous="full") == changed
    assert ("here: no tuning is called 'cache_kb'", "did you mean 'cache_kib'?") == (
        unknown.value.message,
        unknown.value.hint,
    )
    assert wrong.value.message.startswith("here: cache_kib cannot be")


def test_tuning_says_the_defaults_of_the_contract() -> None:
    """A change of a default is a change of the contract."""
    defaults = attrs.asdict(Tuning())

    assert {
        "busy_timeout_ms": 5000,
        "journal_mode": "wal",
        "synchronous": "normal",
        "cache_kib": 16384,
        "mmap_bytes": 0,
        "wal_autocheckpoint": 1000,
        "journal_size_limit": 67108864,
        "temp_store": "memory",
        "foreign_keys": True,
        "recursive_triggers": True,
        "trusted_schema": False,
        "defensive": True,
        "dqs": False,
        "statement_cache": 256,
        "statement_timeout_ms": None,
        "writer_timeout_ms": 10000,
        "reader_timeout_ms": 5000,
        "slow_ms": 100,
    } == defaults


def test_a_concern_is_a_value() -> None:
    """Frozen, equal by its fields, and AUTO stays the one AUTO through a pickle."""
    concern = Concern("notes", references=[Reference("a", "b", "chat", "chats", "id")])  # type: ignore[arg-type]

    again = pickle.loads(pickle.dumps(concern))

    assert concern == again and AUTO is again.migrations
    assert isinstance(again.references, tuple)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        concern.name = "other"  # type: ignore[misc]
    assert "secret" not in repr(Source("chat", "SELECT ?", ("secret",)))


def test_the_closest_name() -> None:
    """The nearest one, else all there are, else nothing to offer."""
    assert "did you mean 'chat'?" == closest("chta", ["chat", "code"])
    assert "known: chat, code" == closest("zzz", ["code", "chat"])
    assert closest("zzz", []) is None


def test_an_unknown_concern_is_three_errors_at_once() -> None:
    """A mapping's, an attribute's, and ours."""
    error = unknown_concern("cht", ["chat"])

    assert isinstance(error, UnknownConcernError)
    assert isinstance(error, KeyError) and isinstance(error, AttributeError) and isinstance(error, ConfigError)
    assert "no concern is called 'cht' (did you mean 'chat'?)" == str(error)
