"""--param: values by name, as text or as JSON, and nothing that is not used."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from multidb import StatementError
from multidb.cli.params import params_of


@pytest.mark.parametrize(
    ("given_as", "name", "value"),
    [
        ("t=Hello", "t", "Hello"),
        ("t=", "t", ""),
        ("t=a=b", "t", "a=b"),
        ("t=5", "t", "5"),
        (":t=x", "t", "x"),
        ("n:=5", "n", 5),
        ("n:=-1.5", "n", -1.5),
        ("n:=null", "n", None),
        ("n:=true", "n", True),
        ('n:="5"', "n", "5"),
        ('b:={"$base64": "AP8="}', "b", b"\x00\xff"),
    ],
)
def test_values(given_as: str, name: str, value: object) -> None:
    """name=text, name:=JSON."""
    assert {name: value} == dict(params_of([given_as]))


@pytest.mark.parametrize(
    "given_as",
    [
        "secret",
        "=x",
        ":=5",
        "",
        "n:=",
        "n:=nope",
        "n:=NaN",
        "n:=Infinity",
        "n:=[1]",
        "n:={}",
        'n:={"$base64": "?"}',
        'n:={"$base64": 1}',
    ],
)
def test_what_is_no_value(given_as: str) -> None:
    """A usage error that does not repeat what was typed: it may have been a secret."""
    with pytest.raises(click.BadParameter) as refused:
        params_of([given_as])

    assert not given_as or given_as not in refused.value.message


def test_a_name_twice_is_a_mistake() -> None:
    """The second would hide the first."""
    with pytest.raises(click.BadParameter, match="'t' is given twice"):
        params_of(["t=1", "t:=2"])


@given(st.dictionaries(st.from_regex(r"[a-z]\w*", fullmatch=True), st.text(), max_size=4))
def test_any_text_is_taken_as_it_is(values: dict[str, str]) -> None:
    """Nothing in a value is special."""
    assert values == dict(params_of(f"{name}={text}" for name, text in values.items()))


def test_a_value_that_nobody_asked_for_is_refused_with_the_closest_name() -> None:
    """A misspelt name must not go unnoticed."""
    params = params_of(["title=x", "tilte=y"])
    assert "x" == params["title"]

    with pytest.raises(StatementError, match="no parameter called 'tilte'") as refused:
        params.refuse_unused("SELECT :title")

    assert "did you mean 'title'?" == refused.value.hint
