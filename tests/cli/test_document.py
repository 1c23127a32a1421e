"""The JSON document: whole at every moment at which somebody might stop it."""

from __future__ import annotations

import contextlib
import json
import signal
from typing import Any

import attrs
import pytest

from multidb.cli.answer import Answer, Failure
from multidb.cli.document import Document
from multidb.cli.signals import Signals, Stopped


@attrs.define
class Paper:
    """An `Out` that keeps what it gets, and at the N-th chance has a signal come."""

    signals: Signals
    stops_at: int = -1
    text: str = ""
    chances: int = 0

    def add(self, text: str) -> None:
        self._chance()
        self.text += text
        self._chance()

    def relieve(self) -> None:
        self._chance()

    def write(self, text: str) -> None:
        self.add(text)
        self.relieve()

    def _chance(self) -> None:
        self.chances += 1
        if self.chances == self.stops_at:
            signal.raise_signal(signal.SIGTERM)


def write_one(paper: Paper) -> Answer:
    """Two answers with rows, as the shell writes them; the answer that ended it."""
    document: Any = Document(paper, paper.signals, "shell")  # type: ignore[arg-type]  # a Paper is what it needs of an Out
    answer = Answer()
    try:
        document.enter("[", "answers")
        for number in (1, 2):
            document.enter("{")
            document.rows(["n", "t"], [(number, "x"), (None, b"")])
            document.field("changes", number)
            document.leave()
    except Stopped as stopped:
        answer = Answer(exit=stopped.exit_status, failures=(Failure(code="terminated", message="terminated"),))
    document.finish(answer)
    return answer


def test_fields_lists_and_objects_in_the_order_of_writing() -> None:
    """What was opened is closed."""
    with Signals() as signals:
        write_one(paper := Paper(signals))

    answers = [
        {"columns": ["n", "t"], "rows": [[number, "x"], [None, {"$base64": ""}]], "changes": number}
        for number in (1, 2)
    ]
    assert {
        "schema": "multidb/1",
        "command": "shell",
        "answers": answers,
        "ok": True,
        "exit": 0,
        "databases": {},
        "errors": [],
    } == json.loads(paper.text)


def test_a_signal_at_any_moment_leaves_one_whole_document() -> None:
    """Tried at every moment that there is: it is JSON, it says 143, and its rows are the first ones."""
    with Signals() as signals:
        signals.listen()
        write_one(whole := Paper(signals))
        for moment in range(1, whole.chances + 1):
            paper = Paper(signals, stops_at=moment)
            with contextlib.suppress(Stopped):  # it came while the end was written
                answer = write_one(paper)
                found = json.loads(paper.text)

                assert answer.exit == found["exit"]
                rows = [row for part in found.get("answers", []) for row in part.get("rows", [])]
                assert [[1, "x"], [None, {"$base64": ""}], [2, "x"], [None, {"$base64": ""}]][: len(rows)] == rows


def test_a_signal_waits_for_the_end_of_a_held_block() -> None:
    """And is raised there."""
    done = []
    with Signals() as signals:
        signals.listen()
        with pytest.raises(Stopped), signals.held():
            signal.raise_signal(signal.SIGTERM)
            done.append("the block went on")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    assert ["the block went on"] == done


def test_the_handlers_that_stood_before_are_put_back() -> None:
    """`main` may be called by a program that has its own; an ignored signal stays ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        standing = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
        with Signals() as signals:
            signals.listen()
            signal.raise_signal(signal.SIGHUP)
            inside = signal.getsignal(signal.SIGTERM)

        assert standing == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
        assert inside != standing[1]
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signals_wait_until_somebody_listens() -> None:
    """While the program is imported a Ctrl-C is kept, not lost and no traceback."""
    with Signals() as signals:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signals.listen()


def test_after_the_last_act_signals_are_let_be() -> None:
    """The process has answered; its exit status stays what it said."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        with Signals(is_last_act=True) as signals:
            signals.listen()
        signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
