"""The fixture of the migration tests: one database whose migrations the test writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.schema.notes import Notes


@pytest.fixture
def notes(root: Path, tmp_path: Path) -> Notes:
    """A concern of its own, with a migration folder that is not there yet."""
    return Notes(root, tmp_path / "migrations")
