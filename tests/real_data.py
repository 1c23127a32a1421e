"""Real files of other programs, copied for a test; the test skips by name where they are not at hand.

They stand in the folder that MULTIDB_TEST_DATA names, else in `../shared/data` beside the checkout.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import apsw
import pytest

FOLDER = Path(os.environ.get("MULTIDB_TEST_DATA") or Path(__file__).parents[2] / "shared" / "data")


def _found(name: str) -> Path:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"the real file {name} is not at hand")
    return path


def beads_54(folder: Path) -> Path:
    """A beads database of 54 columns, at rest, as its owner leaves it; the path of the file in its own folder."""
    folder.mkdir(parents=True)
    return Path(shutil.copyfile(_found("beads/beads-0.49.db"), folder / "beads.db"))


def beads_21_all_in_wal(folder: Path) -> Path:
    """A beads database of 21 columns whose 19 issues stand in its `-wal` alone."""
    shutil.copytree(_found("beads/beads-0.27-all-in-wal"), folder, copy_function=shutil.copyfile)
    return folder / "beads.db"


def tempolite(folder: Path, generation: str) -> Path:
    """A tempolite database of the generation `v0` or `v1`, made from its owner's statements, closed."""
    folder.mkdir(parents=True)
    connection = apsw.Connection(str(folder / "tempolite.db"))
    for _ in connection.execute(_found(f"tempolite/{generation}.sql").read_text(encoding="utf-8")):
        pass
    connection.close()
    return folder / "tempolite.db"
