"""The README is a program too: what it shows runs, and what it says it prints is printed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import folder_fingerprint

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DATA = ROOT.parent / "shared" / "data" / "beads"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def run(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "" == done.stderr
    assert 0 == done.returncode
    return done.stdout


def test_the_first_program_prints_what_the_readme_says(tmp_path: Path) -> None:
    """Whoever copies the twenty lines sees the three lines below them."""
    printed = run(blocks("python")[0], tmp_path)

    assert blocks("text")[0] == printed


@pytest.mark.parametrize(
    ("folder", "name", "prefix"),
    [("beads-0.27-all-in-wal", "beads.db", "vtprotobuf-"), (".", "beads-0.49.db", "openadapt-evals-")],
)
def test_the_foreign_program_reads_real_issues_without_a_trace(
    tmp_path: Path, folder: str, name: str, prefix: str
) -> None:
    """The owner's folder is the same to the byte afterwards, also when all rows stand in its -wal."""
    if not DATA.is_dir():
        pytest.skip("the real data files are not beside this checkout")
    owner = tmp_path / "project" / ".beads"
    owner.mkdir(parents=True)
    for source in (DATA / folder).glob(f"{name}*"):
        shutil.copyfile(source, owner / source.name.replace(name, "beads.db"))
    before = folder_fingerprint(owner)

    printed = run(blocks("python")[1], tmp_path)

    assert before == folder_fingerprint(owner)
    assert printed
    assert all(line.startswith(prefix) for line in printed.splitlines())


def test_the_foreign_commands_do_the_same(tmp_path: Path) -> None:
    """`multidb up` beside a foreign file is the main job; the query reads its issues."""
    if not DATA.is_dir():
        pytest.skip("the real data files are not beside this checkout")
    owner = tmp_path / "project" / ".beads"
    shutil.copytree(DATA / "beads-0.27-all-in-wal", owner, copy_function=shutil.copyfile)
    (tmp_path / "example-root").mkdir()
    (tmp_path / "example-root" / "multidb.toml").write_text(blocks("toml")[0])
    before = folder_fingerprint(owner)
    up, query = (line.removeprefix("$ multidb ") for line in blocks("console")[2].splitlines())
    as_module = "import shlex, sys; from multidb.cli import main; sys.argv[1:] = shlex.split({!r}); main()"

    try:
        run(as_module.format(up), tmp_path)
    finally:
        assert before == folder_fingerprint(owner)
    printed = run(as_module.format(query), tmp_path)

    assert "vtprotobuf-" in printed
    assert before == folder_fingerprint(owner)


def test_the_readme_names_both_ways_to_install_and_to_test() -> None:
    """One line that installs and runs the main job, one that installs and passes the tests, with pip and with uv."""
    commands = "".join(blocks("console"))

    assert "$ pip install . && multidb up\n" in commands
    assert "$ uv run multidb up\n" in commands
    assert "$ pip install '.[test]' && pytest\n" in commands
    assert "$ uv run --extra test pytest\n" in commands


def test_links_lead_somewhere() -> None:
    """No link of the README points at a file that is not there."""
    missing = [link for link in re.findall(r"\]\((?!http)([^)#]+)\)", README) if not (ROOT / link).exists()]

    assert [] == missing
