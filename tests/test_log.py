"""Events: all of them are listed, they reach a host that listens, and nobody else hears a word."""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import multidb
from multidb import Concern, log
from tests.faults import Child, damage, run_child

PACKAGE = Path(multidb.__file__).parent
KEYS = set(re.findall(r"`(\w+)`", (log.__doc__ or "").partition("Keys mean")[2]))
"""Those of the catalogue's docstring."""


def emissions() -> list[tuple[str, ast.Call]]:
    """Every place in the package that reports an event."""
    return [
        (str(path.relative_to(PACKAGE)), node)
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "emit"
        and getattr(node.func.value, "id", "") == "log"
    ]


def test_the_events_are_the_catalogue() -> None:
    """None is emitted that is not listed, none is listed that nobody emits; every name is a literal."""
    names = {call.args[0].value for _, call in emissions() if isinstance(call.args[0], ast.Constant)}

    assert set(log.EVENTS) == names
    assert [] == [place for place, call in emissions() if not isinstance(call.args[0], ast.Constant)]


def test_keys_mean_the_same_everywhere() -> None:
    """Only those of the catalogue's docstring are used; a `**` holds concern and path."""
    used = {keyword.arg for _, call in emissions() for keyword in call.keywords} - {None}

    assert used <= KEYS


def test_names_and_levels_have_their_form() -> None:
    """noun_past-participle, and one of four levels, with the situation in words."""
    for name, (level, when) in log.EVENTS.items():
        noun, _, verb = name.rpartition("_")
        assert noun and verb
        assert verb.endswith(("ed", "ahead"))
        assert level in ("debug", "info", "warning", "error")
        assert when


Heard = Callable[[], list[str]]


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> Iterator[Heard]:
    """What a host with standard logging heard, one line an event."""
    with caplog.at_level(logging.DEBUG, logger="multidb"):
        yield lambda: caplog.messages


def events_of(lines: list[str]) -> list[str]:
    return [line.split("'")[1].removeprefix("multidb.") for line in lines]


def test_a_host_with_standard_logging_gets_them(root: Path, heard: Heard) -> None:
    """By the logger `multidb`, at the level of the catalogue, with their keys."""
    with multidb.open(root, concerns=[Concern("chat")]) as dbs:
        dbs.migrate()

    events = events_of(heard())
    assert "database_created" == events[0] and "database_closed" == events[-1]
    assert "migration_applied" in events
    assert f"concern='chat' path='{root / 'chat.sqlite'}'" in heard()[0]


def test_an_event_is_emitted_once_for_each_thing_that_happened(root: Path, heard: Heard) -> None:
    """Made once, although the file is opened again after maintenance."""
    with multidb.open(root, concerns=[Concern("a", migrations=None)]) as dbs:
        dbs["a"].vacuum()
        dbs["a"].reopen()

    events = events_of(heard())
    assert 1 == events.count("database_created")
    assert 1 == events.count("database_closed")


def test_failures_and_recoveries_are_told(root: Path, heard: Heard, caplog: pytest.LogCaptureFixture) -> None:
    """The operator learns of both, and what to do."""
    root.mkdir()
    damage.garbage(root / "a.sqlite")
    with multidb.open(root, concerns=[Concern("a", migrations=None)]) as dbs:
        damage.empty(root / "a.sqlite")
        dbs["a"].reopen()

    assert ["database_failed", "database_recovered", "database_closed"] == events_of(heard())
    assert "hint=" in heard()[0]
    assert ["ERROR", "INFO", "DEBUG"] == [record.levelname for record in caplog.records]


def test_a_dropped_desk_is_told(root: Path, heard: Heard) -> None:
    """Closed for its owner, with a warning."""
    multidb.open(root, concerns=[Concern("a", migrations=None)])

    assert "desk_abandoned" in events_of(heard())


def test_the_level_of_the_host_is_kept(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody listens for is not made."""
    with caplog.at_level(logging.WARNING, logger="multidb"):
        multidb.open(root, concerns=[Concern("a", migrations=None)]).close()

    assert [] == caplog.messages


def test_bound_values_are_not_in_it(root: Path, heard: Heard) -> None:
    """Neither a row's content nor a parameter, also where something goes wrong."""
    with multidb.open(root, concerns=[Concern("chat")]) as dbs:
        dbs.migrate()
        for _ in range(2):
            try:
                dbs["chat"].execute("INSERT INTO chats(id, title) VALUES (?, ?)", ("secret-id", "secret title"))
            except multidb.ConstraintError as error:
                text = f"{error} {error.to_dict()} {error!r}"

    assert "secret" not in text
    assert "secret" not in " ".join(heard())


QUIET = """
    import multidb, sys
    from multidb import Concern
    with open(args[0] + "-broken.sqlite", "wb") as file:
        file.write(b"garbage" * 1000)
    dbs = multidb.open(args[0], concerns=[Concern("chat"), Concern("bad", path=args[0] + "-broken.sqlite")])
    dbs.migrate(on_error="continue")
    loaded = sorted({"structlog", "rich", "asyncio"} & set(sys.modules))
    del dbs
    result = loaded
"""


def test_a_host_that_configured_nothing_hears_nothing(root: Path) -> None:
    """Not a byte on stdout or stderr, although a database failed; and structlog is not imported for it."""
    with Child(QUIET, str(root)) as child:
        assert [] == child.result()
        assert ("", "") == (child.stdout(), child.stderr())


def test_a_host_that_imported_logging_hears_nothing_either(root: Path) -> None:
    """Only a handler makes a listener."""
    with Child("import logging\n" + "\n".join(line[4:] for line in QUIET.splitlines()), str(root)) as child:
        child.result()
        assert ("", "") == (child.stdout(), child.stderr())


def test_a_host_with_structlog_gets_them(root: Path) -> None:
    """As its own configuration says, with the keys as keys."""
    program = """
        import structlog, multidb
        from multidb import Concern
        from structlog.testing import LogCapture
        capture = LogCapture()
        structlog.configure(processors=[capture])
        multidb.open(args[0], concerns=[Concern("a", migrations=None)]).close()
        result = capture.entries
    """

    entries: list[dict[str, Any]] = run_child(program, str(root))

    assert ["multidb.database_created", "multidb.database_closed"] == [entry["event"] for entry in entries]
    assert ("a", str(root / "a.sqlite"), "info") == (
        entries[0]["concern"],
        entries[0]["path"],
        entries[0]["log_level"],
    )
