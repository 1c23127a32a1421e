"""The help: it lists the verbs that there are, says what the exit statuses mean, and comes at once."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from multidb.cli.invocation import global_options
from multidb.cli.program import EXIT_STATUSES, VERBS, program
from multidb.cli.verb import Verbs
from tests.cli.conftest import PROGRAM, Run

CONTRACT = {
    "up": None,
    "status": None,
    "query": None,
    "shell": None,
    "config": None,
    "stats": None,
    "vacuum": None,
    "optimize": None,
    "checkpoint": None,
    "migrate": {"status", "plan", "up"},
}
"""The verbs of the contract that exist so far, and the verbs of a group."""


def every_verb() -> list[tuple[str, ...]]:
    """The words of each verb."""
    found: list[tuple[str, ...]] = []
    for name in VERBS:
        found.append((name,))
        verb = program.get_command(click.Context(program), name)
        if isinstance(verb, Verbs):
            found += [(name, inner) for inner in verb.commands]
    return found


def test_help_lists_the_verbs_of_the_contract_and_no_other(run: Run) -> None:
    """What stands in the help can be used, and what can be used stands there."""
    text = run("--help").out
    listed = re.findall(r"^  (\w+) {2,}\S", text.partition("Verbs:")[2].partition("Exit status:")[0], re.MULTILINE)

    assert list(CONTRACT) == listed
    groups = {name: {inner for outer, *rest in every_verb() if outer == name for inner in rest} for name in CONTRACT}
    assert {name: inner or set() for name, inner in CONTRACT.items()} == groups


def test_help_says_what_each_exit_status_means(run: Run) -> None:
    """The table of the contract is at hand where scripts are written."""
    text = run("--help").out

    assert {0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 30, 130, 143} == set(EXIT_STATUSES)
    for status, meaning in EXIT_STATUSES.items():
        assert re.search(rf"^ +{status}  {re.escape(meaning)}$", text, re.MULTILINE)


def test_help_names_every_global_option(run: Run) -> None:
    """--root, --config, --json, --quiet, --no-color, --log-level, --version and their environment."""
    text = run("--help").out

    for option in global_options(hidden=False):
        assert option.opts[0] in text
    for name in ("--version", "MULTIDB_ROOT", "MULTIDB_CONFIG", "MULTIDB_JSON", "MULTIDB_LOG_LEVEL", "NO_COLOR"):
        assert name in text


@pytest.mark.parametrize("words", every_verb(), ids=" ".join)
def test_each_verb_explains_itself_with_an_example(run: Run, words: tuple[str, ...]) -> None:
    """A verb's help says what it does in a sentence and shows a line to copy, which begins with the verb itself."""
    done = run(*words, "--help")

    assert (0, "") == (done.status, done.err)
    assert f"Usage: multidb {' '.join(words)} " in done.out
    assert re.search(r"^  [A-Z][^\n]+", done.out, re.MULTILINE)
    if words != ("migrate",):
        example = done.out.partition("Example:")[2]
        assert re.search(rf"multidb .*{' '.join(words)}", example)
    assert max(map(len, done.out.splitlines())) <= 100


@pytest.mark.parametrize("words", every_verb(), ids=" ".join)
def test_help_is_ascii(run: Run, words: tuple[str, ...]) -> None:
    """A terminal of any encoding shows it."""
    assert run(*words, "--help").out.isascii()
    assert run("--help").out.isascii()


def test_the_version_is_one_line(run: Run) -> None:
    """For bug reports and scripts."""
    assert re.fullmatch(r"multidb \d+\.\d+\.\d+\n", run("--version").out)


@pytest.mark.parametrize("arguments", [["--help"], ["query", "--help"], ["--version"]], ids=" ".join)
def test_help_does_not_wait_for_what_it_does_not_use(spawn: Run, arguments: list[str]) -> None:
    """rich, asyncio and structlog together would take longer than everything else."""
    assert {"rich", "asyncio", "structlog"}.isdisjoint(
        imported(spawn(*arguments, env={"PYTHONPROFILEIMPORTTIME": "1"}).err)
    )


def test_no_verb_that_prints_into_a_pipe_imports_rich(spawn: Run, tmp_path: Path) -> None:
    """Boxes are drawn for people; a quiet run has no use for structlog either."""
    done = spawn("--root", tmp_path / "db", "status", env={"PYTHONPROFILEIMPORTTIME": "1"})

    assert "chat" in done.out
    assert {"rich", "asyncio", "structlog"}.isdisjoint(imported(done.err))


def test_help_of_the_program_imports_no_verb(spawn: Run) -> None:
    """A verb's module, and the desk behind it, are imported when the verb is used."""
    err = spawn("--help", env={"PYTHONPROFILEIMPORTTIME": "1"}).err
    modules = {f"multidb.cli.{module}" for module, _ in VERBS.values()}

    assert "multidb.cli.program" in err
    assert [] == [module for module in (*modules, "multidb.manager", "apsw") if module in err]


def imported(importtime: str) -> set[str]:
    """The packages in the output of -X importtime."""
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in importtime.splitlines() if "|" in line}


def test_the_program_is_called_multidb_however_it_is_started(spawn: Run) -> None:
    """`python -m multidb` says the name that its reader will type."""
    assert "__main__" not in " ".join(PROGRAM)
    assert spawn("--help").out.startswith("Usage: multidb ")
