"""The JSON of every report is a documented promise."""

from __future__ import annotations

import json
from typing import Any

import pytest

from multidb import MultiDB
from tests.report_schemas import FOLDER, file_name, report_classes, text_of

KINDS: dict[str, Any] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
    "array": list,
    "object": dict,
}


def misfits(value: Any, schema: dict[str, Any], where: str = "$") -> list[str]:
    """Where `value` is not what `schema` promises."""
    if "anyOf" in schema:
        fits = any(not misfits(value, option) for option in schema["anyOf"])
        return [] if fits else [f"{where}: {value!r} is none of the kinds allowed"]
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{where}: {value!r} is not listed"]
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    is_kind = any(
        isinstance(value, KINDS[kind]) and not (isinstance(value, bool) and kind in ("integer", "number"))
        for kind in kinds
    )
    if kinds and not is_kind:
        return [f"{where}: {value!r} is no {' or '.join(kinds)}"]
    found: list[str] = []
    if isinstance(value, dict):
        found += [f"{where}: {name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, item in value.items():
            part = schema.get("properties", {}).get(name, schema.get("additionalProperties", {}))
            found += misfits(item, part, f"{where}.{name}")
    if isinstance(value, list):
        for place, item in enumerate(value):
            found += misfits(item, schema.get("items", {}), f"{where}[{place}]")
    return found


@pytest.mark.parametrize("report", report_classes(), ids=file_name)
def test_each_report_has_its_page(report: type[Any]) -> None:
    """docs/schemas/json is what `python -m tests.report_schemas` writes."""
    page = FOLDER / file_name(report)

    assert page.read_text(encoding="utf-8") == text_of(report)


def test_there_is_no_page_without_a_report() -> None:
    """A page that describes nothing would promise something that is not answered."""
    assert {file_name(report) for report in report_classes()} == {page.name for page in FOLDER.iterdir()}


def test_real_answers_are_what_the_pages_promise(dbs: MultiDB) -> None:
    """Status, statistics, migrations and sessions answer in the promised types."""
    with dbs["chat"].write() as w:
        result = w.execute("INSERT INTO chats(id, title) VALUES ('c1', 'Hello') RETURNING pk")
        inserted = w.insert_many("chats", [{"id": "c2", "title": "There"}])
    page = dbs["chat"].page("SELECT id, title FROM chats", key=[("id", "asc")], limit=1)
    answers = [
        dbs.status(),
        dbs.stats(),
        dbs.migrate(),
        dbs.open_report,
        result,
        inserted,
        page,
        dbs["chat"].explain("SELECT * FROM chats"),
        dbs["chat"].checkpoint(),
    ]

    for answer in answers:
        schema = json.loads((FOLDER / file_name(type(answer))).read_text(encoding="utf-8"))
        said = json.loads(json.dumps(answer.to_dict()))

        assert [] == misfits(said, schema)


def test_the_check_of_answers_can_fail(dbs: MultiDB) -> None:
    """A missing field and a wrong type are both seen."""
    schema = json.loads((FOLDER / "status_report.json").read_text(encoding="utf-8"))
    said = dbs.status().to_dict()
    del said["databases"]["chat"]["state"]
    said["databases"]["code"]["pending"] = "none"

    assert 2 == len(misfits(said, schema))
