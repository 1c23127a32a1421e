"""Values for a statement's parameters, from `--param name=value`."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn

import click

from multidb.concerns import closest
from multidb.errors import StatementError


class Params(Mapping[str, Any]):
    """Values by name, which remembers those that a statement asked for."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._used: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self._used.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def refuse_unused(self, sql: str) -> None:
        """Raise StatementError for a value that the statement, compiled with these, did not ask for."""
        for name in self._values:
            if name not in self._used:
                raise StatementError(
                    f"the statement has no parameter called {name!r}",
                    sql=sql,
                    hint=closest(name, self._used) or f"it would stand there as :{name}",
                )


def params_of(given: Iterable[str]) -> Params:
    """The values of `name=text` and `name:=JSON`; a usage error for anything else and for a name given twice."""
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        is_json = name.endswith(":")
        name = name.removesuffix(":").lstrip(":@$")
        if not equals or not name:
            _refuse("a value is given as name=text or name:=JSON")
        if name in found:
            _refuse(f"{name!r} is given twice")
        found[name] = _from_json(name, value) if is_json else value
    return Params(found)


def _from_json(name: str, text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=lambda word: _refuse(f"{name}: {word} is no JSON"))
        if isinstance(value, dict) and set(value) == {"$base64"}:
            return base64.b64decode(value["$base64"], validate=True)
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        _refuse(f"{name}: what follows := is no JSON value ({error}); text is given with = alone")
    if isinstance(value, (dict, list)):
        _refuse(f"{name}: an object or a list is no value; pass it as text, with = alone")
    return value


def _refuse(message: str) -> NoReturn:
    raise click.BadParameter(message, param_hint="--param")
