"""Child processes that a test holds in its hand: start, wait for, release, stop, kill, read the answer.

Every wait has a deadline; one that passes makes the child print where it stands, kills it and raises with
its stderr. Nothing here sleeps: pipes, selectors and the kernel's word about the process. See `inside` for
the child's half.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import re
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

from tests.faults.inside import Job, pack, unpack
from tests.faults.rights import skip_unless_root
from tests.faults.steps import Fault, Step

Work = str | Callable[..., Any]
"""A module-level function, `module:function`, or Python source that sees `args` and may set `result`."""

_START = "import sys; from tests.faults.inside import main; main(*map(int, sys.argv[1:]))"
_LAST_WORDS_S = 5.0
_SHOWN_CHARS = 6000

living: set[Child] = set()
"""The children that run now; the leak check looks here."""


class ChildFailed(AssertionError):
    """A child raised, died, or kept its parent waiting; the message ends with its stderr."""


class Child:
    """A fresh interpreter doing `work(*args)`; leaving the `with` block kills what still runs.

    Arguments, results and said values are pickled. A fork inside the child may `say` something, too; it
    has no answer to give and must not wait at a barrier.

    failpoint   the words of MULTIDB_FAILPOINT, such as "migration.before_commit:2=stop"
    fault       what its storage does at the N-th step; `is_watched` alone only records `steps`
    is_held     it stands at the barrier "start" once it has loaded its work
    as_nobody   it has uid 65534 (pytest skips unless root); modules are loaded before, as root
    timeout     seconds, for every wait that names none
    """

    def __init__(
        self,
        work: Work,
        *args: object,
        failpoint: str | None = None,
        fault: Fault | None = None,
        is_watched: bool = False,
        is_held: bool = False,
        as_nobody: bool = False,
        file_size_bytes: int | None = None,
        number: int = 0,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        options: Sequence[str] = ("-X", "faulthandler"),
        timeout: float = 30.0,
    ) -> None:
        if as_nobody:
            skip_unless_root("another uid")
        name = work if isinstance(work, str) else _name_of(work)
        self._job = Job(
            work=name,
            is_source=re.fullmatch(r"[\w.]+:[\w.]+", name) is None,
            args=pickle.dumps(args),
            number=number,
            is_held=is_held,
            is_watched=is_watched,
            is_nobody=as_nobody,
            fault=fault,
            file_size_bytes=file_size_bytes,
        )
        self._env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **(env or {})}
        self._env.pop("MULTIDB_FAILPOINT", None)
        if failpoint:
            self._env["MULTIDB_FAILPOINT"] = failpoint
        self._cwd = cwd
        self._options = options
        self._timeout = timeout
        self._said: deque[Any] = deque()
        self._barrier: str | None = None
        self._unread = b""
        self._has_ended = False
        self._answer: tuple[str, Any] = ("no answer", "")
        self.steps: list[Step] = []

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._stdout: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
            self._stderr: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
            commands, self._commands = stack.enter_context(_pipe())
            self._messages, messages = stack.enter_context(_pipe())
            pipes = commands.fileno(), messages.fileno()
            self._process = subprocess.Popen(
                [sys.executable, *self._options, "-c", _START, *map(str, pipes)],
                pass_fds=pipes,
                stdin=subprocess.DEVNULL,
                stdout=self._stdout,
                stderr=self._stderr,
                env=self._env,
                cwd=self._cwd,
                process_group=0,  # a kill takes grandchildren along; ^C at the terminal is the parent's alone
            )
            stack.callback(self.kill)
            commands.close()
            messages.close()  # ours gone, the child's is the last one, and its end tells of a death
            self._selector = stack.enter_context(selectors.DefaultSelector())
            self._selector.register(self._messages, selectors.EVENT_READ)
            if hasattr(os, "pidfd_open"):  # a forked grandchild may hold the pipe: the process itself counts
                death = os.pidfd_open(self.pid)
                stack.callback(os.close, death)
                self._selector.register(death, selectors.EVENT_READ)
            living.add(self)
            stack.callback(living.discard, self)
            self._tell(self._job)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for(self, name: str, timeout: float | None = None) -> None:
        """Returns when the child stands at `barrier(name)`; at another one, or ended, is ChildFailed."""
        self._read_until(lambda: self._barrier is not None, f"the barrier {name}", timeout)
        if self._barrier != name:
            raise self._failure(f"stands at the barrier {self._barrier}, not at {name}")

    def release(self, value: object = None) -> None:
        """Lets the child go on from the barrier that was waited for, where `barrier()` answers the value."""
        if self._barrier is None:
            raise self._failure("was released, but stands at no barrier that somebody waited for")
        self._barrier = None
        self._tell(value)

    def hear(self, timeout: float | None = None) -> Any:
        """The next value that the child says, in its order."""
        self._read_until(lambda: bool(self._said), "a value", timeout)
        return self._said.popleft()

    def kill(self) -> None:
        """SIGKILL to the child and its children; returns when its locks are gone. Harmless after its end."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):  # it ended this moment
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait(_LAST_WORDS_S)
            self._barrier = None

    def stop(self) -> None:
        """SIGSTOP; returns when the child stands still, with its locks held."""
        os.kill(self.pid, signal.SIGSTOP)
        self.wait_stopped()

    def cont(self) -> None:
        """SIGCONT: a stopped child goes on."""
        os.kill(self.pid, signal.SIGCONT)

    def wait_stopped(self, timeout: float | None = None) -> None:
        """Returns when the child has stopped, by `stop()` or at a failpoint with the action `stop`."""
        seen: list[int] = []

        def watch() -> None:  # the kernel's wait has no deadline, a thread's has
            with contextlib.suppress(ChildProcessError):
                change = os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
                seen.append(change.si_code if change else 0)

        watcher = threading.Thread(target=watch, name="wait_stopped", daemon=True)
        watcher.start()
        watcher.join(self._timeout if timeout is None else timeout)
        if watcher.is_alive():
            self._abort()
            watcher.join()
            raise self._failure("did not stop in time")
        if seen != [os.CLD_STOPPED]:
            raise self._failure("ended instead of stopping")

    def exit_status(self, timeout: float | None = None) -> int:
        """Waits for the end and answers with the status: minus the signal that ended it, -9 after a kill."""
        self._read_until(lambda: self._has_ended or self._barrier is not None, "its end", timeout)
        if self._barrier is not None:
            raise self._failure(f"stands at the barrier {self._barrier} and would never end")
        try:
            return self._process.wait(_LAST_WORDS_S)
        except subprocess.TimeoutExpired:
            self._abort()
            raise self._failure("closed its pipe without ending") from None

    def result(self, timeout: float | None = None) -> Any:
        """Waits for the end and answers what the work returned; a death or an exception is ChildFailed."""
        status = self.exit_status(timeout)
        word, value = self._answer
        if (word, status) != ("done", 0):
            raise self._failure(f"ended with status {status}, {word}")
        return value

    def stdout(self) -> str:
        """What it printed up to now."""
        return _text(self._stdout)

    def stderr(self) -> str:
        """What it printed there up to now, an aborted interpreter's stack traces included."""
        return _text(self._stderr)

    def _tell(self, value: object) -> None:
        with contextlib.suppress(BrokenPipeError):  # it died: the next wait says how
            self._commands.write(pack(value))

    def _read_until(self, is_met: Callable[[], bool], what: str, timeout: float | None) -> None:
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        while not is_met():
            if self._has_ended:
                raise self._failure(f"ended before {what}")
            ready = self._selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                self._abort()
                raise self._failure(f"kept its parent waiting for {what}")
            self._read(any(key.fileobj is self._messages for key, _ in ready))

    def _read(self, has_message: bool) -> None:
        chunk = os.read(self._messages.fileno(), 1 << 16) if has_message else b""
        if not chunk:
            self._has_ended = True
        *lines, self._unread = (self._unread + chunk).split(b"\n")
        for word, value in map(unpack, lines):
            if word == "said":
                self._said.append(value)
            elif word == "barrier":
                self._barrier = value
            elif word == "steps":
                self.steps = value
            else:
                self._answer = word, value

    def _abort(self) -> None:
        """Has the child write its stacks to stderr, where faulthandler is on, and kills it."""
        if self._process.poll() is None:
            os.kill(self.pid, signal.SIGABRT)
            os.kill(self.pid, signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LAST_WORDS_S)
        self.kill()

    def _failure(self, what: str) -> ChildFailed:
        raised = f"\n{self._answer[1]}" if self._answer[0] == "failed" else ""
        words = self.stderr()[-_SHOWN_CHARS:]
        return ChildFailed(f"child {self._job.number} {what}{raised}\n--- its stderr ---\n{words}")


def run_child(work: Work, *args: object, **options: Any) -> Any:
    """Does the work in one child and answers with its result; options are `Child`'s."""
    with Child(work, *args, **options) as child:
        return child.result()


def _name_of(work: Callable[..., Any]) -> str:
    name = f"{work.__module__}:{work.__qualname__}"
    if "<" in name or work.__module__ == "__main__":
        raise TypeError(f"{name} cannot be imported by a child; pass a module-level function or source")
    return name


@contextlib.contextmanager
def _pipe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as first, os.fdopen(writing, "wb", buffering=0) as last:
        yield first, last


def _text(file: IO[bytes]) -> str:
    size = os.fstat(file.fileno()).st_size
    return os.pread(file.fileno(), size, 0).decode(errors="replace")
