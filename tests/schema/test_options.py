"""The options of a marker: every one is known, has a known value, and stands where it means something."""

from __future__ import annotations

import pytest

from multidb.errors import MigrationFileError
from multidb.schema.options import Options
from tests.schema.notes import script


def options(text: str, direction: str = "Up") -> Options:
    found = script(f"-- Up{text}\nSELECT 1;" if direction == "Up" else f"-- Up\nSELECT 1;\n-- Down{text}\nSELECT 2;")
    section = found.up if direction == "Up" else found.down
    assert section is not None
    return section.options


@pytest.mark.parametrize("direction", ["Up", "Down"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Options()),
        (" transaction:false", Options(transaction=False)),
        (" transaction:true", Options()),
        (" foreign_keys:immediate", Options(foreign_keys="immediate")),
        (": foreign_keys:unchecked legacy_alter:on", Options(foreign_keys="unchecked", legacy_alter=True)),
        (" legacy_alter:off FOREIGN_KEYS:deferred", Options()),
        (" allow:lost-objects,row-loss", Options(allow=frozenset({"lost-objects", "row-loss"}))),
        ("\tallow:row-loss  ", Options(allow=frozenset({"row-loss"}))),
    ],
)
def test_options_are_read(direction: str, text: str, expected: Options) -> None:
    """The same on both markers."""
    assert expected == options(text, direction)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (" transation:false", "-- Up has no option 'transation'", "did you mean 'transaction'?"),
        (" transaction:no", "transaction cannot be 'no'", "one of true, false"),
        (" transaction:False", "transaction cannot be 'False'", "one of true, false"),
        (" foreign_keys:off", "foreign_keys cannot be 'off'", "one of deferred, immediate, unchecked"),
        (" allow:rowloss", "allow cannot be 'rowloss'", "one of lost-objects, row-loss"),
        (" allow:row-loss,", "allow cannot be ''", "one of lost-objects, row-loss"),
        (" transaction:true transaction:false", "the option transaction is given twice", None),
        (" noop:true", "-- Up has no option 'noop'", None),
        (" transaction:false foreign_keys:unchecked", "foreign_keys needs a transaction", None),
        (" transaction:false allow:row-loss", "allow needs a transaction", None),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(text: str, message: str, hint: str | None) -> None:
    """A misspelt `transaction:false` must not run in a transaction by surprise."""
    with pytest.raises(MigrationFileError) as caught:
        options(text)

    assert caught.value.message.endswith(f":1:1: {message}")
    assert hint is None or hint == caught.value.hint


def test_a_down_that_does_nothing_on_purpose_says_so() -> None:
    """noop:true makes an empty Down a way back; with a statement it is a contradiction."""
    found = script("-- Up\nSELECT 1;\n-- Down noop:true\n-- nothing to take back\n")

    assert found.is_reversible
    assert found.down is not None
    assert () == found.down.steps
    with pytest.raises(MigrationFileError, match="a Down with noop:true holds a statement"):
        script("-- Up\nSELECT 1;\n-- Down noop:true\nSELECT 2;\n")
