"""Prints the table: `python -m benchmarks [GROUP...]`; the exit status is 1 where a bound is missed."""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path

GROUPS = ("opening", "importing", "selecting", "inserting", "contending", "racing", "streaming")


def main(groups: list[str]) -> int:
    if unknown := [group for group in groups if group not in GROUPS]:
        sys.stderr.write(f"no group is called {', '.join(unknown)}; known: {', '.join(GROUPS)}\n")
        return 2
    missed = 0
    for group in groups or GROUPS:
        with tempfile.TemporaryDirectory(prefix="multidb-benchmarks-") as folder:
            for figure in import_module(f"benchmarks.{group}").figures(Path(folder)):
                sys.stdout.write(f"{figure}\n")
                sys.stdout.flush()
                missed += not figure.is_met
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
