"""What a verb answers with, and what it means for the exit status: the table of cli.md in code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import click

from multidb.cli.signals import Stopped
from multidb.errors import FailedError, MultidbError


@attrs.frozen
class Table:
    """Rows for a person; every cell is text already."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@attrs.frozen(kw_only=True)
class Failure:
    """One entry of `errors`; `path` is for people alone."""

    code: str
    message: str
    concern: str | None = None
    hint: str | None = None
    retryable: bool = False
    exit: int = 1
    path: str | None = None


@attrs.frozen(kw_only=True)
class Answer:
    """What there is to say at the end of a verb.

    `databases` and `fields` go into the JSON document, `table` is for people and `is_talk` where the work, not the
    table, was asked for; `notes` are sentences beside it.
    """

    exit: int = 0
    databases: Mapping[str, Any] = attrs.field(factory=dict)
    failures: tuple[Failure, ...] = ()
    fields: Mapping[str, Any] = attrs.field(factory=dict)
    table: Table | None = None
    is_talk: bool = False
    notes: tuple[str, ...] = ()


def exit_status(failures: Iterable[Failure], *, is_partly_done: bool) -> int:
    """3 where some failed and the others are done, else the first failure's own status, else 0."""
    first = next(iter(failures), None)
    if first is None:
        return 0
    return 3 if is_partly_done else first.exit


def answer_for(error: BaseException) -> Answer:
    """The answer of a verb that could do nothing but fail."""
    failures = failures_of([error])
    return Answer(exit=exit_status(failures, is_partly_done=False), failures=failures)


def failures_of(errors: Iterable[BaseException | None]) -> tuple[Failure, ...]:
    """Every error as an entry of `errors`, groups taken apart; None is no error."""
    return tuple(failure for error in errors if error is not None for failure in _taken_apart(error))


def _taken_apart(error: BaseException) -> Iterable[Failure]:
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _taken_apart(part)
    elif isinstance(error, FailedError) and isinstance(error.__cause__, MultidbError):
        yield from _taken_apart(error.__cause__)  # what is wrong says more than that something is
    elif isinstance(error, MultidbError):
        yield Failure(**error.to_dict(), path=error.path if error.sql is None else None)
    elif isinstance(error, click.UsageError):
        message = error.message if hasattr(error, "possibilities") else error.format_message()
        yield Failure(code="usage", message=message, hint=_usage_hint(error), exit=2)
    elif isinstance(error, KeyboardInterrupt):
        yield Failure(code="interrupted", message="interrupted", retryable=True, exit=130)
    elif isinstance(error, Stopped):
        yield Failure(code="terminated", message="terminated", retryable=True, exit=error.exit_status)
    elif isinstance(error, OSError):
        yield Failure(code="storage", message=str(error), exit=21)
    else:
        what = f"{type(error).__name__}: {error}"
        yield Failure(code="internal", message=what, hint="this is a fault of multidb; please report it")


def is_fault_of_ours(error: BaseException) -> bool:
    """Whether nobody foresaw the error, so that its traceback is worth showing."""
    return any(failure.code == "internal" for failure in _taken_apart(error))


def _usage_hint(error: click.UsageError) -> str | None:
    hint: str | None = getattr(error, "hint", None)
    alike = getattr(error, "possibilities", None)
    if hint is None and alike:
        hint = f"did you mean {alike[0]!r}?"
    if hint is None and error.ctx is not None:
        hint = f"see `{error.ctx.command_path} --help`"
    return hint
