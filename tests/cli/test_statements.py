"""Cutting lines into statements where SQLite would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multidb.cli.statements import Statements

PARTS = [
    "SELECT 1;",
    "SELECT 'a;b';",
    'SELECT "x;y" FROM t;',
    "SELECT 1 -- not; here\n;",
    "SELECT /* nor; here\n */ 2;",
    "SELECT\n  3\n;",
    "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  SELECT 1;\n  SELECT 2;\nEND;",
    "INSERT INTO t VALUES ('it''s; fine', \"q\");",
]


def cut(text: str) -> list[str]:
    """What a shell makes of the text, line by line."""
    statements = Statements()
    found = [statement for line in text.splitlines(keepends=True) for statement in statements.feed(line)]
    return found + statements.rest()


@given(st.lists(st.sampled_from(PARTS), max_size=6), st.sampled_from(["\n", " ", "", "\n\n"]))
def test_statements_come_out_as_they_went_in(parts: list[str], between: str) -> None:
    """However many stand on a line, and over however many lines one goes."""
    assert parts == cut(between.join(parts))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("\n  \n", []),
        (";;\n;\n", []),
        ("-- only words;\n", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1; SELECT 'open", ["SELECT 1;", "SELECT 'open"]),
        (".tables\nSELECT 1;\n.quit", [".tables", "SELECT 1;", ".quit"]),
        ("-- a word\n.tables\n", [".tables"]),
        ("SELECT\n.5;", ["SELECT\n.5;"]),
        ("SELECT 1; .tables\n", ["SELECT 1;", ".tables"]),
    ],
)
def test_the_edges(text: str, found: list[str]) -> None:
    """Nothing, half a statement, and commands, which begin with a dot where a statement could begin."""
    assert found == cut(text)


def test_it_knows_whether_a_statement_has_begun() -> None:
    """For the prompt."""
    statements = Statements()
    assert not statements.is_inside
    statements.feed("-- a word\n")
    assert not statements.is_inside
    statements.feed("SELECT\n")
    assert statements.is_inside
    assert ["-- a word\nSELECT\n1;"] == statements.feed("1;\n")
    assert not statements.is_inside
