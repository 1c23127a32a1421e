"""A process forks with databases open: the parent's data is safe whatever the child does."""

from __future__ import annotations

from pathlib import Path

import pytest

import multidb
from multidb import Concern
from tests.faults import run_child
from tests.stories.test_exit import indented, rows_of, side_files

NOTES = Concern("notes", migrations=None)

PARENT = """
    import multidb, sys, os, gc, threading, traceback
    from multidb import Concern, ForkedError
    NOTES = Concern("notes", migrations=None)
    root = args[0]
    dbs = multidb.open(root, concerns=[NOTES])
    notes = dbs["notes"]
    notes.execute("CREATE TABLE notes (text TEXT NOT NULL) STRICT")
    notes.execute("INSERT INTO notes VALUES ('before')")
    notes.many("SELECT * FROM notes")

    def in_child(work):
        # Forks; the child's verdict comes back as its exit status, and its words on stderr.
        pid = os.fork()
        if pid == 0:
            try:
                work()
            except SystemExit:
                raise
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def refused(use):
        try:
            use()
        except ForkedError as error:
            assert error.hint and error.concern == "notes", error
        else:
            raise AssertionError("not refused")
"""

PARENT_GOES_ON = """
    notes.execute("INSERT INTO notes VALUES ('after')")
    assert notes.many("SELECT text FROM notes") == [("before",), ("after",)]
    dbs.close()
    result = "the parent is well"
"""

CHILDREN = {
    "exits as a program does": """
        def work():
            sys.exit()
        in_child(work)
    """,
    "uses every verb": """
        def work():
            refused(lambda: notes.many("SELECT 1"))
            refused(lambda: notes.execute("INSERT INTO notes VALUES ('child')"))
            refused(lambda: notes.read().__enter__())
            refused(lambda: notes.write().__enter__())
            refused(lambda: notes.exclusive().__enter__())
            refused(lambda: notes.iterate("SELECT 1"))
            refused(lambda: notes.reopen())
            refused(lambda: notes.open())
            refused(lambda: notes.checkpoint())
            refused(lambda: notes.tuning_in_force())
            assert dbs.status()["notes"].state == "closed"
            dbs.stats()
        in_child(work)
    """,
    "closes everything": """
        def work():
            notes.interrupt()
            notes.close()
            dbs.close()
            sys.exit()
        in_child(work)
    """,
    "drops everything and collects the garbage": """
        def work():
            global dbs, notes
            del dbs, notes
            gc.collect()
            sys.exit()
        in_child(work)
    """,
    "opens the same files again": """
        def work():
            refused(lambda: multidb.open(root, concerns=[NOTES]))
            dbs.close()
            refused(lambda: multidb.open(root, concerns=[NOTES]))
            with multidb.open(root, concerns=[Concern("other", migrations=None)]) as others:
                others["other"].execute("CREATE TABLE t (x)")
            sys.exit()
        in_child(work)
    """,
    "opens another root": """
        def work():
            with multidb.open(root + "-of-the-child", concerns=[NOTES]) as own:
                own["notes"].execute("CREATE TABLE notes (text TEXT)")
                own["notes"].execute("INSERT INTO notes VALUES ('child')")
                assert own["notes"].many("SELECT * FROM notes") == [("child",)]
            sys.exit()
        in_child(work)
    """,
    "was forked inside a write and leaves its block": """
        def work():
            pass
        try:
            with notes.write() as w:
                w.execute("INSERT INTO notes VALUES ('undone')")
                pid = os.fork()
                if pid:
                    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    raise KeyError("undo it")
        except ForkedError:
            os._exit(0 if pid == 0 else 1)
        except KeyError:
            pass
        else:
            os._exit(1)
    """,
    "was forked inside a write and goes on writing": """
        try:
            with notes.write() as w:
                w.execute("INSERT INTO notes VALUES ('undone')")
                pid = os.fork()
                if pid:
                    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    raise KeyError("undo it")
                refused(lambda: w.execute("INSERT INTO notes VALUES ('undone')"))
                refused(lambda: w.execute("INSERT INTO notes VALUES ('child')"))
                refused(lambda: w.savepoint().__enter__())
                refused(lambda: w.many("SELECT * FROM notes"))
                sys.exit()
        except KeyError:
            pass
    """,
    "was forked inside exclusive() and leaves its block": """
        with notes.exclusive() as session:
            pid = os.fork()
        if pid == 0:
            refused(lambda: notes.many("SELECT 1"))
            sys.exit()
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    """,
    "was forked with a half-read stream and a snapshot": """
        stream = notes.iterate("SELECT text FROM notes", chunk=1)
        next(stream)
        with notes.read() as session:
            session.many("SELECT text FROM notes")
            pid = os.fork()
            if pid == 0:
                refused(lambda: session.many("SELECT text FROM notes"))
        if pid == 0:
            stream.close()
            del stream
            sys.exit()
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        stream.close()
    """,
    "was forked while other threads held locks": """
        held, go = threading.Event(), threading.Event()
        def hold():
            with notes._gate.readers._lock, notes._gate.lease._lock, notes._lock:
                held.set()
                go.wait()
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        def work():
            refused(lambda: notes.many("SELECT 1"))
            refused(lambda: notes.execute("DELETE FROM notes"))
            dbs.close()
            sys.exit()
        pid = os.fork()
        if pid == 0:
            work()
        go.set()
        thread.join()
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    """,
    "is a worker of multiprocessing": """
        import multiprocessing
        def work():
            refused(lambda: notes.many("SELECT 1"))
            refused(lambda: multidb.open(root, concerns=[NOTES]))
        worker = multiprocessing.get_context("fork").Process(target=work)
        worker.start()
        worker.join()
        assert worker.exitcode == 0
    """,
    "forks a child of its own": """
        def work():
            in_child(lambda: refused(lambda: notes.many("SELECT 1")))
            in_child(lambda: refused(lambda: multidb.open(root, concerns=[NOTES])))
        in_child(work)
    """,
}


@pytest.mark.parametrize("child", CHILDREN)
def test_the_parent_is_safe_whatever_its_child_does(root: Path, child: str) -> None:
    """The child is refused by ForkedError; the parent's rows, locks and -wal are what they were."""
    answer = run_child(indented(PARENT, CHILDREN[child], PARENT_GOES_ON), str(root))

    assert "the parent is well" == answer
    assert [] == side_files(root)
    assert ["before", "after"] == rows_of(root)


def test_a_parent_that_dies_first_loses_nothing(root: Path) -> None:
    """The child lives on with the inherited handles, and its end does not delete the -wal."""
    orphan = """
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(writing)
            os.read(reading, 1)  # returns when the parent is gone
            say("the parent is gone")
            sys.exit()
        os.kill(os.getpid(), 9)
    """
    from tests.faults import Child

    with Child(indented(PARENT, orphan), str(root)) as child:
        child.exit_status()

    assert ["before"] == rows_of(root)


def test_a_file_that_was_closed_before_the_fork_is_free(root: Path) -> None:
    """Only what was open at the moment of the fork is void in the child."""
    program = """
        dbs.close()
        def work():
            with multidb.open(root, concerns=[NOTES]) as again:
                again["notes"].execute("INSERT INTO notes VALUES ('child')")
            sys.exit()
        in_child(work)
    """
    run_child(indented(PARENT, program), str(root))

    assert ["before", "child"] == rows_of(root)


def test_a_lock_between_processes_is_the_parents_alone(tmp_path: Path) -> None:
    """A child that lives on does not keep the migration lock of a parent that has let it go."""
    program = """
        import os
        from pathlib import Path
        from multidb.locks import process_lock
        path = Path(args[0])
        reading, writing = os.pipe()
        with process_lock(path, 1, concern="notes"):
            pid = os.fork()
            if pid == 0:
                os.close(writing)
                os.read(reading, 1)  # lives until the parent says so
                os._exit(0)
        with process_lock(path, 0, concern="notes"):
            result = "free again"
        os.close(writing)
        os.waitpid(pid, 0)
    """

    assert "free again" == run_child(program, str(tmp_path / "notes.lock"))


def test_spawned_workers_are_not_forked(root: Path) -> None:
    """A fresh interpreter may open the same root beside its parent."""
    with multidb.open(root, concerns=[NOTES]) as dbs:
        dbs["notes"].execute("CREATE TABLE notes (text TEXT NOT NULL) STRICT")
        run_child(
            """
            import multidb
            from multidb import Concern
            with multidb.open(args[0], concerns=[Concern("notes", migrations=None)]) as dbs:
                dbs["notes"].execute("INSERT INTO notes VALUES ('spawned')")
            """,
            str(root),
        )

        assert [("spawned",)] == dbs["notes"].many("SELECT text FROM notes")
