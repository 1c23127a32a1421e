"""`multidb.failpoints`: silent unless asked, exact when asked, and its catalogue is the source's."""

from __future__ import annotations

import errno
import signal
import timeit
from pathlib import Path

import pytest

import multidb
from multidb import failpoints
from tests.faults import Child, ChildFailed, armed
from tests.faults.points import reached_names

REACH_THRICE = """
from multidb.failpoints import reach
for turn in range(3):
    say(turn)
    reach("write.before_commit")
result = "alive"
"""


def test_an_unarmed_failpoint_does_nothing() -> None:
    """Production pays for the place, never for the fault."""
    with Child(REACH_THRICE) as child:
        assert "alive" == child.result()


def test_an_unarmed_failpoint_costs_less_than_a_microsecond() -> None:
    """About twenty nanoseconds over the call; the bound leaves room for a busy machine."""
    calls = 20_000
    seconds = min(timeit.repeat(lambda: failpoints.reach("write.before_commit"), number=calls, repeat=5))

    assert seconds / calls < 1e-6


@pytest.mark.parametrize(("order", "turns"), [("", 1), (":1=kill", 1), (":3", 3)])
def test_it_kills_the_process_the_nth_time(order: str, turns: int) -> None:
    """SIGKILL, so no handler, no atexit and no SQLite clean-up runs."""
    with Child(REACH_THRICE, failpoint=f"write.before_commit{order}") as child:
        assert -signal.SIGKILL == child.exit_status()
        assert list(range(turns)) == [child.hear() for _ in range(turns)]
        with pytest.raises(ChildFailed, match="ended before a value"):
            child.hear()


def test_it_stops_the_process_until_somebody_continues_it() -> None:
    """A stopped process holds its locks: the test may look at what others see."""
    with Child(REACH_THRICE, failpoint="write.before_commit:2=stop") as child:
        child.wait_stopped()
        assert [0, 1] == [child.hear(), child.hear()]

        child.cont()

        assert "alive" == child.result()


def test_a_full_disk_is_raised_once_where_it_was_armed() -> None:
    """ENOSPC at the second time, nothing before and nothing after."""
    with armed("write.before_commit:2=full"):
        failpoints.reach("write.before_commit")
        with pytest.raises(OSError, match=r"write\.before_commit") as caught:
            failpoints.reach("write.before_commit")
        failpoints.reach("write.before_commit")

    assert errno.ENOSPC == caught.value.errno


def test_arming_ends_with_its_block() -> None:
    """The next test starts with none armed, also when this one raised."""
    with pytest.raises(KeyError), armed("write.before_commit=full"):
        raise KeyError
    failpoints.reach("write.before_commit")


@pytest.mark.parametrize(
    "order",
    ["write.befor_commit", "write.before_commit:0", "write.before_commit:x", "write.before_commit=boom",
     "write.before_commit:", "write.before_commit="],
)  # fmt: skip
def test_a_misspelt_order_is_an_error(order: str) -> None:
    """Otherwise it would be a test that breaks nothing and passes."""
    with pytest.raises(ValueError, match="expected name"):
        failpoints.arm(order)
    with (
        Child("import multidb.failpoints", failpoint=order) as child,
        pytest.raises(ChildFailed, match="expected"),
    ):
        child.result()


def test_this_process_refuses_to_be_killed_or_stopped() -> None:
    """The test run is no victim."""
    with pytest.raises(ValueError, match="Child"), armed("write.before_commit"):
        pass


def test_the_catalogue_is_what_the_source_reaches() -> None:
    """Each name stands in the catalogue, and each catalogued name is reached exactly where it says."""
    reached = reached_names(Path(multidb.__path__[0]))

    assert set(failpoints.FAILPOINTS) == set(reached)


def test_the_audit_of_the_source_sees_calls_of_either_form(tmp_path: Path) -> None:
    """`reach("x")`, `failpoints.reach("y")`, and a name that is not literal as the empty one."""
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "a.py").write_text('reach("a.one")\nfailpoints.reach("a.two")\nreach(name)\n')
    (tmp_path / "b.py").write_text('def f():\n    return reach("a.one")\n')

    assert {"a.one": ["b.py", "room/a.py"], "a.two": ["room/a.py"], "": ["room/a.py"]} == reached_names(tmp_path)
