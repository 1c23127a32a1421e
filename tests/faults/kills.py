"""Killing a piece of work at every place that matters on disk: before its N-th storage step, for many N.

    steps = storage_steps(restore_once, new_root(), archive)
    for at in kill_points(len(steps), count=60, seed=7):
        root = new_root()
        killed_at(at, restore_once, root, archive)
        assert is_uniform(root)

The page cache outlives a killed process: this shows broken orders of steps, not missing fsyncs; count those.
"""

from __future__ import annotations

import random
import signal
from typing import Any

from tests.faults.children import Child, Work
from tests.faults.steps import Fault, Step


def storage_steps(work: Work, *args: object, **options: Any) -> list[Step]:
    """Does the work once in a child, unharmed, and answers with each step it took; options are `Child`'s."""
    with Child(work, *args, is_watched=True, **options) as child:
        child.result()
        return child.steps


def kill_points(total: int, *, count: int, seed: int) -> list[int]:
    """`count` different steps of 1 to `total`, ascending, the first and last among them; all when fewer."""
    if total <= count:
        return list(range(1, total + 1))
    between = random.Random(seed).sample(range(2, total), max(0, count - 2))
    return sorted([1, *between, total][:count])


def killed_at(at: int, work: Work, *args: object, is_torn: bool = False, **options: Any) -> bool:
    """Does the work in a child that dies before its `at`-th step; False when it finished with fewer steps.

    `is_torn` counts writes only, and half of the `at`-th one's bytes reach the file.
    An exception in the work is ChildFailed: it died of something else.
    """
    fault = Fault(at=at, operation="write", action="torn") if is_torn else Fault(at=at)
    with Child(work, *args, fault=fault, **options) as child:
        if child.exit_status() == -signal.SIGKILL:
            return True
        child.result()
        return False
