"""The whole program as click sees it: its verbs, in the order of a first day's work, and its help."""

from __future__ import annotations

import contextlib
import importlib
from typing import Final

import click

from multidb.cli.invocation import Invocation
from multidb.cli.verb import Verbs, refuse_none
from multidb.version import VERSION

VERBS: Final = {
    # name: (module, what the list of verbs says)
    "up": ("migrating", "Make and migrate every database: the main job."),
    "status": ("overview", "State, schema version and size of each."),
    "query": ("querying", "Run one SQL statement on one database."),
    "shell": ("shell", "Type SQL at one database, or pipe it in."),
    "config": ("overview", "The settings in force, and where each comes from."),
    "stats": ("overview", "Pages, write-ahead log, caches of each."),
    "vacuum": ("upkeep", "Rebuild files without their free pages."),
    "optimize": ("upkeep", "Bring SQLite's statistics up to date."),
    "checkpoint": ("upkeep", "Empty write-ahead logs into their files."),
    "migrate": ("migrating", "Where migrations stand, what would run; run them."),
}
"""A verb's module is imported when the verb is used: `multidb --help` does not wait for the library."""

EXIT_STATUSES: Final = {
    0: "done; status: it could report",
    1: "an error without a number of its own",
    2: "usage",
    3: "partly done: some databases failed, the others are done",
    10: "no such concern or version; settings wrong",
    11: "busy, locked or timed out: trying again helps",
    12: "migrations pending (status --check)",
    13: "a migration failed, was edited, or is missing",
    20: "corruption",
    21: "disk full, permission, I/O",
    30: "refused by a safety guard",
    130: "interrupted (Ctrl-C)",
    143: "terminated (SIGTERM)",
}

_EPILOG: Final = "\n".join(
    [
        "\b",
        "Exit status:",
        *(f"  {number:>3}  {meaning}" for number, meaning in EXIT_STATUSES.items()),
        "",
        "\b",
        "Examples:",
        "  multidb --root ~/.myapp/db up",
        "  multidb status --json",
        "  multidb query chat 'SELECT id, title FROM chats' --format csv",
        "",
        "The options above may also stand after the verb. Without --root the databases are in the user's data folder; "
        "`multidb config` tells where.",
    ]
)


class Program(Verbs):
    """The verbs of `VERBS`, each loaded when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        invocation = ctx.find_object(Invocation)
        with contextlib.nullcontext() if invocation is None else invocation.signals.held():
            module = importlib.import_module(f"multidb.cli.{VERBS[cmd_name][0]}")
        verb: click.Command = getattr(module, cmd_name)
        return verb

    def meanings(self) -> list[tuple[str, str]]:
        return [(name, meaning) for name, (_, meaning) in VERBS.items()]


@click.group(cls=Program, is_whole=True, epilog=_EPILOG)
@click.version_option(VERSION, prog_name="multidb", message="%(prog)s %(version)s")
@click.pass_context
def program(context: click.Context) -> None:
    """An application's data in several SQLite files, one for each concern, kept as one set.

    `multidb up` makes and migrates them all. Data goes to stdout, everything else to stderr.
    """
    refuse_none(context)
