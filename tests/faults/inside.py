"""What runs in a child process: it takes its job from the parent, and the job's code talks back through here.

Code that a `Child` runs imports `barrier`, `say` and `number`; in Python source they are there without an
import. The two pipes carry one line a message, a pickle in base64, so that values of the package travel as
they are. The child's stdout and stderr stay free. A parent that died closes its pipe, and a child at a
barrier then leaves.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import importlib
import os
import pickle
import resource
import sys
import textwrap
import traceback
from collections.abc import Callable
from operator import attrgetter
from typing import IO, Any

import attrs

from tests.faults.disks import file_size_limit
from tests.faults.guard import install, seen_violations
from tests.faults.rights import become_nobody
from tests.faults.steps import Fault, Storage
from tests.faults.storage import watch_storage

_commands: IO[bytes]
_messages: IO[bytes]
_number = 0
_pid = 0
_storage: Storage | None = None
_conditions = contextlib.ExitStack()  # never left: a disk stays full while the process ends


@attrs.frozen(kw_only=True)
class Job:
    """What a parent asks of a child. `work` is `module:function` or Python source, `args` a pickled tuple."""

    work: str
    is_source: bool
    args: bytes
    number: int
    is_held: bool
    is_watched: bool
    is_nobody: bool
    fault: Fault | None
    file_size_bytes: int | None


def pack(value: object) -> bytes:
    """One line that `unpack` turns back into the value."""
    return base64.b64encode(pickle.dumps(value)) + b"\n"


def unpack(line: bytes) -> Any:
    """The value of a line; Any, since a child may say anything that can be pickled."""
    return pickle.loads(base64.b64decode(line))


def say(value: object) -> None:
    """Sends the value to the parent's `hear()` and goes on."""
    _send("said", value)


def barrier(name: str) -> Any:
    """Stands still until the parent releases; answers with what its `release()` carried."""
    _send("barrier", name)
    line = _commands.readline()
    if not line:
        os._exit(70)  # the parent is gone, and with it everybody who could look at our work
    return unpack(line)


def number() -> int:
    """Which of `run_children`'s children this is, from 0."""
    return _number


def _send(kind: str, value: object) -> None:
    _messages.write(pack((kind, value)))
    _messages.flush()


def _load(job: Job) -> Callable[..., Any]:
    if not job.is_source:
        module, _, name = job.work.partition(":")
        found: Callable[..., Any] = attrgetter(name)(importlib.import_module(module))
        return found
    code = compile(textwrap.dedent(job.work), "<child>", "exec")

    def run(*args: object) -> Any:
        names: dict[str, Any] = {"barrier": barrier, "say": say, "number": number, "args": args}
        exec(code, names)
        return names.get("result")

    return run


def _set_conditions(job: Job) -> None:
    """What holds from here to the end of the process, its exit included."""
    global _storage
    if job.file_size_bytes is not None:
        _conditions.enter_context(file_size_limit(job.file_size_bytes))
    if job.is_watched or job.fault:
        _storage = _conditions.enter_context(watch_storage(job.fault, may_kill=True))


def _send_steps() -> None:
    if _storage and os.getpid() == _pid:
        _send("steps", _storage.steps)


def main(commands: int, messages: int) -> None:
    """Takes one job from the pipes, does it, and reports what came of it."""
    global _commands, _messages, _number, _pid
    for pipe in (commands, messages):
        os.set_inheritable(pipe, False)
    _commands, _messages = os.fdopen(commands, "rb"), os.fdopen(messages, "wb")
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    job: Job = unpack(_commands.readline())
    _number, _pid = job.number, os.getpid()
    install()
    atexit.register(_send_steps)  # before any other, so that it runs last and sees what those write
    try:
        work, args = _load(job), pickle.loads(job.args)
        if job.is_nobody:
            become_nobody()
        if job.is_held:
            barrier("start")
        _set_conditions(job)
        value = work(*args)
        if seen_violations():
            raise AssertionError("\n".join(seen_violations()))
        if os.getpid() == _pid:  # a fork that comes here has no parent to answer
            _send("done", value)
    except Exception:
        if os.getpid() != _pid:
            raise
        _send("failed", traceback.format_exc())
        sys.exit(1)
