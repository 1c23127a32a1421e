"""A child does what its parent says, tells what it knows, and never outlives its test."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

import apsw
import pytest

from tests.faults import Child, ChildFailed, barrier, number, run_child, run_children, say
from tests.faults.children import living

WAIT_FOR_EVER = "import signal; say('here'); signal.pause()"


def work_of_this_module(folder: Path, *, end: str = "!") -> str:
    """Says its argument, then waits at a barrier for the answer."""
    say(folder)
    return f"{barrier('middle')}{end}"


def test_a_function_and_its_parent_talk() -> None:
    """Values and paths go both ways as what they are."""
    with Child(work_of_this_module, Path("here")) as child:
        assert Path("here") == child.hear()
        child.wait_for("middle")
        child.release("go on")

        assert "go on!" == child.result()


def test_source_sees_its_arguments_and_answers() -> None:
    """A few lines in the test itself are enough."""
    assert 42 == run_child("result = args[0] * args[1]", 6, 7)


def test_a_dotted_name_is_work_too() -> None:
    """`module:function`, for what need not be imported here."""
    assert "b/c" == run_child("posixpath:join", "b", "c")


def test_work_that_a_child_cannot_import_is_refused() -> None:
    """A lambda or a nested function has no name to find it by."""
    with pytest.raises(TypeError, match="module-level"):
        Child(lambda: None)


def test_an_exception_in_the_child_reaches_the_parent_with_its_traceback_and_stderr() -> None:
    """What happened over there is in the failure here."""
    with pytest.raises(ChildFailed, match=r"(?s)KeyError: 'gone'.*a word to stderr"):
        run_child("import sys; print('a word to stderr', file=sys.stderr); {}['gone']")


def test_a_status_of_its_own_is_told_but_is_no_result() -> None:
    """The command line's exit statuses are looked at by `exit_status`."""
    with Child("raise SystemExit(13)") as child:
        assert 13 == child.exit_status()
        with pytest.raises(ChildFailed, match="status 13"):
            child.result()


def test_a_deadline_kills_and_shows_where_the_child_stood() -> None:
    """faulthandler writes the stack of a hanging child before it dies."""
    with (
        Child(WAIT_FOR_EVER) as child,
        pytest.raises(ChildFailed, match=r"(?s)waiting for the barrier never.*File "),
    ):
        child.hear()
        child.wait_for("never", timeout=0.05)
    assert is_gone(child.pid)


def test_a_kill_is_sudden() -> None:
    """No finally, no atexit; the status says SIGKILL."""
    source = "try:\n    barrier('inside')\nfinally:\n    say('cleaned up')"
    with Child(source) as child:
        child.wait_for("inside")
        child.kill()

        assert -signal.SIGKILL == child.exit_status()
        with pytest.raises(ChildFailed, match="ended before a value"):
            child.hear()


def test_a_stopped_child_keeps_its_lock_and_goes_on_later(tmp_path: Path) -> None:
    """Stop is how another process is slow at the worst moment."""
    path = tmp_path / "chat.sqlite"
    source = """
    import apsw
    db = apsw.Connection(args[0])
    db.execute("CREATE TABLE t(a)")
    db.execute("BEGIN IMMEDIATE")
    barrier("locked")
    db.execute("COMMIT")
    db.close()
    """
    with Child(source, str(path)) as child:
        child.wait_for("locked")
        child.stop()
        child.release()
        db = apsw.Connection(str(path))
        with pytest.raises(apsw.BusyError):
            db.execute("BEGIN IMMEDIATE")
        child.cont()
        child.result()

        db.execute("BEGIN IMMEDIATE")
        db.close()


def test_a_child_that_ends_does_not_stop() -> None:
    """Waiting for a stop that cannot come fails at once, not at the deadline."""
    with Child("result = 1") as child, pytest.raises(ChildFailed, match="instead of stopping"):
        child.wait_stopped()


def test_no_child_outlives_its_block() -> None:
    """Whatever the test body does, also when it raises, and its grandchildren with it."""
    source = """
    import os, signal
    pid = os.fork()
    if pid:
        say(pid)
    signal.pause()
    """
    with pytest.raises(KeyError), Child(source) as child:
        assert child in living
        grandchild = child.hear()
        raise KeyError

    assert child not in living
    assert is_gone(child.pid)
    assert is_gone(grandchild)


def test_the_end_is_seen_although_a_grandchild_holds_the_pipes() -> None:
    """A fork in the child inherits everything; the wait looks at the process too."""
    with Child("import os, signal\nif not os.fork():\n    signal.pause()\nresult = 'done'") as child:
        assert "done" == child.result(timeout=10)
        os.killpg(child.pid, signal.SIGKILL)


@pytest.mark.parametrize("end", ["pass", "raise KeyError"])
def test_a_fork_may_speak_but_does_not_answer(end: str) -> None:
    """What becomes of the child is told by the child alone."""
    source = f"""
    import os
    if pid := os.fork():
        os.waitpid(pid, 0)
        result = "child"
    else:
        say("fork")
        result = "fork"
        {end}
    """
    with Child(source) as child:
        assert "child" == child.result()
        assert "fork" == child.hear()


def test_waiting_for_the_end_of_a_child_at_a_barrier_fails_at_once() -> None:
    """Both would wait for ever; the message names the barrier."""
    with Child("barrier('closed')") as child, pytest.raises(ChildFailed, match="barrier closed"):
        child.result()


def test_a_child_whose_parent_died_leaves_without_going_on(tmp_path: Path) -> None:
    """A test run that was killed leaves nobody at a barrier, and nobody works unobserved."""
    went_on = tmp_path / "went on"
    source = """
    from tests.faults import Child
    with Child("say(None); barrier('orphaned'); args[0].touch()", args[0]) as grandchild:
        grandchild.hear()
        say(grandchild.pid)
        barrier("killed here")
    """
    with Child(source, went_on) as child:
        orphan = child.hear()
        child.wait_for("killed here")
        os.kill(child.pid, signal.SIGKILL)

        assert is_gone(orphan)
        assert not went_on.exists()


def test_children_leave_the_start_together_and_answer_in_order() -> None:
    """All have loaded before one begins; each knows its number."""
    assert [0, 1, 2, 3] == run_children(4, "result = number()")
    assert [(0, 5), (1, 5)] == run_children(2, number_and, 5)


def test_failures_of_several_children_come_as_one_group() -> None:
    """After all have ended, so that none is cut off by another's failure."""
    with pytest.raises(ExceptionGroup, match="2 of 3 children failed") as caught:
        run_children(3, "assert number() == 1")
    assert ["child 0", "child 2"] == [str(failure)[:7] for failure in caught.value.exceptions]


def test_stdout_is_the_childs_own() -> None:
    """Messages do not pass there, so a command line's output can be looked at."""
    with Child("print('data'); say('talk')") as child:
        child.result()

        assert "data\n" == child.stdout()


def test_a_failpoint_of_the_test_run_does_not_reach_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the test asks for is armed."""
    monkeypatch.setenv("MULTIDB_FAILPOINT", "write.before_commit")

    assert run_child("import os; result = 'MULTIDB_FAILPOINT' not in os.environ")


def number_and(value: int) -> tuple[int, int]:
    return number(), value


def is_gone(pid: int) -> bool:
    """Whether the process ends within ten seconds: of a grandchild, a kill does not wait for the end."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 10)[0])
    finally:
        os.close(handle)
