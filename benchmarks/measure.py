"""Timing two ways of doing one thing, in turns, so that a busy machine is busy for both."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import attrs

Timed = Callable[[], float]
"""Does its work once and answers with the seconds that count; what it prepares and tidies up does not."""


@attrs.frozen
class Figure:
    """One line of the table: `value`, and the bound that it must not pass, `floor` or `ceiling`."""

    name: str
    value: float
    floor: float | None = None
    ceiling: float | None = None
    note: str = ""

    @property
    def is_met(self) -> bool:
        return (self.floor is None or self.value >= self.floor) and (self.ceiling is None or self.value <= self.ceiling)

    def __str__(self) -> str:
        bound = "" if self.floor is None else f">= {self.floor:g}"
        bound = bound if self.ceiling is None else f"<= {self.ceiling:g}"
        verdict = "" if not bound else "met" if self.is_met else "MISSED"
        return f"{self.name:<58} {self.value:>8.2f}  {bound:<8} {verdict:<7} {self.note}"


def medians(*ways: Timed, rounds: int) -> list[float]:
    """The median seconds of each way; every round runs each once, in changing order, after one round unmeasured."""
    seconds: list[list[float]] = [[] for _ in ways]
    for way in ways:
        way()
    for number in range(rounds):
        order = range(len(ways)) if number % 2 == 0 else reversed(range(len(ways)))
        for place in order:
            seconds[place].append(ways[place]())
    return [statistics.median(each) for each in seconds]


def micros(seconds: float) -> str:
    """A duration in words fit for a table."""
    return f"{seconds * 1e6:.2f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"
