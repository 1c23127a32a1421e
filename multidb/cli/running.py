"""One run of the program: parse, do, show, and whatever happens say so in one way.

Imports inside functions keep the library out of `multidb --help`, which is to come at once.
"""

from __future__ import annotations

import os

import click

from multidb.cli.invocation import Invocation, asks_for_json
from multidb.cli.program import program
from multidb.cli.signals import Signals, Stopped
from multidb.cli.verb import NoVerb

_PIPE_EXIT = 141
"""What a shell reports of a program whose reader has gone (128 + SIGPIPE)."""

_LAST_WORDS_S = 1.0
"""How long whoever reads our stdout may take to hear that we were asked to end."""


def run(arguments: list[str], signals: Signals) -> int:
    """Run the program with these arguments; the exit status."""
    invocation = Invocation(os.environ, signals)
    try:
        return _answered(arguments, invocation)
    except BrokenPipeError:
        invocation.out.give_up()
        return _PIPE_EXIT
    except (KeyboardInterrupt, Stopped, OSError) as error:  # while the answer was shown
        invocation.out.give_up()
        return _last_words(error, invocation)


def _answered(arguments: list[str], invocation: Invocation) -> int:
    try:
        invocation.signals.listen()
        with program.make_context("multidb", arguments.copy(), obj=invocation) as context:
            answer = program.invoke(context)
    except click.exceptions.Exit as ending:  # --help and --version have printed what there is to print
        return ending.exit_code
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt, Stopped) as error:
        invocation.json = invocation.json or asks_for_json(arguments)  # options may not have been looked at so far
        return _show_failure(error, invocation)
    from multidb.cli.render import show

    show(answer, invocation)
    status: int = answer.exit
    return status


def _show_failure(error: BaseException, invocation: Invocation) -> int:
    with invocation.signals.held():
        from multidb.cli.answer import answer_for, is_fault_of_ours
        from multidb.cli.render import say, show

    if isinstance(error, (KeyboardInterrupt, Stopped)):
        invocation.out.patience = _LAST_WORDS_S
    elif isinstance(error, NoVerb) and error.ctx is not None and not invocation.json:
        say(error.ctx.get_help())
    elif is_fault_of_ours(error):
        import traceback

        traceback.print_exception(error)
    answer = answer_for(error)
    show(answer, invocation)
    return answer.exit


def _last_words(error: BaseException, invocation: Invocation) -> int:
    from multidb.cli.answer import answer_for
    from multidb.cli.render import say_failures

    answer = answer_for(error)
    if isinstance(error, OSError):
        say_failures(answer.failures, invocation)
    return answer.exit
