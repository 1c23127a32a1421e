"""Reports: frozen answers, and the one way in which they become JSON."""

from __future__ import annotations

import enum
import json
import math
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multidb import BusyError, State
from multidb.reports import (
    DatabaseStatus,
    ForeignInfo,
    Opening,
    OpenReport,
    PlanStep,
    QueryPlan,
    Result,
    StatusReport,
    plain,
)

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Number(enum.IntEnum):
    TWO = 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (2**63 - 1, 2**63 - 1),
        (1.5, 1.5),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (math.nan, None),
        ("ä\0\U0001f600", "ä\0\U0001f600"),
        (b"\x00\xff", {"$base64": "AP8="}),
        (bytearray(b"x"), {"$base64": "eA=="}),
        (memoryview(b"x"), {"$base64": "eA=="}),
        (State.READ_ONLY, "read_only"),
        (Number.TWO, 2),
        ((1, [2, {3}]), [1, [2, [3]]]),
        ({1: b""}, {"1": {"$base64": ""}}),
        (Path("/a/b"), "/a/b"),
        (PlanStep(0, "SCAN t"), {"depth": 0, "detail": "SCAN t"}),
        (datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC), "2025-01-02T03:04:05.678Z"),
        (datetime(2025, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2025-01-01T22:00:00.000Z"),
    ],
)
def test_values_in_json(value: Any, expected: Any) -> None:
    """Each kind of value that a database or a report can hold."""
    assert expected == plain(value)


def test_what_has_no_form_is_refused() -> None:
    """Rather than turned into its repr."""
    with pytest.raises(TypeError, match="object"):
        plain(object())


@given(JSON_VALUES)
def test_everything_that_a_row_holds_can_be_printed(value: Any) -> None:
    """Strict JSON: no NaN, no bytes."""
    json.dumps(plain(value), allow_nan=False)


def test_an_error_in_a_report_is_its_six_fields() -> None:
    """The same wherever an error is printed."""
    error = BusyError("x", concern="chat", hint="wait")

    opening = Opening(state="failed", path="/x", error=error).to_dict()

    assert error.to_dict() == opening["error"]


def test_a_report_on_databases_is_a_mapping() -> None:
    """From their names to the entries, in their order."""
    report = OpenReport({"chat": Opening(state="ready", path="/a"), "code": Opening(state="failed", path="/b")})

    assert (["chat", "code"], 2, "ready", True) == (list(report), len(report), report["chat"].state, "code" in report)
    assert {"databases": {"chat": report["chat"].to_dict(), "code": report["code"].to_dict()}} == report.to_dict()


def test_reports_are_frozen() -> None:
    """An answer does not change after it was given."""
    result = Result(changes=1, last_rowid=2, rows=[])

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        result.changes = 2  # type: ignore[misc]


def test_a_query_plan_is_a_tree() -> None:
    """Indented by its depth."""
    plan = QueryPlan((PlanStep(0, "A"), PlanStep(1, "B"), PlanStep(0, "C")))

    assert "A\n  B\nC" == str(plan)


def test_a_status_has_every_field_of_the_contract() -> None:
    """Also those that later issues fill."""
    status = DatabaseStatus(
        state="read_only",
        owner="foreign",
        path="/x",
        size_bytes=None,
        wal_bytes=0,
        schema_version=None,
        pending=0,
        ahead=False,
        foreign=ForeignInfo("sqlite", "beads-54"),
    )

    entry = StatusReport({"beads": status}).to_dict()["databases"]["beads"]

    assert {
        "state": "read_only",
        "owner": "foreign",
        "path": "/x",
        "size_bytes": None,
        "wal_bytes": 0,
        "schema_version": None,
        "pending": 0,
        "ahead": False,
        "last_backup": None,
        "last_check": None,
        "error": None,
        "foreign": {"kind": "sqlite", "generation": "beads-54"},
    } == entry
