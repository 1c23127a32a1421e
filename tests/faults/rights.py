"""Whose rights a test has: root ignores file modes, so a test of "unreadable" first has to give that up.

`modes_obeyed` is for the calling thread and paths of root, `Child(as_nobody=True)` for a process of another
uid.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from typing import NoReturn

NOBODY = 65534

_VERSION_3 = 0x20080522
_IGNORE_MODES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, linux/capability.h


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Rights(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def skip(missing: str) -> NoReturn:
    """Skips the test that asked for what this machine does not give."""
    import pytest  # children import this module and should not pay for pytest

    pytest.skip(f"needs {missing}")


def skip_unless_root(what: str) -> None:
    """Skips the test unless this process may become anybody."""
    if os.geteuid() != 0:
        skip(f"root: {what}")


@contextlib.contextmanager
def modes_obeyed() -> Iterator[None]:
    """Inside, this thread and those it starts are bound by file modes even where they run as root.

    Capabilities belong to a thread in Linux: a worker thread that exists already keeps its own.
    """
    if os.geteuid() != 0:
        yield
        return
    if not sys.platform.startswith("linux"):
        skip("Linux, to run as root without ignoring file modes")
    rights = (_Rights * 2)()
    _call("capget", rights)
    before = rights[0].effective
    rights[0].effective = before & ~_IGNORE_MODES
    _call("capset", rights)
    try:
        yield
    finally:
        rights[0].effective = before
        _call("capset", rights)


def become_nobody() -> None:
    """Gives this whole process to uid and gid 65534, for good; for a child only."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def _call(name: str, rights: ctypes.Array[_Rights]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(ctypes.byref(_Header(_VERSION_3, 0)), rights) != 0:
        raise OSError(ctypes.get_errno(), f"{name} failed")
