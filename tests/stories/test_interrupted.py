"""Ctrl-C comes in the middle of every wait: it is passed on at once, and nobody else waits longer for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import Child, run_child
from tests.stories.test_exit import indented

BEGIN = """
    import multidb, os, signal, threading
    from multidb import Concern, Tuning
    patient = Tuning(writer_timeout_ms=3_600_000, reader_timeout_ms=3_600_000, busy_timeout_ms=3_600_000)
    dbs = multidb.open(args[0], concerns=[Concern("notes", migrations=None, readers=1, tuning=patient)])
    notes = dbs["notes"]
    notes.execute("CREATE TABLE notes (text TEXT NOT NULL) STRICT")

    def press_ctrl_c_when(is_waiting):
        # SIGINT to this process, once the main thread has been seen waiting.
        def watch():
            while not is_waiting():
                pause.wait(0.001)
            os.kill(os.getpid(), signal.SIGINT)
        pause = threading.Event()
        thread = threading.Thread(target=watch)
        thread.start()
        return thread

    def elsewhere(enter):
        # A thread that sits in a session until `let_go` is set.
        inside, let_go = threading.Event(), threading.Event()
        def sit():
            with enter():
                inside.set()
                let_go.wait()
        thread = threading.Thread(target=sit)
        thread.start()
        inside.wait()
        def end():
            let_go.set()
            thread.join()
        return end

    def interrupted(work):
        try:
            work()
        except KeyboardInterrupt:
            return "interrupted"
        return "not interrupted"
"""

GOES_ON = """
    notes.execute("INSERT INTO notes VALUES ('after')")
    assert notes.many("SELECT text FROM notes") == [("after",)]
    notes.vacuum()
    assert notes.activity()["readers"]["busy"] == 0
    dbs.close()
    result = answer
"""

WAITS = {
    "for the lease": """
        end = elsewhere(notes.write)
        watcher = press_ctrl_c_when(lambda: notes.activity()["writer"]["waiting"] == 1)
        answer = interrupted(lambda: notes.execute("INSERT INTO notes VALUES ('never')"))
        end(), watcher.join()
    """,
    "for a reader": """
        end = elsewhere(notes.read)
        watcher = press_ctrl_c_when(lambda: notes.activity()["readers"]["waiting"] == 1)
        answer = interrupted(lambda: notes.many("SELECT 1"))
        end(), watcher.join()
    """,
    "for readers to leave": """
        end = elsewhere(notes.read)
        watcher = press_ctrl_c_when(lambda: notes.activity()["exclusive"]["holder"] is not None)
        answer = interrupted(notes.vacuum)
        end(), watcher.join()
    """,
    "for a statement": """
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        watcher = press_ctrl_c_when(lambda: notes.activity()["readers"]["busy"] == 1)
        answer = interrupted(lambda: notes.scalar(endless))
        watcher.join()
    """,
    "for a statement that writes": """
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        endless = f"{numbers} INSERT INTO notes SELECT 'never' FROM n"
        watcher = press_ctrl_c_when(lambda: notes.activity()["writer"]["holder"] is not None)
        answer = interrupted(lambda: notes.execute(endless))
        watcher.join()
    """,
    "in a write session": """
        def work():
            with notes.write() as w:
                w.execute("INSERT INTO notes VALUES ('never')")
                os.kill(os.getpid(), signal.SIGINT)
                threading.Event().wait(60)
        answer = interrupted(work)
    """,
    "in exclusive()": """
        def work():
            with notes.exclusive():
                os.kill(os.getpid(), signal.SIGINT)
                threading.Event().wait(60)
        answer = interrupted(work)
    """,
    "for another process's lock": """
        from pathlib import Path
        from multidb.locks import process_lock
        path = Path(args[0]) / ".multidb" / "notes.lock"
        def hold():
            with process_lock(path, 0, concern="notes"):
                inside.set()
                let_go.wait()
        inside, let_go = threading.Event(), threading.Event()
        holder = threading.Thread(target=hold)
        holder.start()
        inside.wait()
        def work():
            with process_lock(path, 3600, concern="notes"):
                raise AssertionError
        started = threading.Event()
        watcher = press_ctrl_c_when(started.is_set)
        started.set()
        answer = interrupted(work)
        let_go.set()
        holder.join()
        watcher.join()
        with process_lock(path, 0, concern="notes"):
            pass
    """,
}


@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c_ends_the_wait_and_leaves_nothing_taken(root: Path, wait: str) -> None:
    """Afterwards everything can be written, read and drained."""
    assert "interrupted" == run_child(indented(BEGIN, WAITS[wait], GOES_ON), str(root))


def test_ctrl_c_while_another_process_writes(root: Path) -> None:
    """SQLite's own waiting is cut into slices, between which signals are looked at."""
    hold = """
        import apsw
        barrier("ready")
        owner = apsw.Connection(args[0])
        owner.execute("BEGIN IMMEDIATE")
        barrier("held")
        owner.execute("ROLLBACK")
        owner.close()
    """
    wait = """
        barrier("made")
        watcher = press_ctrl_c_when(lambda: notes.activity()["writer"]["holder"] is not None)
        answer = interrupted(lambda: notes.execute("INSERT INTO notes VALUES ('never')"))
        watcher.join()
        barrier("interrupted")
    """
    with (
        Child(hold, str(root / "notes.sqlite")) as holder,
        Child(indented(BEGIN, wait, GOES_ON), str(root)) as waiting,
    ):
        waiting.wait_for("made")
        holder.wait_for("ready")
        holder.release()
        holder.wait_for("held")
        waiting.release()
        waiting.wait_for("interrupted")
        holder.release()
        holder.result()
        waiting.release()

        assert "interrupted" == waiting.result()
