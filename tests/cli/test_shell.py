"""`shell`: statements from a pipe, and a conversation at a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from multidb import MultiDB
from tests.cli.conftest import PATIENCE_S, PROGRAM, Run
from tests.faults import folder_fingerprint


def test_statements_from_a_pipe(spawn: Run, made: Path) -> None:
    """Several on a line, one over several lines, the last without its semicolon; stderr stays empty."""
    text = "SELECT 1 AS a; SELECT 'x;y' AS b;\n-- a word;\nSELECT id\nFROM chats\nORDER BY id;\nSELECT 4 AS d"
    done = spawn("--root", made, "shell", "chat", "--format", "csv", text=text)

    assert (0, "a\n1\nb\nx;y\nid\nc1\nc2\nd\n4\n", "") == (done.status, done.out, done.err)


def test_the_first_error_ends_a_pipe(spawn: Run, made: Path) -> None:
    """What came before it is printed, what comes after it is not run, and the exit status is its own."""
    done = spawn("--root", made, "shell", "chat", "--format", "csv", text="SELECT 1 AS a; SELECT nope; SELECT 3;")

    assert (1, "a\n1\n") == (done.status, done.out)
    assert "no such column: nope" in done.err


@pytest.mark.parametrize(
    ("text", "answers", "status"),
    [
        ("", [], 0),
        ("SELECT 1 AS a;", [{"columns": ["a"], "rows": [[1]]}], 0),
        ("SELECT 1 AS a; SELECT nope;", [{"columns": ["a"], "rows": [[1]]}], 1),
        (".tables\n", None, 0),
        (".qiut\n", [], 1),
        ("DELETE FROM chats;", [], 1),
        ("SELECT 'never closed", [], 1),
    ],
)
def test_a_shell_answers_in_one_document(
    spawn: Run, made: Path, text: str, answers: list[object] | None, status: int
) -> None:
    """A list of answers, one a statement, and the error that ended it."""
    document = spawn("--json", "--root", made, "shell", "chat", text=text).document

    assert status == document["exit"]
    assert bool(status) == bool(document["errors"])
    assert answers is None or answers == document["answers"]


def test_writing_is_statement_by_statement(spawn: Run, made: Path) -> None:
    """What was committed before an error stays."""
    insert = "INSERT INTO chats(id, title) VALUES ('{}', '') RETURNING id;"
    text = insert.format("c3") + insert.format("c1") + insert.format("c4")
    document = spawn("--root", made, "--json", "shell", "chat", "--write", text=text).document

    assert [{"columns": ["id"], "rows": [["c3"]], "changes": 1, "last_rowid": 3}] == document["answers"]
    assert ["constraint"] == [error["code"] for error in document["errors"]]
    assert (
        "n\n3\n"
        == spawn("--root", made, "shell", "chat", "--format", "csv", text="SELECT count(*) AS n FROM chats").out
    )


def test_reading_leaves_no_trace(spawn: Run, made: Path) -> None:
    """Commands and statements alike."""
    before = folder_fingerprint(made)

    assert 0 == spawn("--root", made, "shell", "chat", text=".tables\n.schema\nSELECT * FROM chats;").status
    assert 1 == spawn("--root", made, "shell", "chat", text="DELETE FROM chats;").status
    assert before == folder_fingerprint(made)


def test_tables_and_schema(spawn: Run, made: Path) -> None:
    """The tables without SQLite's own and without what a full-text index is made of; the schema as SQL text."""
    tables = spawn("--root", made, "shell", "chat", "--format", "csv", text=".tables").out.splitlines()
    schema = spawn("--root", made, "shell", "chat", text=".schema chats").out

    assert {"chats,table", "messages_fts,virtual", "schema_migrations,view"} <= set(tables)
    assert not any(line.startswith(("sqlite_", "messages_fts_")) for line in tables)
    assert schema.startswith("CREATE TABLE chats (\n")
    assert schema.endswith(";\n")


def test_the_schema_is_what_sqlite_has(spawn: Run, made: Path, dbs: MultiDB) -> None:
    """Every statement, whole, with a semicolon."""
    printed = spawn("--root", made, "shell", "app", text=".schema").out
    statements = [sql for (sql,) in dbs["app"].many("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")]

    assert [] == [sql for sql in statements if f"{sql};\n" not in printed]
    assert len(printed) == sum(len(sql) + 2 for sql in statements)


def test_quit_ends_it(spawn: Run, made: Path) -> None:
    """Nothing after it is run."""
    assert (0, "") == ((done := spawn("--root", made, "shell", "chat", text=".quit\nSELECT 1;")).status, done.out)


def test_input_that_is_no_text(spawn: Run, made: Path, tmp_path: Path) -> None:
    """An error by name, no traceback."""
    (tmp_path / "latin").write_bytes(b"SELECT '\xe9';")
    with (tmp_path / "latin").open() as file:
        done = spawn_from(file, "--root", made, "shell", "chat")

    assert 1 == done.returncode
    assert "error: the input is not UTF-8" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_an_input_there_is_nothing_to_do(spawn: Run, made: Path) -> None:
    """stdin closed."""
    done = spawn_from(None, "--root", made, "shell", "chat")

    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)


def spawn_from(stdin: object, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [*PROGRAM, *map(str, arguments)]
    close = (lambda: os.close(0)) if stdin is None else None
    return subprocess.run(
        command,
        stdin=stdin,  # type: ignore[call-overload]  # an open file, or None for the one that is closed in the child
        env=env,
        preexec_fn=close,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


class Terminal:
    """A program that believes that a person sits before it."""

    def __init__(self, *arguments: str | Path, **env: str) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TERM": "xterm", **env}
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            [*PROGRAM, *map(str, arguments)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(slave)
        self.text = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(PATIENCE_S)
        os.close(self._master)

    def see(self, pattern: str, *, after: str = "") -> str:
        """Wait for text that matches; what came up to its end, which is forgotten.

        `after` is typed, and again where nothing happens: a Ctrl-C that comes just before readline begins to wait is
        heard with the next one.
        """
        deadline = time.monotonic() + PATIENCE_S
        self.type(after)
        while (found := re.search(pattern, self.text)) is None:
            ready, _, _ = select.select([self._master], [], [], 1.0 if after else PATIENCE_S)
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.text!r}"
            if not ready:
                self.type(after)
                continue
            try:
                chunk = os.read(self._master, 1 << 16)
            except OSError:  # its end, on Linux
                chunk = b""
            assert chunk, f"ended without {pattern!r}: {self.text!r}"
            self.text += chunk.decode()
        seen, self.text = self.text[: found.end()], self.text[found.end() :]
        return seen

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    @property
    def is_running(self) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.1)
        return self._process.returncode is None

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def status(self) -> int:
        return self._process.wait(PATIENCE_S)


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def terminal(made: Path) -> Iterator[Terminal]:
    """A shell on chat, at its first prompt."""
    with Terminal("--root", made, "shell", "chat") as found:
        found.see(r"reading only.*\r\n.*chat> ")
        yield found


def test_a_conversation(terminal: Terminal) -> None:
    """A statement over two lines has its own prompt, an error is told and the next statement is asked for."""
    terminal.type("SELECT count(*) AS n\n")
    terminal.see(r"\.\.\.> ")
    terminal.type("FROM chats;\n")
    assert "│ 2 │" in terminal.see("chat> ")
    terminal.type("SELECT nope;\n")
    assert "no such column: nope" in terminal.see("hint|chat> ")
    terminal.type(".help\n")
    terminal.see(r"\.schema")
    terminal.type(".quit\n")

    assert 0 == terminal.status()


def test_ctrl_c_stops_a_statement_and_not_the_shell(terminal: Terminal) -> None:
    """The same at the prompt, where it drops what was typed."""
    terminal.type("SELECT 'half")
    terminal.see("half")
    terminal.see("chat> ", after="\x03")
    terminal.type("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c;\n")
    terminal.see("FROM c;\r\n")
    terminal.see("chat> ", after="\x03")
    terminal.type("SELECT 40 + 2 AS n;\n")
    terminal.see("│ 42 │")
    terminal.see("chat> ")
    terminal.type("\x04")

    assert 0 == terminal.status()


def test_sigterm_ends_a_conversation(terminal: Terminal) -> None:
    """143, at the prompt too. One that comes just before readline begins to wait is heard with the next."""
    deadline = time.monotonic() + PATIENCE_S
    while terminal.is_running and time.monotonic() < deadline:
        terminal.signal(signal.SIGTERM)

    assert 143 == terminal.status()


def test_what_was_typed_is_not_stored(terminal: Terminal, tmp_path: Path) -> None:
    """No history file appears in the home folder."""
    terminal.type("SELECT 'secret';\n")
    terminal.see("chat> ")
    terminal.type(".quit\n")

    assert 0 == terminal.status()
    assert [] == list((tmp_path / "home").glob("**/*"))


def test_a_terminal_gets_boxes_and_colours_unless_it_does_not_want_them(made: Path) -> None:
    """NO_COLOR and --no-color keep the boxes and drop the colours."""
    query = ["--root", made, "query", "chat", "SELECT id, NULL AS n FROM chats ORDER BY id"]
    escape = "\x1b["

    with Terminal(*query) as coloured:
        assert escape in coloured.see("╯\r\n")
        assert 0 == coloured.status()
    for plain in (Terminal(*query, NO_COLOR="1"), Terminal("--no-color", *query)):
        with plain:
            seen = plain.see("╯\r\n")
            assert "│ c1 │ NULL │" in seen
            assert "\x1b[3" not in seen
            assert 0 == plain.status()
