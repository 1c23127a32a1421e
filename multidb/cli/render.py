"""Showing an answer: a JSON document, or a table for people with its errors and notes on stderr.

A terminal gets boxes and colours, drawn by rich, which is imported only then; anything else gets plain
columns that `cut` and `awk` can read.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from types import MappingProxyType
from typing import Any, TextIO

import click

from multidb.cli import formats
from multidb.cli.answer import Answer, Failure, Table
from multidb.cli.formats import Row
from multidb.cli.invocation import Invocation

FORMATS = ("table", "jsonl", "csv")
_SCREENFUL = 1000
"""Rows that one box on a terminal holds; a longer answer is several boxes, so that it can stream."""


def show(answer: Answer, invocation: Invocation) -> None:
    """Print the answer, and flush."""
    if invocation.json:
        invocation.document().finish(answer)
    else:
        if answer.table is not None and not (answer.is_talk and invocation.quiet):
            _show_table(answer.table, invocation)
        invocation.out.flush()
        say_failures(answer.failures, invocation)
        for note in answer.notes:
            talk(invocation, note)
    invocation.out.flush()


def show_rows(
    columns: Sequence[str],
    rows: Iterable[Row],
    form: str,
    invocation: Invocation,
    *,
    is_one_of_many: bool = False,
    fields: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Print rows as they come, as `form`, or in the document: there with `fields` after them, and as an item of a
    list where they are one answer of many.
    """
    if invocation.json:
        document = invocation.document()
        if is_one_of_many:
            document.enter("{")
        document.rows(columns, rows)
        for name, value in fields.items():
            document.field(name, value)
        if is_one_of_many:
            document.leave()
        return
    if form == "table" and invocation.out.is_terminal:
        texts: Iterable[str] = _boxes(columns, rows, invocation)
    else:
        texts = {"table": formats.table, "jsonl": formats.jsonl, "csv": formats.csv}[form](columns, rows)
    for text in texts:
        invocation.out.write(text)


def talk(invocation: Invocation, sentence: str) -> None:
    """Say something beside the data to a person at a terminal; a script that succeeds has an empty stderr."""
    if _is_terminal(sys.stderr) and not invocation.quiet and not invocation.json:
        say(sentence)


def _show_table(table: Table, invocation: Invocation) -> None:
    if invocation.out.is_terminal:
        texts: Iterator[str] = _boxes(table.columns, table.rows, invocation)
    else:
        texts = formats.table(table.columns, table.rows)
    for text in texts:
        invocation.out.write(text)


def _boxes(columns: Sequence[str], rows: Iterable[Row], invocation: Invocation) -> Iterator[str]:
    from rich.box import ROUNDED
    from rich.console import Console
    from rich.table import Table as Box
    from rich.text import Text

    console = Console(color_system=None if invocation.no_color else "auto", highlight=False)
    remaining = iter(rows)
    part = list(islice(remaining, _SCREENFUL))
    while columns:
        box = Box(box=ROUNDED, header_style="bold")
        for name, is_right in zip(columns, formats.numeric(columns, part), strict=True):
            box.add_column(Text(formats.cell(name)), justify="right" if is_right else "left", overflow="fold")
        for row in part:
            box.add_row(*(Text(formats.cell(value), style="dim" if value is None else "") for value in row))
        with console.capture() as captured:
            console.print(box)
        yield captured.get()
        part = list(islice(remaining, _SCREENFUL))
        if not part:
            return


def say_failures(failures: Iterable[Failure], invocation: Invocation) -> None:
    """Print each error to stderr with the database that it is about and what to do next."""
    is_coloured = not invocation.no_color and _is_terminal(sys.stderr)
    for failure in failures:
        where = f" in {failure.concern}" if failure.concern else ""
        label = click.style(f"error{where}:", fg="red", bold=True) if is_coloured else f"error{where}:"
        say(f"{label} {formats.cell(failure.message)}")
        if failure.path and failure.path not in failure.message:
            say(f"  path: {formats.cell(failure.path)}")
        if failure.hint:
            say(f"  hint: {formats.cell(failure.hint)}")


def say(text: str) -> None:
    """Write a line to stderr."""
    with contextlib.suppress(OSError):  # nobody listens: the exit status still tells
        if sys.stderr is not None:
            click.echo(text, err=True)
            sys.stderr.flush()


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def joined(parts: Iterable[object]) -> str:
    """Words for one cell; a dash where there are none."""
    return ", ".join(map(str, parts)) or "-"


def bytes_text(size: int | None) -> str:
    """A size for a person: 1.5 MiB; a dash where there is no file."""
    if size is None:
        return "-"
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def or_dash(value: object) -> str:
    """A value for one cell; a dash for None."""
    return "-" if value is None else str(value)
