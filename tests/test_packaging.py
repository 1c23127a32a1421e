"""The built package: what a stranger installs, not what stands in the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import venv
from pathlib import Path

import pytest

import multidb

ROOT = Path(__file__).parent.parent
pytestmark = [pytest.mark.packaging, pytest.mark.xdist_group("packaging")]


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=kept | env, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


def checkout(folder: Path) -> Path:
    """A copy of the project as it is handed out, without what a developer's machine adds."""
    target = folder / "checkout"
    ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info", "dist")
    shutil.copytree(ROOT, target, ignore=ignored)
    return target


def environment(folder: Path) -> Path:
    """A fresh virtual environment; its bin folder."""
    target = folder / "venv"
    venv.create(target, with_pip=True)
    return target / "bin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a fresh virtual environment with the wheel, built there, and its dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    bin_folder = environment(folder)
    run(bin_folder / "pip", "wheel", "-q", "--no-deps", "-w", folder, ".", cwd=checkout(folder))
    run(bin_folder / "pip", "install", "-q", *folder.glob("*.whl"), cwd=folder)
    return bin_folder


def test_an_installed_wheel_does_the_main_job_from_another_folder(installed: Path, tmp_path: Path) -> None:
    """The migrations travel inside the wheel and are found from anywhere."""
    run(installed / "multidb", "--root", tmp_path / "db", "up", cwd=Path("/"))
    said = json.loads(run(installed / "multidb", "--json", "--root", tmp_path / "db", "status", cwd=Path("/")))

    managed = {name: entry for name, entry in said["databases"].items() if entry["schema_version"] is not None}
    assert {"chat", "code", "imagegen", "app", "coordination"} == set(managed)
    assert all(entry["schema_version"] >= 1 and entry["pending"] == 0 for entry in managed.values())


def test_both_command_names_and_the_module_answer(installed: Path, tmp_path: Path) -> None:
    """`multidb`, `multidb-sqlite` and `python -m multidb` are one program."""
    first = run(installed / "multidb", "--version", cwd=tmp_path)

    assert multidb.__version__ in first
    assert first == run(installed / "multidb-sqlite", "--version", cwd=tmp_path)
    assert multidb.__version__ in run(installed / "python", "-m", "multidb", "--version", cwd=tmp_path)


def test_the_wheel_is_typed_and_holds_the_licence_and_every_migration(installed: Path) -> None:
    """What a type checker, a lawyer and `up` look for is in the file."""
    folder = installed.parent.parent
    names = set(run(installed / "python", "-m", "zipfile", "-l", *folder.glob("*.whl"), cwd=folder).split())
    shipped = {
        f"multidb/migrations/{path.relative_to(ROOT / 'migrations')}" for path in ROOT.glob("migrations/*/*.sql")
    }

    assert shipped
    assert shipped <= names
    assert "multidb/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_an_editable_install_and_a_plain_checkout_find_the_migrations(tmp_path: Path) -> None:
    """In a checkout the folder stands beside the package, installed for development or not at all."""
    source = checkout(tmp_path)
    bin_folder = environment(tmp_path)
    find = "from multidb.schema.folder import shipped; print(sorted(p.name for p in shipped().iterdir()))"

    run(bin_folder / "pip", "install", "-q", "-e", source, cwd=tmp_path)
    editable = run(bin_folder / "python", "-c", find, cwd=Path("/"))
    run(bin_folder / "pip", "uninstall", "-q", "-y", "multidb-sqlite", cwd=tmp_path)
    plain = run(bin_folder / "python", "-c", find, cwd=tmp_path, PYTHONPATH=str(source))

    assert "chat" in editable
    assert editable == plain


def test_the_version_is_said_once() -> None:
    """The package and its metadata agree."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    assert f'version = "{multidb.__version__}"' in project
