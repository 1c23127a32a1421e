"""The command line in a test: called in this process, or as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import attrs
import pytest

from multidb import Concern
from multidb.cli import main
from multidb.schema.folder import versions

VERSIONS = {name: sorted(versions(Concern(name)) or ()) for name in ("chat", "code", "imagegen", "app", "coordination")}
"""The versions that each database with migrations has here."""

PROGRAM = (sys.executable, "-m", "multidb")
PATIENCE_S = 60.0
"""Deadline for a process that hangs; nothing waits for it otherwise."""


@attrs.frozen
class Done:
    """What a run left: its exit status and what it printed."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout; its promised fields are checked, and that it says the exit status."""
        found: dict[str, Any] = json.loads(self.out)
        assert 1 == self.out.count("\n"), "one document, on one line"
        assert "multidb/1" == found["schema"]
        assert self.status == found["exit"]
        assert found["ok"] is (self.status == 0)
        assert isinstance(found["databases"], dict)
        for error in found["errors"]:
            assert {"code", "concern", "message", "hint", "retryable", "exit"} == set(error)
        return found


Run = Callable[..., Done]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def no_settings_of_the_developer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the environment nor the home folder of whoever runs the tests has a say."""
    for name in [name for name in os.environ if name.startswith("MULTIDB_")]:
        monkeypatch.delenv(name)
    for name in ("NO_COLOR", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Calls `main` in this process."""

    def called(*arguments: str | Path) -> Done:
        capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        return Done(status, *capfd.readouterr())

    return called


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts `python -m multidb` with pipes in the hand; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def popen(*arguments: str | Path, stdin: IO[Any] | int = subprocess.DEVNULL, **words: Any) -> subprocess.Popen[str]:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **words.pop("env", {})}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **words}
        process = subprocess.Popen([*PROGRAM, *map(str, arguments)], stdin=stdin, text=True, env=env, **pipes)
        started.append(process)
        return process

    yield popen
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE_S)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def spawn(start: Start) -> Run:
    """Runs `python -m multidb` to its end; `text` is its standard input."""

    def ended(*arguments: str | Path, text: str | None = None, **words: Any) -> Done:
        process = start(*arguments, stdin=subprocess.DEVNULL if text is None else subprocess.PIPE, **words)
        out, err = process.communicate(text, timeout=PATIENCE_S)
        return Done(process.returncode, out or "", err or "")

    return ended


@pytest.fixture
def made(root: Path, run: Run) -> Path:
    """A root whose databases are made and migrated, with two chats."""
    assert 0 == run("--root", root, "up").status
    chats = "INSERT INTO chats(id, title) VALUES ('c1', 'Hello'), ('c2', 'There')"
    assert 0 == run("--root", root, "query", "chat", chats, "--write").status
    return root
