"""Markers: what is one, what is ordinary text, and what is refused because it was meant to be one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multidb.errors import MigrationFileError
from multidb.schema.script import Script
from tests.schema.notes import script

A, B = "CREATE TABLE a (x);", "DROP TABLE a;"


def steps(found: Script) -> tuple[list[str], list[str] | None]:
    down = None if found.down is None else [step.text for step in found.down.steps]
    return [step.text for step in found.up.steps], down


def refusal(text: str) -> MigrationFileError:
    with pytest.raises(MigrationFileError) as caught:
        script(text)
    return caught.value


@pytest.mark.parametrize(
    ("up", "down"),
    [
        ("-- Up", "-- Down"),
        ("--up", "--DOWN"),
        ("  -- Up  ", "\t--\tDown\t"),
        ("-- Up:", "-- down:"),
        ("-- Up transaction:true", "-- Down foreign_keys:immediate allow:row-loss"),
        ("-- UP: TRANSACTION:true", "-- Down"),
    ],
)
def test_a_marker_is_a_line_of_its_own(up: str, down: str) -> None:
    """Case, a colon, space around and options are all allowed."""
    assert ([A], [B]) == steps(script(f"\n{up}\n{A}\n\n{down}\n{B}\n"))


def test_a_file_without_a_marker_is_all_up() -> None:
    """Seed 002's files without markers are run whole, and cannot be undone."""
    assert ([A, "INSERT INTO a VALUES (1);"], None) == steps(
        script(f"-- why\n{A}\n/* -- Down */ INSERT INTO a VALUES (1);")
    )


@pytest.mark.parametrize(
    "text",
    [
        "-- Downstream consumers read this",
        "-- Downloaded/analyzed files",
        "-- Up to here nothing is new",
        "---- Down",
        "-- wake--up",
        "-- it scales\n-- down, and\n-- up to 3 times",
        "/* a comment\n-- Down\n*/",
        "/*\n-- Up\n-- migrate:down\n*/",
        "SELECT '\n-- Down\n';",
        "SELECT 'see --down below';",
        "SELECT 1 AS [\n-- Down\n];",
        'SELECT 1 AS "\n-- Up\n";',
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  SELECT 1;\n-- Down\n  SELECT 2;\nEND;",
        "CREATE TABLE b (\n  file_paths, -- Downloaded/analyzed files\n  n -- down\n);",
        "SELECT 1; -- Downstream",
    ],
)
def test_ordinary_text_stays_what_it_is(text: str) -> None:
    """Seed 002's pattern cut files in half at such lines, or ran the Down along with the Up."""
    found = script(f"-- Up\n{A}\n{text}\nINSERT INTO a VALUES (1);\n-- Down\n{B}\n")

    assert "INSERT INTO a VALUES (1);" == found.up.steps[-1].text
    assert [B] == [step.text for step in found.down.steps] if found.down else False


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"-- Up (initial)\n{A}\n-- Down (initial)\n{B}", 1),
        (f"{A}\n--Down!\n{B}", 2),
        (f"{A}\n-- Down:drop it\n{B}", 2),
        (f"-- Up - first\n{A}", 1),
        (f"-- Up transaction: false\n{A}", 1),
        (f"-- up: transaction=false\n{A}", 1),
        (f"{A}\n-- Down drops everything\n{B}", 2),
        (f"-- Up\n{A}\n-- Down (drops everything)\n{B}", 3),
        (f"-- Up\n{A}\n-- Down drops everything\n{B}", 3),
        (f"-- Up\n{A} -- Down\n{B}", 2),
        (f"-- Up\n{A}\n-- Down foreign_keys: immediate\n{B}", 3),
    ],
)
def test_what_was_meant_as_a_marker_is_refused(text: str, line: int) -> None:
    """Taken for a comment it would run Down with Up, and note the migration as applied with nothing left."""
    error = refusal(text)

    assert ("this line looks like a marker and is none", line) == (error.message.split(": ", 1)[1], error.line)


@pytest.mark.parametrize("line", ["-- Up (see above)", "-- Down!", "-- Down to here", "-- up: to date"])
def test_beside_real_markers_a_near_miss_is_a_comment(line: str) -> None:
    """Where both sections are known nothing can be confused; a lint may speak of it."""
    assert ([A], [B, "SELECT 1;"]) == steps(script(f"-- Up\n{line}\n{A}\n-- Down\n{B}\n{line}\nSELECT 1;"))


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        (f"SELECT 1;\n-- Up\n{A}", "SQL stands before the first marker", 1, 1),
        (f"-- hello\n  SELECT 1;\n-- Up\n{A}", "SQL stands before the first marker", 2, 3),
        (f"-- Down\n{B}", "Down stands before Up", 1, 1),
        (f"-- Down\n{B}\n-- Up\n{A}", "Down stands before Up", 1, 1),
        (f"-- Up\n{A}\n-- Up\n{A}", "a second Up marker", 3, 1),
        (f"-- Up\n{A}\n-- Down\n{B}\n-- Down\n{B}", "a second Down marker", 5, 1),
        (f"-- Up\n{A}\n-- Down\n{B}\n-- Up\nSELECT 1;", "a second Up marker", 5, 1),
        (f"-- Up\nSELECT 1;\n\n SELECT 2\n-- Down\n{B}", "the statement before this marker has no semicolon", 4, 2),
        ("-- Up\nSELECT 'a\n;\n-- Down\nSELECT 1;", "this ' is never closed", 2, 8),
        ("-- Up\nSELECT 1; /* and\n-- Down\nSELECT 1;", "this comment is never closed", 2, 11),
        ("-- Up\nSELECT [a;", "this [ is never closed", 2, 8),
        (f"-- Up\nCREATE TRIGGER t AFTER INSERT ON a BEGIN\n{A}\n-- Down\n{B}", "this trigger is never closed", 2, 1),
        ("-- Up\n-- nothing\n;;\n-- Down\nSELECT 1;", "the Up section holds no statement", 1, 1),
        ("", "the Up section holds no statement", 1, 1),
        ("-- migrate:up\nSELECT 1;\n-- migrate:down\n", "this is a file for dbmate", 1, 1),
        ("-- +goose Up\nSELECT 1;", "this is a file for goose", 1, 1),
        ("\n-- +goose StatementBegin\nSELECT 1;", "this is a file for goose", 2, 1),
        ("-- +migrate Up\nSELECT 1;", "this is a file for sql-migrate", 1, 1),
    ],
)  # fmt: skip
def test_a_file_of_another_form_is_refused_with_its_place(text: str, message: str, line: int, column: int) -> None:
    """The line and column are those of what is wrong, so that an editor can go there."""
    error = refusal(text)

    assert (f"001_initial.sql:{line}:{column}: {message}", line, column) == (error.message, error.line, error.column)


def test_the_steps_know_their_places() -> None:
    """Line and column of a statement are those of its first letter in the file, not of the comment before."""
    found = script("-- Up\n-- c\n  SELECT 1; /* x */ SELECT\n 2\n;\n\n-- Down\nSELECT 3")

    assert [(3, 3), (3, 21)] == [(step.line, step.column) for step in found.up.steps]
    assert found.down is not None
    assert [(8, 1)] == [(step.line, step.column) for step in found.down.steps]


PARTS = st.lists(
    st.sampled_from(
        ["SELECT 1;", "SELECT ';';", "-- a comment", "/* -- Down */", "SELECT '\n-- Down\n';", "", "  ",
         "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n-- Down\nSELECT 1;\nEND;"]
    ),
    max_size=5,
)  # fmt: skip


@given(
    PARTS,
    PARTS,
    st.sampled_from(["-- Up", "--up:", " -- UP transaction:true "]),
    st.sampled_from(["-- Down", "--down:"]),
)
def test_a_printed_script_is_parsed_to_its_parts(up: list[str], down: list[str], first: str, second: str) -> None:
    """What stands between the markers, and nothing else, is the section."""
    up = ["SELECT 0;", *up]
    found = script("\n".join([first, *up, second, *down]))

    def sql(parts: list[str]) -> list[str]:
        return [part for part in parts if part.strip() and not part.startswith(("--", "/*"))]

    assert sql(up) == [step.text for step in found.up.steps]
    assert (sql(down) or None) == steps(found)[1]
