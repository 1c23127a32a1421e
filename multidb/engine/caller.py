"""Who is calling: a thread, and under asyncio a task.

Context variables are copied into child tasks and worker threads, so they cannot say who owns a
session; the identity of the thread and of the task can.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Hashable
from threading import get_ident
from typing import Any


def current_task() -> Any:
    """The asyncio task that is running in this thread, or None; asyncio is not imported for it."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:
        return None
    return asyncio.current_task()


def caller() -> Hashable:
    """The task where there is one, else the thread."""
    return current_task() or get_ident()


def caller_name() -> str:
    """What to call the caller in a message to somebody who waits for it."""
    task = current_task()
    thread = threading.current_thread().name
    return f"thread {thread}" if task is None else f"task {task.get_name()} in thread {thread}"
