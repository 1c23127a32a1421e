"""Who is calling: a thread, and under asyncio a task.

Context variables are copied into child tasks and worker threads, so they cannot say who owns a
session; the identity of the thread and of the task can.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Hashable
from typing import Any


def current_task() -> Any:
    """The asyncio task that is running in this thread, or None; asyncio is not imported for it."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:
        return None
    return asyncio.current_task()


class _Here(threading.local):
    """Tells this thread from every other, those that end before it begins and had its number included."""

    def __init__(self) -> None:
        self.mark = object()


_here = _Here()


def caller() -> Hashable:
    """The task where there is one, else what stands for the thread as long as it lives."""
    return current_task() or _here.mark


def caller_name() -> str:
    """What to call the caller in a message to somebody who waits for it."""
    task = current_task()
    thread = threading.current_thread().name
    return f"thread {thread}" if task is None else f"task {task.get_name()} in thread {thread}"
