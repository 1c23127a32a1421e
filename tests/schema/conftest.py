"""The fixtures of the migration tests: one database whose migrations the test writes, and the events it causes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from tests.schema.notes import Notes


@pytest.fixture
def notes(root: Path, tmp_path: Path) -> Notes:
    """A concern of its own, with a migration folder that is not there yet."""
    return Notes(root, tmp_path / "migrations")


@pytest.fixture
def listening() -> Iterator[list[dict[str, Any]]]:
    """Every event that the library emits."""
    structlog.configure()
    try:
        with capture_logs() as events:
            yield events
    finally:
        structlog.reset_defaults()
