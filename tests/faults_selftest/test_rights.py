"""Rights: root that obeys modes, in one thread; and nobody, in a whole process."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.faults import NOBODY, modes_obeyed, run_child


def test_modes_are_obeyed_inside_and_by_new_threads(tmp_path: Path) -> None:
    """As any user would, whoever runs the tests."""
    secret = tmp_path / "secret"
    secret.touch()
    secret.chmod(0)
    refused: list[bool] = []

    def look() -> None:
        try:
            secret.read_bytes()
            refused.append(False)
        except PermissionError:
            refused.append(True)

    with modes_obeyed():
        look()
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    assert [True, True] == refused
    secret.chmod(0o600)
    assert b"" == secret.read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: nobody else ignores modes")
def test_rights_come_back_when_the_block_raises(tmp_path: Path) -> None:
    """The next test is root again."""
    secret = tmp_path / "secret"
    secret.touch()
    secret.chmod(0)
    with pytest.raises(KeyError), modes_obeyed():
        raise KeyError

    assert b"" == secret.read_bytes()


def test_a_child_runs_as_nobody(public_folder: Path) -> None:
    """Another uid: its files are its own, and ours that are private stay closed."""
    (public_folder / "secret").touch(0o600)
    source = """
    import os
    os.close(os.open(f"{args[0]}/its own", os.O_CREAT))
    try:
        os.open(f"{args[0]}/secret", os.O_RDONLY)
    except PermissionError:
        result = os.getuid()
    """
    assert NOBODY == run_child(source, public_folder, as_nobody=True)
    assert NOBODY == (public_folder / "its own").stat().st_uid
