"""A program ends without closing: nothing hangs, what was committed is there, no -wal is lost."""

from __future__ import annotations

import signal
import textwrap
from pathlib import Path

import apsw
import pytest

import multidb
from multidb import Concern
from tests.faults import Child, folder_fingerprint, run_child

NOTES = Concern("notes", migrations=None)

BEGIN = """
    import multidb, sys, os, threading
    from multidb import Concern
    dbs = multidb.open(args[0], concerns=[Concern("notes", migrations=None), Concern("other", migrations=None)])
    notes = dbs["notes"]
    notes.execute("CREATE TABLE notes (text TEXT NOT NULL) STRICT")
    notes.execute("INSERT INTO notes VALUES ('committed')")
    dbs["other"].execute("CREATE TABLE other (text TEXT NOT NULL) STRICT")
"""

ENDINGS = {
    "at the end of the program": "",
    "by sys.exit": "sys.exit()",
    "by an exception that nobody caught": "raise SystemExit('unhandled')",
    "inside a write": """
        with notes.write() as w:
            w.execute("INSERT INTO notes VALUES ('half')")
            sys.exit()
    """,
    "inside a read": """
        with notes.read() as r:
            r.many("SELECT * FROM notes")
            sys.exit()
    """,
    "with a write begun and never ended": """
        left_open = notes.write()
        left_open.__enter__().execute("INSERT INTO notes VALUES ('half')")
    """,
    "with a half-read stream": """
        stream = notes.iterate("SELECT text FROM notes", chunk=1)
        next(stream)
    """,
    "inside exclusive()": """
        left_open = notes.exclusive()
        left_open.__enter__().execute("INSERT INTO notes VALUES ('also committed')")
    """,
    "with the desk dropped": "del dbs, notes",
    "with the desk in a circle": "dbs.itself = dbs",
}


def indented(*parts: str) -> str:
    """The parts as one program."""
    return "\n".join(textwrap.dedent(part).strip() for part in parts)


def rows_of(root: Path) -> list[str]:
    with multidb.open(root, concerns=[NOTES]) as dbs:
        assert "ok" == dbs["notes"].scalar("PRAGMA integrity_check")
        return [text for (text,) in dbs["notes"].many("SELECT text FROM notes")]


def side_files(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.name.endswith(("-wal", "-shm")))


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_end_without_close_tidies_up(root: Path, ending: str) -> None:
    """Every connection is closed in order on the way out; a transaction that was open is rolled back whole."""
    with Child(indented(BEGIN, ENDINGS[ending]), root) as child:
        child.exit_status()
        said = child.stderr()

    assert "Traceback" not in said
    assert [] == side_files(root)
    expected = ["committed", "also committed"] if "exclusive" in ending else ["committed"]
    assert expected == rows_of(root)


def test_an_unhandled_exception_does_the_same(root: Path) -> None:
    """In a program of its own, since the harness would catch it."""
    program = "import subprocess, sys; done = subprocess.run([sys.executable, '-c', args[1], args[0]])\n"
    body = indented("import sys; args = sys.argv[1:]", BEGIN, "raise ValueError('nobody catches this')")

    run_child(program, str(root), body)

    assert [] == side_files(root)
    assert ["committed"] == rows_of(root)


def test_a_daemon_thread_in_a_transaction_is_waited_for(root: Path) -> None:
    """Work that was accepted is finished when it ends in time."""
    daemon = """
        inside, main_is_done = threading.Event(), threading.Event()
        def work():
            with notes.write() as w:
                inside.set()
                main_is_done.wait()
                w.execute("INSERT INTO notes VALUES ('finished')")
        threading.Thread(target=work, daemon=True).start()
        inside.wait()
        import atexit
        atexit.register(main_is_done.set)
    """
    with Child(indented(BEGIN, daemon), root) as child:
        assert 0 == child.exit_status()

    assert [] == side_files(root)
    assert ["committed", "finished"] == rows_of(root)


def test_a_daemon_thread_that_never_ends_is_cut_off(root: Path) -> None:
    """The process ends all the same; the thread's transaction is rolled back, the databases are closed."""
    daemon = """
        from multidb import lifecycle, manager
        manager._EXIT_S = lifecycle._GRACE = 0.01
        inside = threading.Event()
        def work():
            with notes.write() as w:
                w.execute("INSERT INTO notes VALUES ('half')")
                inside.set()
                threading.Event().wait()
        threading.Thread(target=work, daemon=True).start()
        inside.wait()
    """
    with Child(indented(BEGIN, daemon), root) as child:
        assert 0 == child.exit_status()

    assert [] == side_files(root)
    assert ["committed"] == rows_of(root)


def test_other_threads_at_work_are_finished_first(root: Path) -> None:
    """The interpreter joins threads before it closes what they use: every write that returned is there."""
    busy = """
        started = threading.Barrier(3)
        def work():
            started.wait()
            for _ in range(50):
                notes.execute("INSERT INTO notes VALUES ('from a thread')")
        for _ in range(2):
            threading.Thread(target=work).start()
        started.wait()
    """
    with Child(indented(BEGIN, busy), root) as child:
        assert 0 == child.exit_status()

    assert 101 == len(rows_of(root))


@pytest.mark.parametrize("ending", ["os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_an_end_without_a_farewell_loses_nothing_committed(root: Path, ending: str) -> None:
    """The -wal stays behind with the rows in it, and the next opening has them."""
    half = """
        left_open = notes.write()
        left_open.__enter__().execute("INSERT INTO notes VALUES ('half')")
    """
    with Child(indented(BEGIN, half, ending), root) as child:
        assert child.exit_status() in (0, -signal.SIGKILL)

    assert "notes.sqlite-wal" in side_files(root)
    assert ["committed"] == rows_of(root)
    assert [] == [name for name in side_files(root) if name.startswith("notes")]


def test_a_killed_owners_root_can_be_looked_at_without_a_trace(root: Path) -> None:
    """read_only sees what was committed last, and changes no byte of what the crash left."""
    with Child(indented(BEGIN, "os.kill(os.getpid(), 9)"), root) as child:
        child.exit_status()
    before = folder_fingerprint(root)

    with multidb.open(root, concerns=[NOTES], read_only=True) as dbs:
        rows = dbs["notes"].many("SELECT text FROM notes")
        dbs.status(), dbs.stats()

    assert [("committed",)] == rows
    assert before == folder_fingerprint(root)


def test_a_live_owners_root_can_be_looked_at_without_a_trace(root: Path) -> None:
    """The newest committed state, while another process has everything open and goes on writing."""
    live = """
        barrier("ready")
        notes.execute("INSERT INTO notes VALUES ('later')")
        barrier("wrote")
        dbs.close()
    """
    with Child(indented(BEGIN, live), root) as child:
        child.wait_for("ready")
        before = folder_fingerprint(root)
        with multidb.open(root, concerns=[NOTES], read_only=True) as dbs:
            first = dbs["notes"].many("SELECT text FROM notes")
            assert before == folder_fingerprint(root)
            child.release()
            child.wait_for("wrote")
            after_write = folder_fingerprint(root)
            second = dbs["notes"].many("SELECT text FROM notes")
            assert after_write == folder_fingerprint(root)
            child.release()
            child.exit_status()
            closed = folder_fingerprint(root)
            third = dbs["notes"].many("SELECT text FROM notes")
        assert closed == folder_fingerprint(root)

    assert [("committed",)] == first
    assert [("committed",), ("later",)] == second == third


def test_the_desk_may_be_dropped_and_the_root_opened_again(root: Path) -> None:
    """A desk that nobody has any more is closed for its owner, who is told by an event."""
    dbs = multidb.open(root, concerns=[NOTES])
    dbs["notes"].execute("CREATE TABLE notes (text TEXT NOT NULL) STRICT")
    del dbs

    assert [] == [connection for connection in apsw.connections() if connection.filename.startswith(str(root))]
    with multidb.open(root, concerns=[NOTES]) as again:
        assert [] == again["notes"].many("SELECT * FROM notes")
