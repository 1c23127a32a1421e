"""JSON schemas of the reports, made from their types; `python -m tests.report_schemas` writes them down.

The schemas in docs/schemas/json are a promise to whoever reads `--json`: a field may be added, none may go or
change its type. The test beside this file holds the pages against the classes and real answers against the pages.
"""

from __future__ import annotations

import collections.abc
import enum
import json
import re
import types
import typing
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from multidb import reports
from multidb.errors import MultidbError

FOLDER = Path(__file__).parent.parent / "docs" / "schemas" / "json"
ERROR = {
    "type": "object",
    "properties": {
        "code": {"type": "string"},
        "concern": {"type": ["string", "null"]},
        "message": {"type": "string"},
        "hint": {"type": ["string", "null"]},
        "retryable": {"type": "boolean"},
        "exit": {"type": "integer"},
    },
    "required": ["code", "concern", "message", "hint", "retryable", "exit"],
}
PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    datetime: {"type": "string", "format": "date-time"},
    type(None): {"type": "null"},
    Any: {},
}


def report_classes() -> list[type[Any]]:
    """Every report that a verb answers with."""
    return [
        value
        for value in vars(reports).values()
        if isinstance(value, type) and issubclass(value, reports.Report) and attrs.has(value)
    ]


def file_name(report: type[Any]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", report.__name__).lower() + ".json"


def schema_of(report: type[Any]) -> dict[str, Any]:
    """The JSON schema of `report.to_dict()`."""
    hints = typing.get_type_hints(report)
    names = [field.name for field in attrs.fields(report)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": report.__name__,
        "description": (report.__doc__ or "").strip().splitlines()[0],
        "type": "object",
        "properties": {name: of_type(hints[name]) for name in names},
        "required": names,
    }


def of_type(hint: Any) -> dict[str, Any]:
    if isinstance(hint, typing.TypeVar):
        return {}
    if hint in PLAIN:
        return dict(PLAIN[hint])
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [of_type(argument) for argument in arguments]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (list, tuple):
        return {"type": "array", "items": of_type(arguments[0])}
    if origin in (dict, collections.abc.Mapping):
        return {"type": "object", "additionalProperties": of_type(arguments[1])}
    if isinstance(hint, type) and issubclass(hint, MultidbError):
        return ERROR
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"enum": [member.value for member in hint]}
    if attrs.has(hint):
        whole = schema_of(hint)
        return {key: whole[key] for key in ("type", "properties", "required")}
    raise TypeError(f"no JSON schema for {hint!r}")


def text_of(report: type[Any]) -> str:
    return json.dumps(schema_of(report), indent=2) + "\n"


def write_down() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for report in report_classes():
        (FOLDER / file_name(report)).write_text(text_of(report), encoding="utf-8")


if __name__ == "__main__":
    write_down()
