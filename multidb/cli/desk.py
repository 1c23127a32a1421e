"""The desk for one verb: the settings in force, only the concerns that it needs, closed in every case."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Sequence

from multidb.cli.invocation import Invocation
from multidb.concerns import Concern, unknown_concern
from multidb.errors import AbsentError, MultidbError
from multidb.manager import MultiDB
from multidb.places import exists, resolved
from multidb.settings import Settings

_PATIENCE_S = 1.0
"""For closing: nobody else in this process has a session, unless a signal tore one from its thread."""


@contextlib.contextmanager
def making(invocation: Invocation, names: Sequence[str] = ()) -> Generator[MultiDB]:
    """Every concern, or those named; root and files are made where they are missing."""
    settings = invocation.settings()
    with _closing(MultiDB(settings, _chosen(settings, names), strict=False, read_only=False)) as dbs:
        yield dbs


@contextlib.contextmanager
def looking(invocation: Invocation, names: Sequence[str] = ()) -> Generator[MultiDB]:
    """Every concern, or those named, for reading; nothing is made anywhere and a missing file is ABSENT."""
    settings = invocation.settings()
    with _closing(MultiDB(settings, _chosen(settings, names), strict=False, read_only=True)) as dbs:
        yield dbs


@contextlib.contextmanager
def working(invocation: Invocation, names: Sequence[str] = (), *, read_only: bool = False) -> Generator[MultiDB]:
    """The concerns whose files stand; AbsentError for a missing one that was named, or where there is none at all."""
    settings = invocation.settings()
    standing = list(_standing(settings, _chosen(settings, names), is_named=bool(names)))
    if not standing:
        raise AbsentError(f"there is no database in {settings.root}", path=str(settings.root), hint=_MAKE_IT)
    with _closing(MultiDB(settings, standing, strict=False, read_only=read_only)) as dbs:
        yield dbs


_MAKE_IT = "`multidb up` makes the databases; --root says where they are"


def _chosen(settings: Settings, names: Sequence[str]) -> tuple[Concern, ...]:
    concerns = {concern.name: concern for concern in settings.concerns()}
    for name in names:
        if name not in concerns:
            raise unknown_concern(name, concerns)
    return tuple(concern for name, concern in concerns.items() if name in names or not names)


def _standing(settings: Settings, concerns: Iterable[Concern], *, is_named: bool) -> Iterable[Concern]:
    for concern in concerns:
        path = resolved(settings.path_of(concern))
        try:
            is_there = exists(path)
        except MultidbError:
            is_there = True  # opening it will say what is wrong with it
        if is_there:
            yield concern
        elif is_named:
            raise AbsentError(
                f"there is no file for {concern.name}",
                concern=concern.name,
                path=str(path),
                hint="its owner has to make it" if concern.is_foreign else _MAKE_IT,
            )


@contextlib.contextmanager
def _closing(dbs: MultiDB) -> Generator[MultiDB]:
    try:
        yield dbs
    except BaseException:
        with contextlib.suppress(Exception):  # what came first is what is told
            dbs.close(_PATIENCE_S)
        raise
    dbs.close(_PATIENCE_S)
