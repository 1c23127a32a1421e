"""The cost of the import, as whole processes with warm byte code; and what must not be imported before it is used."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.fixtures import migrated_root
from benchmarks.measure import Figure, Timed, medians, micros

LATE = ("rich", "asyncio", "structlog")
BASE = "import apsw, attrs"
OPENED = "import sys, multidb; multidb.open(sys.argv[1]).close()"
RAW_OPENED = """
import sys, apsw, attrs, pathlib
for path in pathlib.Path(sys.argv[1]).glob("*.sqlite"):
    connection = apsw.Connection(str(path))
    connection.execute("SELECT count(*) FROM sqlite_schema").get
    connection.close()
"""


def figures(folder: Path) -> Iterator[Figure]:
    root = migrated_root(folder)
    environment = {
        **{key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"},
        "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),  # warm in every run, wherever the package is installed
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }

    def process(program: str) -> Timed:
        def run() -> float:
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", program, str(root)], env=environment, check=True)
            return time.perf_counter() - started

        return run

    mine, theirs = medians(process("import multidb"), process(BASE), rounds=31)
    yield Figure(
        "import multidb / import apsw, attrs (whole process)",
        mine / theirs,
        ceiling=1.5,
        note=f"{micros(mine)} / {micros(theirs)}",
    )
    mine, theirs = medians(process(OPENED), process(RAW_OPENED), rounds=31)
    yield Figure(
        "import and open seven / the same by hand (whole process)",
        mine / theirs,
        note=f"{micros(mine)} / {micros(theirs)}",
    )
    asked = "import sys, multidb; multidb.open(sys.argv[1]).close(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", asked, str(root)], env=environment, check=True, capture_output=True, text=True
    ).stdout.split()
    found = [name for name in LATE if name in loaded]
    yield Figure(f"of {', '.join(LATE)}: imported by open", len(found), ceiling=0, note=" ".join(found))
