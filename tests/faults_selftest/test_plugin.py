"""The autouse check catches what it promises to catch, and nothing else."""

from __future__ import annotations

import pytest

from tests.faults import leaks

pytest_plugins = ["pytester"]

CAUGHT = {
    "a connection is open on": """
        import apsw
        kept = []
        def test_it(tmp_path):
            kept.append(apsw.Connection(str(tmp_path / "chat.sqlite")))
        """,
    "the thread slow runs": """
        import threading
        def test_it():
            threading.Thread(target=threading.Event().wait, args=(1,), name="slow", daemon=True).start()
        """,
    "the child [0-9]+ lived": """
        from tests.faults import Child
        def test_it():
            Child("import signal; signal.pause()").__enter__()
        """,
    "open of .*chat.sqlite, which a connection of this process has open": """
        import apsw
        def test_it(tmp_path):
            db = apsw.Connection(str(tmp_path / "chat.sqlite"))
            db.execute("CREATE TABLE t(a)")
            try:
                (tmp_path / "chat.sqlite").read_bytes()
            except Exception:
                pass
            db.close()
        """,
}
"""What the check says of a test, and that test; it passes but for the check."""


@pytest.mark.parametrize("message", CAUGHT)
def test_what_a_test_leaves_behind_fails_it(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    """By name, at its teardown; the next test starts clean."""
    monkeypatch.setattr(leaks, "JOIN_S", 0.05)
    pytester.makepyfile(f"{CAUGHT[message].rstrip()}\n        def test_next(): pass\n")
    outcome = pytester.runpytest_inprocess("-p", "tests.faults.plugin")

    outcome.assert_outcomes(passed=2, errors=1)
    outcome.stdout.re_match_lines([f".*left behind by this test: {message}.*"])


CLEAN = """
    import apsw, pytest, threading

    @pytest.fixture(scope="module")
    def shared(tmp_path_factory):
        db = apsw.Connection(str(tmp_path_factory.mktemp("root") / "shared.sqlite"))
        yield db
        db.close()

    @pytest.fixture
    def own(tmp_path):
        db = apsw.Connection(str(tmp_path / "own.sqlite"))
        yield db
        db.close()

    def test_fixtures_close_after_the_test(shared, own):
        assert own.execute("SELECT 1").get == 1

    def test_a_circle_of_garbage_is_no_leak(tmp_path):
        circle = [apsw.Connection(str(tmp_path / "a.sqlite"))]
        circle.append(circle)

    def test_a_thread_on_its_way_out_is_no_leak():
        threading.Thread(target=threading.Event().wait, args=(0.05,)).start()
    """


def test_clean_tests_pass(pytester: pytest.Pytester) -> None:
    """Fixtures of any scope may hold a connection; garbage and ending threads are waited for."""
    pytester.makepyfile(CLEAN)
    outcome = pytester.runpytest_inprocess("-p", "tests.faults.plugin")

    outcome.assert_outcomes(passed=3)


def test_a_failing_test_fails_once(pytester: pytest.Pytester) -> None:
    """Its traceback holds the connection: that is no second fault, and the next test is clean."""
    pytester.makepyfile(
        """
        import apsw
        def test_it(tmp_path):
            db = apsw.Connection(str(tmp_path / "chat.sqlite"))
            assert db is None
        def test_next():
            assert not apsw.connections()
        """
    )
    outcome = pytester.runpytest_inprocess("-p", "tests.faults.plugin")

    outcome.assert_outcomes(failed=1, passed=1)
