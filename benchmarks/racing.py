"""Eight processes opening and migrating one new root at once, twenty rounds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import multidb
from benchmarks.measure import Figure

PROCESSES = 8
ROUNDS = 20
PROGRAM = """
import sys, multidb
sys.stdin.read(1)
with multidb.open(sys.argv[1], strict=True) as dbs:
    print(*(f"{name}:{version}" for name, entry in dbs.migrate().items() for version in entry.applied))
"""


def figures(folder: Path) -> Iterator[Figure]:
    errors, repeated, missing = [], 0, 0
    for round in range(ROUNDS):
        root = folder / f"race-{round}"
        racers = [
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(root)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(PROCESSES)
        ]
        for racer in racers:
            assert racer.stdin is not None
            racer.stdin.write("\n")
            racer.stdin.flush()
        applied: list[str] = []
        for racer in racers:
            out, err = racer.communicate()
            applied += out.split()
            if racer.returncode != 0:
                errors.append(err.splitlines()[-1])
        repeated += len(applied) - len(set(applied))
        with multidb.open(root) as dbs:
            for name, entry in dbs.status().items():
                told = {version for word in applied for one, version in [word.split(":")] if one == name}
                missing += entry.pending + ((entry.schema_version or 0) != len(told))
    yield Figure(
        "eight processes migrating a new root: errors in 20 rounds",
        len(errors),
        ceiling=0,
        note=errors[0] if errors else "",
    )
    yield Figure("eight processes migrating a new root: run twice, or missing", repeated + missing, ceiling=0)
