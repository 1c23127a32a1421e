"""Many processes at one thing at the same moment."""

from __future__ import annotations

import contextlib
from typing import Any

from tests.faults.children import Child, ChildFailed, Work


def run_children(count: int, work: Work, *args: object, timeout: float = 60.0, **options: Any) -> list[Any]:
    """Holds `count` children until all have loaded the work, lets them go at once, answers their results.

    In the work `number()` tells them apart. Those that failed are raised as one group, after all have ended.
    """
    with contextlib.ExitStack() as stack:
        children = [
            stack.enter_context(Child(work, *args, number=number, is_held=True, timeout=timeout, **options))
            for number in range(count)
        ]
        for child in children:
            child.wait_for("start")
        for child in children:
            child.release()
        results, failures = [], []
        for child in children:
            try:
                results.append(child.result())
            except ChildFailed as failure:
                failures.append(failure)
        if failures:
            raise ExceptionGroup(f"{len(failures)} of {count} children failed", failures)
        return results
