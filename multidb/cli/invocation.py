"""The options that every verb has, before or after its name, and what a run carries along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from multidb.cli.out import Out
from multidb.cli.signals import Signals

if TYPE_CHECKING:
    from multidb.cli.document import Document
    from multidb.settings import Settings

LEVELS: Final = ("debug", "info", "warning", "error")
_NO: Final = ("", "0", "false", "no", "off")


class Invocation:
    """One run of the command line: its options so far, its verb, its standard output.

    Not attrs, and its imports late: `multidb --help` has one too.
    """

    def __init__(self, env: Mapping[str, str], signals: Signals) -> None:
        self.env = env
        self.signals = signals
        self.out = Out(signals)
        self.root: str | None = None
        self.config: str | None = None
        self.json = env.get("MULTIDB_JSON", "").lower() not in _NO
        self.quiet = False
        self.no_color = bool(env.get("NO_COLOR"))
        self.log_level: str | None = None
        self.command: str | None = None
        self._document: Document | None = None

    def settings(self) -> Settings:
        """The settings in force; ConfigError where they cannot be meant."""
        from multidb.settings import Settings

        return Settings.load(self.root, file=self.config, env=self.env)

    def document(self) -> Document:
        """The document of this run, the same at every call."""
        from multidb.cli.document import Document

        if self._document is None:
            self._document = Document(self.out, self.signals, self.command)
        return self._document

    def shown_level(self) -> str | None:
        """The level of events that was asked for, None for the default; ConfigError for one that there is not."""
        from multidb.concerns import closest
        from multidb.errors import ConfigError

        level = self.log_level or self.env.get("MULTIDB_LOG_LEVEL", "").lower() or None
        if level is not None and level not in LEVELS:
            raise ConfigError(f"MULTIDB_LOG_LEVEL cannot be {level!r}", hint=closest(level, LEVELS))
        return level


def asks_for_json(arguments: Sequence[str]) -> bool:
    """Whether `--json` stands among arguments that could not be understood as a whole."""
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in ours


def global_options(*, hidden: bool) -> list[click.Option]:
    """The options; verbs accept them too, and leave it to `multidb --help` to list them."""
    return [
        _option("--root", metavar="DIR", hidden=hidden, help="Where the databases are [env: MULTIDB_ROOT]"),
        _option("--config", metavar="FILE", hidden=hidden, help="The settings, TOML [env: MULTIDB_CONFIG]"),
        _flag("--json", hidden=hidden, help="One JSON document on stdout, errors too [env: MULTIDB_JSON]"),
        _flag("--quiet", hidden=hidden, help="Say nothing but data and errors"),
        _flag("--no-color", hidden=hidden, help="No colours [env: NO_COLOR]"),
        _option(
            "--log-level",
            type=click.Choice(LEVELS, case_sensitive=False),
            hidden=hidden,
            help="Events to show on stderr [default: warning; env: MULTIDB_LOG_LEVEL]",
        ),
    ]


def _option(name: str, **words: Any) -> click.Option:
    return click.Option([name], expose_value=False, callback=_noted, **words)


def _flag(name: str, **words: Any) -> click.Option:
    return _option(name, is_flag=True, default=None, **words)


def _noted(context: click.Context, option: click.Parameter, value: Any) -> None:
    if value is None or context.resilient_parsing:
        return
    invocation = context.find_object(Invocation)
    assert invocation is not None and option.name is not None
    setattr(invocation, option.name, value)
