"""Cutting SQL text into statements: nothing is lost, and each cut is where SQLite itself would cut."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multidb.engine.tokens import UnclosedError, normal_form, split

WORDS = (
    "CREATE", "TEMP", "TEMPORARY", "TRIGGER", "BEGIN", "END", "CASE", "SELECT", "x", "é", "$1", "(", ")", "=", "-", "/",
    ";", ";", ";", " ", "\n", "\t", "--c\n", "-- x;y\n", "/*c*/", "/*;*/", "/* ' */", "'", '"', "`", "[", "]", "*",
    "'a;b'", "''", '"a;""b"', "[a;b]", "`a;b`", "TRIGGERx", "END$", "\n-- Down\n", "-- no line end",
)  # fmt: skip
SOUP = st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)

STATEMENTS = st.lists(
    st.sampled_from(
        (
            "CREATE TABLE IF NOT EXISTS a (x TEXT DEFAULT 'a;b', \"y;z\" INTEGER)",
            "CREATE TABLE IF NOT EXISTS [b;c] (x, -- a comment; with\n y)",
            "INSERT INTO a (x) VALUES ('it''s; ok'), ('--'), ('/*')",
            "INSERT INTO a (x) VALUES ('x') RETURNING rowid",
            "SELECT * FROM a",
            "UPDATE a SET x = x || ';' WHERE x <> ''",
            "CREATE INDEX IF NOT EXISTS a_x ON a (x)",
            """CREATE TRIGGER IF NOT EXISTS a_t AFTER INSERT ON a BEGIN
                 UPDATE a SET x = CASE WHEN x = ';' THEN 'END;' ELSE x END WHERE rowid = new.rowid;
                 DELETE FROM a WHERE x = 'BEGIN';
               END""",
            "CREATE /* a */ TRIGGER -- b\n IF NOT EXISTS a_u AFTER UPDATE ON a BEGIN SELECT 1; END",
            "DELETE FROM a WHERE rowid > 3",
        )
    ),
    max_size=8,
)


def pieces(text: str) -> list[str]:
    return [text[piece.begin : piece.end] for piece in split(text)]


def by_sqlite(text: str) -> Iterator[str]:
    """What ends where `sqlite3_complete` sees the end of a statement, asked at every semicolon."""
    begin = 0
    for at, character in enumerate(text):
        if character == ";" and apsw.complete(text[begin : at + 1]):
            yield text[begin : at + 1]
            begin = at + 1


@given(SOUP)
def test_the_pieces_are_the_text(text: str) -> None:
    """Cutting loses nothing and adds nothing: side by side the pieces are the input."""
    with contextlib.suppress(UnclosedError):
        assert text == "".join(pieces(text))


@given(SOUP)
def test_every_cut_is_sqlites_own(text: str) -> None:
    """A piece ends exactly where `sqlite3_complete` says so."""
    try:
        found = [text[piece.begin : piece.end] for piece in split(text) if piece.is_ended]
    except UnclosedError:
        return

    assert list(by_sqlite(text)) == found


@given(STATEMENTS)
def test_one_by_one_is_the_same_as_at_once(statements: list[str]) -> None:
    """Running the pieces one after the other makes the database that running the whole text makes."""
    text = ";\n".join(["CREATE TABLE a (x TEXT, y)", *statements])
    images = []
    for parts in ([text], pieces(text)):
        with contextlib.closing(apsw.Connection(":memory:")) as connection:
            connection.execute("PRAGMA page_size = 1024")
            for part in parts:
                for _ in connection.execute(part):
                    pass
            images.append(connection.serialize("main"))

    assert images[0] == images[1]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT CASE WHEN 1 THEN 2 END; SELECT 3; END;",
        "CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;",
        "create /* c */ temporary -- d\n trigger t AFTER INSERT ON a BEGIN SELECT 1; /* END; */ end;",
        "EXPLAIN QUERY PLAN CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;",
        "\ufeffCREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END;",
        "SELECT [a;b], `c;d`, \"e;f\", 'g;h';",
        "SELECT 1 /* ; */ -- ;\n;",
    ],
)
def test_a_semicolon_inside_ends_nothing(statement: str) -> None:
    """Bodies of triggers, quoted names, literals and comments are parts of one statement."""
    assert [statement, "\nSELECT 2;"] == pieces(f"{statement}\nSELECT 2;")


@pytest.mark.parametrize(
    "statement", ["SELECT 2 -- c", "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END -- c\n", "SELECT ';'"]
)
def test_the_last_statement_may_lack_its_semicolon(statement: str) -> None:
    """The text's end is an end, too."""
    assert ["SELECT 1;", statement] == pieces(f"SELECT 1;{statement}")


@pytest.mark.parametrize(
    ("text", "what", "at"),
    [
        ("SELECT 1; SELECT 'a;\nSELECT 2;", "'", 17),
        ('SELECT "a', '"', 7),
        ("SELECT [a", "[", 7),
        ("SELECT `a", "`", 7),
        ("SELECT 1; /* a; SELECT 2;", "comment", 10),
        ("SELECT 1 /* a; SELECT 2;", "comment", 9),
        ("SELECT 1;\nCREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1;\nSELECT 2;", "trigger", 10),
    ],
)
def test_what_never_ends_is_told_where_it_begins(text: str, what: str, at: int) -> None:
    """The place of the opening quote, comment or trigger, not that of the text's end."""
    with pytest.raises(UnclosedError) as caught:
        split(text)

    assert (what, at) == (caught.value.what, caught.value.at)


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO a VALUES ('" + ";" * 50_000 + "x" * 50_000 + "');",
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n" + "UPDATE a SET x = x + 1;\n" * 45_000 + "END;",
        "SELECT '" + "''" * 500_000 + "';",
        "SELECT 1 " + "-- ;\n" * 100_000 + ";",
    ],
    ids=["a literal of semicolons", "a trigger of 1 MB", "doubled quotes", "comments"],
)
def test_one_long_statement_is_read_once(text: str) -> None:
    """Asking SQLite at each semicolon would read these over and over: hours, not milliseconds."""
    assert [text] == pieces(text)


@given(STATEMENTS, st.lists(st.sampled_from((" ", "\n", "\t", "-- c\n", "/* c; */")), min_size=1, max_size=4))
def test_the_normal_form_passes_over_space_and_comments(statements: list[str], space: list[str]) -> None:
    """More of either between two tokens changes nothing."""
    text = ";\n".join(statements)
    spaced = "".join(space).join([";".join([*space[:1], one, *space[:1]]) for one in statements])

    assert normal_form(text) == normal_form(text.replace(" (", f" {''.join(space)}(").replace(";\n", f"{space[0]};\n"))
    assert normal_form(spaced) == normal_form(spaced + "".join(space))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("SELECT x'ab';", "SELECT x 'ab';"),
        ("SELECT 'a b';", "SELECT 'a  b';"),
        ("SELECT 'it''s';", "SELECT 'it' 's';"),
        ("SELECT a b;", "SELECT ab;"),
        ("SELECT 'x' -- y\n;", "SELECT 'x -- y'\n;"),
        ("SELECT a\u00a0b;", "SELECT a b;"),
    ],
)
def test_the_normal_form_keeps_what_sqlite_reads(left: str, right: str) -> None:
    """Two texts that mean two things stay apart."""
    assert normal_form(left) != normal_form(right)
