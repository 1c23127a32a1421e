"""A verb and a group of verbs, as click sees them."""

from __future__ import annotations

from typing import Any

import click

from multidb.cli.invocation import Invocation, global_options


class NoSuchVerb(click.UsageError):
    """A word that is no verb; the hint offers the closest."""

    hint: str | None = None


class NoVerb(click.UsageError):
    """A group of verbs, and none of them; its help is what is wanted."""


class Verb(click.Command):
    """One verb, which takes the global options too and shows its example at the end of its help."""

    def __init__(self, name: str | None, *, example: str, **options: Any) -> None:
        super().__init__(name, epilog=f"\b\nExample:\n  {example}", **options)
        self.params += global_options(hidden=True)

    def invoke(self, ctx: click.Context) -> Any:
        from multidb.cli.logs import shown

        invocation = ctx.find_object(Invocation)
        assert invocation is not None
        with shown(invocation.shown_level()):
            return super().invoke(ctx)


class Verbs(click.Group):
    """Verbs in the order in which they were added."""

    def __init__(self, name: str | None = None, *, is_whole: bool = False, **options: Any) -> None:
        super().__init__(
            name,
            invoke_without_command=True,
            no_args_is_help=False,
            subcommand_metavar="VERB [ARGS]...",
            **options,
        )
        self.params += global_options(hidden=not is_whole)

    def meanings(self) -> list[tuple[str, str]]:
        """Each verb and a few words on what it does."""
        return [(name, verb.get_short_help_str(limit=100)) for name, verb in self.commands.items()]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(self.meanings())

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        invocation = ctx.find_object(Invocation)
        if invocation is not None:
            invocation.command = name if invocation.command is None else f"{invocation.command} {name}"
        if name not in self.list_commands(ctx):
            raise _no_such_verb(name, self.list_commands(ctx), ctx)
        return super().resolve_command(ctx, args)


def _no_such_verb(name: str, known: list[str], context: click.Context) -> NoSuchVerb:
    from multidb.concerns import closest

    error = NoSuchVerb(f"there is no verb {name!r}", ctx=context)
    error.hint = closest(name, known)
    return error


def refuse_none(context: click.Context) -> None:
    """The body of a group: raises NoVerb where it was called without one."""
    if context.invoked_subcommand is None:
        raise NoVerb("which verb?", ctx=context)
