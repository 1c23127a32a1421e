"""The pages in docs/schemas show the schemas as they are."""

from __future__ import annotations

import re

import pytest

from tests.schemas.pages import FOLDER, diagram, links, page, tables, text_indexes, views
from tests.schemas.purposes import CONCERN_PURPOSES, PURPOSES
from tests.schemas.rows import CONCERNS, migrated


@pytest.mark.parametrize("concern", CONCERNS)
def test_a_page_shows_the_schema_as_it_is(concern: str) -> None:
    """After a new migration: `python -m tests.schemas.pages`."""
    assert page(concern) == (FOLDER / f"{concern}.md").read_text(encoding="utf-8")


def test_there_is_one_page_for_each_schema() -> None:
    """None is left of a schema that is gone."""
    assert {f"{concern}.md" for concern in CONCERNS} == {path.name for path in FOLDER.glob("*.md")}
    assert set(CONCERNS) == set(CONCERN_PURPOSES) == set(PURPOSES)


@pytest.mark.parametrize("concern", CONCERNS)
def test_every_table_says_what_it_is_for(concern: str) -> None:
    """No purpose is missing, none is told of what is not there, and each is a sentence."""
    connection = migrated(concern)
    names = {*tables(connection), *views(connection), *text_indexes(connection)}
    connection.close()

    assert names == set(PURPOSES[concern])
    assert all(re.fullmatch(r"[^|\n]+\.", purpose) for purpose in PURPOSES[concern].values())


@pytest.mark.parametrize("concern", CONCERNS)
def test_a_diagram_draws_every_table_and_link_and_nothing_else(concern: str) -> None:
    """Each line is one that mermaid reads: a table, a column with its type and keys, or a link."""
    connection = migrated(concern)
    lines = diagram(connection).splitlines()
    drawn = [line for line in lines if "--" in line]
    expected = [link for table in tables(connection) for link in links(connection, table)]
    names = tables(connection)
    connection.close()

    assert "erDiagram" == lines[0]
    assert names == [line.split()[0].strip('"') for line in lines if line.endswith("{")]
    assert len(expected) == len(drawn)
    column = r"        (INTEGER|TEXT|REAL|BLOB) \w+( (PK|FK|UK)(, (PK|FK|UK))*)?"
    link = r"    \w+ (\|\||\|o)--(o\{|o\|) \w+ : \"\w+(, \w+)*\""
    assert all(re.fullmatch(rf"    \"?\w+\"? \{{|    \}}|{column}|{link}", line) for line in lines[1:])
